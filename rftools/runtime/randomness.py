"""The random states of a process: kept, put into checkpoints, and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def states() -> dict[str, Any]:
    """The states of torch's, numpy's and Python's global generators, as tensors and plain containers."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002 - a user's net may draw from it
    version, words, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "python": [version, list(words), next_gauss],
    }


def restore(saved: Mapping[str, Any]) -> None:
    """Put back what `states` gave, or the part of it that is there."""
    if "torch" in saved:
        torch.set_rng_state(saved["torch"])
    if saved.get("cuda") and len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(saved["cuda"])
    if "numpy" in saved:
        name, keys, *rest = saved["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    if "python" in saved:
        version, words, next_gauss = saved["python"]
        random.setstate((version, tuple(words), next_gauss))


@contextmanager
def undrawn() -> Iterator[None]:
    """What the block draws is as if it had not been drawn: the global generators are left as they were."""
    before = states()
    try:
        yield
    finally:
        restore(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators for a block, and leave them as they were."""
    with undrawn():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        yield
