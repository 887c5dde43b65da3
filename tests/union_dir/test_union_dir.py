"""The fixture that comes with the package, in projects that are made for the purpose."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from unionfs.adapters.mountinfo import mounts
from unionfs.testing.union_dir.asking import Keeper, NoMountError

pytest_plugins = ["pytester"]

_HIDE = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod /dev/urandom c 1 9"
WITHOUT_DEVICES = ["unshare", "-m", "sh", "-c", f'{_HIDE} && exec "$@"', "-"]
"""What runs a program where there is no /dev/fuse, as in most containers."""


class Project:
    """A project whose tests are run in a process of their own, with everything temporary in one place."""

    def __init__(self, pytester: pytest.Pytester, temporary: Path, notes: Path) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self.temporary = temporary
        self.notes = notes
        (self.root / "src/deep").mkdir(parents=True)
        (self.root / "src/code.py").write_text("original")
        (self.root / "src/deep/data").write_text("deep")

    def run(self, tests: str, *arguments: str, ini: str = "") -> pytest.RunResult:
        self.pytester.makepyprojecttoml(f'[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n{ini}')
        self.pytester.makepyfile(tests)
        before = self.content()
        result = self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=60)
        assert self.content() == before
        return result

    def content(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (self.root / "src").rglob("*") if path.is_file()}

    def left(self) -> list[str]:
        """What is mounted still, and what lies around, notes of daemons among it."""
        mounted = [mount.mountpoint for mount in mounts() if mount.mountpoint.startswith(str(self.temporary))]
        return mounted + os.listdir(self.temporary) + os.listdir(self.notes)

    def left_in_the_end(self) -> list[str]:
        deadline = time.monotonic() + 20
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.left()


@pytest.fixture
def project(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Project:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    notes = tmp_path_factory.mktemp("runtime")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(notes))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (notes / "unionfs").mkdir()
    return Project(pytester, temporary, notes / "unionfs")


def test_a_test_can_change_what_is_never_touched(project: Project) -> None:
    result = project.run(
        """
        import os, pathlib

        def change(root):
            assert (root / "src/code.py").read_text() == "original"
            (root / "src/code.py").write_text("changed")
            (root / "src/deep").rename(root / "src/moved")
            (root / "new").mkdir()

        def test_one(union_dir):
            assert isinstance(union_dir, pathlib.Path) and os.path.ismount(union_dir)
            change(union_dir)
            assert [(c.letter, c.path) for c in union_dir.diff()] == [
                ("A", "/new"), ("C", "/src"), ("C", "/src/code.py"), ("D", "/src/deep"), ("A", "/src/moved"),
                ("A", "/src/moved/data"),
            ]
            assert [c.path for c in (union_dir / "src/moved").diff()] == ["/src/moved", "/src/moved/data"]

        def test_another_starts_afresh(union_dir):
            assert union_dir.diff() == []
            change(union_dir)

        def test_the_environment_is_the_tests(union_dir, tmp_path, monkeypatch):
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
            monkeypatch.chdir(union_dir)
            pathlib.Path("src/code.py").unlink()
            assert [c.path for c in union_dir.diff()] == ["/src", "/src/code.py"]
        """
    )
    result.assert_outcomes(passed=3)
    assert not project.left()


def test_which_directory_it_is(project: Project) -> None:
    (project.root / "fixtures").mkdir()
    (project.root / "fixtures/code.py").write_text("above")
    result = project.run(
        """
        import pytest

        def names(path):
            return sorted(entry.name for entry in path.iterdir())

        def test_by_ini_file(union_dir):
            assert union_dir.name == "fixtures"
            assert names(union_dir) == ["code.py", "deep"]
            assert (union_dir / "code.py").read_text() == "above"

        @pytest.mark.union_dir("src/deep")
        def test_by_marker(union_dir):
            assert names(union_dir) == ["data"]

        @pytest.mark.union_dir("/etc", "src")
        class TestByAnotherMarker:
            def test_of_the_class(self, union_dir):
                assert {"hostname", "code.py"} <= set(names(union_dir))
        """,
        ini='union_dir = ["fixtures", "src"]',
    )
    result.assert_outcomes(passed=3)
    assert not project.left()


def test_it_is_unmounted_whatever_a_test_leaves(project: Project) -> None:
    result = project.run(
        """
        import os, subprocess, sys

        def test_fails(union_dir):
            (union_dir / "new").touch()
            assert False

        def test_leaves_a_file_open_and_a_program_running(union_dir):
            global kept, kept_too
            kept = os.open(union_dir / "src/code.py", os.O_RDWR)
            kept_too = subprocess.Popen(["sleep", "3"], cwd=union_dir, stdout=-3, stderr=-3)

        def test_forbids_everything(union_dir):
            (union_dir / "src").chmod(0)
            (union_dir / "closed").mkdir(mode=0)

        def test_unmounts_it_itself(union_dir):
            subprocess.run(["umount", "-l", union_dir], check=True)
        """
    )
    result.assert_outcomes(passed=3, failed=1)
    assert not project.left()


@pytest.mark.parametrize(
    ("ending", "arguments"),
    [
        ("time.sleep(60)", ("--timeout=1", "--timeout-method=thread")),
        ("time.sleep(60)", ("--timeout=1", "--timeout-method=signal")),
        ("os.kill(os.getpid(), signal.SIGKILL)", ()),
        ("os.kill(os.getpid(), signal.SIGINT)", ()),
        ("os._exit(3)", ()),
    ],
)
def test_it_is_unmounted_however_the_run_ends(
    project: Project, ending: str, arguments: tuple[str, ...]
) -> None:
    result = project.run(
        f"""
        import os, signal, time

        def test_it(union_dir):
            (union_dir / "src/code.py").unlink()
            {ending}
        """,
        *arguments,
    )
    assert result.ret != 0
    assert not project.left_in_the_end()


def test_an_answer_that_nobody_has_read_is_not_taken_for_another(project: Project) -> None:
    with Keeper() as keeper:
        assert keeper._process.stdin is not None
        keeper._process.stdin.write(json.dumps([-1, "mount", ["/etc"]]) + "\n")  # who asked was interrupted
        mounted = keeper.mount([str(project.root / "src")])
        assert (Path(mounted.mountpoint) / "code.py").exists()
        keeper.discard(mounted)
    assert not project.left()


def test_a_keeper_that_is_gone(project: Project) -> None:
    with Keeper() as keeper:
        keeper._process.kill()
        keeper._process.wait()
        with pytest.raises(NoMountError, match="the keeper of mounts has ended"):
            keeper.mount(["/etc"])


def test_many_at_once(project: Project) -> None:
    result = project.run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_it(union_dir, number):
            (union_dir / "src/new").write_text(str(number))
            assert len(union_dir.diff()) == 2
            assert (union_dir / "src/new").read_text() == str(number)
        """,
        "-n2",
    )
    result.assert_outcomes(passed=8)
    assert not project.left()


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("nowhere", "union_dir: lowerdir=*nowhere: No such file or directory*"),
        ("/", "union_dir: upperdir=*/upper: overlaps lowerdir=/*"),
    ],
)
def test_a_directory_that_cannot_be_shown(project: Project, layer: str, reason: str) -> None:
    result = project.run(
        f"""
        import pytest

        @pytest.mark.union_dir("{layer}")
        def test_it(union_dir):
            pass
        """,
        ini='union_dir_without_fuse = "skip"',
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([reason])
    assert not project.left()


@pytest.mark.parametrize(
    ("choice", "outcome"),
    [("", "errors"), ('union_dir_without_fuse = "skip"', "skipped")],
    ids=["fail", "skip"],
)
def test_where_nothing_can_be_mounted(project: Project, choice: str, outcome: str) -> None:
    project.pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{choice}")
    project.pytester.makepyfile("def test_it(union_dir): pass")
    result = project.pytester.run(*WITHOUT_DEVICES, sys.executable, "-m", "pytest", "-rs", timeout=60)
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*union_dir: nothing can be mounted here: *fuse*"])
    result.stdout.no_fnmatch_line("*During handling*")
    assert not project.left()


def test_a_choice_that_is_none(project: Project) -> None:
    project.pytester.makepyprojecttoml('[tool.pytest.ini_options]\nunion_dir_without_fuse = "sometimes"')
    project.pytester.makepyfile("def test_it(union_dir): pass")
    result = project.pytester.run(*WITHOUT_DEVICES, sys.executable, "-m", "pytest", timeout=60)
    result.stdout.fnmatch_lines(["*union_dir_without_fuse=sometimes: not one of fail, skip*"])


def test_modules_of_the_project_are_not_taken_for_ours(project: Project) -> None:
    for name in ("json", "tempfile", "unionfs"):
        (project.root / f"{name}.py").write_text("raise AssertionError('loaded')")
    project.pytester.makepyfile("def test_it(union_dir): assert (union_dir / 'json.py').exists()")
    pytest_alone = ["env", "-u", "PYTHONPATH", Path(sys.executable).with_name("pytest")]
    result = project.pytester.run(*pytest_alone, timeout=60)
    result.assert_outcomes(passed=1)


def test_a_run_that_does_not_use_it_loads_nothing_of_it(project: Project) -> None:
    project.run(
        """
        import sys

        def test_it():
            assert sorted(name for name in sys.modules if name.startswith("unionfs")) == [
                "unionfs", "unionfs.testing", "unionfs.testing.union_dir", "unionfs.testing.union_dir.plugin"
            ]
        """,
        "-p",
        "no:pytester",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "line"), [("--fixtures", "union_dir -- "), ("--markers", "@pytest.mark.union_dir(*layers): ")]
)
def test_it_says_what_it_is(project: Project, option: str, line: str) -> None:
    result = project.pytester.run(sys.executable, "-m", "pytest", option, timeout=60)
    assert any(text.startswith(line) for text in result.outlines)
