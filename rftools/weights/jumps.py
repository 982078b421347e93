"""Input pixels between neighbouring taps: what turns angles between taps into angles in the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rftools.loading import Model
from rftools.trf import LayerField, theoretical

if TYPE_CHECKING:
    from torch import nn

Jumps = Mapping[str, tuple[float, ...]]


def input_jumps(model: Model, rows: Iterable[LayerField] | None = None) -> dict[str, tuple[float, ...]]:
    """Input pixels between neighbouring taps at dilation 1, by layer and axis.

    That is the step of the layer's input, its output's divided by the stride; of its output where it is a transposed
    convolution. Layers that mix axes, or that have no step of their own, are left out.

    Args:
        rows: what `rftools.theoretical` says of the model, if that is at hand.

    Raises:
        RequestError: as `rftools.theoretical` does.

    >>> import torch, rftools as rf
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, stride=(2, 1)), torch.nn.Conv2d(1, 1, 3))
    >>> input_jumps(rf.Model(net, "net", "net", (1, 32, 32)))
    {'0': (1.0, 1.0), '1': (2.0, 1.0)}
    """
    modules = dict(model.module.named_modules())
    found = {row.name: _jump(row, modules.get(row.name)) for row in (theoretical(model) if rows is None else rows)}
    return {name: jump for name, jump in found.items() if jump is not None}


def _jump(row: LayerField, module: nn.Module | None) -> tuple[float, ...] | None:
    stride = getattr(module, "stride", None)
    strides = [axis.stride for axis in row.axes]
    if not isinstance(stride, tuple) or len(stride) != len(strides):
        return None
    known = [out for out in strides if out is not None]
    if len(known) < len(strides):
        return None
    own = (1,) * len(stride) if "transpose" in row.op else stride  # its taps are steps of the output
    return tuple(out / s for out, s in zip(known, own, strict=True))
