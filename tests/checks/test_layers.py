"""Which rows follow a net to its depth: convolutions, linear layers over places, and modules that are one operator."""

from __future__ import annotations

import torch
from torch import nn

import rftools as rf
from rftools.checks.layers import mapped, weighted
from rftools.reporting.findings import Thresholds, findings
from rftools.reporting.sources.results import from_results


class Own(nn.Conv3d):
    """A subclass of a convolution: a module around one operator."""


class Tokens(nn.Module):
    """Patches, then a layer over each of them, then a head without a place."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.mix(self.patches(x).permute(0, 2, 3, 1))
        return self.head(tokens.mean((1, 2)))


def names(rows: list[rf.LayerField]) -> list[str]:
    return [row.name for row in rows]


def test_linear_layers_over_places_count_where_they_come_last() -> None:
    found = rf.theoretical(Tokens(), input_size=(3, 16, 16))
    assert names(weighted(found)) == ["patches"]
    assert names(mapped(found)) == ["patches", "mix"]
    classifier = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert names(mapped(rf.theoretical(classifier, input_size=(3, 16, 16)))) == ["0"]


def test_a_module_of_one_operator_has_the_modules_name() -> None:
    net = nn.Sequential(Own(1, 2, 3, padding=1), nn.ReLU(), nn.Sequential(nn.Conv3d(2, 2, 3, padding=1), nn.ReLU()))
    assert names(weighted(rf.theoretical(net, input_size=(1, 4, 9, 9)))) == ["0", "2.0"]


def test_the_axis_that_is_larger_than_the_image_is_named() -> None:
    net = nn.Sequential(nn.Conv3d(1, 2, 5, padding=2))
    subject = from_results([rf.theoretical(net, input_size=(1, 4, 20, 20))])
    (clipped,) = [one for one in findings(subject, Thresholds()) if one.rule == "clipped"]
    assert "(5 pixels against 4)" in clipped.sentence
