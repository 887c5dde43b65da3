"""What a test is given."""

from __future__ import annotations

from pathlib import PosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unionfs import Change
    from unionfs.adapters.options import Options
    from unionfs.testing.union_dir.asking import Mounted

_mounted: dict[str, Options] = {}
"""By mountpoint, for as long as the process lives: paths are made and copied by `pathlib` alone."""


class UnionDir(PosixPath):
    """A path in a union that is mounted for a test."""

    @classmethod
    def at(cls, mounted: Mounted) -> UnionDir:
        """The root of a union."""
        _mounted[mounted.mountpoint] = mounted.options
        return cls(mounted.mountpoint)

    def diff(self) -> list[Change]:
        """What has changed here and below, parents before children; paths are from the union's root.

        `FileNotFoundError` for a path that is in no union.
        """
        from unionfs.adapters import stack
        from unionfs.adapters.memory.filesystem import UnionFS

        root = next((path for path in (self, *self.parents) if str(path) in _mounted), None)
        if root is None:
            raise FileNotFoundError(f"{self}: is in no union that is mounted for a test")
        below = f"/{self.relative_to(root)}" if self != root else ""
        with stack.inspected(_mounted[str(root)]) as union:
            changes = list(UnionFS.over(union).diff())
        return [change for change in changes if change.path == below or change.path.startswith(f"{below}/")]
