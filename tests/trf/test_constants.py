"""Constants that close paths: every unit of a net against what moves it, and the walk back against the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.trf.field import Field
from rftools.trf.reverse import Reverse, unit_place
from rftools.trf.rows import explore
from tests.trf.test_standing import check, moved_by

N = 9
BAND = (torch.arange(N)[:, None] - torch.arange(N)).abs() <= 1
CAUSAL = torch.ones(N, N, dtype=torch.bool).tril()
HALF = torch.tensor([0.0, 1, 1, 0, 1, 0, 1, 1, 0], dtype=torch.float64)


class With(nn.Module):
    """A function of a net's constants and its input."""

    def __init__(self, function: Callable[[Any, torch.Tensor], torch.Tensor], **parts: torch.Tensor) -> None:
        super().__init__()
        self.function = function
        self.precision = nn.Parameter(torch.ones(1, dtype=torch.float64))
        for name, part in parts.items():
            if isinstance(part, (nn.Parameter, nn.Module)):
                setattr(self, name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def attending(masked: Callable[[Any, torch.Tensor], torch.Tensor]) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    def function(net: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = x.transpose(1, 2)
        return (masked(net, tokens @ tokens.transpose(1, 2) / 2).softmax(-1) @ tokens).transpose(1, 2)

    return function


def fused(x: torch.Tensor, step: int = 1, **given: Any) -> torch.Tensor:
    tokens = x.transpose(1, 2)[:, None]
    return F.scaled_dot_product_attention(tokens[:, :, ::step], tokens, tokens, **given)[:, 0].transpose(1, 2)


NETS: dict[str, nn.Module] = {
    "masked_fill": With(attending(lambda net, s: s.masked_fill(~net.mask, float("-inf"))), mask=CAUSAL),
    "-1e9": With(attending(lambda net, s: s.masked_fill(~net.mask, -1e9)), mask=BAND),
    "least": With(attending(lambda net, s: s.masked_fill(~net.mask, torch.finfo(s.dtype).min)), mask=BAND),
    "added": With(attending(lambda net, s: s + (~net.mask).to(s.dtype) * -1e9), mask=BAND),
    "added infinity": With(attending(lambda net, s: s + net.mask.to(s.dtype).log()), mask=BAND),
    "where": With(attending(lambda net, s: torch.where(net.mask, s, torch.full_like(s, -1e30))), mask=BAND),
    "fused": With(lambda net, x: fused(x, attn_mask=net.mask), mask=BAND),
    "fused, added": With(lambda net, x: fused(x, attn_mask=net.mask.to(x.dtype).log()), mask=BAND),
    "fused, causal": With(lambda net, x: fused(x, is_causal=True)),
    "fewer queries than keys": With(lambda net, x: fused(x, 2, is_causal=True)),
    "masked kernel": With(
        lambda net, x: F.conv1d(x, net.weight * net.mask, padding=1),
        weight=nn.Parameter(torch.rand(2, 2, 3, dtype=torch.float64)),
        mask=torch.tensor([1.0, 1.0, 0.0]),
    ),
    "matrix": With(lambda net, x: x @ net.matrix.T, matrix=BAND.double()),
    "linear": With(lambda net, x: F.linear(x, net.matrix), matrix=BAND.double()),
    "einsum": With(lambda net, x: torch.einsum("ncl,kl->nck", x, net.matrix), matrix=CAUSAL.double()),
    "choice": With(lambda net, x: torch.where(net.some == 1, x, x.roll(1, -1).tanh()), some=HALF),
    "filled": With(lambda net, x: x.masked_fill(net.some == 1, 0.0) + 1, some=HALF),
    "blend": With(lambda net, x: net.some * x + (1 - net.some) * x.roll(1, -1), some=HALF),
    "lerp": With(lambda net, x: torch.lerp(x, x.roll(1, -1), net.some), some=HALF),
    "addcmul": With(lambda net, x: torch.addcmul(x, x.roll(1, -1), net.some), some=HALF),
    "beside the least": With(lambda net, x: x + (1 - net.some) * torch.finfo(x.dtype).min, some=HALF),
    "nothing": With(lambda net, x: x + 0.0 * x.roll(1, -1)),
}


@pytest.mark.parametrize("name", NETS)
def test_a_constant_closes_paths(name: str) -> None:
    net = NETS[name]
    units = [(0,), (2,), (4,)]
    rows = check(net, (2, N), units)
    walked = explore(net, graph := capture(net, (2, N)))
    node = graph.outputs[0][1]
    field = walked.fields[node]
    assert isinstance(field, Field)
    for row, unit in zip(rows, units, strict=True):
        back = Reverse(graph, walked.fields, {}).support(node, unit_place(field, row.unit_dims, row.place))
        assert back.any(0).nonzero().flatten().tolist() == moved_by(net, (2, N), unit, 0)


def test_a_mask_of_minus_one_hundred_closes_nothing() -> None:
    """Its weight does not underflow: shifted windows add it."""
    net = With(attending(lambda net, s: s + (~net.mask).to(s.dtype) * -100.0), mask=BAND)
    row = rf.theoretical(net, (2, N), unit=(4,))[""]
    assert row.axes[0].support == tuple(range(N))


def test_a_learned_mask_closes_nothing() -> None:
    net = With(lambda net, x: x @ net.matrix, matrix=nn.Parameter(BAND.double()))
    row = rf.theoretical(net, (2, N))[""]
    assert row.axes[0].global_


def test_a_column_of_zeros_is_a_hole() -> None:
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).expand(2, 1, 3, 3).double().clone()
    row = rf.theoretical(With(lambda net, x: F.conv2d(x, net.kernel, padding=1, groups=2), kernel=sobel), (2, 6, 6))[""]
    assert (row.status, [axis.holes for axis in row.axes]) == ("exact", [(), ((1, 1),)])


def surviving(net: nn.Module) -> list[int]:
    net = net.double().eval()
    graph = capture(net, (2, N))
    walked = explore(net, graph)
    walk = Reverse(graph, walked.fields, {}, surviving=True)
    return walk.support(graph.outputs[0][1], {0: 0, 2: 4}).any(0).nonzero().flatten().tolist()


SCALED = nn.LayerNorm(N, dtype=torch.float64)
nn.init.zeros_(SCALED.weight)
PRUNED = {
    "matmul": With(lambda net, x: x @ net.matrix, matrix=nn.Parameter(BAND.double())),
    "einsum": With(lambda net, x: torch.einsum("ncl,lk->nck", x, net.matrix), matrix=nn.Parameter(BAND.double())),
    "linear": With(lambda net, x: F.linear(x, net.matrix), matrix=nn.Parameter(BAND.double())),
    "scaled": With(lambda net, x: x * net.some + x.roll(1, -1), some=nn.Parameter(HALF.clone() * 0)),
    "made": With(
        lambda net, x: F.conv1d(x, net.weight / net.weight.abs().amax(), padding=1),
        weight=nn.Parameter(torch.tensor([1.0, 0, 0]).expand(2, 2, 3).clone()),
    ),
    "norm": With(lambda net, x: x + net.norm(x), norm=SCALED),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", PRUNED)
def test_zeros_of_parameters_close_paths_of_the_surviving_field(name: str) -> None:
    assert surviving(PRUNED[name]) == moved_by(PRUNED[name].double(), (2, N), (4,), 0)


def test_the_spread_of_one_element_is_a_constant() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y = self.conv(x)
            return (y.var(1, keepdim=True, correction=0), *torch.var_mean(y, 1, keepdim=True, correction=0), y.std(-1))

    alone, spread, mean, whole = (rf.theoretical(Net(), input_size=(1, 16))[f"[{k}]"] for k in range(4))
    assert [row.axes[0].support for row in (alone, spread)] == [(), ()]
    assert mean.axes[0].size == 3
    assert whole.axes[0].global_
    assert {row.status for row in (alone, spread, mean, whole)} == {"exact"}
