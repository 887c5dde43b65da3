"""Every code block of the README and of the documentation is run, as a reader would run it.

A page has a directory of its own, in a box (see `boxes`); its commands are root's, but for those
after ``<!--- as: user --->``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from blocks import LANGUAGES, parsers
from boxes import Box
from markdown_it import MarkdownIt
from registries import docker_registry
from sessions import Session, session
from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}

DRAWN = {"text"}
"""What is there to be looked at: no code."""

CONTAINERS_HERE = """
export CONTAINERS_CONF=$PWD/containers.conf
cat > $CONTAINERS_CONF <<'END'
[containers]
netns = "none"
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
if [ $(id -u) = 0 ]; then mkdir store && mount --bind store /var/lib/containers; fi
"""
"""What containers may use on a machine of tests, which the page need not say."""

PREPARED = {
    "README": f"cp -r {ROOT}/{{unionfs,pyproject.toml,README.md,LICENSE}} .",
    "podman": CONTAINERS_HERE,
}
"""What has been done before a page is begun."""

INHERITED = re.compile("UNIONFS_STORE|REGISTRY|PIP_.*")

PROGRAMS = {"podman": ("podman", "buildah", "crun", "busybox", "newuidmap", "mount.fuse3")}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_can_be_run(page: str) -> None:
    """An indented one has no language, so that nobody could tell what it is."""
    blocks = [
        token
        for token in MarkdownIt().parse(PAGES[page].read_text())
        if token.type in ("fence", "code_block") and not token.info.startswith("{")
    ]
    assert {block.info.partition(" ")[0] for block in blocks} <= LANGUAGES | DRAWN


class Reader:
    """Who types a page's commands: root, or an ordinary user, each into a bash of their own."""

    def __init__(self, page: str, box: Box, held: ExitStack) -> None:
        self._page = page
        self._box = box
        self._held = held
        self._is_user = False
        self._sessions: dict[bool, Session] = {}

    def run(self, command: str) -> tuple[str, int]:
        if self._is_user not in self._sessions:
            self._sessions[self._is_user] = self._begin()
        return self._sessions[self._is_user].run(command)

    def _begin(self) -> Session:
        environment = self._box.environment(user=self._is_user)
        if not self._is_user:  # who may use this Python, with all that is installed beside it
            environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
            environment |= {name: value for name, value in os.environ.items() if INHERITED.match(name)}
        bash = self._box.command("bash", user=self._is_user)
        begun = self._held.enter_context(session(bash, self._box.home, environment))
        said, status = begun.run(PREPARED.get(self._page, "true"))
        assert status == 0, said
        return begun

    def becomes(self, document: Document) -> Iterator[Region]:
        """The parser of ``<!--- as: user --->`` and ``<!--- as: root --->``."""
        for region in DirectiveInHTMLCommentLexer("as", "root|user")(document):
            region.parsed = region.lexemes["arguments"] == "user"
            region.evaluator = self._become
            yield region

    def _become(self, example: Example) -> None:
        self._is_user = example.parsed


@pytest.fixture
def registry(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On loopback, for a page that has one in it."""
    if "$REGISTRY" not in PAGES[page].read_text():
        yield
        return
    with docker_registry(tmp_path / "registry") as address:
        monkeypatch.setenv("REGISTRY", address)
        yield


@pytest.mark.timeout(170)
@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.programs(*PROGRAMS.get(page, ()))) for page in PAGES]
)
def test_every_block_runs(page: str, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(box.home)
    monkeypatch.setenv("UNIONFS_STORE", str(box.directory / "store"))
    with ExitStack() as held:
        reader = Reader(page, box, held)
        for example in Document.parse(str(PAGES[page]), reader.becomes, *parsers(reader.run)).examples():
            try:
                example.evaluate()
            except BaseException as failure:
                failure.add_note(f"{example.path}:{example.line}")
                raise
