"""A ticket tracker whose users are AI agents."""

__version__ = "0.1.0"
