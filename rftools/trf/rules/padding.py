"""Padding and resampling."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from rftools.capture import op_name
from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields
from rftools.trf.rules.registry import Answer, Call, rule
from rftools.trf.taps import Taps

FOLDS: dict[str, Callable[[NDArray[np.int64], int], NDArray[np.int64]]] = {
    "reflect": lambda i, n: (n - 1) - np.abs((n - 1) - np.abs(i)),
    "replicate": lambda i, n: np.clip(i, 0, n - 1),
    "circular": lambda i, n: i % n,
}


@rule("aten.pad", "aten.constant_pad_nd")
def pad(call: Call) -> Answer:
    return _pad(call, call.get("mode", "constant"))


@rule("aten.reflection_pad1d", "aten.reflection_pad2d", "aten.reflection_pad3d")
def reflection_pad(call: Call) -> Answer:
    return _pad(call, "reflect")


@rule("aten.replication_pad1d", "aten.replication_pad2d", "aten.replication_pad3d")
def replication_pad(call: Call) -> Answer:
    return _pad(call, "replicate")


def _pad(call: Call, mode: str) -> Field:
    field = call.main("self")
    amounts = call.get("pad") or call["padding"]
    for i in range(len(amounts) // 2):
        before, after = amounts[2 * i], amounts[2 * i + 1]
        if before or after:
            field = _pad_dim(field, len(field.shape) - 1 - i, before, after, mode)
    return field


def _pad_dim(field: Field, dim: int, before: int, after: int, mode: str) -> Field:
    if mode == "constant":
        return pad_with_constant(field, dim, before, after)
    size = field.shape[dim]
    length = size + before + after
    fold = FOLDS[mode]
    if field.carries(dim):
        return field.window(dim, Taps.folded(before, length, lambda i: fold(i, size)))
    return field.take(dim, fold(np.arange(length) - before, size).tolist())


def pad_with_constant(field: Field, dim: int, before: int, after: int) -> Field:
    """``field`` with that many places that see nothing on either side (negative: so many cut off)."""
    size = field.shape[dim]
    length = size + before + after
    if field.carries(dim):
        return field.window(dim, Taps.periodic(1, 1, [[-before]], length, size))
    kept = field.take(dim, range(max(-before, 0), size - max(-after, 0)))
    before, after = max(before, 0), max(after, 0)
    shape = (*field.shape[:dim], length, *field.shape[dim + 1 :])
    return concatenate_fields([None, kept, None], [before, kept.shape[dim], after], dim, shape)


INTERPOLATIONS = {
    "upsample_nearest": "nearest",
    "_upsample_nearest_exact": "nearest-exact",
    "upsample_linear": "linear",
    "upsample_bilinear": "bilinear",
    "upsample_trilinear": "trilinear",
    "upsample_bicubic": "bicubic",
}
ANTIALIASED = {"_upsample_bilinear2d_aa": "bilinear", "_upsample_bicubic2d_aa": "bicubic"}


@rule(
    *(f"aten.{name}{rank}d" for name in ("upsample_nearest", "_upsample_nearest_exact") for rank in (1, 2, 3)),
    "aten.upsample_linear1d",
    "aten.upsample_bilinear2d",
    "aten.upsample_trilinear3d",
    "aten.upsample_bicubic2d",
    "aten._upsample_bilinear2d_aa",
    "aten._upsample_bicubic2d_aa",
)
def interpolate(call: Call) -> Answer:
    field = call.main("input") if "input" in call.arguments else call.main("self")
    name = op_name(call.node)
    rank = len(call.shape) - 2
    if name == "upsample_nearest2d" and field.shape[-2:] == tuple(call.shape[-2:]):
        return field  # a copy, whatever the factor; in one and three dimensions it is none
    mode = ANTIALIASED.get(name) or INTERPOLATIONS[name.rstrip("123d")]
    factors = call.get("scale_factors") or [call.get(f"scales{s}") for s in (("_d", "_h", "_w")[-rank:])]
    if rank == 1 and not call.get("scale_factors"):
        factors = [call.get("scales")]
    for a in range(rank):
        taps = resample(
            mode,
            field.shape[a - rank],
            call.shape[a - rank],
            factor=factors[a],
            align_corners=bool(call.get("align_corners", False)),
            antialias=name in ANTIALIASED,
        )
        field = field.window(a - rank, taps)
    return field


def resample(
    mode: str, size: int, length: int, *, factor: float | None, align_corners: bool, antialias: bool = False
) -> Taps:
    """The taps of an interpolation along one axis, found by asking the interpolation itself about unit pulses.

    The law comes from the middle of a longer axis with the same ratio, where no index is clamped.
    """
    if size == length and (factor is None or factor == 1.0):
        return Taps.window(1, size, size)
    rows = _pulses(mode, size, length, factor, align_corners, antialias)
    if align_corners:
        if length == 1 or size == 1:
            return Taps.listed(rows, None)
        ratio = Fraction(size - 1, length - 1)
    else:
        ratio = Fraction(size, length) if factor is None else 1 / Fraction(factor).limit_denominator(4096)
    period, step = ratio.denominator, ratio.numerator
    if period > 64 or step > 4096 or (factor is not None and not align_corners and _drifts(ratio, factor)):
        return Taps.listed(rows, None)
    return Taps.listed(rows, _law(mode, period, step, align_corners, antialias))


def _drifts(ratio: Fraction, factor: float) -> bool:
    """A factor that is no simple fraction: the phase drifts, so no short law holds."""
    return abs(float(1 / ratio) - factor) > 1e-12


def _law(
    mode: str, period: int, step: int, align_corners: bool, antialias: bool
) -> tuple[int, int, list[list[int]]] | None:
    reach = 8 + 4 * -(-step // period)
    turns = 2 * (reach // step + 2)
    extra = 1 if align_corners else 0
    rows = _pulses(mode, turns * step + extra, turns * period + extra, None, align_corners, antialias)
    middle = turns // 2
    law = [[i - middle * step for i in rows[middle * period + r]] for r in range(period)]
    following = [[i - (middle + 1) * step for i in rows[(middle + 1) * period + r]] for r in range(period)]
    return (period, step, law) if law == following else None


def _pulses(
    mode: str, size: int, length: int, factor: float | None, align_corners: bool, antialias: bool
) -> list[list[int]]:
    """Which input indices have a weight that is not zero in each output of an interpolation of one axis."""
    if mode.startswith("nearest"):
        ramp = torch.arange(size, dtype=torch.float64).reshape(1, 1, size)
        found = F.interpolate(ramp, **_amount(length, factor), mode=mode).reshape(-1)
        return [[int(i)] for i in found.tolist()]
    pulses = torch.eye(size, dtype=torch.float64).reshape(1, size, 1, size)
    kind = "bicubic" if mode == "bicubic" else "bilinear"
    target: dict[str, Any] = {"size": (1, length)}
    if factor is not None and not align_corners:
        target = {"scale_factor": (1.0, factor), "recompute_scale_factor": False}
    weights = F.interpolate(pulses, **target, mode=kind, align_corners=align_corners, antialias=antialias)
    seen = (weights.reshape(size, -1).abs() > 1e-9).T
    return [row.nonzero().flatten().tolist() for row in seen]


def _amount(length: int, factor: float | None) -> dict[str, Any]:
    if factor is None:
        return {"size": length}
    return {"scale_factor": factor, "recompute_scale_factor": False}


@rule("aten.pixel_shuffle")
def pixel_shuffle(call: Call) -> Answer:
    """(N, C*r*r, H, W) to (N, C, H*r, W*r): index o of an axis reads o div r; the channel follows from the phase."""
    field, r = call.main("self"), call["upscale_factor"]
    size = field.shape
    if field.labels.size > 1:
        return _shuffle_by_hand(field, r)
    for dim in (-2, -1):
        taps = Taps.periodic(r, 1, [[0]] * r, size[dim] * r, size[dim])
        field = field.window(dim, taps)
    return field.channels(-3, size[-3] // (r * r))


def _shuffle_by_hand(field: Field, r: int) -> Field:
    n, c, h, w = field.shape
    deep = field.reshape((n, c // (r * r), r, r, h, w)).permute([0, 1, 4, 2, 5, 3])
    return deep.reshape((n, c // (r * r), h * r, w * r))


@rule("aten.pixel_unshuffle")
def pixel_unshuffle(call: Call) -> Answer:
    """(N, C, H*r, W*r) to (N, C*r*r, H, W): each of the r*r channels reads one phase; together a window of r."""
    field, r = call.main("self"), call["downscale_factor"]
    n, c, h, w = field.shape
    small = (n, c, 1, h // r, w // r)
    phases = [
        field.take(-2, range(i, h, r)).take(-1, range(j, w, r)).reshape(small) for i in range(r) for j in range(r)
    ]
    deep = concatenate_fields(phases, [1] * (r * r), 2, (n, c, r * r, h // r, w // r))
    return deep.reshape((n, c * r * r, h // r, w // r))
