"""A store over a directory of this host."""

from unionfs.layers.host.probe import Abilities, probe
from unionfs.layers.host.store import HostStore
from unionfs.layers.host.volatile import VolatileStore

__all__ = ["Abilities", "HostStore", "VolatileStore", "probe"]
