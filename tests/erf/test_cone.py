"""Gradients inside windows against plain autograd on whole tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import fx, nn

import rftools as rf
from rftools.capture import Graph, capture
from rftools.erf.maps.cone import Cone, NodeUnit, without_rule
from rftools.erf.maps.gradients import by_cone, cone_of, layer_maps
from rftools.erf.maps.options import AGGREGATIONS, MapOptions
from rftools.models import NETS
from rftools.trf.asked import spatial_dims
from rftools.trf.engine import walk
from rftools.trf.field import Field
from rftools.units import Unit, choose, unit_of
from tests.random_nets import INPUT, RandomNet, check_seed

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
            units.append(NodeUnit(layer.node, dims, tuple(min(int(shape[d] * place), shape[d] - 1) for d in dims)))
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
    whole = gradient.mean(1).double()
    return float((found.mean(1).double() - whole).abs().max() / whole.abs().max().clamp_min(1e-200))


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
    everywhere = list(dict.fromkeys(unit for place in places for unit in all_units(graph, place)))
    for place in places:  # one place at a time: the values may be needed in windows alone
        units = all_units(graph, place)
        alone = [wanted[everywhere.index(unit)] for unit in units]
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


def tokens(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Queries, keys and values: places as tokens."""
    y = x.flatten(2).transpose(1, 2)
    return y.sin(), y * 1.5, y.tanh()


def attended(x: torch.Tensor, **options: Any) -> torch.Tensor:
    y = F.scaled_dot_product_attention(*tokens(x), **options)
    return y.transpose(1, 2).reshape(x.shape)


FUNCTIONS = {
    "attention": attended,
    "causal attention": lambda x: attended(x, is_causal=True, scale=0.2),
    "attention with a mask": lambda x: attended(
        x, attn_mask=torch.ones(182, 182).tril(3)[: x[0, 0].numel(), : x[0, 0].numel()].to(x) > 0
    ),
    "attention with distances": lambda x: attended(
        x, attn_mask=(torch.arange(182.0)[:, None] * torch.arange(182.0)).sin().to(x)
    ),
    "product of two": lambda x: x @ x.transpose(2, 3).tanh() @ x[:, :1].cos(),
    "product with a constant": lambda x: torch.linspace(-1, 1, 28).reshape(2, 14).to(x) @ x @ torch.ones(13, 3).to(x),
    "log softmax": lambda x: F.log_softmax(x, 1),
    "padded channels last": lambda x: F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 2, -2, 3)).permute(0, 3, 1, 2),
    "rolled channels last": lambda x: x.permute(0, 2, 3, 1).roll((3, -4), (1, 2)).permute(0, 3, 1, 2),
    "joined and split": lambda x: x.reshape(len(x), 2, 2, 7, 2, 13).permute(0, 2, 1, 4, 3, 5).reshape(x.shape),
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
    "shuffle": lambda x: F.channel_shuffle(torch.cat([x, x.tanh()], 1), 2)[:, 1:5],
    "transposed": lambda x: x.transpose(2, 3) * 2,
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "softmax": lambda x: x.softmax(1),
    "softmax over space": lambda x: x.softmax(-1),
    "flattened": lambda x: x.flatten(2).mean(-1)[:, :, None, None] + x,
    "group norm": lambda x: F.group_norm(x, 2, torch.tensor([1.0, 2, 3, 4]).to(x), torch.ones(4).to(x)),
    "instance norm": lambda x: F.instance_norm(x),
    "layer norm of all": lambda x: F.layer_norm(x, x.shape[1:]),
    "pixels finer": lambda x: torch.cat([F.pixel_shuffle(x, 2)] * 4, 1) ** 3,
    "pixels coarser": lambda x: F.pixel_unshuffle(x[:, :, :12, :12], 3)[:, 5:9].tanh(),
    "pixels there and back": lambda x: F.pixel_shuffle(F.pixel_unshuffle(x[:, :, :, :12], 2).tanh(), 2),
    "quotient of two": lambda x: x / (x.square().sum(1, keepdim=True) + 0.1).sqrt(),
    "response normalisation": lambda x: F.local_response_norm(x, 3, alpha=0.5, k=1.0),
    "one by itself": lambda x: 1 / (x.square() + 1),
    "itself by a part of itself": lambda x: (x + 3) / (x[:, :1] + 5),
    "selected": lambda x: x.select(1, 2)[:, None] * x + x[:, -1][:, None],
    "row": lambda x: x[:, :, 5][:, :, None] + x,
    "cat with a constant": lambda x: torch.cat([torch.ones(1, 1, *x.shape[2:]).to(x).expand(len(x), -1, -1, -1), x], 1)[
        :, :4
    ],
    "cat of itself": lambda x: torch.cat([x, x.relu(), x], 1)[:, 2:10:2],
    "cat along space": lambda x: torch.cat([x, x * 2, x], 2)[:, :, 10:30],
    "prelu": lambda x: F.prelu(x, torch.tensor([0.1, 0.2, 0.3, 0.4]).to(x)),
    "prelu of some channels": lambda x: torch.cat([F.prelu(x, torch.arange(4.0).to(x) / 5)[:, 1:3]] * 2, 1),
    "shrunk": lambda x: F.softshrink(x, 0.1) + F.threshold(x, 0.2, -1.0) + F.logsigmoid(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    assert not check(Function(2, FUNCTIONS[name]), (3, 14, 13)).plan.tapes


BY_AUTOGRAD = {
    "cumulative": lambda x: x.cumsum(-1),
    "repeated": lambda x: x.repeat(1, 1, 2, 1),
    "attention of one with itself": lambda x: F.scaled_dot_product_attention(
        *[x.flatten(2).transpose(1, 2)] * 3
    ).transpose(1, 2)[..., None],
    "attention that a mask closes": lambda x: F.scaled_dot_product_attention(
        *tokens(x), attn_mask=torch.ones(56, 56).to(x).tril(-1) > 0
    )[:, 1:].transpose(1, 2)[..., None],
    "a product with itself": lambda x: (x.flatten(2).transpose(1, 2) @ x.flatten(2))[:, None].expand(-1, 4, -1, -1),
    "several outputs": lambda x: torch.kthvalue(x, 2, dim=-1, keepdim=True)[0] + x,
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
    if out.numel() == 0 or not all_units(capture(net, size)):
        return
    check(net, size, places=(0.0, 0.4, 1.0))


@pytest.mark.parametrize("block", range(4))
def test_random_nets(block: int) -> None:
    for seed in range(5 * block, 5 * block + 5):
        check_seed(seed, check_random)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(20))
def test_many_random_nets(block: int) -> None:
    for seed in range(3000 + 25 * block, 3025 + 25 * block):
        check_seed(seed, check_random)


def maps_both_ways(
    module: nn.Module, size: tuple[int, ...], aggregation: str = "abs", images: int = 2, names: str = "*"
) -> tuple[Mapping[str, Any], Mapping[str, Any], rf.TheoreticalResult]:
    """Maps of all modules without children by the cone, and by hooks and autograd on whole tensors."""
    dtype = next(p.dtype for p in module.parameters())
    graph = capture(module.eval(), size)
    rows = rf.theoretical(module, input_size=size)
    leaves = {name for name, child in module.named_modules() if not list(child.children())}
    chosen = [row for row in choose(rows, module, names) if row.unit and row.name.partition("#")[0] in leaves]
    targets = [unit_of(row) for row in chosen]
    x = torch.randn(images, *size, dtype=dtype, generator=torch.Generator().manual_seed(1))
    options = MapOptions(aggregation, device=CPU, batch_size=images, seed=3)
    whole = layer_maps(module, x, targets, options)
    with torch.no_grad():
        cone = cone_of(graph, module, targets, CPU, images, most=math.inf)
    assert cone is not None
    generator = torch.Generator().manual_seed(3)
    return by_cone(cone, x, targets, aggregation, generator, 0), whole, rows


def differ(found: Mapping[str, Any], whole: Mapping[str, Any]) -> float:
    pairs = [(found[name], whole[name]) for name in whole]
    return max(float(np.abs(a - b).max()) / max(float(np.abs(b).max()), 1e-200) for a, b in pairs)


def check_support(found: Mapping[str, Any], rows: rf.TheoreticalResult) -> None:
    """No mass where the theoretical engine says that no path reaches, per axis."""
    for name, maps in found.items():
        for axis, field in enumerate(rows[name].axes, 1):
            if field.support is None:
                continue
            seen = np.abs(maps).max(tuple(d for d in range(maps.ndim) if d != axis)).nonzero()[0]
            assert set(seen.tolist()) <= set(field.support), name


class Segmenter(nn.Module):
    """A U-Net of three levels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.down = nn.ModuleList([self._block(a, b) for a, b in ((3, 6), (6, 8), (8, 10))])
        self.up = nn.ModuleList([nn.ConvTranspose2d(10, 8, 2, 2), nn.ConvTranspose2d(8, 6, 2, 2)])
        self.join = nn.ModuleList([self._block(16, 8), self._block(12, 6)])
        self.head = nn.Conv2d(6, 2, 1)

    @staticmethod
    def _block(into: int, out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.down[0](x)
        second = self.down[1](F.max_pool2d(first, 2))
        third = self.down[2](F.max_pool2d(second, 2))
        y = self.join[0](torch.cat([self.up[0](third), second], 1))
        return self.head(self.join[1](torch.cat([self.up[1](y), first], 1)))


WIDE = [name for name in NETS if "wide" in name or "resnet" in name]
WINDOWED = [name for name in NETS if name != "sequence-recurrent"]  # its layer gives a tuple, and sees all steps


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in WIDE else n for n in WINDOWED])
def test_the_articles_nets(name: str) -> None:
    model = rf.load(f"rftools:{name}", input_size=(1, 300) if name == "wavenet" else None)
    for precision, allowed in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        found, whole, rows = maps_both_ways(model.module.to(precision), model.require_input_size())
        assert len(found) > 5
        assert differ(found, whole) <= allowed
        check_support(found, rows)


OTHERS = {
    "u-net": (Segmenter, (3, 32, 40)),
    "deeplab": (lambda: tv.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None), (3, 32, 32)),
    "fcn": (lambda: tv.segmentation.fcn_resnet50(weights=None, weights_backbone=None), (3, 64, 64)),
    "video": (lambda: tv.video.r3d_18(weights=None), (3, 4, 32, 32)),
    "video, separable": (lambda: tv.video.r2plus1d_18(weights=None), (3, 4, 32, 32)),
}
FAMILIES = {  # the smallest net of each, and pixels
    "squeezenet1_1": 64,
    "shufflenet_v2_x0_5": 32,
    "mobilenet_v3_small": 32,
    "resnet18": 64,
    "alexnet": 96,
    "vgg11_bn": 64,
    "resnext50_32x4d": 96,
    "densenet121": 64,
    "googlenet": 96,
    "inception_v3": 128,
    "mobilenet_v2": 96,
    "mnasnet0_5": 96,
    "efficientnet_b0": 96,
    "regnet_y_400mf": 96,
    "convnext_tiny": 64,
}
QUICK = list(FAMILIES)[:4]
TOKENS = {"vit_b_32": 224, "swin_t": 64, "swin_v2_t": 64, "maxvit_t": 224}


def family(name: str) -> nn.Module:
    torch.manual_seed(0)
    extra = {"aux_logits": False, "init_weights": False} if name in {"googlenet", "inception_v3"} else {}
    return tv.get_model(name, weights=None, **extra)


@pytest.mark.parametrize(
    "name", ["u-net", "deeplab", *(pytest.param(name, marks=pytest.mark.slow) for name in list(OTHERS)[2:])]
)
def test_segmenters_and_nets_on_film(name: str) -> None:
    make, size = OTHERS[name]
    torch.manual_seed(0)
    found, whole, rows = maps_both_ways(make().double(), size, images=1)
    assert differ(found, whole) <= 1e-10
    check_support(found, rows)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_torchvisions_families(name: str) -> None:
    found, whole, rows = maps_both_ways(family(name).double(), (3, FAMILIES[name], FAMILIES[name]), images=1)
    assert differ(found, whole) <= 1e-10
    check_support(found, rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvisions_families_in_single_precision(name: str) -> None:
    found, whole, _ = maps_both_ways(family(name), (3, FAMILIES[name], FAMILIES[name]), images=1)
    assert differ(found, whole) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKENS)
def test_transformers(name: str) -> None:
    net = family(name).double()
    for norm in (module for module in net.modules() if isinstance(module, nn.LayerNorm)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)  # with equal weights the sum behind a norm has no gradient but rounding
    found, whole, _ = maps_both_ways(net, (3, TOKENS[name], TOKENS[name]), images=1)
    assert differ(found, whole) <= 1e-10


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_aggregations(aggregation: str) -> None:
    found, whole, _ = maps_both_ways(Segmenter().double(), (3, 32, 40), aggregation)
    assert differ(found, whole) <= 1e-10
    assert max(float(np.abs(maps).max()) for maps in found.values()) > 0


def test_little_memory_splits_the_walk_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Segmenter().double()
    whole = maps_both_ways(module, (3, 32, 40))[1]
    monkeypatch.setattr("rftools.erf.maps.cone.maps.SMALLEST", 1)
    monkeypatch.setattr("rftools.erf.maps.cone.maps.BUDGET", 1e-9)
    assert differ(maps_both_ways(module, (3, 32, 40))[0], whole) <= 1e-10


def test_values_are_worked_out_in_windows_alone_where_the_image_is_large() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3)).double()
    graph = capture(net, (1, 64, 64))
    cone = Cone(graph, all_units(graph)[-1:], CPU)
    assert cone.plan.need[cone.plan.input] == ((0, 1), (28, 36), (28, 36))  # of 14: 14 to 16, 28 to 33, 28 to 35
    x = torch.randn(1, 1, 64, 64, dtype=torch.float64)
    assert apart(cone, x, whole_gradients(graph, x, cone.plan.units)) <= 1e-10


def test_the_cone_is_taken_where_it_is_less_work_and_the_graph_is_the_modules() -> None:
    small, other = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3)) for _ in range(2))
    targets = [Unit("2", (2, 3), (5, 5))]
    graph = capture(small, (1, 32, 32))
    assert cone_of(graph, small, targets, CPU, 1) is not None
    assert cone_of(graph, other, targets, CPU, 1) is None
    assert cone_of(capture(small, (1, 5, 5)), small, [Unit("2", (2, 3), (0, 0))], CPU, 1) is None


def test_a_net_with_many_operators_without_a_rule_is_not_even_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    def cumulated(x: torch.Tensor) -> torch.Tensor:
        return x.cumsum(2).cumsum(3)

    net, plain = Function(2, cumulated), Function(2, torch.relu)
    assert without_rule(capture(net, (3, 32, 32))) == 0.5
    assert without_rule(capture(plain, (3, 32, 32))) == 0
    targets = [Unit("before", (2, 3), (16, 16)), Unit("after", (2, 3), (16, 16))]
    assert cone_of(capture(plain, (3, 32, 32)), plain, targets, CPU, 1) is not None
    monkeypatch.setattr("rftools.erf.maps.gradients.Cone", None)
    assert cone_of(capture(net, (3, 32, 32)), net, targets, CPU, 1) is None


def test_what_comes_after_the_last_layer_asked_for_does_not_run() -> None:
    net, x = Function(2, torch.relu), torch.rand(2, 3, 9, 9)
    options = MapOptions("abs", device=CPU, batch_size=2, seed=0)
    targets = [Unit("before", (2, 3), (4, 4))]
    wanted = layer_maps(net, x, targets, options)["before"]
    net.after.register_forward_pre_hook(lambda *_: pytest.fail("the last layer ran"))
    assert np.array_equal(layer_maps(net, x, targets, options)["before"], wanted)
    assert wanted.any()


def test_a_gradient_that_is_not_finite_is_named() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3))
    net[0].weight.data[0, 0, 0, 0] = torch.inf
    with pytest.raises(rf.RequestError, match=r"the gradient of layer '0' is not finite at image 0"):
        rf.effective(net, torch.rand(2, 1, 32, 32), layers="0")


class Block(nn.Module):
    """A residual block whose sum is an operator between modules."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 2, 3, padding=1, padding_mode="zeros")
        self.head = nn.Conv2d(2, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(x + self.conv(x)))


def test_operators_between_modules_are_targets() -> None:
    net, x = Block(), torch.randn(3, 2, 9, 9)
    result = rf.effective(net, x, layers=["/add", "/r*"])
    assert [row.name for row in result] == ["/add", "/relu"]
    taken = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((taken + net.conv(taken))[..., 4, 4].sum(), taken)
    np.testing.assert_allclose(result["/add"].map, gradient.abs().mean((0, 1)).numpy(), atol=1e-6)
    assert result["/add"].theoretical["axes"][0]["clipped"] == (3, 5)


def test_an_operator_that_is_not_there_is_named() -> None:
    with pytest.raises(rf.RequestError, match=r"no layer matches '/ad' \(closest: /add\)"):
        rf.effective(Block(), torch.randn(1, 2, 9, 9), layers="/ad")


def test_other_methods_and_foreign_modules_take_modules_only() -> None:
    net, x = Block(), torch.randn(1, 2, 9, 9)
    with pytest.raises(rf.RequestError, match="'/add' is no module's own output, which the method 'occlusion' needs"):
        rf.effective(net, x, layers="/add", method="occlusion")
    options = MapOptions("abs", device=CPU, batch_size=1, seed=0)
    with pytest.raises(rf.RequestError, match="'/add' is no module's own output"):
        layer_maps(net, x, [Unit("/add", (2, 3), (4, 4))], options, graph=capture(Block(), (2, 9, 9)))
