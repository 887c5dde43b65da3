"""The manual pages say what ``--help`` says, are sound, and are there once the package is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from unionfs.adapters import options
from unionfs.cli import main

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted((CHECKOUT / "docs/man/man1").iterdir())


def rendered(page: Path) -> str:
    """The page as man(1) shows it on a terminal of 80 columns; it has nothing to complain of."""
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", page],
        env=os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-c"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def test_they_are_as_they_would_be_made_now(tmp_path: Path) -> None:
    """If not: ``python docs/man/make.py``."""
    subprocess.run([sys.executable, CHECKOUT / "docs/man/make.py", tmp_path], check=True, timeout=60)
    assert {page.name: page.read_text() for page in tmp_path.iterdir()} == {
        page.name: page.read_text() for page in PAGES
    }


def test_every_command_has_one() -> None:
    assert {page.stem for page in PAGES} == {
        "unionfs",
        "fuse-unionfs",
        *(f"unionfs-{name}" for name in main.COMMANDS),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_is_sound(page: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_can_be_read(page: Path) -> None:
    lines = rendered(page).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"} <= set(lines)


def test_the_words_of_mounting_are_all_there() -> None:
    page = (CHECKOUT / "docs/man/man1/unionfs-mount.1").read_text()
    known = {"lowerdir", "copy_up", "cache", "context", *options._PATHS, *options._TEXTS, *options._FLAGS}
    known |= {*options._SWITCHES, *options._MAPPINGS, *options._SQUASHES}
    assert [word for word in sorted(known) if word not in page] == []


def test_man_finds_them() -> None:
    """Where the package is installed, by itself: ``bin`` and ``share/man`` are neighbours."""
    installed = Path(sysconfig.get_path("data"), "share/man/man1/unionfs-mount.1")
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    done = subprocess.run(
        ["man", "-w", "unionfs-mount"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert Path(done.stdout.strip()) == installed
