"""The picture of a terminal in the README shows what the commands say today."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

SCRIPT = Path(__file__).parents[2] / "docs/terminal.py"
TEXT = "{http://www.w3.org/2000/svg}text"


def shown(picture: str) -> list[str]:
    """The lines of text in a picture, but for its title."""
    lines: dict[float, str] = {}
    for element in ElementTree.fromstring(picture).iter(TEXT):
        if re.fullmatch(r"unionfs-r\d+", element.attrib["class"]):
            height = float(element.attrib["y"])
            lines[height] = lines.get(height, "") + (element.text or "")
    return [lines[height].replace("\xa0", " ").rstrip() for height in sorted(lines)]


def without_digests(lines: list[str]) -> list[str]:
    """Another machine has another architecture, and perhaps another zlib."""
    return [re.sub(r"^sha256:[0-9a-f]{64}$", "sha256:", line) for line in lines]


def test_the_picture_is_that_of_today() -> None:
    terminal = runpy.run_path(str(SCRIPT))
    drawn = shown(terminal["draw"](terminal["said"]()))
    assert f"$ {terminal['COMMANDS'][0]}" in drawn
    assert without_digests(shown(terminal["PICTURE"].read_text())) == without_digests(drawn)
