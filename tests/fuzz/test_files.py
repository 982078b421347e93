"""Damaged files of every format: each ends in a result or in one line, soon, and in little memory.

``python -m tests.fuzz.test_files 10000 7`` runs 10,000 mutations of seed 7 by hand.
"""

from __future__ import annotations

import io
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.fuzz.inputs import DEAR, INPUTS
from tests.fuzz.mutations import damaged, mutated
from tests.fuzz.watching import MEMORY, attempt

resource: Any = pytest.importorskip("resource", reason="memory is measured as POSIX has it")
MUTATIONS = 1_000


def damage(folder: Path, name: str, count: int, seed: int = 0) -> list[str]:
    """What went wrong beyond refusals, of ``count`` damaged files of a kind."""
    kind = INPUTS[name]
    folder.mkdir(exist_ok=True)
    kind.write(folder / f"whole{kind.ending}")
    whole, random = (folder / f"whole{kind.ending}").read_bytes(), np.random.default_rng([seed, *name.encode()])
    wrong = []
    for number in range(count):
        path = folder / f"net{kind.ending}"
        path.write_bytes(kind.change(whole, random))
        reads = [read for k, read in enumerate(kind.reads) if number % DEAR.get(read, 1) == k % DEAR.get(read, 1)]
        problem = attempt(lambda reads=reads, number=number, path=path: reads[number % len(reads)](path))  # type: ignore[misc]
        if problem:
            wrong.append(f"{name} {number}: {problem}")
            (folder / f"wrong-{number}{kind.ending}").write_bytes(path.read_bytes())
    return wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", INPUTS)
def test_damaged_files_are_one_line(tmp_path: Path, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert damage(tmp_path, name, MUTATIONS // len(INPUTS) + 1) == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", INPUTS)
def test_many_damaged_files_are_one_line(tmp_path: Path, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert damage(tmp_path, name, 50_000 // len(INPUTS) + 1, seed=1) == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", INPUTS)
def test_whole_files_are_read(tmp_path: Path, name: str) -> None:
    kind = INPUTS[name]
    path = tmp_path / f"whole{kind.ending}"
    kind.write(path)
    kind.reads[0](path)


def test_the_damage_is_real() -> None:
    data, random = io.BytesIO(), np.random.default_rng(0)
    torch.save({"a": torch.zeros(3)}, data)
    assert len({mutated(data.getvalue(), random) for _ in range(50)}) > 45
    assert len({damaged(b'{"a": [1, 2, {"b": null}], "c": "x"}', random) for _ in range(50)}) > 40


def main(count: int, seed: int, names: list[str]) -> None:
    """A run by hand: what went wrong, kind by kind, and the peak of memory."""
    warnings.simplefilter("ignore")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    place = Path(tempfile.mkdtemp())
    for name in names or INPUTS:
        wrong = damage(place / name.replace(" ", "-"), name, count // len(names or INPUTS), seed)
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
        print(f"{name}: {count // len(names or INPUTS)} mutations, {len(wrong)} wrong, {more} MiB more", flush=True)
        print("\n".join(wrong[:40]), flush=True)
    print(place)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
