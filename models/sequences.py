"""Nets over sequences, one prediction a step: a causal stack, a strided encoder, a recurrent layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class GatedLayer(nn.Module):
    """One causal gated layer: ``tanh(filter) * sigmoid(gate)``, a residual sum and a skip output."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.pad = nn.ConstantPad1d((dilation, 0), 0.0)
        self.filter = nn.Conv1d(width, width, 2, dilation=dilation)
        self.gate = nn.Conv1d(width, width, 2, dilation=dilation)
        self.residual = nn.Conv1d(width, width, 1)
        self.skip = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        padded = self.pad(x)
        gated = torch.tanh(self.filter(padded)) * torch.sigmoid(self.gate(padded))
        return x + self.residual(gated), self.skip(gated)


class WaveNet(nn.Module):
    """A 1-D causal stack; its output has one prediction a step."""

    def __init__(self, width: int, dilations: Sequence[int], classes: int, channels: int) -> None:
        super().__init__()
        self.entry = nn.Conv1d(channels, width, 1)
        self.layers = nn.ModuleList([GatedLayer(width, dilation) for dilation in dilations])
        self.mix = nn.Conv1d(width, width, 1)
        self.head = nn.Conv1d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.entry(x)
        skips: torch.Tensor | None = None
        for layer in self.layers:
            x, skip = layer(x)
            skips = skip if skips is None else skips + skip
        assert skips is not None
        return self.head(torch.relu(self.mix(torch.relu(skips))))


class StridedSequence(nn.Module):
    """Convolutions of stride 2, then each of their steps repeated to the length there was, beside the entry's.

    It is not causal: a step of the last convolution stands for the samples around it.
    """

    def __init__(self, width: int, depth: int, classes: int, channels: int) -> None:
        super().__init__()
        self.entry = nn.Conv1d(channels, width, 1)
        self.down = nn.Sequential(
            *[
                nn.Sequential(nn.Conv1d(width, width, 4, stride=2, padding=1), nn.BatchNorm1d(width), nn.ReLU())
                for _ in range(depth)
            ]
        )
        self.up = nn.Upsample(scale_factor=2**depth)
        self.mix = nn.Conv1d(2 * width, width, 1)
        self.head = nn.Conv1d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.entry(x)
        both = torch.cat([x, self.up(self.down(x))], 1)
        return self.head(torch.relu(self.mix(both)))


class RecurrentSequence(nn.Module):
    """A gated recurrent layer; a step has seen all before it."""

    def __init__(self, width: int, classes: int, channels: int) -> None:
        super().__init__()
        self.memory = nn.GRU(channels, width, batch_first=True)
        self.head = nn.Conv1d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, _ = self.memory(x.transpose(1, 2))
        return self.head(steps.transpose(1, 2))
