"""What came of the checks, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from unionfs.testing.conformance.runner import Result, Status


def as_lines(results: Iterable[Result]) -> Iterable[str]:
    """A line a failure as it happens; at the end what else has not passed, by reason, and the sums."""
    counts: Counter[Status] = Counter()
    reasons: Counter[str] = Counter()
    for result in results:
        counts[result.status] += 1
        if result.status is Status.FAILED:
            yield f"FAILED {result.name}: {result.text}"
        elif result.status is not Status.PASSED:
            reasons[f"{result.status.value}: {{}} checks: {result.text}"] += 1
    for reason, count in sorted(reasons.items()):
        yield reason.format(count)
    yield ", ".join(f"{counts[status]} {status.value}" for status in Status)


def as_json(results: Iterable[Result]) -> str:
    return json.dumps([result._asdict() | {"status": result.status.value} for result in results], indent=1)
