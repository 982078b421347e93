"""Zip archives from outside."""

from __future__ import annotations

import zipfile

from rftools.reading.limits import check


def check_archive(archive: zipfile.ZipFile, where: str) -> None:
    """The limits of archives: entries, and what packed ones expand to.

    Raises:
        RequestError: over one of them.
    """
    entries = archive.infolist()
    check("entries", len(entries), where)
    packed = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
    check("expansion", packed, where)
