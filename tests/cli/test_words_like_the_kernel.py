"""Option words mean what they mean to the kernel's overlayfs: escapes, relative paths, empty words."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unionfs.cli.main import main

NAMES = ("a", "b", "a:b", "c,d", "e\\f", " s", 'x"y"')

WORDS = [
    "lowerdir=a:b",
    r"lowerdir=a\:b:b",
    r"lowerdir=c\,d:b",
    r"lowerdir=e\\f:b",
    r"lowerdir=\a:b",
    'lowerdir=x"y":b',
    "lowerdir= s:b",
    "lowerdir=./a:../here/b",
    "lowerdir=a//:/HERE/./b/",
    "lowerdir=a:b,workdir=W",
    "lowerdir+=a,lowerdir+=a:b",
    "lowerdir=a:b,upperdir=U,workdir=W",
    r"lowerdir=a:b,upperdir=e\\f,workdir=W",
    r"lowerdir=a,upperdir=c\,d,workdir=W",
    ",lowerdir=a:b,,upperdir=U,workdir=W,",
    "lowerdir=a:",
    "lowerdir=:a",
    "lowerdir=",
    "lowerdir=:",
    "lowerdir",
    "upperdir=U,workdir=W",
    "lowerdir=a:b,lowerdir=",
    "lowerdir=a:b,upperdir=",
    "lowerdir=a:b,upperdir=U",
    "lowerdir=a:b,upperdir=U,workdir=U",
    "lowerdir=a:missing",
    r"lowerdir=a:b\\",
    "lowerdir=a:b,nosuchthing",
    "lowerdir=a:b,index=maybe",
]

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lower directories with a file of their own name each; ``U``, ``W``, ``M``."""
    root = tmp_path / "here"
    for name in (*NAMES, "U", "W", "M"):
        (root / name).mkdir(parents=True)
    for name in NAMES:
        (root / name / name).touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(root)
    return root


def by_the_kernel(words: str) -> bool:
    return _libc.mount(b"overlay", b"M", b"overlay", 0, words.encode()) == 0


def by_us(words: str) -> bool:
    return main(["mount", "-o", words, "M"]) == 0


def shown(mount: Callable[[str], bool], words: str) -> list[str] | None:
    """What is listed once `mount` has mounted; None where it refuses."""
    if not mount(words):
        return None
    try:
        return sorted(os.listdir("M"))
    finally:
        assert _libc.umount2(b"M", 0) == 0


@pytest.mark.parametrize("words", WORDS)
def test_words(here: Path, words: str) -> None:
    words = words.replace("/HERE", str(here))
    assert shown(by_us, words) == shown(by_the_kernel, words)


def test_some_of_them_are_refused_and_some_are_not(here: Path) -> None:
    accepted = [
        words for words in WORDS if shown(by_the_kernel, words.replace("/HERE", str(here))) is not None
    ]
    assert len(accepted) == 15
