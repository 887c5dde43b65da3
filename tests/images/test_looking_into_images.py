"""Images looked into from the command line, without a mount: ls, cat, stat, tree, layers, diff."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_builder import END, LayoutBuilder, file, header, octal, pax

import unionfs
from unionfs.cli import demo_image
from unionfs.cli.main import main
from unionfs.cli.target import split_path

Said = Callable[..., str]


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    return demo_image.make(str(tmp_path / "image"))


@pytest.fixture
def said(capfdbinary: pytest.CaptureFixture[bytes]) -> Said:
    """What a command says that works."""

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        out, err = capfdbinary.readouterr()
        assert err == b""
        return out.decode()

    return run


@pytest.mark.parametrize(
    ("text", "reference", "path"),
    [
        ("oci:dir", "oci:dir", "/"),
        ("oci:dir:tag", "oci:dir:tag", "/"),
        ("oci:dir:/etc", "oci:dir", "/etc"),
        ("oci:/abs/dir", "oci:/abs/dir", "/"),
        ("oci:/abs/dir:/", "oci:/abs/dir", "/"),
        ("oci:/abs/dir:tag:/etc/a:/b", "oci:/abs/dir:tag", "/etc/a:/b"),
        ("oci-archive:x.tar:localhost/a:1:/b", "oci-archive:x.tar:localhost/a:1", "/b"),
        ("docker://host:5000/name:tag:/etc", "docker://host:5000/name:tag", "/etc"),
        ("docker://name@sha256:00:/etc", "docker://name@sha256:00", "/etc"),
        ("nonsense", "nonsense", "/"),
    ],
)
def test_where_the_path_begins(text: str, reference: str, path: str) -> None:
    assert split_path(text) == (reference, path)


def test_ls(image: str, said: Said) -> None:
    assert said("ls", image).split() == ["app", "bin", "cache", "etc", "lib", "src"]
    assert said("ls", f"{image}:/etc").split() == ["motd"]
    assert said("ls", f"{image}:/etc/motd").split() == ["motd"]
    lines = said("ls", "-l", f"{image}:/bin").splitlines()
    assert [line.split()[0] for line in lines] == ["-rwxr-xr-x", "lrwxrwxrwx"]
    assert lines[1].endswith(" 2023-11-14 22:13 hi -> hello")
    recursive = said("ls", "-R", image)
    assert "\n/cache:\nfresh\n" in recursive
    assert "passwd" not in recursive


def test_ls_of_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    layout = LayoutBuilder(tmp_path / "image")
    layout.tag(layout.image(header(b"null", b"3", major=octal(1), minor=octal(3)) + END))
    assert said("ls", "-l", f"oci:{layout.root}").split()[:6] == ["crw-r--r--", "1", "0", "0", "1,", "3"]
    assert json.loads(said("stat", "--json", f"oci:{layout.root}:/null"))["device"] == [1, 3]


def test_cat(image: str, said: Said) -> None:
    assert said("cat", f"{image}:/etc/motd") == "Welcome to the third layer.\n"
    assert said("cat", f"{image}:/bin/hi") == "#!/bin/sh\necho hello\n"


def test_stat(image: str, said: Said) -> None:
    facts = json.loads(said("stat", "--json", f"{image}:/lib/libdemo.so"))
    assert (facts["mode"], facts["size"], facts["links"]) == ("-rw-r--r--", 21, 2)
    assert facts["mtime"] == "2023-11-14T22:13:20+00:00"
    assert json.loads(said("stat", "--json", f"{image}:/bin/hi"))["target"] == "hello"
    assert "   mode: -rw-r--r--\n" in said("stat", f"{image}:/etc/motd")


def test_tree(image: str, said: Said) -> None:
    lines = said("tree", image).splitlines()
    assert lines[0].split() == ["/", "layer", "1+2+3"]
    assert any(line.split() == ["├─", "etc/", "layer", "1+2+3"] for line in lines)
    assert said("tree", f"{image}:/src").splitlines()[1].split() == ["└─", "main.c", "layer", "1"]


def test_layers(image: str, said: Said) -> None:
    header_line, *lines = said("layers", image).splitlines()
    assert header_line.split() == ["LAYER", "PACKED", "SIZE", "WASTED", "ADDED", "CHANGED", "REMOVED"]
    assert len(lines) == 3
    rows = [json.loads(line) for line in said("layers", "--json", image).splitlines()]
    assert [(row["added"], row["changed"], row["removed"]) for row in rows] == [
        (14, 0, 0),
        (1, 1, 3),
        (2, 1, 0),
    ]
    welcome, passwd = len("Welcome.\n"), len("root:x:0:0::/root:/bin/sh\n")
    assert [row["wasted"] for row in rows] == [welcome + passwd, len("Welcome to the second layer.\n"), 0]
    assert all(row["size"] >= row["wasted"] for row in rows)


def test_diff_of_two_images(image: str, said: Said) -> None:
    older = image.replace(":3", ":1")
    changes = ["A /app", "A /app/run", "A /cache/fresh", "D /cache/old-1", "D /cache/old-2"]
    assert said("diff", older, image).splitlines() == [*changes, "C /etc/motd", "D /etc/passwd"]
    assert said("diff", image, image) == ""
    first = json.loads(said("diff", "--json", image, older).splitlines()[0])
    assert first == {"path": "/app", "letter": "D", "kind": "dir", "size": 0}


def test_two_layers_with_the_same_files_do_not_differ(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    layout = LayoutBuilder(tmp_path / "image")
    layout.tag(layout.image(file(b"a", b"1" * 9000) + file(b"b") + END), "one")
    layout.tag(layout.image(file(b"b") + file(b"a", b"1" * 9000) + END), "two")
    layout.tag(layout.image(file(b"b") + file(b"a", b"1" * 8999 + b"2") + END), "three")
    one, two, three = (f"oci:{layout.root}:{tag}" for tag in ("one", "two", "three"))
    assert said("diff", one, two) == ""
    assert said("diff", one, three) == "C /a\n"


def test_in_python(image: str, tmp_path: Path) -> None:
    with unionfs.open_image(image) as fs:
        fs.path("etc/motd").write_text("changed\n")
        fs.unlink("bin/hi")
        assert [(change.letter, change.path) for change in fs.diff()] == [
            *(("C", "/bin"), ("D", "/bin/hi"), ("C", "/etc"), ("C", "/etc/motd"))
        ]
    with unionfs.open_image(image, read_only=True, store=tmp_path / "other") as fs:
        assert fs.path("etc/motd").read_text() == "Welcome to the third layer.\n"
        assert fs.stat("lib/libdemo.so").st_ino == fs.stat("lib/libdemo.so.1").st_ino
        with pytest.raises(OSError, match="Read-only"):
            fs.unlink("bin/hi")
    assert {path.name for path in (tmp_path / "other").iterdir()} >= {"index", "known", "files"}


def test_an_upper_on_disk_keeps_the_changes(image: str, tmp_path: Path) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    for directory in (upper, work):
        directory.mkdir()
    with unionfs.open_image(image, upper=upper, work=work) as fs:
        fs.path("lib/libdemo.so").write_text("linked")
        number = fs.stat("lib/libdemo.so").st_ino
    with unionfs.open_image(image, upper=upper, work=work) as fs:
        assert fs.path("lib/libdemo.so.1").read_text() == "linked"
        assert fs.stat("lib/libdemo.so.1").st_ino == number


def test_an_upper_that_does_not_fit_leaves_nothing_in_use(image: str, tmp_path: Path, said: Said) -> None:
    with pytest.raises(unionfs.ConfigError):
        unionfs.open_image(image, upper=tmp_path / "nowhere", work=tmp_path / "nowhere")
    assert "in use" not in said("store", "ls")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["cat", "{image}:/nowhere"], "/nowhere: No such file or directory"),
        (["cat", "{image}:/etc"], "/etc: Is a directory"),
        (["cat", "{image}:/../../etc/shadow"], "No such file or directory"),
        (["ls", "{image}:/etc/motd/x"], "Not a directory"),
        (["stat", "{image}:/cache/old-1"], "No such file or directory"),
        (["ls", "{image}x"], "no such image"),
        (["layers", "nothing"], "an image is named as"),
        (["diff", "{image}", "nothing"], "an image is named as"),
        (["tree", "--max-entries", "3", "{image}"], "more than 3 entries"),
    ],
)
def test_what_is_not_there(
    image: str, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(image=image) for argument in arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert reason in said.err


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--max-entries", "1"], "more than 1 entries"),
        (["--max-depth", "1"], "deeper than 1"),
        (["--max-path", "2"], "name too long"),
        (["--max-extended-header", "5"], "extended header of"),
        (["--max-total", "100"], "size out of range|more than 100 bytes"),
        (["--max-ratio", "2"], "compressed more than 2 times"),
        (["--max-document", "10"], "larger than 10 bytes"),
    ],
)
def test_every_limit_has_a_flag(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    reason: str,
) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    layout = LayoutBuilder(tmp_path / "image")
    layout.tag(layout.image(pax(uid=b"1") + file(b"a", bytes(9000)) + file(b"d/long") + END))
    for command in (["ls"], ["mount"]):
        place = [str(tmp_path)] if command == ["mount"] else []
        assert main([*command, *flags, f"oci:{layout.root}", *place]) == 1
        assert re.search(reason, capsys.readouterr().err)
    assert main(["ls", f"oci:{layout.root}"]) == 0


def test_the_last_wins_where_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNIONFS_STORE", str(tmp_path / "store"))
    layout = LayoutBuilder(tmp_path / "image")
    layout.tag(layout.image(file(b"a", b"1") + file(b"a", b"2") + END))
    for _ in range(2):  # what the one has left in the store does not count for the other
        assert main(["cat", f"oci:{layout.root}:/a"]) == 1
        assert "comes more than once" in capsys.readouterr().err
        assert main(["cat", "--last-wins", f"oci:{layout.root}:/a"]) == 0
        assert capsys.readouterr().out == "2"


def test_a_file_in_a_compressed_layer_is_read_twice(image: str, tmp_path: Path, said: Said) -> None:
    assert said("cat", f"{image}:/src/main.c") == said("cat", f"{image}:/src/main.c")
    assert [path.read_bytes() for path in (tmp_path / "store").glob("files/*/*/*")] == [
        b"int main(void) { return 0; }\n"
    ]


def test_a_directory_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(unionfs.ImageNotFoundError):
        unionfs.open_image(str(tmp_path))
