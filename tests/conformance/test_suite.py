"""The suite itself: what it says of a file system that does not do what it should."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unionfs.testing import __main__ as program
from unionfs.testing.conformance import runner, scenes
from unionfs.testing.conformance.caller import USER, in_child
from unionfs.testing.conformance.check import Check, Topic, Where
from unionfs.testing.conformance.expect import FailedError, done, refused, same
from unionfs.testing.conformance.needs import Need
from unionfs.testing.conformance.runner import Result, Status, run
from unionfs.testing.conformance.table import TABLE
from unionfs.testing.stacks import Dir, File, HardLink, Whiteout


def results_of(topic: Topic, place: Path, **more: object) -> dict[str, Result]:
    return {result.name: result for result in run(topic, str(place), {}, **more)}  # type: ignore[arg-type]


def test_what_is_expected_and_what_happened_is_told(tmp_path: Path) -> None:
    topic = Topic("t")

    @topic.check()
    def refusal() -> None:
        refused(errno.EEXIST, os.mkdir, "d")

    @topic.check()
    def success() -> None:
        done(os.rmdir, "d", by=USER)

    @topic.check()
    def other_error() -> None:
        refused(errno.EEXIST, os.rmdir, "d")

    @topic.check()
    def value() -> None:
        same("answer", 41, 42)

    @topic.check()
    def surprise() -> None:
        os.stat("missing")

    told = {name: result.text for name, result in results_of(topic, tmp_path).items()}
    assert told.pop("t.surprise").endswith("or directory: 'missing' in “os.stat(\"missing\")”")
    assert told == {
        "t.refusal": "mkdir('d'): expected EEXIST, but it succeeded",
        "t.success": f"rmdir('d') by {USER}: expected to succeed, got ENOENT",
        "t.other_error": "rmdir('d'): expected EEXIST, got ENOENT",
        "t.value": "answer: expected 42, got 41",
    }
    assert os.listdir(tmp_path) == []


def test_statuses(tmp_path: Path) -> None:
    topic = Topic("t")

    @topic.check(Need.ACLS)
    def needy() -> None: ...

    @topic.check(given={"f": File(b"x")})
    def given() -> None:
        same("content", Path("f").read_bytes(), b"x")

    @topic.check()
    def departing() -> None:
        same("one", 1, 2)

    found = {
        result.name: result.status
        for result in run(
            topic, str(tmp_path), {Need.ACLS: "none here"}, departures={"t.departing": "known"}.get
        )
    }
    assert found == {
        "t.needy": Status.NOT_APPLICABLE,
        "t.given@fresh": Status.PASSED,
        "t.given@lower": Status.NOT_APPLICABLE,
        "t.given@merged": Status.NOT_APPLICABLE,
        "t.given@copied": Status.NOT_APPLICABLE,
        "t.departing": Status.DEPARTS,
    }


def test_a_hung_check_fails_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic("t")
    monkeypatch.setattr(runner, "PATIENCE", 1)

    @topic.check()
    def hung() -> None:
        time.sleep(60)

    @topic.check()
    def next_one() -> None: ...

    found = results_of(topic, tmp_path)
    assert [found[name].status for name in ("t.hung", "t.next_one")] == [Status.FAILED, Status.PASSED]


def test_a_yield_stands_for_a_mount(tmp_path: Path) -> None:
    topic = Topic("t")
    mounts: list[str] = []

    @topic.check(Need.REMOUNT)
    def twice() -> Iterator[None]:
        Path("f").write_bytes(b"")
        yield
        same("names", os.listdir(), ["f"])
        yield
        same("mounts", len(mounts), 2)

    found = results_of(topic, tmp_path, remount=lambda: mounts.append(os.getcwd()))
    assert (found["t.twice"], mounts) == (Result("t.twice", Status.PASSED), ["/", "/"])


def test_what_another_user_does_is_done_by_them(tmp_path: Path) -> None:
    assert USER.run(os.geteuid) == USER.uid
    assert USER._replace(groups=(7,)).run(os.getgroups) == [7]
    with pytest.raises(PermissionError):
        USER.run(os.mkdir, str(tmp_path / "d"))
    with pytest.raises(RuntimeError, match="ended with 3"):
        in_child(lambda: os._exit(3))
    with pytest.raises(FailedError, match="answer"):
        in_child(lambda: same("answer", 1, 2))


def test_layers_are_put_down(tmp_path: Path) -> None:
    given = {"d": Dir(), "one": File(b"1"), "two": File(b"2"), "link": HardLink(b"two")}
    checks = [
        Check("t.lower", print, where=Where.LOWER, given=given),
        Check("t.merged", print, where=Where.MERGED, given=given),
        Check(
            "t.layers",
            print,
            where=Where.LAYERS,
            layers=({"x": Whiteout()}, {"x": File(b""), "y": File(b"")}),
        ),
    ]
    top, bottom = map(Path, scenes.prepare(str(tmp_path), checks))
    assert sorted(os.listdir(top)) == ["t.layers", "t.merged"]
    assert sorted(os.listdir(bottom / "t.lower")) == ["d", "link", "one", "two"]
    assert sorted(os.listdir(top / "t.merged")) == ["d", "link", "two"]
    assert sorted(os.listdir(bottom / "t.merged")) == ["d", "one"]
    assert (bottom / "t.lower/link").samefile(bottom / "t.lower/two")
    assert (top / "t.layers/x").is_char_device()
    flat = tmp_path / "flat"
    flat.mkdir()
    scenes.prepare_flat(str(flat), checks)
    assert [sorted(os.listdir(flat / name)) for name in ("t.layers", "t.merged")] == [
        ["y"],
        ["d", "link", "one", "two"],
    ]


def test_names_fit_into_a_directory() -> None:
    assert len(TABLE) > 9000
    assert all(len(name) < 256 and "/" not in name for name in TABLE)


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list", "-k", "limits.case_matters"]) == 0
    assert capsys.readouterr().out == "limits.case_matters\n"
    assert program.main([str(tmp_path), "-k", "limits.case_matters"]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed, 0 departs, 0 not applicable\n"
    assert program.main([str(tmp_path), "-k", "limits.case_matters", "--json"]) == 0
    assert '"status": "passed"' in capsys.readouterr().out


def test_the_program_says_that_something_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        same("one", 1, 2)

    monkeypatch.setitem(TABLE, "broken", Check("broken", broken))
    assert program.main([str(tmp_path), "-k", "broken"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "FAILED broken: one: expected 2, got 1"


def test_who_reads_the_list_may_stop() -> None:
    command = [sys.executable, "-m", "unionfs.testing", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        assert b"." in listing.stdout.readline()
        listing.stdout.close()
        assert (listing.stderr.read(), listing.wait()) == (b"", 1)
