"""What `unionfs bench copy-up` measures with."""

from __future__ import annotations

from pathlib import Path

import pytest

from unionfs.bench import copyup
from unionfs.bench.copyup import SizedFiles
from unionfs.errors import ConfigError


def test_a_second_without_answers_is_felt_by_all_who_asked_in_it() -> None:
    felt = list(copyup._as_felt([0.0001, 1.0, 0.0001]))
    assert len(felt) == pytest.approx(1002, abs=1)
    assert sorted(felt)[len(felt) // 2] == pytest.approx(0.5, abs=0.01)


def test_the_files_have_the_sizes_and_no_holes(tmp_path: Path) -> None:
    SizedFiles((1, 4096, (1 << 20) + 5)).fill(tmp_path, [0])
    for size in (1, 4096, (1 << 20) + 5):
        status = (tmp_path / str(size)).stat()
        assert status.st_size == size
        assert status.st_blocks * 512 >= size
    assert len(list((tmp_path / "others").iterdir())) == 8_000


def test_every_operation_at_every_size_the_smallest_first() -> None:
    workloads = copyup.workloads([1 << 20, 4096, 4096])
    names = ["write", "cp", "chmod", "unlink", "read"]
    assert [(each.name, each.amount) for each in workloads] == [
        (name, size) for size in (4096, 1 << 20) for name in names
    ]


def test_room_is_asked_for_beforehand(tmp_path: Path) -> None:
    copyup.require_room(tmp_path, [4096])
    with pytest.raises(ConfigError, match=r"MiB are needed there, [\d,]+ MiB are free"):
        copyup.require_room(tmp_path, [1 << 60])
