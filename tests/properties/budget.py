"""How many examples a test may run: few by default, many with ``HYPOTHESIS_PROFILE=long``."""

from __future__ import annotations

import os

from hypothesis import Phase, settings

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def examples(number: int) -> settings:
    """`number` examples, forty times as many in the long profile."""
    return settings(max_examples=number * 40 if LONG else number)


def mounts(number: int) -> settings:
    """`examples` where each takes a second or more: a failure is shrunk in the long profile only."""
    phases = set(Phase) if LONG else set(Phase) - {Phase.shrink, Phase.explain}
    return settings(examples(number), phases=tuple(phases))
