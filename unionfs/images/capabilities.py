"""File capabilities (linux/capability.h, struct vfs_ns_cap_data): from the third form to the second.

The third has the user id that is root of the namespace it was set in, which means nothing
on another host. Layers hold the second (containers/storage does the same).
"""

from __future__ import annotations

XATTR = b"security.capability"

_REVISION_MASK = 0xFF000000
_REVISION_1 = 0x01000000
_REVISION_2 = 0x02000000
_REVISION_3 = 0x03000000
_SIZE_1 = 12
_SIZE_2 = 20
_SIZE_3 = 24
_SIZES = {_REVISION_1: _SIZE_1, _REVISION_2: _SIZE_2, _REVISION_3: _SIZE_3}


def is_sound(value: bytes) -> bool:
    """Whether it is a capability of any form; the kernel takes less, but then cannot read it."""
    return len(value) == _SIZES.get(int.from_bytes(value[:4], "little") & _REVISION_MASK)


def portable(value: bytes) -> bytes:
    """The value without a namespace; what is no capability of the third form stays as it is."""
    magic = int.from_bytes(value[:4], "little")
    if len(value) != _SIZE_3 or magic & _REVISION_MASK != _REVISION_3:
        return value
    magic = magic & ~_REVISION_MASK | _REVISION_2
    return magic.to_bytes(4, "little") + value[4:_SIZE_2]
