"""TF-Slim's nets as compact tables of layers, for the published table of Araujo et al. (doi:10.23915/distill.00021).

Only what a field depends on is here: kernels, strides, paddings, branches; widths are one or two channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

Table = list[tuple[str, nn.Module]]


def same(x: torch.Tensor, kernel: Sequence[int], stride: int) -> torch.Tensor:
    """TensorFlow's SAME padding: what ceil(n / stride) windows need, the odd pixel at the end."""
    pads: list[int] = []
    for n, k in zip(reversed(x.shape[2:]), reversed(kernel), strict=True):
        total = max((-(-n // stride) - 1) * stride + k - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class Conv(nn.Module):
    """A convolution; ``pad`` is "same", "valid" or "fixed" (k - 1 pixels whatever the size, as conv2d_same does)."""

    def __init__(self, kernel: int | tuple[int, int], stride: int = 1, pad: str = "same", channels: int = 1) -> None:
        super().__init__()
        self.kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.stride, self.pad = stride, pad
        self.conv = nn.LazyConv2d(channels, self.kernel, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pad == "same":
            x = same(x, self.kernel, self.stride)
        elif self.pad == "fixed":
            before = (self.kernel[0] - 1) // 2
            after = self.kernel[0] - 1 - before
            x = F.pad(x, [before, after, before, after])
        return F.relu(self.conv(x))


class Pool(nn.Module):
    def __init__(self, kernel: int, stride: int, pad: str = "valid", mean: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.pad, self.mean = kernel, stride, pad, mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pad == "same":
            x = same(x, (self.kernel, self.kernel), self.stride)
        return F.avg_pool2d(x, self.kernel, self.stride) if self.mean else F.max_pool2d(x, self.kernel, self.stride)


class Branches(nn.Module):
    """Branches side by side, concatenated; ``residual`` adds a 1x1 mix of them to the input."""

    def __init__(self, *branches: nn.Module, residual: bool = False) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.up = Conv(1) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = torch.cat([branch(x) for branch in self.branches], 1)
        return mixed if self.up is None else F.relu(x + self.up(mixed))


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1; the shortcut takes every stride-th pixel."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.body = chain(Conv(1), Conv(3, stride, "fixed"), Conv(1))
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(F.max_pool2d(x, 1, self.stride) + self.body(x))


def chain(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


def alexnet() -> Table:
    n = "alexnet_v2"
    return [
        (f"{n}/conv1", Conv(11, 4, "valid")),
        (f"{n}/pool1", Pool(3, 2)),
        (f"{n}/conv2", Conv(5)),
        ("pool2", Pool(3, 2)),
        *((f"{n}/conv{i}", Conv(3)) for i in (3, 4, 5)),
        (f"{n}/pool5", Pool(3, 2)),
    ]


def vgg(name: str, depths: Sequence[int]) -> Table:
    table: Table = []
    for block, depth in enumerate(depths, 1):
        table += [(f"{name}/conv{block}/conv{block}_{i}", Conv(3)) for i in range(1, depth + 1)]
        table.append((f"{name}/pool{block}", Pool(2, 2)))
    return table


def mobilenet() -> Table:
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    return [
        ("Conv2d_0", Conv(3, 2)),
        *((f"Conv2d_{i}_pointwise", chain(Conv(3, s), Conv(1))) for i, s in enumerate(strides, 1)),
    ]


def resnet(name: str, depths: Sequence[int]) -> Table:
    """The stride of a block is taken by its last unit."""
    table: Table = [("root", chain(Conv(7, 2, "fixed"), Pool(3, 2, "same")))]
    for block, depth in enumerate(depths, 1):
        last = 2 if block < len(depths) else 1
        units = [Bottleneck(last if i == depth - 1 else 1) for i in range(depth)]
        table.append((f"{name}/block{block}", chain(*units)))
    return table


def mixed(*kernels: Sequence[int | tuple[int, int]]) -> Branches:
    """An inception block that keeps the map: 1x1, some chains of kernels after a 1x1, and a 3x3 pool."""
    chains = [chain(Conv(1), *(Conv(k) for k in kernel)) for kernel in kernels]
    return Branches(Conv(1), *chains, chain(Pool(3, 1, "same", mean=True), Conv(1)))


def reduction(*kernels: Sequence[int | tuple[int, int]], pad: str) -> Branches:
    """Chains whose last 3x3 has stride 2, and a max-pool."""
    chains = [chain(*(Conv(k) for k in kernel), Conv(3, 2, pad)) for kernel in kernels]
    return Branches(*chains, Pool(3, 2, pad))


def split(*before: int | tuple[int, int]) -> nn.Module:
    """A chain that ends in a 1x3 beside a 3x1."""
    return chain(Conv(1), *(Conv(k) for k in before), Branches(Conv((1, 3)), Conv((3, 1))))


def fan(*before: int | tuple[int, int]) -> Branches:
    return Branches(Conv(1), split(), split(*before), chain(Pool(3, 1, "same", mean=True), Conv(1)))


SEVEN = ([(1, 7), (7, 1)], [(7, 1), (1, 7), (7, 1), (1, 7)])


def inception_v2() -> Table:
    keep = partial(mixed, [3], [3, 3])
    return [
        ("Conv2d_1a_7x7", Conv(7, 2)),
        ("MaxPool_2a_3x3", Pool(3, 2, "same")),
        ("Conv2d_2b_1x1", Conv(1)),
        ("Conv2d_2c_3x3", Conv(3)),
        ("MaxPool_3a_3x3", Pool(3, 2, "same")),
        *((f"Mixed_{b}", keep()) for b in ("3b", "3c")),
        ("Mixed_4a", reduction([1], [1, 3], pad="same")),
        *((f"Mixed_{b}", keep()) for b in ("4b", "4c", "4d", "4e")),
        ("Mixed_5a", reduction([1], [1, 3], pad="same")),
        *((f"Mixed_{b}", keep()) for b in ("5b", "5c")),
    ]


def stem(pad: str) -> Table:
    return [("Conv2d_1a_3x3", Conv(3, 2, pad)), ("Conv2d_2a_3x3", Conv(3, 1, pad)), ("Conv2d_2b_3x3", Conv(3))]


def long_stem(pad: str) -> Table:
    return [
        *stem(pad),
        ("MaxPool_3a_3x3", Pool(3, 2, pad)),
        ("Conv2d_3b_1x1", Conv(1)),
        ("Conv2d_4a_3x3", Conv(3, 1, pad)),
        ("MaxPool_5a_3x3", Pool(3, 2, pad)),
    ]


def inception_v3() -> Table:
    return [
        *long_stem("valid"),
        *((f"Mixed_5{b}", mixed([5], [3, 3])) for b in "bcd"),
        ("Mixed_6a", reduction([], [1, 3], pad="valid")),
        *((f"Mixed_6{b}", mixed(*SEVEN)) for b in "bcde"),
        ("Mixed_7a", reduction([1], [1, (1, 7), (7, 1)], pad="valid")),
        *((f"Mixed_7{b}", fan(3)) for b in "bc"),
    ]


def inception_v4() -> Table:
    tall = chain(Conv(1), Conv((1, 7)), Conv((7, 1)), Conv(3, 1, "valid"))
    return [
        *stem("valid"),
        ("Mixed_3a", Branches(Pool(3, 2), Conv(3, 2, "valid"))),
        ("Mixed_4a", Branches(chain(Conv(1), Conv(3, 1, "valid")), tall)),
        ("Mixed_5a", Branches(Conv(3, 2, "valid"), Pool(3, 2))),
        *((f"Mixed_5{b}", mixed([3], [3, 3])) for b in "bcde"),
        ("Mixed_6a", reduction([], [1, 3], pad="valid")),
        *((f"Mixed_6{b}", mixed(*SEVEN)) for b in "bcdefgh"),
        ("Mixed_7a", reduction([1], [1, (1, 7), (7, 1)], pad="valid")),
        *((f"Mixed_7{b}", fan((3, 1), (1, 3))) for b in "bcd"),
    ]


def repeated(times: int, *kernels: Sequence[int | tuple[int, int]]) -> nn.Sequential:
    """Residual inception blocks."""
    return chain(
        *(
            Branches(Conv(1), *(chain(Conv(1), *(Conv(k) for k in kernel)) for kernel in kernels), residual=True)
            for _ in range(times)
        )
    )


def inception_resnet_v2(pad: str) -> Table:
    return [
        *long_stem(pad),
        ("Mixed_5b", mixed([5], [3, 3])),
        ("Mixed_6a", chain(repeated(10, [3], [3, 3]), reduction([], [1, 3], pad=pad))),
        ("PreAuxLogits", repeated(20, [(1, 7), (7, 1)])),
        ("Mixed_7a", reduction([1], [1], [1, 3], pad=pad)),
        ("Conv2d_7b_1x1", chain(repeated(10, [(1, 3), (3, 1)]), Conv(1))),
    ]


NETS: dict[str, Callable[[], Table]] = {
    "alexnet_v2": alexnet,
    "vgg_a": partial(vgg, "vgg_a", [1, 1, 2, 2, 2]),
    "vgg_16": partial(vgg, "vgg_16", [2, 2, 3, 3, 3]),
    "mobilenet_v1": mobilenet,
    "mobilenet_v1_075": mobilenet,
    "inception_v2": inception_v2,
    "inception_v2-no-separable-conv": inception_v2,
    "inception_v3": inception_v3,
    "inception_v4": inception_v4,
    "inception_resnet_v2": partial(inception_resnet_v2, "valid"),
    "inception_resnet_v2-same": partial(inception_resnet_v2, "same"),
    **{
        f"resnet_{version}_{depth}": partial(resnet, f"resnet_{version}_{depth}", blocks)
        for version in ("v1", "v2")
        for depth, blocks in {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3], 200: [3, 24, 36, 3]}.items()
    },
}


def build(name: str) -> nn.Sequential:
    """The net called ``name`` in the published table; end points are its modules."""
    net = nn.Sequential()
    for end_point, layer in NETS[name]():
        net.add_module(end_point, layer)
    return net
