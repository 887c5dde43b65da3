"""Attributes of files as Python gives them -> as the project keeps them."""

from __future__ import annotations

import os

from unionfs.types import Stat, StatFs


def stat_of(st: os.stat_result) -> Stat:
    return Stat(
        st.st_mode,
        st.st_ino,
        st.st_dev,
        st.st_nlink,
        st.st_uid,
        st.st_gid,
        st.st_rdev,
        st.st_size,
        st.st_blocks,
        st.st_atime_ns,
        st.st_mtime_ns,
        st.st_ctime_ns,
    )


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
