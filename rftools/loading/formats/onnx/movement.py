"""ONNX operators that move values: reshaping, slicing, padding, resizing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from rftools.loading.formats.onnx.step import Step, Value, axes_of, first_tensor, ints, operator, tensor


@operator("Transpose")
def _transpose(step: Step, x: torch.Tensor) -> torch.Tensor:
    return x.permute(step.get("perm", list(range(x.ndim))[::-1]))


@operator("Reshape")
def _reshape(step: Step, x: torch.Tensor, shape: Value) -> torch.Tensor:
    wanted = ints(step, shape) or []
    if not step.get("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return x.reshape(wanted)


@operator("Flatten")
def _flatten(step: Step, x: torch.Tensor) -> torch.Tensor:
    axis = step.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.flatten(1) if axis == 1 else x.reshape(int(np.prod(x.shape[:axis])), -1)


@operator("Squeeze")
def _squeeze(step: Step, x: torch.Tensor, given: Value | None = None) -> torch.Tensor:
    axes = axes_of(step, given)
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("Unsqueeze")
def _unsqueeze(step: Step, x: torch.Tensor, given: Value | None = None) -> torch.Tensor:
    axes = axes_of(step, given) or []
    rank = x.ndim + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Expand")
def _expand(step: Step, x: torch.Tensor, shape: Value) -> torch.Tensor:
    wanted = ints(step, shape) or []
    return x.expand(torch.broadcast_shapes(x.shape, tuple(wanted)))


@operator("Tile")
def _tile(step: Step, x: torch.Tensor, repeats: Value) -> torch.Tensor:
    return x.repeat(ints(step, repeats) or [])


@operator("Split")
def _split(step: Step, x: torch.Tensor, given: Value | None = None) -> tuple[torch.Tensor, ...]:
    axis, sizes = step.get("axis", 0), axes_of(step, given, "split")
    if sizes is None:
        count = len(step.outputs)
        sizes = [len(part) for part in np.array_split(np.arange(x.shape[axis]), count)]
        if step.opset >= 18:
            chunk = -(-x.shape[axis] // count)
            sizes = [min(chunk, x.shape[axis] - chunk * i) for i in range(count)]
    return tuple(x.split(sizes, axis))


@operator("Slice")
def _slice(step: Step, x: torch.Tensor, *given: Value | None) -> torch.Tensor:
    starts, ends, axes, strides = (
        [ints(step, v) for v in (*given, None, None, None, None)[:4]]
        if given
        else [step.get("starts"), step.get("ends"), step.get("axes"), None]
    )
    assert starts is not None
    assert ends is not None
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, stride = (i if axes is None else axes[i]) % x.ndim, 1 if strides is None else strides[i]
        size = x.shape[axis]
        chosen = range(*slice(start, end if end > -(1 << 62) else None, stride).indices(size))
        if stride > 0:
            x = x[(slice(None),) * axis + (slice(chosen.start, chosen.stop, stride),)]
        else:
            x = x.index_select(axis, torch.tensor(list(chosen), device=x.device, dtype=torch.long))
    return x


@operator("Gather")
def _gather(step: Step, x: Value, index: Value) -> torch.Tensor:
    axis = step.get("axis", 0)
    if isinstance(index, torch.Tensor):
        raise step.refuse("an index that depends on the data")
    assert isinstance(x, torch.Tensor)
    if index.ndim == 0:
        return x.select(axis, int(index))
    size = x.shape[axis]
    places = torch.as_tensor(np.where(index < 0, index + size, index).reshape(-1), device=x.device)
    axis %= x.ndim
    return x.index_select(axis, places).reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


@operator("Pad")
def _pad(
    step: Step, x: torch.Tensor, pads: Value | None = None, value: Value | None = None, axes: Value | None = None
) -> torch.Tensor:
    flat = axes_of(step, pads, "pads") or []
    chosen = ints(step, axes) or list(range(x.ndim))
    margins = [(0, 0)] * x.ndim
    for i, axis in enumerate(chosen):
        margins[axis % x.ndim] = (flat[i], flat[i + len(chosen)])
    while margins and margins[0] == (0, 0):
        margins.pop(0)
    backward = [n for pair in reversed(margins) for n in pair]
    mode = step.get("mode", "constant")
    if not backward:
        return x
    if mode == "constant":
        return functional.pad(x, backward, value=step.get("value", 0.0) if value is None else float(value))
    names = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    return functional.pad(x, backward, mode=names[mode])


@operator("DepthToSpace")
def _depth_to_space(step: Step, x: torch.Tensor) -> torch.Tensor:
    size = step.get("blocksize")
    if step.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, size)
    n, c, h, w = x.shape
    blocks = x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // size**2, h * size, w * size)


@operator("SpaceToDepth")
def _space_to_depth(step: Step, x: torch.Tensor) -> torch.Tensor:
    size = step.get("blocksize")
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * size**2, h // size, w // size)


@operator("Upsample", "Resize")
def _resize(step: Step, x: torch.Tensor, *given: Value | None) -> torch.Tensor:
    sizes, scales = _target_size(step, x, given)
    mode = step.get("mode", "nearest")
    where = step.get("coordinate_transformation_mode", "asymmetric" if step.op == "Upsample" else "half_pixel")
    if sizes[:2] != list(x.shape[:2]):
        raise step.refuse("resizing over channels")
    if mode == "nearest":
        floor = step.get("nearest_mode", "floor" if step.op == "Upsample" else "round_prefer_floor") == "floor"
        if where == "asymmetric" and floor:
            return functional.interpolate(x, sizes[2:], mode="nearest")
        if where in ("half_pixel", "pytorch_half_pixel"):
            return functional.interpolate(x, sizes[2:], mode="nearest-exact")
        raise step.refuse(f"nearest with {where}")
    corners = where == "align_corners"
    if not corners and where not in ("half_pixel", "pytorch_half_pixel"):
        raise step.refuse(f"{mode} with {where}")
    if mode == "cubic" and step.get("cubic_coeff_a", -0.75) != -0.75:
        raise step.refuse("a cubic coefficient other than -0.75")
    names = {("linear", 1): "linear", ("linear", 2): "bilinear", ("linear", 3): "trilinear", ("cubic", 2): "bicubic"}
    name = names.get((mode, x.ndim - 2))
    if name is None:
        raise step.refuse(f"{mode} over {x.ndim - 2} axes")
    exact = scales is not None and all(float(s) * n == t for s, n, t in zip(scales, x.shape, sizes, strict=True))
    if scales is not None and not exact:
        raise step.refuse("scales that do not give whole pixels")
    return functional.interpolate(x, sizes[2:], mode=name, align_corners=corners, antialias=bool(step.get("antialias")))


def _target_size(
    step: Step, x: torch.Tensor, given: Sequence[Value | None]
) -> tuple[list[int], NDArray[np.float64] | None]:
    """The size that is asked, and the scales where it was asked by them."""
    if step.op == "Upsample" or len(given) == 1:
        scales = given[-1] if given else np.asarray(step.get("scales"))
    else:
        scales = given[1] if len(given) > 1 else None
        sizes = given[2] if len(given) > 2 else None
        if sizes is not None and np.size(sizes):
            found = ints(step, sizes) or []
            axes = step.get("axes")
            if axes is not None:
                whole = list(x.shape)
                for axis, size in zip(axes, found, strict=True):
                    whole[axis] = size
                found = whole
            return found, None
    if scales is None or isinstance(scales, torch.Tensor):
        raise step.refuse("a size that depends on the data")
    factors = np.asarray(scales, dtype=np.float64)
    axes = step.get("axes")
    if axes is not None:
        factors = np.array([factors[list(axes).index(i)] if i in list(axes) else 1.0 for i in range(x.ndim)])
    return [int(np.floor(n * s)) for n, s in zip(x.shape, factors, strict=True)], factors


@operator("GridSample")
def _grid_sample(step: Step, x: torch.Tensor, grid: Value) -> torch.Tensor:
    names = {"linear": "bilinear", "bilinear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}
    return functional.grid_sample(
        x,
        tensor(grid, x),
        mode=names[step.get("mode", "linear")],
        padding_mode=step.get("padding_mode", "zeros"),
        align_corners=bool(step.get("align_corners", 0)),
    )


@operator("ScatterND")
def _scatter(step: Step, x: Value, index: Value, update: Value) -> torch.Tensor:
    like = first_tensor(x, update)
    if isinstance(index, torch.Tensor):
        raise step.refuse("an index that depends on the data")
    places = tuple(torch.as_tensor(np.array(part), device=like.device) for part in np.moveaxis(index, -1, 0))
    return tensor(x, like).clone().index_put(places, tensor(update, like))
