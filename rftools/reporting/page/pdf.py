"""The page as PDF, printed by a browser that is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rftools.errors import RequestError
from rftools.files import atomic_write

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PATIENCE = 180  # seconds


def find_browser() -> str:
    """The first Chromium or relative on the path.

    Raises:
        RequestError: there is none.
    """
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise RequestError(
        "no browser found to print the PDF; install Chromium (apt-get install chromium), or open the page and print it"
    )


def write_pdf(page: str, path: str | Path) -> None:
    """Print an HTML page's text into ``path``, whole or not at all.

    Raises:
        RequestError: no browser, or it printed nothing.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.pdf")
        source.write_text(page, encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
        ]
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses root otherwise
        command += [f"--print-to-pdf={target}", source.as_uri()]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RequestError(f"{browser} could not print the page: {error}") from error
        if not target.exists():
            last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise RequestError(f"{browser} printed no page (status {ended.returncode}): {last[0]}")
        with atomic_write(path) as stream:
            stream.write(target.read_bytes())
