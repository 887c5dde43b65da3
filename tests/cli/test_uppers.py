"""Named uppers: kept, listed, taken back to their image or to another commit, removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import refused, unionfs, unmounted_at_the_end

from unionfs.adapters.uppers import Beneath, Uppers
from unionfs.errors import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An image, ``oci:image:1``, with the file ``f``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "state"))
    for name in ("M", "lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "upper" / "f").write_text("first")
    unionfs("commit", "upper", "oci:image:1")
    with unmounted_at_the_end(tmp_path):
        yield tmp_path


def listed() -> list[dict[str, object]]:
    return [json.loads(line) for line in unionfs("upper", "ls", "--json").splitlines()]


def test_changes_stay_under_their_name(here: Path) -> None:
    assert listed() == []
    unionfs("mount", "oci:image:1", "M", "--name", "web")
    (here / "M" / "f").write_text("second")
    (mounted,) = listed()
    assert (mounted["name"], mounted["mountpoint"]) == ("web", str(here / "M"))
    assert str(mounted["image"]).startswith(f"oci:{here}/image@sha256:")
    unionfs("umount", "M")
    assert unionfs("diff", "web") == "C /f\n"
    unionfs("mount", "M", "--name", "web")  # it knows its image
    assert (here / "M" / "f").read_text() == "second"
    unionfs("umount", "M")
    heading, row, image = unionfs("upper", "ls").splitlines()
    assert heading.split() == ["NAME", "SIZE", "MOUNTPOINT"]
    assert (row.split()[0], row.split()[-1]) == ("web", "-")
    assert image.startswith(f"    image  oci:{here}/image@sha256:")


def test_back_to_the_image_and_on_from_another_commit(here: Path) -> None:
    unionfs("mount", "oci:image:1", "M", "--name", "web")
    (here / "M" / "f").write_text("second")
    assert "in use by another mount" in refused("upper", "reset", "web")
    unionfs("commit", "M", "oci:image:2")
    (here / "M" / "f").write_text("third")
    unionfs("umount", "M")

    unionfs("upper", "reset", "web")
    unionfs("mount", "M", "--name", "web")
    assert (here / "M" / "f").read_text() == "first"
    unionfs("umount", "M")

    assert "lies on" in refused("mount", "oci:image:2", "M", "--name", "web")
    unionfs("upper", "reset", "web", "oci:image:2")
    unionfs("mount", "oci:image:2", "M", "--name", "web")
    assert (here / "M" / "f").read_text() == "second"
    unionfs("umount", "M")


def inode(here: Path) -> int:
    number = (here / "M" / "f").stat().st_ino
    unionfs("umount", "M")
    return number


def test_whether_the_image_is_unpacked_is_remembered(here: Path) -> None:
    """Files have other numbers in one than in the other, which programs may have kept."""
    unionfs("mount", "oci:image:1", "M", "--name", "web", "--unpack")
    number = inode(here)
    assert listed()[0]["unpacked"] is True
    assert unionfs("upper", "ls").endswith(" (unpacked)\n")
    for image in ((), ("oci:image:1",)):
        unionfs("mount", *image, "M", "--name", "web")
        assert "(unpacked)" in unionfs("ps")
        assert inode(here) == number
    assert list((here / "state/layers").rglob("f"))
    assert not list((here / "state").glob("index/*/*"))
    assert unionfs("diff", "web") == ""

    unionfs("upper", "reset", "web", "oci:image:1")  # on from another commit: unpacked, too
    unionfs("mount", "M", "--name", "web")
    assert inode(here) == number

    unionfs("mount", "oci:image:1", "M", "--name", "other")
    assert inode(here) != number
    for image in ((), ("oci:image:1",)):
        assert "lies on" in refused("mount", *image, "M", "--name", "other", "--unpack")


def test_one_of_before_that_was_remembered(here: Path) -> None:
    unionfs("mount", "oci:image:1", "M", "--name", "web")
    unionfs("umount", "M")
    (facts,) = (here / "state/uppers/web").glob("*.json")
    known = json.loads(facts.read_text())
    del known["unpacked"]
    facts.write_text(json.dumps(known))
    unionfs("mount", "M", "--name", "web")
    unionfs("umount", "M")


def test_a_tag_that_moved_is_another_image(here: Path) -> None:
    unionfs("mount", "oci:image:1", "M", "--name", "web")
    (here / "M" / "g").touch()
    unionfs("commit", "M", "oci:image:1")
    unionfs("umount", "M")
    assert "lies on" in refused("mount", "oci:image:1", "M", "--name", "web")
    unionfs("mount", "M", "--name", "web")
    unionfs("umount", "M")


def test_over_directories(here: Path) -> None:
    unionfs("mount", "-o", "lowerdir=lower", "M", "--name", "plain")
    (here / "M" / "g").touch()
    unionfs("umount", "M")
    unionfs("mount", "M", "--name", "plain")
    assert (here / "M" / "g").exists()
    unionfs("umount", "M")
    assert unionfs("diff", "plain") == "A /g\n"
    unionfs("upper", "rm", "plain")
    assert listed() == []
    assert os.listdir(here / "state" / "uppers") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mount", "M", "--name", "new"], "new: a new upper needs an image or lowerdir="),
        (["mount", "oci:image:1", "M", "--name", "../x"], "'../x': a name has letters"),
        (["mount", "oci:image:1", "M", "--name", "x", "--upper", "upper"], "--name and an upper"),
        (["upper", "reset", "x"], "x: no upper of this name; there is: none"),
        (["upper", "rm", "x"], "x: no upper of this name"),
    ],
)
def test_refusals(here: Path, arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)
    assert not (here / "state" / "uppers").exists()


def test_what_a_crash_left_is_no_obstacle(tmp_path: Path) -> None:
    uppers = Uppers(tmp_path)
    named = uppers.ensure("x", Beneath(lowers=("/a",)))
    (Path(named.upper) / "f").touch()
    for leftover in (".x.new", ".x.old"):
        (tmp_path / leftover / "upper" / "d").mkdir(parents=True)
    assert uppers.names() == ["x"]
    assert os.listdir(uppers.reset("x").upper) == []
    uppers.remove("x")
    assert os.listdir(tmp_path) == []


def test_a_record_that_is_none(tmp_path: Path) -> None:
    uppers = Uppers(tmp_path)
    uppers.ensure("x", Beneath(lowers=("/a",)))
    (tmp_path / "x" / "upper.json").write_text("[]")
    with pytest.raises(ConfigError, match="not as it was written"):
        uppers.get("x")


def test_directories_without_permission_are_removed(tmp_path: Path) -> None:
    """As an ordinary user, whom they stop."""
    script = (
        "import os, sys; from unionfs.adapters.uppers import *;"
        "os.chdir(sys.argv[1]); os.setgroups([]); os.setresgid(65534, 65534, 65534);"
        "os.setresuid(65534, 65534, 65534);"
        "u = Uppers('.'); d = u.ensure('x', Beneath(lowers=('/a',))).upper + '/d';"
        "os.makedirs(d + '/e/f'); os.chmod(d + '/e', 0); os.chmod(d, 0); u.remove('x');"
        "assert not os.listdir('.')"
    )
    os.chmod(tmp_path, 0o777)
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
