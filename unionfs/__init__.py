"""A layered union filesystem."""

__version__ = "0.1.0"
