"""Random operations in a directory that others change at the same time: any outcome but a wrong one."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable

from unionfs.testing.conformance.expect import FailedError

_NAMES = ("a", "b", "c", "d")
_EXPECTED = {
    errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EPERM, errno.EINVAL,
    errno.ENXIO, errno.EMLINK, errno.ESTALE,
}  # fmt: skip
"""What may come of racing with others."""


class CrowdStress:
    def __init__(self, root: str, seed: int) -> None:
        self._root = root
        self._random = random.Random(seed + 7)
        self._steps: tuple[Callable[[], object], ...] = (
            self._mkdir, self._create, self._unlink, self._rmdir, self._rename, self._rename, self._link,
            self._list, self._write,
        )  # fmt: skip

    def step(self) -> None:
        try:
            self._random.choice(self._steps)()
        except OSError as failure:
            if failure.errno not in _EXPECTED:
                raise

    def finish(self) -> None:
        """Listing and look-up must agree once it is quiet; who is not the last sees others at work."""
        for path, directories, files in os.walk(self._root):
            names = [*directories, *files]
            if len(names) != len(set(names)):
                raise FailedError(f"{path}: a name is listed twice: {sorted(names)}")

    def _path(self) -> str:
        return os.path.join(
            self._root, *(self._random.choice(_NAMES) for _ in range(self._random.randint(1, 2)))
        )

    def _mkdir(self) -> None:
        os.mkdir(self._path())

    def _create(self) -> None:
        os.close(os.open(self._path(), os.O_CREAT | os.O_WRONLY, 0o644))

    def _unlink(self) -> None:
        os.unlink(self._path())

    def _rmdir(self) -> None:
        os.rmdir(self._path())

    def _rename(self) -> None:
        os.rename(self._path(), self._path())

    def _link(self) -> None:
        os.link(self._path(), self._path())

    def _list(self) -> None:
        names = os.listdir(self._path())
        if len(names) != len(set(names)):
            raise FailedError(f"a name is listed twice: {sorted(names)}")

    def _write(self) -> None:
        """What is written to an open file is read from it, whatever becomes of its names."""
        fd = os.open(self._path(), os.O_RDWR)
        try:
            data = self._random.randbytes(64)
            offset = os.getpid() * 64 % 65536
            os.pwrite(fd, data, offset)
            if os.fstat(fd).st_size < offset + 64:
                raise FailedError("a file is shorter than what was written to it")
        finally:
            os.close(fd)
