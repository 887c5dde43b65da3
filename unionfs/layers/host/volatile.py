"""A directory of the host that is never synced: quick, and lost when the machine fails."""

from __future__ import annotations

from unionfs.layers.host.file import HostFile
from unionfs.layers.host.store import HostStore


class VolatileFile(HostFile):
    def sync(self, data_only: bool = False) -> None:
        pass

    def start_writing(self, offset: int, length: int) -> None:
        pass


class VolatileStore(HostStore):
    """A `HostStore` where whatever asks for stable storage is told yes, as on overlayfs's ``volatile``."""

    def _file(self, fd: int) -> HostFile:
        return VolatileFile(fd)

    def sync(self) -> None:
        pass
