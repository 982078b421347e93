"""How long the command takes to answer when nothing heavy is needed: at most 0.3 s each.

Run: python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 0.3  # seconds, for the median
CASES = {"rftools --help": 0, "rftools --version": 0, "rftools trf --help": 0, "rftools sparsty": 2}


def seconds(words: list[str], status: int) -> float:
    begin = time.perf_counter()
    done = subprocess.run(words, capture_output=True)
    spent = time.perf_counter() - begin
    if done.returncode != status:
        raise SystemExit(f"{' '.join(words)}: status {done.returncode}, not {status}")
    return spent


def main(rounds: int) -> int:
    slow = 0
    print(f"{'command':<22}{'median s':>10}{'most s':>10}   {rounds} runs each, limit {LIMIT} s")
    for line, status in CASES.items():
        _, *arguments = line.split()
        times = [seconds([str(Path(sys.executable).parent / "rftools"), *arguments], status) for _ in range(rounds)]
        median = statistics.median(times)
        slow += median > LIMIT
        print(f"{line:<22}{median:>10.3f}{max(times):>10.3f}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
