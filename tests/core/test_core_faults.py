"""Every change refused at its every step, and the daemon killed at its every step.

After a refusal the union and a new one over the same stores show the tree from before
or from after, the work directory is clean, the lower layers are untouched, and the same
change can be made again. After a kill the same holds of the new union.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import pytest
from spies import Faults, Kill, Killed
from stands import AUFS, DIALECTS, LONG_AGO, OVERLAY, Row, Stand, Symlink, View, age, errno_of, lower_raw

from unionfs.core.dialect import Dialect
from unionfs.core.layer import Layer
from unionfs.layers.memory import MemoryStore
from unionfs.types import Access, Kind, RenameFlags

Tree = dict[bytes, Row]

DATA = b"0123456789"


@cache
def lowers() -> list[Layer]:
    """The same for all tests: nothing may change them."""
    top = MemoryStore.of(
        {
            "d/f": DATA,
            "d/sub/deep": b"deep",
            "set-id": DATA,
            "h1": b"linked",
            "e/x": b"x",
            "goes": b"goes",
            "link": Symlink("d/f"),
            "empty": None,
            "meta": DATA,
            "k1": b"known",
            "em/a": b"a",
            "renamed/in": b"in",
            "over": b"over",
        }
    )
    for name in (b"h2", b"d/h3"):
        top.link(b"h1", top, name)
    for name in (b"k2", b"k3"):
        top.link(b"k1", top, name)
    top.mknod(b"fifo", 0o010640, 0)
    top.chown(b"set-id", 5, 6)
    top.chmod(b"set-id", 0o6755)
    top.setxattr(b"d/f", b"user.color", b"red")
    bottom = MemoryStore.of({"d/g": b"g", "d/f": b"hidden", "goes": None, "em/b": b"b", "e/y": b"y"})
    for store in (top, bottom):
        age(store)
    return [Layer(top, OVERLAY), Layer(bottom, AUFS)]


@cache
def untouched() -> list[dict[bytes, object]]:
    return lower_raw(lowers())


def representative(dialect: Dialect) -> Stand:
    """A union with something of every kind in every state."""
    stand = Stand(lowers(), dialect)
    view = stand.view()
    view.make(b"u", b"upper")
    view.link(b"u", b"u2")
    view.mkdir(b"ud")
    view.make(b"ud/f", b"in ud")
    view.unlink(b"goes")
    view.unlink(b"em/a")
    view.unlink(b"em/b")
    view.set(b"meta", mode=0o600)
    view.set(b"k1", mode=0o600)
    view.mkdir(b"hollow")
    view.rename(b"over", b"ud/moved")
    for path in (b"em", b"meta", b"k1", b"hollow", b"ud/moved", b"", b"u", b"ud/f"):
        view.set(path, atime_ns=LONG_AGO, mtime_ns=LONG_AGO)
    view.union.close()
    return stand


def write(path: bytes, offset: int = 3) -> Callable[[View], object]:
    return lambda view: view.write(path, b"NEW", offset)


def truncating(view: View) -> None:
    view.open(b"d/f", Access.WRITE | Access.TRUNCATE).close()


def truncating_meta(view: View) -> None:
    view.open(b"meta", Access.WRITE | Access.TRUNCATE).close()


OPERATIONS: dict[str, Callable[[View], object]] = {
    "create": lambda v: v.make(b"new"),
    "create in a lower directory": lambda v: v.make(b"d/sub/new"),
    "create over a whiteout": lambda v: v.make(b"goes"),
    "create for somebody": lambda v: v.union.create(v.at(b"d"), b"new", 0o2750, (7, 8))[1].close(),
    "mkdir": lambda v: v.mkdir(b"d/new"),
    "mkdir over a whiteout": lambda v: v.mkdir(b"goes"),
    "mkdir for somebody": lambda v: v.union.mkdir(v.at(b""), b"goes", 0o2750, (7, 8)),
    "mknod": lambda v: v.union.mknod(v.at(b"d"), b"new", 0o010644, 0, (7, 8)),
    "symlink": lambda v: v.symlink(b"d/new", b"target"),
    "link a lower file": lambda v: v.link(b"d/f", b"e/new"),
    "link an upper file over a whiteout": lambda v: v.link(b"u", b"goes"),
    "link a linked lower file": lambda v: v.link(b"h1", b"new"),
    "link a linked copy": lambda v: v.link(b"k2", b"new"),
    "unlink a lower file": lambda v: v.unlink(b"d/f"),
    "unlink an upper file": lambda v: v.unlink(b"u"),
    "unlink a copy": lambda v: v.unlink(b"meta"),
    "unlink a linked lower file": lambda v: v.unlink(b"h2"),
    "unlink a linked copy": lambda v: v.unlink(b"k1"),
    "unlink the other name of a linked copy": lambda v: v.unlink(b"k2"),
    "unlink a symbolic link": lambda v: v.unlink(b"link"),
    "rmdir a lower directory": lambda v: v.rmdir(b"empty"),
    "rmdir an upper directory": lambda v: v.rmdir(b"hollow"),
    "rmdir an emptied directory": lambda v: v.rmdir(b"em"),
    "rename a lower file": lambda v: v.rename(b"d/f", b"e/new"),
    "rename an upper file": lambda v: v.rename(b"u", b"d/new"),
    "rename a file over a whiteout": lambda v: v.rename(b"d/f", b"goes"),
    "rename a file over a lower one": lambda v: v.rename(b"u", b"d/f"),
    "rename a file over a copy": lambda v: v.rename(b"d/f", b"meta"),
    "rename a file over a linked lower one": lambda v: v.rename(b"u", b"h1"),
    "rename a file over a linked copy": lambda v: v.rename(b"u", b"k2"),
    "rename a linked lower file": lambda v: v.rename(b"h1", b"d/new"),
    "rename the other name of a linked copy": lambda v: v.rename(b"k2", b"d/new"),
    "rename a lower directory": lambda v: v.rename(b"d", b"e/new"),
    "rename an upper directory": lambda v: v.rename(b"ud", b"d/new"),
    "rename an upper directory over a whiteout": lambda v: v.rename(b"ud", b"goes"),
    "rename a directory over an emptied one": lambda v: v.rename(b"d", b"em"),
    "rename an upper directory over an emptied one": lambda v: v.rename(b"ud", b"em"),
    "rename a directory over a hollow one": lambda v: v.rename(b"d", b"hollow"),
    "rename a directory over a lower one": lambda v: v.rename(b"ud", b"empty"),
    "exchange a file and a directory": lambda v: v.rename(b"d/f", b"e", RenameFlags.EXCHANGE),
    "exchange directories": lambda v: v.rename(b"d", b"ud", RenameFlags.EXCHANGE),
    "exchange names of linked files": lambda v: v.rename(b"h1", b"k2", RenameFlags.EXCHANGE),
    "chmod": lambda v: v.set(b"d/f", mode=0o640),
    "chmod a directory": lambda v: v.set(b"d/sub", mode=0o700),
    "chmod a linked lower file": lambda v: v.set(b"d/h3", mode=0o640),
    "chown": lambda v: v.set(b"set-id", uid=9),
    "utimens": lambda v: v.set(b"link", mtime_ns=5),
    "setxattr": lambda v: v.setxattr(b"d/f", b"user.color", b"blue"),
    "removexattr": lambda v: v.union.removexattr(v.at(b"d/f"), b"user.color"),
    "write to a lower file": write(b"d/f"),
    "write to a linked lower file": write(b"h1"),
    "write to a copy without data": write(b"meta"),
    "write to a linked copy": write(b"k2"),
    "truncate a lower file": lambda v: v.set(b"d/f", size=4),
    "truncate a copy without data": lambda v: v.set(b"meta", size=4),
    "lengthen a lower file": lambda v: v.set(b"d/f", size=40),
    "lengthen a copy without data": lambda v: v.set(b"meta", size=40),
    "open a lower file with O_TRUNC": truncating,
    "open a copy without data with O_TRUNC": truncating_meta,
}


LATE_TIMES = {
    "truncate a lower file": "the copy is shown at the length asked for; the new time comes next",
    "open a lower file with O_TRUNC": "likewise",
    "truncate a copy without data": "data comes to such a copy in place; its times are set right after it",
    "open a copy without data with O_TRUNC": "likewise",
    "lengthen a copy without data": "likewise",
    "write to a copy without data": "likewise",
    "write to a lower file": "likewise",
    "write to a linked lower file": "likewise",
    "lengthen a lower file": "likewise",
    "write to a linked copy": "likewise",
}
"""Operations in the midst of which the time of the file they change may be the other one, and why."""


class Between(NamedTuple):
    """A state in between that cannot be had away: all as it is after (or before), but for one name."""

    operation: str
    form: str
    why: str
    there: bytes = b""
    missing: bytes = b""


_EMPTY = "two directories change places, then the emptied one goes from the old name (over_marked_dir)"
_BOTH = "without RENAME_WHITEOUT a file has both names for a moment (OverlayDialect._move_file_by_hand)"
_GONE = "without RENAME_WHITEOUT the empty directory that is replaced goes first (_move_dir_by_hand)"

IN_BETWEEN = [
    *(
        Between(f"rename {what} over an emptied one", form, _EMPTY, there=name)
        for what, name in (("a directory", b"d"), ("an upper directory", b"ud"))
        for form in DIALECTS
    ),
    Between("rename a directory over a hollow one", "aufs", _EMPTY, there=b"d"),
    Between("rename a directory over a hollow one", "by hand", _GONE, missing=b"hollow"),
    Between("rename a lower file", "by hand", _BOTH, there=b"d/f"),
    Between("rename a file over a copy", "by hand", _BOTH, there=b"d/f"),
    Between("rename a linked lower file", "by hand", _BOTH, there=b"h1"),
    Between("rename the other name of a linked copy", "by hand", _BOTH, there=b"k2"),
]


def forgiving(tree: Tree, form: str) -> Tree:
    """A tree without what need not be right in between.

    Times of directories: setting a parent's back after a copy-up is a step of its own.
    AuFS cannot write link counts down, so the next union counts only the names it has seen.
    """
    return {path: _forgiven(row, form) for path, row in tree.items()}


def _forgiven(row: Row, form: str) -> Row:
    if row.kind is Kind.DIR:
        return row._replace(mtime_ns=0)
    assert row.nlink > 0
    return row._replace(nlink=0) if form == "aufs" else row


class Course(NamedTuple):
    """What an operation does when nothing goes wrong."""

    steps: int
    before: Tree
    after: Tree


@cache
def course(operation: str, form: str) -> Course:
    stand = representative(DIALECTS[form])
    faults = Faults()
    view = stand.view(faults.spy)
    before = forgiving(view.tree(), form)
    faults.arm(1 << 30)
    OPERATIONS[operation](view)
    return Course(faults.seen, before, forgiving(view.tree(), form))


def differing(tree: Tree, other: Tree) -> list[str]:
    lines = []
    for path in sorted(tree.keys() | other.keys()):
        row, wanted = tree.get(path), other.get(path)
        if row is None or wanted is None:
            lines.append(f"{path!r}: {'there' if row else 'missing'}")
        elif row != wanted:
            fields = zip(Row._fields, row, wanted, strict=True)
            lines += [f"{path!r}: {name} {is_!r}, not {was!r}" for name, is_, was in fields if is_ != was]
    return lines


def with_spare_links(tree: Tree, other: Tree) -> Tree:
    """`tree`, its link counts corrected where they are only too high: counts are written down last."""
    return {
        path: row._replace(nlink=other[path].nlink)
        if path in other and row.nlink > other[path].nlink
        else row
        for path, row in tree.items()
    }


def which(tree: Tree, operation: str, form: str, at: int) -> str:
    """Whether a tree is that from before an operation, from after it, or a known one from in between."""
    usual = course(operation, form)
    since, to_go = (differing(with_spare_links(tree, other), other) for other in (usual.before, usual.after))
    if not since or not to_go:
        return "before" if to_go else "after"
    if is_known(tree, operation, form, usual):
        return "between"
    return pytest.fail(
        "\n".join([f"stopped after {at} steps", "from before:", *since, "from after:", *to_go])
    )


def is_known(tree: Tree, operation: str, form: str, usual: Course) -> bool:
    shown, before, after = map(without_times_and_links, (tree, usual.before, usual.after))
    if operation in LATE_TIMES:
        return shown in (before, after)
    for known in IN_BETWEEN:
        if (known.operation, known.form) == (operation, form):
            odd = known.there or known.missing
            assert (odd in shown) == bool(known.there)
            others = [
                {path: row for path, row in one.items() if path != odd} for one in (shown, before, after)
            ]
            return others[0] == others[1 if known.missing else 2]
    return False


def without_times_and_links(tree: Tree) -> Tree:
    return {path: row._replace(mtime_ns=0, nlink=0, same_as=b"") for path, row in tree.items()}


MOVING = ("rename", "exchange", "unlink", "rmdir")
CASES = [
    (operation, form)
    for operation in OPERATIONS
    for form in DIALECTS
    if form != "by hand" or operation.startswith(MOVING)  # the rest is done as with RENAME_WHITEOUT
]


@pytest.mark.parametrize(("operation", "form"), CASES)
def test_operation_works(operation: str, form: str) -> None:
    """Without a fault, and the union that did it agrees with the next one."""
    stand = representative(DIALECTS[form])
    view = stand.view()
    before = forgiving(view.tree(), form)
    OPERATIONS[operation](view)
    after = forgiving(view.tree(), form)
    assert before != after
    assert stand.litter() == []
    assert differing(forgiving(stand.view().tree(), form), after) == []
    assert lower_raw(stand.lowers) == untouched()


@pytest.mark.parametrize(("operation", "form"), CASES)
def test_refused(operation: str, form: str) -> None:
    for at in range(course(operation, form).steps):
        stand = representative(DIALECTS[form])
        faults = Faults()
        view = stand.view(faults.spy)
        view.tree()
        faults.arm(at)
        number = errno_of(partial(OPERATIONS[operation], view))
        faults.disarm()
        assert number in (0, errno.ENOSPC)
        now = which(forgiving(view.tree(), form), operation, form, at)
        assert number or now == "after", at
        anew = stand.view()
        assert which(forgiving(anew.tree(), form), operation, form, at) in (now, "between"), at
        assert stand.litter() == []
        assert lower_raw(stand.lowers) == untouched()
        if now == "before":
            again = stand.view() if at % 2 else view
            OPERATIONS[operation](again)
            assert which(forgiving(again.tree(), form), operation, form, at) == "after"


@pytest.mark.parametrize(("operation", "form"), CASES)
def test_killed(operation: str, form: str) -> None:
    for at in range(course(operation, form).steps):
        stand = representative(DIALECTS[form])
        kill = Kill()
        view = stand.view(kill.spy)
        view.tree()
        kill.arm(at)
        with pytest.raises(Killed):
            OPERATIONS[operation](view)
        again = stand.view()
        now = which(forgiving(again.tree(), form), operation, form, at)
        assert stand.litter() == []
        assert lower_raw(stand.lowers) == untouched()
        if now == "before":
            OPERATIONS[operation](again)
            assert which(forgiving(again.tree(), form), operation, form, at) == "after"
