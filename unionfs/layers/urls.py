"""Which names of layers are URLs, for fsspec to understand. Pure, and without fsspec."""

from __future__ import annotations

import re

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?:::[A-Za-z][A-Za-z0-9+.-]*)*://")


def is_url(name: str) -> bool:
    """Whether `name` begins as a URL does, or a chain of them: ``SCHEME://``, ``SCHEME::SCHEME://``.

    (A directory of such a name can be named as ``./SCHEME://``.)
    """
    return _URL.match(name) is not None
