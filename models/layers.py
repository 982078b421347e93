"""The parts that the nets are built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Conv:
    """One convolution with 'same' padding, batch norm and ReLU. ``depthwise`` keeps the channels apart."""

    channels: int
    kernel: int = 3
    dilation: int = 1
    stride: int = 1
    depthwise: bool = False
    bare: bool = False  # no batch norm, no ReLU
    transposed: bool = False  # doubles the size


def conv_block(spec: Conv, inputs: int) -> nn.Sequential:
    """``conv``, ``bn`` and ``relu`` as one module."""
    outputs = inputs if spec.depthwise else spec.channels
    conv: nn.Module
    if spec.transposed:
        conv = nn.ConvTranspose2d(inputs, outputs, spec.kernel, stride=2, padding=1, output_padding=1)
    else:
        conv = nn.Conv2d(
            inputs,
            outputs,
            spec.kernel,
            stride=spec.stride,
            padding=spec.dilation * (spec.kernel - 1) // 2,
            dilation=spec.dilation,
            groups=inputs if spec.depthwise else 1,
        )
    block = nn.Sequential()
    block.add_module("conv", conv)
    if not spec.bare:
        block.add_module("bn", nn.BatchNorm2d(outputs))
        block.add_module("relu", nn.ReLU())
    return block


def conv_stack(layers: Sequence[Conv], channels: int) -> tuple[nn.Sequential, int]:
    """``block1``, ``block2`` and so on, one after the other, and how many channels they give."""
    stack, width = nn.Sequential(), channels
    for index, spec in enumerate(layers, start=1):
        stack.add_module(f"block{index}", conv_block(spec, width))
        width = width if spec.depthwise else spec.channels
    return stack, width


class Chain(nn.Module):
    """Convolutions one after the other, global average pooling, a linear head."""

    def __init__(self, layers: Sequence[Conv], classes: int, channels: int) -> None:
        super().__init__()
        self.features, width = conv_stack(layers, channels)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


class Segmenter(nn.Module):
    """Convolutions one after the other and a softmax over the classes of every pixel."""

    def __init__(self, layers: Sequence[Conv], classes: int, channels: int) -> None:
        super().__init__()
        self.features, width = conv_stack(layers, channels)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x)).softmax(1)


class Unet(nn.Module):
    """`Segmenter`'s strided convolutions, and a decoder that also takes what the encoder had at each size."""

    def __init__(self, widths: Sequence[int], classes: int, channels: int) -> None:
        super().__init__()
        self.down, self.larger, self.merged = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = [channels, *widths[:-1]]
        for width, before in zip(widths, inputs, strict=True):
            self.down.append(conv_block(Conv(width, stride=2), before))
        width = widths[-1]
        for beside in reversed(inputs):
            outputs = max(beside, widths[0])
            self.larger.append(conv_block(Conv(outputs, transposed=True), width))
            self.merged.append(conv_block(Conv(outputs), outputs + beside))
            width = outputs
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = []
        for block in self.down:
            seen.append(x)
            x = block(x)
        for larger, merged in zip(self.larger, self.merged, strict=True):
            x = merged(torch.cat([larger(x), seen.pop()], 1))
        return self.head(x).softmax(1)


class PlainGap(nn.Module):
    """Convolution and downsampling three times, global average pooling, a 1x1 convolution as the head."""

    def __init__(self, widths: Sequence[int], classes: int, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        inputs = channels
        for index, width in enumerate(widths, start=1):
            self.features.add_module(f"block{index}", conv_block(Conv(width), inputs))
            self.features.add_module(f"down{index}", nn.MaxPool2d(2))
            inputs = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Conv2d(inputs, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.features(x))).flatten(1)


@dataclass(frozen=True)
class Residual:
    """One two-convolution residual block; ``shortcut`` is the dilation of its 3x3 shortcut, 0 for the identity."""

    channels: int
    first: int = 1
    second: int = 1
    shortcut: int = 0
    stride: int = 1


class ResidualBlock(nn.Module):
    def __init__(self, spec: Residual, inputs: int) -> None:
        super().__init__()
        self.first = conv_block(Conv(spec.channels, dilation=spec.first, stride=spec.stride), inputs)
        self.second = conv_block(Conv(spec.channels, dilation=spec.second), spec.channels)
        del self.second.relu
        self.shortcut: nn.Module = nn.Identity()
        if spec.shortcut:
            self.shortcut = conv_block(Conv(spec.channels, dilation=spec.shortcut, stride=spec.stride), inputs)
            del self.shortcut.relu
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet(nn.Module):
    """A 3x3 stem, residual blocks, global average pooling, a linear head."""

    def __init__(self, stem: int, blocks: Sequence[Residual], classes: int, channels: int) -> None:
        super().__init__()
        self.stem = conv_block(Conv(stem), channels)
        self.blocks = nn.Sequential()
        width = stem
        for index, spec in enumerate(blocks, start=1):
            self.blocks.add_module(f"block{index}", ResidualBlock(spec, width))
            width = spec.channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, classes)
        for module in self.modules():  # he_normal, as the study has it for this net only
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.blocks(self.stem(x))).flatten(1))
