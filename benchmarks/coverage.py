"""How much of a model zoo the theoretical engine answers exactly: status by model, and the operators that stop it.

python benchmarks/coverage.py torchvision [PATTERN]
python benchmarks/coverage.py timm [PATTERN]    # the smallest model of each family
"""

from __future__ import annotations

import dataclasses
import fnmatch
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator

import torch

import rftools as rf


def torchvision_models() -> Iterator[tuple[str, str]]:
    from torchvision import models

    for name in models.list_models():
        yield name, f"torchvision:{name}"


def timm_families() -> Iterator[tuple[str, str]]:
    import timm

    for family in timm.list_modules():
        names = timm.list_models(module=family)
        sizes = {}
        for name in names:
            try:
                with torch.device("meta"):
                    sizes[name] = sum(p.numel() for p in timm.create_model(name).parameters())
            except Exception:  # some models read values while they are built
                continue
        smallest = min(sizes, key=sizes.__getitem__) if sizes else names[0] if names else None
        if smallest is not None:
            yield family, f"timm:{smallest}"


def answer(spec: str) -> tuple[Counter[str], str, float]:
    model = rf.load(spec)
    if "raft" in spec:  # two pictures
        size = (3, 128, 128)
        model = dataclasses.replace(model, input_size=size, other_inputs=(size,))
    begin = time.perf_counter()
    result = rf.theoretical(model)
    seconds = time.perf_counter() - begin
    cause = next((row.cause or "" for row in result if row.status == "unknown"), "")
    bound = next((f"bound at {row.name}" for row in result if row.status == "bound"), "")
    return Counter(row.status for row in result), cause or bound, seconds


def main() -> None:
    warnings.simplefilter("ignore")
    zoo, pattern = (sys.argv[1:] + ["torchvision", "*"][len(sys.argv) - 1 :])[:2]
    total, settled = 0, 0
    for family, spec in timm_families() if zoo == "timm" else torchvision_models():
        if not fnmatch.fnmatchcase(family, pattern):
            continue
        try:
            statuses, cause, seconds = answer(spec)
        except rf.RequestError as error:
            print(f"{family}\t{spec}\trefused\t{str(error)[:160]}", flush=True)
            total += "quantised" not in str(error)
            continue
        except Exception as error:  # a fault of ours or the model's: named, and the rest goes on
            print(f"{family}\t{spec}\tfailed\t{type(error).__name__}: {str(error)[:160]}", flush=True)
            total += 1
            continue
        total += 1
        settled += not set(statuses) - {"exact", "unit"}
        print(f"{family}\t{spec}\t{dict(statuses)}\t{seconds:.1f} s\t{cause}", flush=True)
    print(f"{settled} of {total} are exact or unit in every layer")


if __name__ == "__main__":
    main()
