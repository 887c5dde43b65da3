"""``unionfs demo``: the whole round on a small image, in seconds, with nothing left behind."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unionfs.cli.parsers import Subparsers
from unionfs.types import Kind

if TYPE_CHECKING:
    from unionfs.core.node import Node
    from unionfs.core.union import Union


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "demo",
        usage="[--no-mount]",
        help="show what it does, on an image made for the purpose",
        description="Make a small image, change it through a union, commit the change; leave nothing behind.",
    )
    parser.add_argument(
        "--no-mount", action="store_true", help="show it in memory even where FUSE can be had"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="unionfs-demo-", ignore_cleanup_errors=True) as directory:
        return _show(Path(directory), mount=not args.no_mount)


def _show(directory: Path, *, mount: bool) -> int:
    from unionfs import images
    from unionfs.cli import demo_image, tree
    from unionfs.core.union import Union
    from unionfs.images.commit import commit

    reference = demo_image.make(str(directory / "image"))
    _say("An image of three layers", "with whiteout, opaque directory, hard link, symlink")
    with _shown(directory, reference, mount=mount) as shown, images.open_image(reference) as image:
        _say("A union over it", shown.how)
        _change(shown.root)
        _say("Changed", "etc/motd written, bin/hi removed, src renamed to source")
        with shown.inspected() as union:
            _say("The merged tree, and the layers that each file comes from")
            _print(tree.lines(union))
            _say("What the upper layer changes, as unionfs diff prints it")
            _print(f"{change.letter} /{os.fsdecode(change.path)}" for change in union.diff())
            commit(union, image, f"oci:{directory}/image:4")
            before = _facts(union)
    with images.open_image(f"oci:{directory}/image:4") as image:
        _say("Committed as a fourth layer", str(image.layers[-1].diff_id))
        same = _facts(Union(images.memory_layers(image))) == before
    _say("A fresh union over the four layers", "the same tree" if same else "ANOTHER TREE")
    return 0 if same else 1


class _Shown(NamedTuple):
    """A union on show: in which way, where its root is, and how to look into it."""

    how: str
    root: Any  # a Path or a UnionPath, which have the same methods
    inspected: Callable[[], AbstractContextManager[Union]]


@contextmanager
def _shown(directory: Path, reference: str, *, mount: bool) -> Iterator[_Shown]:
    from unionfs.errors import UnionError

    reason = "because of --no-mount"
    if mount:
        try:
            mounted = _mount(directory, reference)
        except (UnionError, OSError) as failure:
            reason = f"because mounting failed ({failure})"
        else:
            try:
                yield mounted
            finally:
                _unmount(mounted)
            return
    yield _in_memory(reference, reason)


def _mount(directory: Path, reference: str) -> _Shown:
    from unionfs import images
    from unionfs.adapters import stack
    from unionfs.adapters.fuse import mounting
    from unionfs.adapters.options import Options

    upper, work, mountpoint = (directory / name for name in ("upper", "work", "mnt"))
    for path in (upper, work, mountpoint):
        path.mkdir()
    image, layers = images.open_layers(reference, images.LayerStore(directory / "store"))
    image.close()
    options = Options(upper=str(upper), work=str(work))
    mounting.mount(str(mountpoint), options, image=reference, image_layers=layers)
    return _Shown(f"mounted on {mountpoint}", mountpoint, partial(stack.inspected, options, layers))


def _unmount(shown: _Shown) -> None:
    from unionfs.adapters.fuse.unmounting import unmount

    unmount(str(shown.root))


def _in_memory(reference: str, reason: str) -> _Shown:
    from unionfs import UnionFS, images

    with images.open_image(reference) as image:
        fs = UnionFS(*images.memory_layers(image))
    return _Shown(f"in memory, {reason}", fs.path("/"), lambda: nullcontext(fs.union))


def _change(root: Any) -> None:
    (root / "etc/motd").write_text("Welcome to the upper layer.\n")
    (root / "bin/hi").unlink()
    (root / "src").rename(root / "source")


_Facts = tuple[object, ...]


def _facts(union: Union) -> dict[bytes, _Facts]:
    """What a reader sees, by path; not times, which $SOURCE_DATE_EPOCH may cut off in a layer."""
    facts: dict[bytes, _Facts] = {}
    directories = [(b"", union.root)]
    for path, directory in directories:
        for entry in union.readdir(directory):
            node = union.lookup(directory, entry.name)
            below = path + b"/" + entry.name
            facts[below] = _facts_of(union, node)
            if node.is_dir:
                directories.append((below, node))
    return facts


def _facts_of(union: Union, node: Node) -> _Facts:
    stat = union.getattr(node)
    xattrs = {name: union.getxattr(node, name) for name in union.listxattr(node)}
    common = (stat.mode, stat.uid, stat.gid, xattrs)
    if node.kind is Kind.SYMLINK:
        return (*common, union.readlink(node))
    if node.kind is not Kind.FILE:
        return common
    with closing(union.open(node)) as handle:
        return (*common, stat.nlink, handle.read(stat.size, 0))


def _say(title: str, detail: str = "") -> None:
    print(f"== {title}" + (f": {detail}" if detail else ""), flush=True)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print("   " + line)
