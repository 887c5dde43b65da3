"""A store over a directory of this host."""

from unionfs.layers.host.probe import Abilities, probe
from unionfs.layers.host.store import HostStore

__all__ = ["Abilities", "HostStore", "probe"]
