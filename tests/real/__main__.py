"""Real nets against what moves: wrong rows, and what is neither ``exact`` nor ``unit``, and why.

python -m tests.real                                          # all that can be made here, some minutes each
python -m tests.real "yolo*" --most 24 --page docs/real-nets.md    # the page's table gets the rows of these nets
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import sys
import time
import warnings
from pathlib import Path

import torch

from tests.real.base import NETS, Found, judged
from tests.real.page import keep, line


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real")
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--page", type=Path)
    parser.add_argument("--most", type=int, default=60, help="rows of a net that are judged")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    failed = False
    for name, own in NETS.items():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in asked.patterns):
            continue
        if importlib.util.find_spec(own.package) is None:
            print(f"{name}: {own.package} is not installed")
            continue
        begin = time.process_time()
        try:
            found = judged(name, asked.most)
        except Exception as error:
            print(f"{name}: FAILED {type(error).__name__}: {error}", flush=True)
            failed = True
            continue
        show(name, found, time.process_time() - begin)
        failed = failed or bool(found.wrong)
        if asked.page is not None:
            keep(asked.page, line(name, found))
    return int(failed)


def show(name: str, found: Found, seconds: float) -> None:
    counts = " ".join(f"{status} {n}" for status in ("exact", "unit", "bound", "unknown") if (n := found.count(status)))
    judged_ = sum(found.judged.statuses.values())
    missing = len(found.judged.unnamed)
    print(f"{name}: {len(found.wrong)} wrong of {judged_}; {counts}; {missing} not found; {seconds:.0f} s", flush=True)
    for one in found.wrong[:5]:
        print(f"    WRONG {one}")
    for cause, row, count in found.unsure():
        print(f"    {row.status}: {cause} ({count} rows from {row.name or 'the output'} on)")


if __name__ == "__main__":
    sys.exit(main())
