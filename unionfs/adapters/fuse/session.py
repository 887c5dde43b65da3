"""The loop between /dev/fuse and the dispatcher.

One thread reads requests and answers them on the spot. What may take long goes to
workers, so that nobody waits for it who did not ask for it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from time import sleep
from typing import Protocol

from unionfs.adapters.fuse import protocol
from unionfs.adapters.fuse.callers import is_killed
from unionfs.adapters.fuse.dispatch import LISTING, WAITING, Dispatcher, WouldWaitError
from unionfs.adapters.fuse.protocol import InitFlags, MalformedError, Opcode, Request
from unionfs.adapters.fuse.wire import errno_of
from unionfs.errors import error

MAX_WRITE = 1 << 20
MAX_REQUEST = MAX_WRITE + protocol.BUFFER_HEADROOM
WORKERS = 32
"""Enough that no long copy-up has to wait for others to end; threads are made as they are needed."""
BACKGROUND = 64
"""How many requests the kernel may have under way that nobody waits for (readahead)."""

_WANTED = (
    InitFlags.ASYNC_READ
    | InitFlags.ATOMIC_O_TRUNC
    | InitFlags.BIG_WRITES
    | InitFlags.DONT_MASK
    | InitFlags.DO_READDIRPLUS
    | InitFlags.ASYNC_DIO
    | InitFlags.PARALLEL_DIROPS
    | InitFlags.POSIX_ACL
    | InitFlags.MAX_PAGES
    | InitFlags.CACHE_SYMLINKS
    | InitFlags.NO_OPEN_SUPPORT
    | InitFlags.NO_OPENDIR_SUPPORT
    | InitFlags.EXPLICIT_INVAL_DATA
    | InitFlags.HANDLE_KILLPRIV_V2
    | InitFlags.SETXATTR_EXT
    | InitFlags.INIT_EXT
    | InitFlags.PASSTHROUGH
)

_NOTHING = InitFlags(0)

_LARGE = 4096
"""From this many bytes on, joining a reply to its header costs more than a vector write."""

_WITHOUT_REPLY = (Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.NOTIFY_REPLY)


_ABANDONED = LISTING | {Opcode.FSYNC, Opcode.FSYNCDIR, Opcode.SYNCFS, Opcode.READ}
"""What whoever asks may turn away from: it changes nothing, or goes on without him."""

_LOOK_EVERY = 0.1
"""Seconds between two looks at whether somebody who got a signal is killed."""


class Channel(Protocol):
    """Where requests come from and replies go to; see `device.Device`."""

    @property
    def descriptor(self) -> int | None:
        """What stands for the mount in an ioctl(2); None where there is no kernel behind it."""

    def receive(self, meanwhile: Callable[[], bool]) -> memoryview | None: ...
    def send(self, *parts: bytes | memoryview) -> None: ...


class Session:
    """Serves one mount until it is unmounted."""

    def __init__(
        self,
        channel: Channel,
        dispatcher: Dispatcher,
        ready: Callable[[], None] = lambda: None,
        *,
        unwanted: InitFlags = _NOTHING,
    ) -> None:
        """`ready` is called once the kernel's first request has been answered, which `unwanted` limits."""
        self._channel = channel
        self._dispatcher = dispatcher
        self._ready = ready
        self._workers = ThreadPoolExecutor(WORKERS, "unionfs")
        self._under_way: set[Future[None]] = set()
        self._waited_for: dict[int, int] = {}
        """Who waits for each request in `_ABANDONED` that a worker has."""
        self._layouts = protocol.layouts_of(InitFlags(0))
        self._wanted = _WANTED & ~unwanted
        self.flags = InitFlags(0)

    def serve(self) -> None:
        """Answer requests until the mount is gone."""
        try:
            while (buffer := self._channel.receive(self._dispatcher.use_time)) is not None:
                self._handle(buffer)
        finally:
            self._workers.shutdown()
            self._dispatcher.close()

    def _handle(self, buffer: memoryview) -> None:
        try:
            request = protocol.parse(buffer, self._layouts)
        except MalformedError:
            unique = protocol.unique_of(buffer)
            if unique is not None:
                self._channel.send(protocol.reply_error(unique, errno.EINVAL))
            return
        if request.opcode == Opcode.INIT:
            self._init(request)
        elif request.opcode == Opcode.INTERRUPT:
            if request.arguments[0] in self._waited_for:
                Thread(target=self._interrupted, args=request.arguments, daemon=True).start()
        elif self._blocks(request):
            work = self._hand_over(request)
            self._under_way.add(work)
            work.add_done_callback(self._under_way.discard)
        else:
            try:
                self._answer(request, self._dispatcher.answer_now)
            except WouldWaitError:
                self._hand_over(request)

    def _hand_over(self, request: Request) -> Future[None]:
        """Have a worker answer."""
        if request.opcode in _ABANDONED:
            self._waited_for[request.unique] = request.pid
        return self._workers.submit(self._work, _kept(request))

    def _work(self, request: Request) -> None:
        try:
            if request.opcode in LISTING:
                self._answer(request, self._fetch_and_answer)
            else:
                self._answer(request, self._dispatcher.answer)
        finally:
            self._waited_for.pop(request.unique, None)

    def _fetch_and_answer(self, request: Request) -> bytes | None:
        """What the kernel is told of files it may hold on to, so it has to be known whether it listens."""
        self._dispatcher.fetch(request)
        if self._waited_for.pop(request.unique, None) is None:
            raise error(errno.EINTR)
        return self._dispatcher.answer(request)

    def _interrupted(self, unique: int) -> None:
        """A signal has come for whoever waits for a request; let him go if he is killed, now or later.

        Nobody else is: few programs expect that reading a file or syncing it ends with EINTR.
        """
        while (pid := self._waited_for.get(unique)) is not None:
            if is_killed(pid):
                if self._waited_for.pop(unique, None) is not None:
                    self._channel.send(protocol.reply_error(unique, errno.EINTR))
                return
            sleep(_LOOK_EVERY)

    def _blocks(self, request: Request) -> bool:
        """Whether answering may take long, by itself or because a worker has to finish first."""
        if self._under_way and request.opcode in WAITING:
            return True
        try:
            return self._dispatcher.may_block(request)
        except OSError:
            return False  # it will fail in the same way, at once

    def _answer(self, request: Request, answer: Callable[[Request], bytes | memoryview | None]) -> None:
        try:
            body = answer(request)
        except WouldWaitError:
            raise
        except Exception as failure:  # noqa: BLE001 - a request that fails must not end the mount
            body = None
            number = errno_of(failure)
            if request.opcode not in _WITHOUT_REPLY:
                self._channel.send(protocol.reply_error(request.unique, number))
            return
        if body is None:
            return
        if len(body) < _LARGE:
            self._channel.send(protocol.reply(request.unique, body))
        else:
            self._channel.send(protocol.reply_header(request.unique, len(body)), body)

    def _init(self, request: Request) -> None:
        major, minor, readahead, offered = request.arguments
        if major != protocol.MAJOR or minor < protocol.OLDEST_MINOR:
            self._channel.send(protocol.reply_error(request.unique, errno.EPROTO))
            return
        self.flags = InitFlags(offered & self._wanted)
        self._layouts = protocol.layouts_of(self.flags)
        body = protocol.init_out(
            min(minor, protocol.MINOR),
            max(readahead, MAX_WRITE),
            self.flags,
            MAX_WRITE,
            background=BACKGROUND,
        )
        self._channel.send(protocol.reply(request.unique, body))
        self._dispatcher.start(self.flags, self._channel.send, self._channel.descriptor)
        self._ready()


def _kept(request: Request) -> Request:
    """The request with its data copied, for the buffer is about to be used again."""
    if request.opcode != Opcode.WRITE:
        return request
    fh, offset, data, flags = request.arguments
    return request._replace(arguments=(fh, offset, bytes(data), flags))
