"""What is said of a report under way; the command line shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rftools.erf.enough import Seen


class Watcher:
    """Told of each part that begins, and of what is measured meanwhile. This one says nothing.

    ``interrupted`` is set where Ctrl-C ended the analyses early: the page then holds what was done.
    """

    interrupted = False

    def begin(self, part: str) -> None:
        """A part of the report begins: ``sparsity``, ``effective``, or ``page``."""

    def seen(self, seen: Seen) -> None:
        """Effective fields were measured."""
