"""What reading a blob from end to end has shown, so that it need not be read again."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import NamedTuple

from unionfs.images import kept
from unionfs.images.compression import Compression, Frame
from unionfs.images.stretch import Identity
from unionfs.images.tally import Tally

_FRAME = struct.Struct("<QQ")
_VERSION = 2


class Known(NamedTuple):
    """A verified blob: the file that it was in then, and what it is when decompressed."""

    identity: Identity
    diff_id: str
    compression: Compression
    size: int
    """Of the plain bytes."""
    tally: Tally
    frames: list[Frame]

    def write(self, path: Path) -> None:
        head = {
            "version": _VERSION,
            "identity": self.identity,
            "diff_id": self.diff_id,
            "compression": self.compression.value,
            "size": self.size,
            "tally": self.tally.counts(),
        }
        frames = b"".join(_FRAME.pack(*frame) for frame in self.frames)
        kept.write(path, json.dumps(head).encode() + b"\n" + frames)


def read(path: Path) -> Known | None:
    """None where nothing, or nothing of this version, is known."""
    content = kept.read(path)
    if content is None:
        return None
    line, _, frames = bytes(content).partition(b"\n")
    head = json.loads(line)
    if head["version"] != _VERSION:
        return None
    return Known(
        identity=Identity(*head["identity"]),
        diff_id=head["diff_id"],
        compression=Compression(head["compression"]),
        size=head["size"],
        tally=Tally(*head["tally"]),
        frames=[Frame(*frame) for frame in _FRAME.iter_unpack(frames)],
    )
