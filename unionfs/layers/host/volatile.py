"""A directory of the host that is never synced: quick, and lost when the machine fails."""

from __future__ import annotations

from unionfs.layers.host.file import HostFile
from unionfs.layers.host.store import HostStore
from unionfs.types import Access


class VolatileFile(HostFile):
    def sync(self, data_only: bool = False) -> None:
        pass


class VolatileStore(HostStore):
    """A `HostStore` where whatever asks for stable storage is told yes, as on overlayfs's ``volatile``."""

    def open(self, path: bytes, access: Access = Access.READ) -> HostFile:
        return VolatileFile(super().open(path, access).detach())

    def create(self, path: bytes, mode: int) -> HostFile:
        return VolatileFile(super().create(path, mode).detach())

    def sync(self) -> None:
        pass
