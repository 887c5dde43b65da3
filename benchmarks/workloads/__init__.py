"""The workloads, by theme. Importing a module of this package makes its bodies known (`workload.ALL`).

What a body writes in bulk it also removes, after the last figure: unmounting would wait for
the disk otherwise.
"""

from benchmarks.workloads import changing, developing, growing, large, starting, walking

__all__ = ["changing", "developing", "growing", "large", "starting", "walking"]
