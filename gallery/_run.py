"""What gallery scripts share: where the picture goes, and how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path


def run(draw: Callable[[Path], None], name: str) -> None:
    """Call ``draw`` with the picture's path, in the folder that the command line names or the docs' own."""
    begin = time.perf_counter()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / name)
    print(f"{name}: {time.perf_counter() - begin:.1f} s")
