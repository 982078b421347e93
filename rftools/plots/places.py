"""Units that look back only: their own place is the end of their window, not its middle."""

from __future__ import annotations


def is_causal(start: int | None, size: int | None) -> bool:
    """Whether a unit's window ends at the unit's own place: nothing after it reaches the unit.

    >>> is_causal(-7, 8), is_causal(-3, 7), is_causal(0, 1)
    (True, False, False)
    """
    return start is not None and size is not None and size > 1 and start + size - 1 <= 0
