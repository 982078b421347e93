"""`make gpu` on a machine without a device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_without_a_device_it_says_so_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "benchmarks" / "gpu.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "no CUDA device here: nothing was run, and nothing is claimed of one\n"


def test_make_knows_it() -> None:
    assert "benchmarks/gpu.py" in (ROOT / "Makefile").read_text(encoding="utf-8")
