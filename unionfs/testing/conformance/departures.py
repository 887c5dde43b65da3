"""Where file systems are known to depart from what is checked: each once, with its reason."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping

_COPY_UP_IS_DATED = "copying a file up copies its directory up, which dates the directory's change"
_OWN_LINKS = "a lower file or directory that is removed while open keeps its link count"

_OVERLAY = {
    **{
        f"times.{check}*@{where}": _COPY_UP_IS_DATED
        for check in (
            *("linking", "chmod", "chown", "xattrs", "truncate", "ftruncate", "opening_with_truncation"),
            *("writing", "allocating", "setting_changes_ctime"),
        )
        for where in ("lower", "merged")
    },
    "times.opening_changes_nothing@copied": (
        "opening for writing a file that was copied up with its metadata alone copies the data and dates it"
    ),
    **{
        f"times.opening_changes_nothing@{where}": "opening for writing copies up, which dates the change"
        for where in ("lower", "merged")
    },
    "directories.a_removed_directory_that_is_open@*": _OWN_LINKS,
    "directories.a_replaced_directory_that_is_open@*": _OWN_LINKS,
    "open_files.has_no_links_when_unlinked@*": _OWN_LINKS,
    "open_files.what_is_no_regular_file_outlives_its_name?*": _OWN_LINKS,
    "directories.links_of_directories_stay_when_something_else_comes@lower": (
        "the link count of a directory becomes 1 when it is copied up"
    ),
    "layers.hard_links_in_layers@layers": "link counts include names that the upper layers hide",
    "data.mapped_to_read_sees_what_is_written_later@*": "a mapping made before the copy-up stays stale",
}

_NO_FLAGS = "libfuse 2 knows no flags of renameat2(2)"
_NO_FALLOCATE = "fusepy knows no fallocate(2)"
_NO_HOLES = "libfuse 2 knows no SEEK_DATA and SEEK_HOLE"
_BY_NAME = "the kernel takes two names of a file for two files"
_GONE = "libfuse 2 knows files by path: what lies in a removed directory has none"
_UNTOLD = "libfuse 2 knows files by path: what it has not opened itself is gone with its name"
_SAME_OWNER = "libfuse 2 does not pass on chown(2) that changes neither owner nor group"
_GROUP_BIT = "setgid without group execution stays, whoever writes: the kernel is asked to see to it itself"

_FUSEPY = {
    "renaming.exchange?*": _NO_FLAGS,
    "renaming.noreplace?*": _NO_FLAGS,
    "renaming.two_directories_change_places@*": _NO_FLAGS,
    "times.exchanging@*": _NO_FLAGS,
    "times.making_a_name?rename_noreplace_to?*": _NO_FLAGS,
    "errors.a_new_name_of_255_bytes?rename_noreplace_to?*": _NO_FLAGS,
    "layers.renamed_for_good@*": _NO_FLAGS,
    "open_files.goes_on_being_readable_and_writable?exchange?*": _NO_FLAGS,
    "data.allocated?*": _NO_FALLOCATE,
    "data.allocations_that_cannot_be@*": _NO_FALLOCATE,
    "identity.*?fallocate?*": _NO_FALLOCATE,
    "times.allocating@*": _NO_FALLOCATE,
    "limits.statfs_goes_down_with_what_is_written": _NO_FALLOCATE,
    "data.seeking_data_and_holes?*": _NO_HOLES,
    "data.beyond_four_gigabytes@*": _NO_HOLES,
    "permissions.every_way_of_writing_takes_set_id_bits?allocate?*": _NO_FALLOCATE,
    "permissions.every_way_of_writing_takes_set_id_bits?punch?*": _NO_FALLOCATE,
    "directories.a_removed_directory_that_*": _GONE,
    "directories.a_replaced_directory_that_*": _GONE,
    "open_files.what_is_no_regular_file_outlives_its_name?*": _UNTOLD,
    "open_files.goes_on_being_readable_and_writable?remove_with_its_directory?*": _GONE,
    "locks.a_lock_stays_when_the_file_changes?other-name?*": _BY_NAME,
    "locks.closing_any_handle_gives_posix_locks_back@*": _BY_NAME,
    "locks.flock_keeps_others_out@*": _BY_NAME,
    "times.chown?*": _SAME_OWNER,
    "permissions.writing_takes_set_id_bits?*,2767?*": _GROUP_BIT,
    "permissions.writing_takes_set_id_bits?*,6666?*": _GROUP_BIT,
    "times.a_birth_time": "libfuse 2 knows no statx(2)",
}

_KNOWN: Mapping[str, Mapping[str, str]] = {
    "overlay": _OVERLAY,
    "fusepy": _FUSEPY,
}
"""By name (for a mount, its type): patterns of checks that may fail there, and why."""

NAMES = tuple(_KNOWN)


def of(name: str) -> Callable[[str], str | None]:
    """The reason why a check may fail on a file system; None where it has to pass."""
    known = _KNOWN.get(name, {})

    def reason(check: str) -> str | None:
        return next((why for pattern, why in known.items() if fnmatch.fnmatchcase(check, pattern)), None)

    return reason
