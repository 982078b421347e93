"""What is said of long work under way; the command line shows it."""

from __future__ import annotations

from typing import Any


class Listener:
    """Told of each part that begins, and of what is measured meanwhile. This one says nothing.

    ``interrupted`` is set where Ctrl-C ended the work early: what is left holds what was done until then.
    """

    interrupted = False

    def begin(self, part: str) -> None:
        """A part of the work begins: of a report ``sparsity``, ``effective``, or ``page`` in the end."""

    def seen(self, seen: Any) -> None:
        """Effective fields were measured: a `rftools.erf.enough.Seen`."""
