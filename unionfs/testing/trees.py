"""A whole tree as a value: taken through any subject, compared, its differences told in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from errno import errorcode
from typing import NamedTuple

from unionfs.testing.subject import Attributes, Subject, attributes
from unionfs.types import Kind

_NOT_COMPARED = (b"security.", b"system.")  # the host's own: SELinux labels, ACLs derived from the mode


class Entry(NamedTuple):
    """Everything that a reader can learn of one name, but for its inode number.

    `same_as` is the first path, depth first in byte order, of the file's visible hard links:
    so the partition is compared, not the numbers.
    """

    attributes: Attributes
    content: bytes | None
    target: bytes | None
    xattrs: Mapping[bytes, bytes]
    same_as: bytes


class Flaw(NamedTuple):
    """A name that listing and look-up do not agree on. No correct tree has one."""

    what: str


class Tree(NamedTuple):
    """A snapshot: entries by path, and inode numbers by path, which two trees need not share."""

    entries: Mapping[bytes, Entry | Flaw]
    inos: Mapping[bytes, int]

    def entry(self, path: bytes) -> Entry | None:
        found = self.entries.get(path)
        return found if isinstance(found, Entry) else None

    def children(self, path: bytes) -> list[bytes]:
        """Paths of the entries directly in the directory `path`."""
        prefix = path + b"/" if path else b""
        below = (other for other in self.entries if other and other.startswith(prefix))
        return [other for other in below if b"/" not in other[len(prefix) :]]


def snapshot(subject: Subject, probes: Collection[bytes] = ()) -> Tree:
    """The whole tree of `subject`. In every directory the names in `probes` are looked up, listed or not."""
    entries: dict[bytes, Entry | Flaw] = {}
    inos: dict[bytes, int] = {}
    first_path: dict[int, bytes] = {}
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        try:
            stat = subject.stat(path)
            inos[path] = stat.ino
            entries[path] = _entry(subject, path, attributes(stat), first_path.setdefault(stat.ino, path))
            names = [name for name, _ in subject.scan(path)] if stat.kind is Kind.DIR else []
        except OSError as failure:
            entries[path] = Flaw(f"listed, but reading it gives {errorcode[failure.errno or 0]}")
            continue
        if stat.kind is Kind.DIR:
            entries.update(_unlisted(subject, path, set(probes).difference(names)))
        waiting += sorted((join(path, name) for name in names), reverse=True)
    return Tree(entries, inos)


def join(path: bytes, name: bytes) -> bytes:
    """The path of `name` in the directory `path`."""
    return path + b"/" + name if path else name


def _entry(subject: Subject, path: bytes, found: Attributes, same_as: bytes) -> Entry:
    return Entry(
        attributes=found,
        content=_content(subject, path) if found.kind is Kind.FILE else None,
        target=subject.readlink(path) if found.kind is Kind.SYMLINK else None,
        xattrs={
            name: value for name, value in subject.xattrs(path).items() if not name.startswith(_NOT_COMPARED)
        },
        same_as=same_as,
    )


def _content(subject: Subject, path: bytes) -> bytes:
    file = subject.open(path, writable=False)
    try:
        content = b""
        while chunk := file.read(1 << 20, len(content)):
            content += chunk
        return content
    finally:
        file.close()


def _unlisted(subject: Subject, path: bytes, names: Collection[bytes]) -> Iterator[tuple[bytes, Flaw]]:
    for name in names:
        try:
            subject.stat(join(path, name))
        except FileNotFoundError:
            continue
        yield join(path, name), Flaw("not listed, but its look-up succeeds")


def differences(left: Tree, right: Tree) -> list[str]:
    """One line for every field in which two trees differ, in path order; empty when they are equal."""
    lines: list[str] = []
    for path in sorted(left.entries.keys() | right.entries.keys()):
        lines += [f"{path!r}: {line}" for line in _compare(left.entries.get(path), right.entries.get(path))]
    return lines


def _compare(left: Entry | Flaw | None, right: Entry | Flaw | None) -> list[str]:
    if left == right:
        return []
    if not isinstance(left, Entry) or not isinstance(right, Entry):
        return [f"{_brief(left)} | {_brief(right)}"]
    pairs = [*zip(_fields(left), _fields(right), strict=True)]
    return [f"{name}: {mine!r} | {other!r}" for (name, mine), (_, other) in pairs if mine != other]


def _brief(found: Entry | Flaw | None) -> str:
    if isinstance(found, Entry):
        return found.attributes.kind.name
    return found.what if found else "nothing"


def _fields(entry: Entry) -> list[tuple[str, object]]:
    rest = [(name, value) for name, value in entry._asdict().items() if name != "attributes"]
    return [*entry.attributes._asdict().items(), *rest]
