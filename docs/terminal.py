"""Draws ``terminal.svg``, the picture in the README, from what the commands really say.

python docs/terminal.py         with the extra ``docs``; who may mount
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("terminal.svg")

COMMANDS = (
    "unionfs mount oci:image:3 mnt --upper upper --work work",
    "echo 'Hello.' > mnt/etc/motd; rm mnt/bin/hi; mv mnt/src mnt/source",
    "unionfs diff mnt",
    "unionfs commit mnt oci:image:4",
    "unionfs umount mnt",
    "unionfs tree oci:image:4",
)

_PREPARATION = """
mkdir mnt upper work
python -c 'from unionfs.cli import demo_image; demo_image.make("image")'
"""
_WIDTH = 80
_EPOCH = "1700000000"
_FETCHED_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""The picture is looked at without a network, too."""


def said() -> list[tuple[str, str]]:
    """Each of `COMMANDS`, and what it says, on an image that is made for the purpose."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        _run(_PREPARATION, place)
        try:
            return [(command, _run(command, place)) for command in COMMANDS]
        finally:
            if os.path.ismount(place / "mnt"):
                _run("unionfs umount --lazy mnt", place)


def _run(command: str, place: Path) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "UNIONFS_STORE": str(place / "store"),
        "SOURCE_DATE_EPOCH": _EPOCH,
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def draw(transcript: list[tuple[str, str]]) -> str:
    console = Console(
        record=True, width=_WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for command, output in transcript:
        console.print(Text("$ ", "green"), Text(command, "bold"), sep="", soft_wrap=True)
        console.print(Text(output), end="", soft_wrap=True)
    drawn = console.export_svg(title="unionfs", unique_id="unionfs")
    return _FETCHED_FONTS.sub("", drawn)


if __name__ == "__main__":
    PICTURE.write_text(draw(said()))
