"""Measuring unions beside their peers: who is measured, on which trees, how often, and what came of it.

`unionfs bench` measures copy-up with it, the repository's `benchmarks/` everything else. It
takes daemons for its own that other parts of a process may have started (`mounting`), so it
wants a process of its own.
"""
