"""A page as a notebook shows it: in a frame of its own, the cell's output."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path

from rftools.files import check_writable, write_text
from rftools.plots.scene import short

REPORT, PARTS = "46rem", "47rem"  # heights of frames


@dataclass(frozen=True)
class Page:
    """A page that was not written to a file: a notebook shows it as the output of its cell, `save` writes it.

    The frame is the page whole, in ``srcdoc``: nothing is loaded, and its script is kept from the notebook around it
    (``sandbox``).

    >>> page = Page("<p>7 px</p>", "a net")
    >>> page
    <Page 'a net', 11 bytes: a notebook shows it, .save("page.html") writes it>
    """

    html: str = field(repr=False)
    title: str
    height: str = REPORT

    def save(self, path: str | Path) -> Path:
        """Write the page to a file and return its path.

        Raises:
            RequestError: the path can't be written.
        """
        check_writable(path)
        write_text(path, self.html)
        return Path(path)

    def _repr_html_(self) -> str:
        content = self.html.replace("&", "&amp;").replace("'", "&#39;")
        style = f"width:100%;height:{self.height};border:0;resize:vertical"
        return (
            f'<iframe title="{html.escape(short(self.title, 60))}" sandbox="allow-scripts allow-downloads" '
            f"style=\"{style}\" srcdoc='{content}'></iframe>"
        )

    def __repr__(self) -> str:
        size = len(self.html.encode("utf-8"))
        return f'<Page {short(self.title, 60)!r}, {size:,} bytes: a notebook shows it, .save("page.html") writes it>'
