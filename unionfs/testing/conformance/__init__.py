"""What any file system has to do, as checks that run on a mountpoint: a table from name to check.

    python -m unionfs.testing MOUNTPOINT

Checks come by topic, a file each. Those about a union's layers need layers that were
made for them beforehand (`--prepare`, see `unionfs.testing.conformance.scenes`).
"""

from __future__ import annotations
