"""Images in batches as memory allows; an interruption keeps what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.errors import RequestError

Maps = dict[str, NDArray[np.float32]]
Work = Callable[[torch.Tensor, int], Mapping[str, NDArray[np.float32]]]


@dataclass
class Log:
    """What was remarkable on the way: lines for the user, and whether it was interrupted."""

    events: list[str] = field(default_factory=list)
    interrupted: bool = False


def in_batches(
    inputs: torch.Tensor,
    batch_size: int,
    work: Work,
    progress: Callable[[int], None] | None = None,
    log: Log | None = None,
) -> Maps:
    """What ``work(batch, index of its first image)`` gives of all inputs, joined by name.

    Where memory runs out the batch is halved, for good. Ctrl-C ends it early with the images that are done; before the
    first batch is done it is raised as usual. ``log`` has both.

    Raises:
        RequestError: memory runs out with one image.
    """
    found: list[Mapping[str, NDArray[np.float32]]] = []
    start, size = 0, max(1, batch_size)
    try:
        while start < len(inputs):
            batch = inputs[start : start + size]
            try:
                maps = work(batch, start)
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
                size = _halved(min(size, len(batch)), log)
                continue
            found.append(maps)
            start += len(batch)
            if progress is not None:
                progress(start)
    except KeyboardInterrupt:
        if not found:
            raise
        if log is not None:
            log.interrupted = True
    return {name: np.concatenate([maps[name] for maps in found]) for name in (found[0] if found else ())}


def _out_of_memory(error: RuntimeError) -> bool:
    """CUDA has an exception of its own; the CPU's allocator raises a plain one."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate" in str(error)


def _halved(size: int, log: Log | None) -> int:
    if size == 1:
        raise RequestError("out of memory with one image at a time; ask for fewer layers or a smaller input") from None
    if log is not None:
        log.events.append(f"out of memory with {size} images at a time; went on with {size // 2}")
    return size // 2
