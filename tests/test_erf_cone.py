"""Gradients inside windows against plain autograd on whole tensors."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from rftools.capture import Graph, capture
from rftools.erf.cone import Cone, Unit
from rftools.trf.analysis import spatial_dims
from rftools.trf.engine import walk
from rftools.trf.field import Field
from tests.random_nets import INPUT, RandomNet, draw_net, smallest

CPU = torch.device("cpu")


def whole_gradients(graph: Graph, x: torch.Tensor, units: Sequence[Unit]) -> list[torch.Tensor]:
    """The oracle: every operator of the graph under autograd, one backward pass a unit."""
    values: dict[fx.Node, Any] = {graph.inputs[0]: x.clone().requires_grad_()}
    for node in graph.nodes:
        args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: values[n] if n in values else constant(graph, n))
        if node.target is operator.getitem:
            values[node] = args[0][args[1]]
            continue
        if node.target._schema.is_mutable:
            args = fx.node.map_aggregate(args, lambda a: a.clone() if isinstance(a, torch.Tensor) else a)
        values[node] = node.target(*args, **kwargs)
    return [whole_gradient(values[unit.node], unit, values[graph.inputs[0]]) for unit in units]


def constant(graph: Graph, node: fx.Node) -> torch.Tensor:
    return graph.constants[node.name].detach()


def whole_gradient(output: torch.Tensor, unit: Unit, x: torch.Tensor) -> torch.Tensor:
    index: list[Any] = [slice(None)] * output.ndim
    for dim, place in zip(unit.dims, unit.place, strict=True):
        index[dim] = place
    channels = output[tuple(index)]
    y = (channels * weights(unit, channels)).sum()
    if not y.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(y, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


def weights(unit: Unit, channels: torch.Tensor) -> torch.Tensor:
    """Uneven weights of a unit's channels, alike for all images: an even sum is constant behind a softmax."""
    shape = channels.shape if 0 in unit.dims else channels.shape[1:]
    count = int(np.prod(shape))
    return torch.linspace(0.5, 1.5, count, dtype=channels.dtype).reshape(shape).expand(channels.shape)


def all_units(graph: Graph, place: float = 0.5) -> list[Unit]:
    """A unit of every named place of the graph: the centre, or another share of the way along every axis."""
    fields = walk(graph, {})
    units = []
    for layer in graph.layers:
        field = fields.get(layer.node)
        if isinstance(field, Field):
            dims = tuple(spatial_dims(field.merged()))
            shape = layer.node.meta["val"].shape
            units.append(Unit(layer.node, dims, tuple(min(int(shape[d] * place), shape[d] - 1) for d in dims)))
    return units


def apart(cone: Cone, x: torch.Tensor, wanted: Sequence[torch.Tensor]) -> float:
    """The largest difference of signed maps over the units, as a share of each map's maximum."""
    units = cone.plan.units
    found = cone.maps(
        x, lambda number, channels: weights(units[number], channels), lambda _, first, gradient: gradient.mean(1)
    )
    return max(share(found[n][:, None], gradient.mean(1, keepdim=True)) for n, gradient in enumerate(wanted))


def share(found: torch.Tensor, gradient: torch.Tensor) -> float:
    """The largest difference as a share of the largest value, channels averaged."""
    whole = gradient.mean(1)
    return float((found.mean(1) - whole).abs().max() / whole.abs().max().clamp_min(1e-200))


def check(module: nn.Module, size: tuple[int, ...], images: int = 2, places: Sequence[float] = (0.0, 0.5, 1.0)) -> Cone:
    """Every layer of a net, units at both ends and between, in both precisions; returns a cone for a closer look."""
    x = torch.randn(images, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    allowed, exact = 1e-10, None
    for dtype in (torch.float64, torch.float32):
        graph = capture(module.to(dtype).eval(), size)
        units = list(dict.fromkeys(unit for place in places for unit in all_units(graph, place)))
        cone = Cone(graph, units, CPU)
        rows = [whole_gradients(graph, image, units) for image in x.to(dtype).split(1)]  # captured with one
        wanted = [torch.cat(parts) for parts in zip(*rows, strict=True)]
        if exact is not None:  # autograd's own error counts where it is larger still
            allowed = max(1e-5, *(share(a, b) for a, b in zip(wanted, exact, strict=True)))
        assert apart(cone, x.to(dtype), wanted) <= allowed
        exact = exact or wanted
    for place in places:  # one place at a time: the values may be needed in windows alone
        units = all_units(graph, place)

        alone = [wanted[cone.plan.units.index(unit)] for unit in units]
        assert apart(Cone(graph, units, CPU), x.to(dtype), alone) <= allowed
    return cone


def conv(rank: int, *args: Any, **kwargs: Any) -> nn.Module:
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1](*args, **kwargs)


class Function(nn.Module):
    """A function between two convolutions."""

    def __init__(self, rank: int, function: Any, channels: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before = conv(rank, 3, channels, 3, padding=1)
        self.function = function
        self.after = conv(rank, channels, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.function(self.before(x)))


CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "padded more than the kernel": {"kernel_size": 2, "padding": 3},
    "strided": {"kernel_size": 3, "stride": 2, "padding": 1},
    "stride beyond the kernel": {"kernel_size": 2, "stride": 3},
    "one tap, strided": {"kernel_size": 1, "stride": 2},
    "one tap, padded": {"kernel_size": 1, "padding": 2, "stride": 2},
    "dilated": {"kernel_size": 3, "dilation": 3, "padding": 2},
    "dilated and strided": {"kernel_size": 3, "dilation": 2, "stride": 2, "padding": 1},
    "grouped": {"kernel_size": 3, "groups": 2, "padding": 1},
    "grouped and strided": {"kernel_size": 4, "groups": 2, "stride": 2},
    "same": {"kernel_size": 4, "padding": "same"},
    "circular": {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    "reflect": {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_convolutions(kind: str, rank: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        conv(rank, 4, 6, 3), nn.ReLU(), conv(rank, 6, 4, **CONVOLUTIONS[kind]), nn.Tanh(), conv(rank, 4, 2, 2)
    )
    size = (4, *(17, 13, 12)[:rank])
    assert not check(net, size).plan.tapes


@pytest.mark.parametrize(("kernel", "stride"), [((7, 5), (2, 3)), (4, 2), (3, 4), ((3, 2), (2, 1))])
def test_strided_convolutions_of_few_channels(kernel: Any, stride: Any) -> None:
    """They are turned phase by phase."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, kernel, stride, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))
    check(net, (3, 23, 26))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolutions(rank: int) -> None:
    up = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[rank - 1]
    torch.manual_seed(0)
    net = nn.Sequential(
        conv(rank, 2, 4, 3), up(4, 6, 3, 2, padding=1, output_padding=1), nn.SiLU(), up(6, 4, 2, dilation=2, groups=2)
    )
    assert not check(net, (2, *(9, 8, 7)[:rank])).plan.tapes


FUNCTIONS = {
    "gelu": F.gelu,
    "hardswish": F.hardswish,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "power": lambda x: x**2,
    "residual": lambda x: x + F.relu(x),
    "twice itself": lambda x: x + x,
    "itself squared": lambda x: x * x,
    "difference": lambda x: 1 - torch.sub(x, x.tanh(), alpha=0.5),
    "quotient": lambda x: x / 3,
    "gate": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "squeeze": lambda x: x + F.adaptive_avg_pool2d(x, 1),
    "maximum": lambda x: F.max_pool2d(x, 3, 2, 1),
    "maximum, ceiling": lambda x: F.max_pool2d(x, 3, 2, 0, ceil_mode=True),
    "maximum, dilated": lambda x: F.max_pool2d(x, 2, 1, 0, 2),
    "average": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "average, its own count": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "average, ceiling": lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (5, 4)),
    "nearest": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "bilinear": lambda x: F.interpolate(x, size=(21, 9), mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, scale_factor=1.5, mode="bicubic", align_corners=True),
    "pad": lambda x: F.pad(x, [1, 2, 0, 3], value=0.5),
    "reflected": lambda x: F.pad(x, [1, 2, 2, 3], mode="reflect"),
    "wrapped": lambda x: F.pad(x, [1, 2, 2, 3], mode="circular"),
    "cropped": lambda x: F.pad(x, [-1, 0, 2, -2]),
    "slice": lambda x: x[:, :, 1:-2, ::2],
    "roll": lambda x: x.roll((1, -2), (2, 3)),
    "flip": lambda x: x.flip(-1),
    "cat": lambda x: torch.cat([x[:, 2:], x.relu()[:, :2]], 1),
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "split": lambda x: torch.cat([part * 2 for part in x.split([1, 3], 1)], 1),
    "shuffle": lambda x: F.channel_shuffle(x, 2),
    "transposed": lambda x: x.transpose(2, 3) * 2,
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "softmax": lambda x: x.softmax(1),
    "softmax over space": lambda x: x.softmax(-1),
    "flattened": lambda x: x.flatten(2).mean(-1)[:, :, None, None] + x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    check(Function(2, FUNCTIONS[name]), (3, 14, 13))


BY_AUTOGRAD = {
    "cumulative": lambda x: x.cumsum(-1),
    "group norm": lambda x: F.group_norm(x, 2),
    "pixels": lambda x: F.pixel_shuffle(x, 2).repeat(1, 4, 1, 1),
    "attention": lambda x: F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)] * 3).transpose(1, 2)[
        ..., None
    ],
    "several outputs": lambda x: torch.aminmax(x, dim=-1, keepdim=True)[1] + x,
    "sorted": lambda x: x.sort(-1)[0] * x.sort(-1)[1],
    "no gradient": lambda x: x + x.detach(),
    "a number": lambda x: x * x.mean(),
    "product": lambda x: torch.einsum("nchw,ndhw->ncdw", x, x)[:, :, :4],
}


@pytest.mark.parametrize("name", BY_AUTOGRAD)
def test_operators_without_a_rule_go_by_autograd(name: str) -> None:
    assert check(Function(2, BY_AUTOGRAD[name]), (3, 8, 7)).plan.tapes


def check_random(net: RandomNet) -> None:
    size = INPUT[net.rank]
    try:
        with torch.no_grad():
            out = net.eval()(torch.rand(1, *size))
    except (RuntimeError, ValueError, AssertionError):
        return  # a net that cannot run has no gradient
    if out.numel() == 0:
        return
    check(net, size, places=(0.0, 0.4, 1.0))


def fails(net: RandomNet) -> bool:
    try:
        check_random(net)
    except Exception:
        return True
    return False


def check_seed(seed: int) -> None:
    net = draw_net(seed)
    if fails(net):
        small = smallest(net, fails)
        try:
            check_random(small)
        except Exception as error:
            raise AssertionError(f"seed {seed}, rank {small.rank}, steps {small.steps}: {error}") from error


@pytest.mark.parametrize("block", range(4))
def test_random_nets(block: int) -> None:
    for seed in range(5 * block, 5 * block + 5):
        check_seed(seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(20))
def test_many_random_nets(block: int) -> None:
    for seed in range(3000 + 25 * block, 3025 + 25 * block):
        check_seed(seed)
