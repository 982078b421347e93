"""Real nets against what moves: wrong rows, and what is neither ``exact`` nor ``unit``, and why.

python -m tests.real [PATTERN ...]
"""

from __future__ import annotations

import fnmatch
import importlib.util
import sys
import time
import warnings

import torch

from tests.real import NETS, judged


def main(patterns: list[str]) -> int:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wrong = 0
    for name, own in NETS.items():
        if patterns and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        if importlib.util.find_spec(own.package) is None:
            print(f"{name}: {own.package} is not installed")
            continue
        begin = time.process_time()
        try:
            found, changed = judged(name)
        except Exception as error:
            print(f"{name}: FAILED {type(error).__name__}: {error}", flush=True)
            wrong += 1
            continue
        seconds = time.process_time() - begin
        counts = " ".join(f"{status} {count}" for status, count in sorted(found.statuses.items()))
        print(
            f"{name}: {len(found.wrong)} wrong; {counts}; {len(found.unnamed)} not found; {seconds:.0f} s", flush=True
        )
        for one in found.wrong[:5]:
            print(f"    WRONG {one}")
        for what in changed:
            print(f"    CHANGED {what}")
        causes: dict[tuple[str, str], list[str]] = {}
        for layer, op, status, cause in found.unsure:
            causes.setdefault((status, cause or op), []).append(layer)
        for (status, cause), layers in causes.items():
            print(f"    {status}: {cause} ({len(layers)} layers from {layers[0] or 'the output'} on)")
        wrong += len(found.wrong) + len(changed)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
