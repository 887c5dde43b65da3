"""Attributes of files as Python gives them -> as the project keeps them."""

from __future__ import annotations

import os
from operator import attrgetter

from unionfs.types import Stat, StatFs

_fields = attrgetter(
    *("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blocks"),
    *("st_atime_ns", "st_mtime_ns", "st_ctime_ns"),
)
"""In the order of `Stat`: one call instead of twelve, for what is done to every file of a tree."""


def stat_of(st: os.stat_result) -> Stat:
    return Stat._make(_fields(st))


def statfs_of(st: os.statvfs_result) -> StatFs:
    return StatFs(
        st.f_bsize,
        st.f_frsize,
        st.f_blocks,
        st.f_bfree,
        st.f_bavail,
        st.f_files,
        st.f_ffree,
        st.f_favail,
        st.f_namemax,
    )
