"""What a process without privileges cannot give to a file, left out and counted."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Callable

_log = logging.getLogger(__name__)

# EINVAL: an owner that the user namespace has no number for (user_namespaces(7)).
_REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL})


class Skipped:
    """Runs what may be refused, and tells once how much of it was."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def attempt(self, what: str, action: Callable[[], None]) -> bool:
        """Whether it was done. Errors that are no refusal are raised."""
        try:
            action()
        except OSError as failure:
            if failure.errno not in _REFUSED:
                raise
            self._counts[what] += 1
            return False
        return True

    def count(self, what: str) -> None:
        """One that is not even tried."""
        self._counts[what] += 1

    def report(self, archive: str) -> None:
        if self._counts:
            counts = ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))
            _log.warning("%s: left out, as this process or file system cannot have them: %s", archive, counts)
