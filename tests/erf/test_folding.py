"""Nets that fold positions into the batch: windows of tokens, heads, tokens first; against plain autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rftools.capture import Graph, capture
from rftools.erf.maps.cone import folding
from rftools.erf.maps.cone.base import call_node
from rftools.erf.maps.cone.images import folds
from rftools.erf.maps.cone.plan import make_plan
from rftools.erf.maps.cone.reshaping import cover, groups_of, matched, run_of
from tests.erf.test_cone import CPU, Function, all_units, check

Tensor = torch.Tensor


def windows(x: Tensor, side: int) -> Tensor:
    """``(n, c, h, w)`` to ``(n * windows, tokens, c)``."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // side, side, w // side, side, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, c)


def together(y: Tensor, side: int, height: int, width: int) -> Tensor:
    y = y.view(-1, height // side, width // side, side, side, y.shape[-1])
    return y.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, y.shape[-1]).permute(0, 3, 1, 2)


def matrix(rows: int, columns: int, like: Tensor) -> Tensor:
    return (torch.arange(float(rows * columns)).reshape(rows, columns).sin()).to(like)


def attention(y: Tensor, heads: int = 2) -> Tensor:
    """Written out, with queries, keys and values in one tensor and heads before tokens."""
    n, tokens, c = y.shape
    qkv = F.linear(y, matrix(3 * c, c, y)).reshape(n, tokens, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]
    mixed = (q * 0.3 @ k.transpose(-2, -1)).softmax(-1) @ v
    return mixed.transpose(1, 2).reshape(n, tokens, c)


def masked(y: Tensor, heads: int = 2) -> Tensor:
    """The same by one operator, with another mask for each window."""
    n, tokens, c = y.shape
    qkv = F.linear(y, matrix(3 * c, c, y)).reshape(n, tokens, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    mask = (torch.arange(float(n * tokens * tokens)).reshape(n, 1, tokens, tokens).cos() * 2).to(y)
    mixed = F.scaled_dot_product_attention(*qkv.unbind(0), attn_mask=mask)
    return mixed.transpose(1, 2).reshape(n, tokens, c)


def in_windows(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: together(function(windows(x, 4)), 4, *x.shape[2:])


def shifted(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: in_windows(function)(x.roll((-2, -1), (2, 3))).roll((2, 1), (2, 3)) + x


def tokens_first(x: Tensor) -> Tensor:
    """As ``nn.MultiheadAttention`` does: tokens, images, channels."""
    n, c, h, w = x.shape
    y = F.layer_norm(x.flatten(2).permute(0, 2, 1), (c,)).transpose(0, 1)
    q, k, v = (F.linear(y, matrix(c, c, y) * i).view(h * w, n * 2, c // 2).transpose(0, 1) for i in (1, 2, 3))
    mixed = torch.bmm((torch.bmm(q, k.transpose(1, 2)) * 0.1).softmax(-1), v)
    y = mixed.transpose(0, 1).reshape(h * w, n, c) + y
    return y.permute(1, 2, 0).reshape(n, c, h, w)


def blocks(x: Tensor) -> Tensor:
    """A grid of places that lie apart, and a constant for each of them."""
    n, c, h, w = x.shape
    y = x.reshape(n, c, 4, h // 4, 4, w // 4).permute(0, 2, 4, 3, 5, 1).reshape(n * 16, -1, c)
    y = y * (torch.arange(16.0).reshape(16, 1, 1) - 3).to(y) + matrix(1, c, y)
    y = torch.cat([y[:, 1:], y.mean(1, keepdim=True)], 1).tanh()
    a, b = y.chunk(2, -1)
    y = torch.cat([b, a * 2], -1)[:, :, :].reshape(n, 4, 4, h // 4, w // 4, c)
    return y.permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


FOLDED: dict[str, Callable[[Tensor], Tensor]] = {
    "windows": in_windows(torch.tanh),
    "norm of windows": in_windows(lambda y: F.layer_norm(y, y.shape[1:]) + y.mean((1, 2), keepdim=True)),
    "attention in windows": in_windows(attention),
    "masked attention in windows": in_windows(masked),
    "shifted windows": shifted(attention),
    "shifted and masked": shifted(masked),
    "tokens first": tokens_first,
    "blocks apart": blocks,
    "one row of windows": lambda x: x.reshape(-1, 4, 4, *x.shape[3:]).square().reshape(x.shape),
}


@pytest.mark.parametrize("name", FOLDED)
def test_folded_batches(name: str) -> None:
    cone = check(Function(2, FOLDED[name]), (3, 12, 8))
    assert not cone.plan.tapes
    assert cone.plan.batchable


@pytest.mark.parametrize("name", ["attention in windows", "shifted windows"])
def test_the_gradient_stays_in_the_windows_that_a_unit_sees(name: str) -> None:
    graph = capture(Function(2, FOLDED[name]).eval(), (3, 32, 32))
    units = all_units(graph)[-1:]
    plan = make_plan(graph, units, CPU)
    box = plan.windows([(plan.units[0].node, plan.units[0].box())])[plan.input]
    sides = [high - low for low, high in box[1:]]
    assert max(sides) <= 12  # two windows of four cells, and the kernels of both convolutions


def behind_images(graph: Graph, x: Tensor) -> Any:
    """What the graph with images first gives for several of them, by its operators alone."""
    found = folding.unfolded(graph)
    assert found is not None
    image = found.graph.inputs[0]
    values: dict[Any, Any] = {image: x}

    def wide(node: Any) -> Any:
        return values[node] if node in values else found.graph.constants[node.name]

    class Setting:
        @staticmethod
        def evaluate(node: Any) -> Any:
            return wide(node)

    many = {image}
    for node in found.graph.nodes:
        if any(n in many for n in node.all_input_nodes):
            many.add(node)
        if node in many and "reshape" in str(node.target):
            values[node] = wide(node.args[0]).reshape(len(x), *node.meta["val"].shape[1:])
        else:
            values[node] = call_node(node, Setting(), values)  # type: ignore[arg-type]
    return values[found.found[dict(graph.outputs)[""]].node]


@pytest.mark.parametrize("name", FOLDED)
def test_several_images_go_through_a_net_that_was_captured_with_one(name: str) -> None:
    net, x = Function(2, FOLDED[name]).double().eval(), torch.rand(3, 3, 12, 8, dtype=torch.float64)
    graph = capture(net, (3, 12, 8))
    assert folds(graph)
    with torch.no_grad():
        one_by_one = torch.cat([net(image) for image in x.split(1)])
        assert torch.allclose(behind_images(graph, x), one_by_one, atol=1e-12)


def test_what_is_not_sure_stays_as_it_is() -> None:
    for function in (
        lambda x: x.reshape(-1, *x.shape[2:]).cumsum(0).reshape(x.shape),  # over the folded dimension, no rule
        lambda x: x * x.mean(),
        lambda x: x.reshape(-1, 2, *x.shape[2:]).detach().reshape(x.shape) + x,
    ):
        graph = capture(Function(2, function).eval(), (3, 8, 8))
        assert folds(graph)
        assert folding.unfolded(graph) is None
        check(Function(2, function), (3, 8, 8))
    assert not folds(capture(nn.Conv2d(3, 4, 3), (3, 8, 8)))


def test_boxes_go_through_other_shapes_as_runs() -> None:
    assert groups_of((64, 49), (8, 8, 7, 7)) == [((64,), (8, 8)), ((49,), (7, 7))]
    assert groups_of((4, 1, 1), (4,)) == [((4, 1, 1), (4,))]
    assert groups_of((6, 4), (4, 6)) == [((6, 4), (4, 6))]
    generator = torch.Generator().manual_seed(0)
    for a, b in (((56,), (8, 7)), ((8, 7), (56,)), ((6, 4), (4, 6)), ((3, 1, 5), (15,)), ((2, 3, 4), (4, 3, 2))):
        for _ in range(40):
            ends = [sorted(torch.randint(0, n + 1, (2,), generator=generator).tolist()) for n in b]
            lows = [min(low, n - 1) for (low, _), n in zip(ends, b, strict=True)]
            box = tuple((low, max(low + 1, high)) for low, (_, high) in zip(lows, ends, strict=True))
            run = run_of(box, b)
            inside = torch.zeros(b)
            inside[tuple(slice(*span) for span in box)] = 1
            held = torch.zeros(a)
            held[tuple(slice(*span) for span in cover(run, a))] = 1
            assert (held.flatten() >= inside.flatten()).all()
            here, there = matched(run, a, b)
            assert run_of(here, a) == run_of(there, b)
