"""Makes the manual pages in ``docs/man/man1`` from the parsers: ``python docs/man/make.py [DIRECTORY]``.

They are kept in the repository, so that installing needs nothing to make them with; a test tells when
they no longer say what ``--help`` does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from argparse_manpage.manpage import Manpage

from unionfs import __version__
from unionfs.cli import fuse_unionfs, main
from unionfs.cli.parsers import HelpFormatter

_DATE = "November 24, 2026"
"""When what is said here, beside the parsers, was last changed."""

_WORDS = {
    "lowerdir=DIR[:DIR]...": "the lower directories, the top-most first; a backslash protects colons, commas"
    " and itself",
    "lowerdir+=DIR": "one more lower directory, beneath those before, colons and all",
    "upperdir=DIR": "where changes are written; without it the union is read-only",
    "workdir=DIR": "an empty directory on the upper's file system; needed with upperdir",
    "ro": "change nothing, even with an upper directory",
    "remount": "have what is mounted there already take words of mount(8), such as ro, and nothing else",
    "userxattr": "write marks as user.overlay.*, as everybody but root does, and the kernel's overlayfs with"
    " this word",
    "dialect=NAME": "how marks are written in the lower directories: overlay, aufs or mixed (default: found"
    " out for each)",
    "copy_up=auto|eager|lazy": "when the data of a lower file that is written to is copied; see --copy-up",
    "cache=auto|always": "whether lower directories are watched for changes; see --cache",
    "metacopy=on|off": "whether copies without data may be left behind (default: where the kernel reads"
    " them)",
    "redirect_dir=on|follow|off": "likewise, whether renamed directories may",
    "volatile": "put nothing on stable storage; after a crash the upper directory is refused",
    "allow_other": "let other users in, where the mount is not root's (root's mounts let everybody in)",
    "noacl": "have the kernel check no POSIX ACLs",
    "uidmapping=MAP, gidmapping=MAP": "show and store owners shifted, by triples INSIDE:OUTSIDE:COUNT",
    "squash_to_root, squash_to_uid=ID, squash_to_gid=ID": "show every file as root's, or of this owner",
    "fsname=TEXT": "the source that df(1) and mount(8) show",
    "context=TEXT": "the SELinux context of everything",
    "debug": "stay in the foreground, and log more",
}
"""What -o takes, but for words that change nothing: `unionfs.adapters.options` has them all."""

_ENVIRONMENT = {
    "UNIONFS_STORE": "the directory of the local store and of named uppers, in place of /var/lib/unionfs for"
    " root, and unionfs in $XDG_DATA_HOME (or ~/.local/share) for others",
    "XDG_RUNTIME_DIR": "in its directory unionfs is what is known of this user's mounts, and daemons' logs",
    "REGISTRY_AUTH_FILE": "credentials for registries, in the form of containers-auth.json(5)",
    "SOURCE_DATE_EPOCH": "when a commit was made, and the latest time that a file in its layer has",
    "COLUMNS": "how wide the terminal is",
}
_EXIT_STATUS = {
    "0": "It is done.",
    "1": "It failed; one line on standard error says why.",
    "2": "The command line is wrong.",
}
_FUSE = "fuse-unionfs"


def pages() -> Iterator[tuple[str, str]]:
    """Names of files, and what is in them."""
    top = main.parser()
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {f"unionfs-{choice.dest}": choice.help or "" for choice in commands._choices_actions}
    commands.help = argparse.SUPPRESS  # they have pages of their own
    sections = [
        ("commands", _terms({f"{name}(1)": what for name, what in summaries.items()})),
        ("environment", _terms(_ENVIRONMENT)),
    ]
    yield _page(top, "unionfs", "a layered union filesystem", sections, [_FUSE])
    for choice in commands._choices_actions:
        name = f"unionfs-{choice.dest}"
        sections = [("option words", _terms(_WORDS))] if choice.dest == "mount" else []
        yield _page(commands.choices[choice.dest], name, summaries[name], sections, ["unionfs"])
    fuse = fuse_unionfs.parser()
    words = _roff("Those of unionfs-mount(1). Others of fuse-overlayfs's, that only tune it, change nothing.")
    sections = [("option words", words)]
    yield _page(fuse, _FUSE, "mount a union by fuse-overlayfs's command line", sections, ["unionfs-mount"])


def _page(
    parser: argparse.ArgumentParser,
    name: str,
    summary: str,
    sections: Sequence[tuple[str, str]],
    see_also: Sequence[str],
) -> tuple[str, str]:
    parser.formatter_class = _unwrapped
    examples = list(_examples(parser))
    parser.epilog = None
    facts = {"project_name": "unionfs", "version": __version__, "manual_title": "unionfs", "date": _DATE}
    page = Manpage(parser, facts | {"description": summary}, format="single-commands-section")
    usage = parser.format_usage().removeprefix("usage: ").strip()
    page.prog = name
    page.add_section(
        "synopsis", "=", f".B {_roff(parser.prog)}\n{_roff(usage.removeprefix(parser.prog).strip())}"
    )
    for title, text in sections:
        page.add_section(title, "=", text)
    page.add_section("exit status", "=", _terms(_EXIT_STATUS))
    if examples:
        page.add_section("examples", "=", "\n".join([".nf", *map(_roff, examples), ".fi"]))
    if see_also:
        page.add_section("see also", "=", ",\n".join(f".BR {_roff(other)} (1)" for other in see_also))
    return f"{name}.1", str(page)


def _examples(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Those of a command and its actions."""
    _heading, *lines = (parser.epilog or "").splitlines() or [""]
    yield from (line.strip() for line in lines)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _examples(below)


def _unwrapped(prog: str) -> HelpFormatter:
    """roff(7) breaks lines itself, and takes some that begin with a quotation mark for requests."""
    return HelpFormatter(prog, width=100_000)


def _terms(explained: dict[str, str]) -> str:
    return "\n".join(f".TP\n\\fB{_roff(term)}\\fR\n{_roff(text)}" for term, text in explained.items())


def _roff(text: str) -> str:
    return text.replace("\\", "\\\\").replace("-", "\\-")


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "man1")
    for name, content in pages():
        (place / name).write_text(content)
