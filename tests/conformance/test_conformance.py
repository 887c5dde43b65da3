"""The conformance suite on everything that it can be run on: our mounts, the kernel's, a plain directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance_stands import FUSEPY, KERNEL, NATIVE, PLAIN, Stand

from unionfs.testing.conformance.table import TABLE

pytestmark = pytest.mark.timeout(1800)

TOPICS = sorted({name.partition(".")[0] for name in TABLE})

VARIANTS = {
    NATIVE: ("*",),
    FUSEPY: ("@lower", "@layers"),
    KERNEL: ("@lower", "@layers"),
    PLAIN: ("@fresh", "@layers"),
}
"""Ours is held against everything; the others bear witness that the checks are right."""

NOT_THERE = {
    NATIVE: (),
    FUSEPY: ("no O_TMPFILE", "no holes can be punched", "no POSIX ACLs"),
    KERNEL: (),
    PLAIN: (),
}
"""All that may be missing, by the words in which the suite tells of it."""


def _each(kinds: tuple[str, ...]) -> list[object]:
    """A worker a file system: the layers are put down once for all topics."""
    return [pytest.param(kind, marks=pytest.mark.xdist_group(f"conformance {kind}")) for kind in kinds]


@pytest.fixture(scope="module", params=_each((NATIVE, FUSEPY, KERNEL, PLAIN)))
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    directory = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(directory))  # other tests mount at the same time
        stand = Stand(request.param, directory)
        yield stand
        stand.close()


@pytest.mark.parametrize("topic", TOPICS)
def test_conforms(stand: Stand, topic: str) -> None:
    patterns = [f"{topic}.*{variant}" if variant != "*" else f"{topic}.*" for variant in VARIANTS[stand.kind]]
    ran = stand.check(*(f"-k={pattern}" for pattern in patterns))
    missing = [line for line in ran.stdout.splitlines() if line.startswith("not applicable")]
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert [line for line in missing if not any(known in line for known in NOT_THERE[stand.kind])] == []


@pytest.mark.parametrize("stand", _each((NATIVE, KERNEL, PLAIN)), indirect=True)
@pytest.mark.parametrize("seed", [1, 2])
def test_stands_stress(stand: Stand, seed: int) -> None:
    """Not over fusepy, where names have no flags; the state machine does there what the stress does."""
    ran = stand.check("--stress", "--seconds=8", f"--seed={seed}")
    assert (ran.returncode, ran.stdout) == (0, "nothing failed\n")
