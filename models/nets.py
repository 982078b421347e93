"""The nets, in one table. A net of your own is one entry more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import nn

from rftools.errors import RequestError, closest
from rftools.models.layers import Chain, Conv, PlainGap, Residual, ResNet, Segmenter, Unet
from rftools.models.sequences import RecurrentSequence, StridedSequence, WaveNet


@dataclass(frozen=True)
class Net:
    """One entry: what the net is, the input it is made for, and how it is built from (classes, channels)."""

    about: str
    make: Callable[[int, int], nn.Module]
    input_size: tuple[int, ...] = (3, 32, 32)
    l2: float = 0.0  # times the sum of the kernels' squares, added to the loss


SMALL, WIDE = (16, 24, 32, 48), (64, 128, 256, 512)
CASCADE = (16, 20, 24, 28, 30, 32, 36, 38, 42, 48)
CASCADE_WIDE = (64, 80, 128, 160, 192, 256, 320, 384, 448, 512)


def chain(layers: Iterable[Conv]) -> Callable[[int, int], nn.Module]:
    specs = tuple(layers)
    return lambda classes, channels: Chain(specs, classes, channels)


def segmenter(layers: Iterable[Conv]) -> Callable[[int, int], nn.Module]:
    specs = tuple(layers)
    return lambda classes, channels: Segmenter(specs, classes, channels)


def dilated(widths: Iterable[int], dilations: Iterable[int]) -> list[Conv]:
    return [Conv(width, dilation=d) for width, d in zip(widths, dilations, strict=True)]


def strided(widths: Iterable[int], strides: Iterable[int], kernels: Iterable[int] = (3, 3, 3, 3)) -> list[Conv]:
    return [Conv(width, k, stride=s) for width, s, k in zip(widths, strides, kernels, strict=True)]


def large(widths: Iterable[int]) -> list[Conv]:
    return [Conv(width, kernel) for width, kernel in zip(widths, (3, 5, 7, 9), strict=True)]


def cascade(widths: tuple[int, ...]) -> list[Conv]:
    return [*map(Conv, widths[:-1]), Conv(widths[-1], bare=True)]


def depthwise(widths: tuple[int, ...]) -> list[Conv]:
    """The cascade's ten layers, 3x3 depthwise between the widenings: 16, DW, 24, DW, DW, 32, DW, DW, DW, 48."""
    thin = Conv(0, depthwise=True)
    a, b, c = map(Conv, widths[:3])
    return [a, thin, b, thin, thin, c, thin, thin, thin, Conv(widths[3], bare=True)]


def residual_groups(strides: bool) -> list[Residual]:
    """Three groups of six blocks; where the dilated net raises its dilation the strided one takes stride 2."""
    if strides:
        groups = [(16, 1), (32, 2), (64, 2)]
        return [
            Residual(width, stride=stride if first else 1, shortcut=1 if first and width > 16 else 0)
            for width, stride in groups
            for first in (True, *[False] * 5)
        ]
    return [
        *[Residual(16)] * 6,
        Residual(32, first=2, shortcut=4),
        *[Residual(32, first=4)] * 5,
        Residual(64, first=8, second=8, shortcut=16),
        *[Residual(64, first=16, second=16)] * 5,
    ]


NETS: dict[str, Net] = {
    "vgg-dilated": Net("4 convs 3x3, dilation 1, 2, 4, 8", chain(dilated(SMALL, (1, 2, 4, 8)))),
    "vgg-large": Net("4 convs, kernels 3, 5, 7, 9", chain(large(SMALL))),
    "vgg-strided": Net("4 convs 3x3, stride 1, 2, 2, 2", chain(strided(SMALL, (1, 2, 2, 2)))),
    "vgg-cascade": Net("10 convs 3x3", chain(cascade(CASCADE))),
    "vgg-depthwise": Net("the cascade with depthwise 3x3 convs between", chain(depthwise(SMALL))),
    "vgg-dilated-wide": Net("vgg-dilated, 64 to 512 channels", chain(dilated(WIDE, (1, 2, 4, 8)))),
    "vgg-large-wide": Net("vgg-large, 64 to 512 channels", chain(large(WIDE))),
    "vgg-strided-wide": Net("vgg-strided, 64 to 512 channels", chain(strided(WIDE, (1, 2, 2, 2)))),
    "vgg-cascade-wide": Net("vgg-cascade, 64 to 512 channels", chain(cascade(CASCADE_WIDE))),
    "vgg-depthwise-wide": Net("vgg-depthwise, 64 to 512 channels", chain(depthwise(WIDE))),
    "vgg-dilated-21": Net(
        "dilation 1, 2, 3, 4: the field of vgg-large and vgg-cascade", chain(dilated(SMALL, (1, 2, 3, 4)))
    ),
    "vgg-dilated-17": Net(
        "dilation 1, 1, 2, 4: the field of vgg-strided, no stride", chain(dilated(SMALL, (1, 1, 2, 4)))
    ),
    "vgg-strided-31": Net(
        "stride 1, 2, 2, 2, kernels 3, 5, 5, 5: the field of vgg-dilated",
        chain(strided(SMALL, (1, 2, 2, 2), (3, 5, 5, 5))),
    ),
    "resnet-dilated": Net(
        "3 groups of 6 residual blocks, dilation up to 16",
        lambda classes, channels: ResNet(16, residual_groups(strides=False), classes, channels),
        l2=1e-4,
    ),
    "resnet-strided": Net(
        "3 groups of 6 residual blocks, stride 2 twice",
        lambda classes, channels: ResNet(16, residual_groups(strides=True), classes, channels),
        l2=1e-4,
    ),
    "fcn-strided": Net(
        "segmentation: 3 convs of stride 2, 3 transposed convs",
        segmenter(
            [*strided((16, 32, 64), (2, 2, 2), (3, 3, 3)), *[Conv(width, transposed=True) for width in (32, 16, 16)]]
        ),
    ),
    "fcn-dilated": Net(
        "segmentation: 6 convs, dilation 1 to 32", segmenter(dilated((16, 16, 32, 32, 64, 64), (1, 2, 4, 8, 16, 32)))
    ),
    "fcn-unet": Net(
        "segmentation: fcn-strided's encoder, a decoder that sees its maps",
        lambda classes, channels: Unet((16, 32, 64), classes, channels),
    ),
    "wavenet": Net(
        "1-D causal gated stack, kernel 2, dilation 1 to 512",
        lambda classes, channels: WaveNet(16, [2**i for i in range(10)], classes, channels),
        input_size=(1, 4096),
    ),
    "wavenet-short": Net(
        "wavenet's parameters with dilation 1 to 16 twice: a field of 63",
        lambda classes, channels: WaveNet(16, [2**i for i in range(5)] * 2, classes, channels),
        input_size=(2, 128),
    ),
    "sequence-strided": Net(
        "1-D, five convs of stride 2, each step repeated; wavenet's parameters",
        lambda classes, channels: StridedSequence(27, 5, classes, channels),
        input_size=(2, 128),
    ),
    "sequence-recurrent": Net(
        "a gated recurrent layer; wavenet's parameters",
        lambda classes, channels: RecurrentSequence(72, classes, channels),
        input_size=(2, 128),
    ),
    "gap-plain": Net(
        "conv and downsample three times, global pooling, 1x1",
        lambda classes, channels: PlainGap((16, 32, 64), classes, channels),
    ),
}


def names() -> list[str]:
    """The names of all nets, in the table's order."""
    return list(NETS)


def build(name: str, *, classes: int = 10, channels: int | None = None) -> nn.Module:
    """A net of the table with random weights, for any number of classes and input channels.

    Raises:
        RequestError: no net of that name, or a count below one.

    >>> sum(p.numel() for p in build("vgg-dilated").parameters())
    25474
    """
    if name not in NETS:
        raise RequestError(f"no net {name!r}{closest(name, NETS)}; `rftools models` lists them")
    inputs = NETS[name].input_size[0] if channels is None else channels
    if min(classes, inputs) < 1:
        raise RequestError(f"{name} needs at least one class and one channel, not {classes} and {inputs}")
    return NETS[name].make(classes, inputs)
