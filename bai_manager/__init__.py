"""Administer a Backend.AI cluster, or one machine, as a library and from a shell."""

__version__ = "0.1.0"
