"""How long the command takes to answer when nothing heavy is needed: `rftools --help` at most 0.12 s of processor time.

Run: python benchmarks/startup.py [ROUNDS]

Processor time does not count what other programs take meanwhile; the time on the clock stands beside it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# command: its exit status, the most seconds of its median
CASES = {
    "rftools --help": (0, 0.12),
    "rftools --version": (0, 0.12),
    "rftools trf --help": (0, 0.3),
    "rftools sparsty": (2, 0.12),
}


def seconds(words: list[str], status: int) -> tuple[float, float]:
    """Processor time and time on the clock of one call."""
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run(words, capture_output=True)
    after, spent = os.times(), time.perf_counter() - begin
    if done.returncode != status:
        raise SystemExit(f"{' '.join(words)}: status {done.returncode}, not {status}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, spent


def main(rounds: int) -> int:
    slow = 0
    print(f"{'command':<22}{'processor s':>12}{'limit s':>9}{'clock s':>9}   medians of {rounds} runs")
    for line, (status, limit) in CASES.items():
        _, *arguments = line.split()
        words = [str(Path(sys.executable).parent / "rftools"), *arguments]
        used, spent = zip(*(seconds(words, status) for _ in range(rounds)), strict=True)
        median = statistics.median(used)
        slow += median > limit
        print(f"{line:<22}{median:>12.3f}{limit:>9.2f}{statistics.median(spent):>9.3f}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
