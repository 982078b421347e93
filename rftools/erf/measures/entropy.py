"""The area of an even map of the same entropy."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, measure


@measure("entropy_area", unit="px")
def entropy_area(maps: Maps, frame: Frame) -> Maps:
    """``exp(-sum p log p)``: as many pixels as an even map of the same entropy would cover."""
    flat = maps.reshape(len(maps), -1)
    total = flat.sum(1, keepdims=True)
    p = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
    logs = np.maximum(p, np.finfo(p.dtype).tiny)  # where p is zero, so is p log p
    np.log(logs, out=logs)
    logs *= p
    return np.where(total[:, 0] > 0, np.exp(-logs.sum(1)), np.nan)
