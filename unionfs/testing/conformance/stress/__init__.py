"""Random operations that go on for a while, from many processes, each held against a model of its own.

Seeded: the same seed gives every process the same operations again.
"""
