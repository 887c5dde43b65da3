"""A writable store in memory."""

from unionfs.layers.memory.store import MemoryStore

__all__ = ["MemoryStore"]
