"""Operators without a windowed rule: autograd's own record of that one operator, on whole tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import PER_IMAGE
from rftools.capture.shapes import shape_of
from rftools.erf.maps.cone.base import PreparedGraph, Share, call_node
from rftools.erf.maps.cone.boxes import Box, full_box, tighten, widen


class Tape:
    """One operator with the record of its own gradient, for any number of inputs and outputs."""

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        self.node = node
        self.setting = setting
        self.inputs = tuple(n for n in node.all_input_nodes if setting.dynamic(n))
        self.leaves: list[Any] = []
        self.outputs: Any = None

    @property
    def batchable(self) -> bool:
        name = op_name(self.node)
        if name in {"softmax", "mean", "cat"}:
            dim = self.node.args[1] if len(self.node.args) > 1 else self.node.kwargs.get("dim", 0)
            dims = dim if isinstance(dim, (list, tuple)) else [dim]
            return all(isinstance(d, int) and d % len(shape_of(self.inputs[0])) != 0 for d in dims)
        return name in PER_IMAGE and all(len(shape_of(n)) > 1 for n in self.inputs)

    def run(self, values: list[Any]) -> Any:
        self.leaves = [_leaf(value) for value in values]
        with torch.enable_grad():
            self.outputs = call_node(self.node, self.setting, dict(zip(self.inputs, self.leaves, strict=True)))
        return _detached(self.outputs)

    def back(self, slot: int | None, values: torch.Tensor, box: Box, images: int) -> list[Share]:
        """The gradient for every input, target by target, without margins that are zero."""
        output = self.outputs if slot is None else self.outputs[slot]
        wanted = [(i, leaf) for i, leaf in enumerate(self.leaves) if _follows(leaf)]
        if not wanted or not output.requires_grad:
            return []
        whole = widen(values, box, full_box(output.shape)) if output.ndim else values
        found: dict[int, list[torch.Tensor]] = {i: [] for i, _ in wanted}
        for part in whole.split(images):
            gradients = torch.autograd.grad(
                output, [leaf for _, leaf in wanted], part.reshape(output.shape), retain_graph=True, allow_unused=True
            )
            for (i, leaf), gradient in zip(wanted, gradients, strict=True):
                found[i].append(torch.zeros_like(leaf) if gradient is None else gradient)
        return [_share(i, parts) for i, parts in found.items()]

    def forget(self) -> None:
        self.leaves, self.outputs = [], None


def _share(index: int, parts: list[torch.Tensor]) -> Share:
    values = torch.cat([part.reshape(-1) if part.ndim == 0 else part for part in parts])
    if values.ndim < 2:
        return Share(index, (), values)
    values, box = tighten(values, full_box(values.shape))
    return Share(index, box, values, False)


def _follows(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.requires_grad


def _leaf(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        real = value.is_floating_point() or value.is_complex()
        return value.detach().requires_grad_(real)
    return value


def _detached(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return (
            type(value)(_detached(v) for v in value) if type(value) in (list, tuple) else [_detached(v) for v in value]
        )
    return value
