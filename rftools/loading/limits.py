"""The table of limits lies where pictures and arrays reach it too."""

from rftools.reading.limits import LIMITS, check

__all__ = ["LIMITS", "check"]
