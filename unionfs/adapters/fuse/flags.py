"""open(2)'s flags as the union takes them."""

from __future__ import annotations

import os
from functools import cache

from unionfs.types import Access

_ACCESS = {
    os.O_RDONLY: Access.READ,
    os.O_WRONLY: Access.WRITE,
    os.O_RDWR: Access.READ | Access.WRITE,
    os.O_ACCMODE: Access.READ,  # open(2): for ioctl(2) alone; the kernel lets nobody read or write
}


@cache
def access_of(flags: int) -> Access:
    """What a file opened with `flags` is opened for."""
    access = _ACCESS[flags & os.O_ACCMODE]
    if flags & os.O_APPEND:
        access |= Access.APPEND
    if flags & os.O_TRUNC:
        access |= Access.TRUNCATE
    return access
