"""The table from name to check."""

from __future__ import annotations

from unionfs.testing.conformance.topics import (
    data,
    directories,
    errors,
    events,
    identity,
    layers,
    limits,
    locks,
    open_files,
    opening,
    permissions,
    renaming,
    times,
    xattrs,
)

_TOPICS = (
    errors.TOPIC,
    opening.TOPIC,
    renaming.TOPIC,
    directories.TOPIC,
    identity.TOPIC,
    layers.TOPIC,
    open_files.TOPIC,
    permissions.TOPIC,
    times.TOPIC,
    xattrs.TOPIC,
    data.TOPIC,
    locks.TOPIC,
    events.TOPIC,
    limits.TOPIC,
)

TABLE = {check.name: check for topic in _TOPICS for check in topic}
