"""open(2)'s flags as the union takes them."""

from __future__ import annotations

import os

from unionfs.types import Access

_ACCESS = {
    os.O_RDONLY: Access.READ,
    os.O_WRONLY: Access.WRITE,
    os.O_RDWR: Access.READ | Access.WRITE,
    os.O_ACCMODE: Access(0),  # open(2): a descriptor that is good for ioctl(2) alone
}


def access_of(flags: int) -> Access:
    """What a file opened with `flags` is opened for."""
    access = _ACCESS[flags & os.O_ACCMODE]
    if flags & os.O_APPEND:
        access |= Access.APPEND
    if flags & os.O_TRUNC:
        access |= Access.TRUNCATE
    return access
