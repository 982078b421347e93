"""What scheduling costs a study: two workers against one, and the seconds that a run takes beside its training.

    python benchmarks/study.py [STEPS [RUNS]]

A plan of RUNS runs (16; one net, so many seeds) of STEPS steps each (400) is carried out by the command with
``--workers 1`` and with ``--workers 2``, one torch thread a run, each in an empty folder. Printed: seconds by the clock
and of the processor (all processes), what two workers gain, whether all tables are the same to the byte, and the
overhead a run: one worker's clock less what the runs' own epochs say they took, over the runs. Starting Python, keeping
checkpoints, measuring the trained net and writing the page all count as overhead. The gain is by the clock: it means
something on a machine with two cores to spare only.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAN = """title = "Sixteen runs"
data = "patches"
[scale.small]
seeds = {runs}
epochs = 1
steps = {steps}
count = 48
[[row]]
name = "strided"
net = "vgg-strided"
"""
TABLES = ("results.csv", "epochs.csv", "layers.csv", "roses.csv")


def carried_out(plan: Path, folder: Path, workers: int) -> tuple[float, float]:
    """Seconds by the clock and of the processor that the command took."""
    words = [sys.executable, "-m", "rftools", "study", str(plan), "-o", str(folder), "--workers", str(workers)]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(words, check=True, env=alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def trained(folder: Path) -> float:
    """Seconds that the epochs of all runs say they took."""
    logs = [log.read_text(encoding="utf-8").splitlines() for log in folder.glob("runs/*/metrics.jsonl")]
    return sum(json.loads(line)["seconds"] for lines in logs for line in lines)


def main() -> None:
    steps, runs = (int(word) for word in [*sys.argv[1:], *("400", "16")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as place:
        plan, one, two = Path(place) / "plan.toml", Path(place) / "one", Path(place) / "two"
        plan.write_text(PLAN.format(runs=runs, steps=steps), encoding="utf-8")
        (alone, busy), (both, busy_both) = carried_out(plan, one, 1), carried_out(plan, two, 2)
        same = all((one / name).read_bytes() == (two / name).read_bytes() for name in TABLES)
        seconds = trained(one)
    print(f"{runs} runs of {steps} steps: one worker {alone:.1f} s ({busy:.1f} s of the processor), ", end="")
    print(f"two {both:.1f} s ({busy_both:.1f} s): {alone / both:.2f} times as fast")
    print(f"tables {'are the same' if same else 'DIFFER'}")
    print(f"training {seconds / runs:.2f} s a run; beside it {(alone - seconds) / runs:.2f} s a run")


if __name__ == "__main__":
    main()
