"""Several blobs on their way at once, told of as one step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from unionfs.images.progress import Progress
from unionfs.images.transport import Remote

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

AT_ONCE = 3
"""As docker has it: one connection seldom fills a line, and a server is not to be stormed."""

Transfer = Callable[[Progress], None]
"""Moves one blob. What the progress raises is to end it."""


class _EndedError(Exception):
    """A transfer that has to end, as another one has failed."""


class Transfers:
    """For the time of a ``with``. The first error ends all that is under way; nothing is begun after it.

    `progress` is told of all of them together, by one thread at a time.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._transfers: list[Future[None]] = []
        self._remotes: list[Remote] = []
        self._done: list[int] = []
        self._sizes: list[int] = []
        self._failure: BaseException | None = None

    def start(self, label: str, size: int, transfer: Transfer, *ends: object) -> Future[None]:
        """Have `transfer`, of so many bytes, run beside others. `ends` are what it connects."""
        from concurrent.futures import ThreadPoolExecutor  # who transfers nothing does not load it

        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE, "unionfs-transfer")
        with self._lock:
            number = len(self._sizes)
            self._sizes.append(size)
            self._done.append(0)
            self._remotes += [end for end in ends if isinstance(end, Remote)]
        future = self._pool.submit(self._run, transfer, partial(self._tell, number, label))
        self._transfers.append(future)
        return future

    def wait(self, transfer: Future[None]) -> None:
        """Until this one is done. Raises what any of them has failed with."""
        from concurrent.futures import wait

        wait([transfer])
        if self._failure is not None:
            raise self._failure
        transfer.result()

    def finish(self) -> None:
        """Wait for all of them."""
        for transfer in self._transfers:
            self.wait(transfer)

    def meanwhile(self, label: str, done: int, total: int) -> None:
        """The `Progress` of what is done beside the transfers: not shown until they are over."""
        if all(transfer.done() for transfer in self._transfers):
            self._progress(label, done, total)

    def _run(self, transfer: Transfer, told: Callable[[int], None]) -> None:
        try:
            told(0)
            transfer(lambda _label, done, _total: told(done))
        except BaseException as failure:
            self._end(failure)
            raise

    def _tell(self, number: int, label: str, done: int) -> None:
        with self._lock:
            if self._failure is not None:
                raise _EndedError
            self._done[number] = done
            whole = sum(done == size for done, size in zip(self._done, self._sizes, strict=True))
            name = label if len(self._sizes) == 1 else f"{whole} of {len(self._sizes)} layers"
            self._progress(name, sum(self._done), sum(self._sizes))

    def _end(self, failure: BaseException) -> None:
        with self._lock:
            if self._failure is not None:
                return
            self._failure = failure
        for remote in self._remotes:
            remote.interrupt()

    def __enter__(self) -> Transfers:
        return self

    def __exit__(self, _type: object, failure: BaseException | None, _traceback: object) -> None:
        if failure is not None:
            self._end(failure)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=failure is not None)
