"""The checks, a file a topic."""
