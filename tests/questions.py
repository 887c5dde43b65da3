"""What any store can be asked, to hold its answers against those of another one."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from unionfs.core.store import Store

Question = Callable[[Store, bytes], object]

QUESTIONS: dict[str, Question] = {
    "scan": lambda store, path: sorted(store.scan(path)),
    "readlink": lambda store, path: store.readlink(path),
    "listxattr": lambda store, path: sorted(store.listxattr(path)),
    "missing xattr": lambda store, path: store.getxattr(path, b"user.none"),
    "open": lambda store, path: store.open(path).pread(99, 1),
}


def outcome(call: Callable[[], object]) -> object:
    """What a call gives: its value, or its errno and the path that it names."""
    try:
        return call()
    except OSError as failure:
        return errno.errorcode[failure.errno or 0], failure.filename


def assert_alike(question: Question, one: Store, other: Store, paths: Iterable[bytes]) -> None:
    for path in paths:
        expected = outcome(lambda: question(one, path))  # noqa: B023
        assert outcome(lambda: question(other, path)) == expected, path  # noqa: B023
