"""Zip archives from outside."""

from __future__ import annotations

import zipfile
from typing import IO

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


CHUNK = 1 << 20  # bytes


def bytes_of(stream: IO[bytes], size: int) -> bytearray:
    """The next ``size`` bytes of a stream, held once; where it ends before, fewer, and no room was made for more."""
    held = bytearray()
    while len(held) < size and (part := stream.read(min(CHUNK, size - len(held)))):
        held += part
    return held
