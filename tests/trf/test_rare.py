"""Rules of operators that hardly any net calls, each against what moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.nets.base import Apply
from tests.nets.rare import LINE, PLANE, VOLUME
from tests.truth import judge


def _checked(
    rule: str, conv: nn.Module, function: Callable[[torch.Tensor], torch.Tensor], size: tuple[int, ...]
) -> None:
    judged = judge(nn.Sequential(conv, Apply(function, rule)), size, folds="pad" in rule)
    assert judged.operators[rule] > 0, sorted(judged.operators)
    assert judged.wrong == []


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
@pytest.mark.parametrize("rule", LINE)
def test_over_one_axis(rule: str) -> None:
    torch.manual_seed(0)
    _checked(rule, nn.Conv1d(4, 4, 3, padding=1), LINE[rule], (4, 13))


@pytest.mark.parametrize("rule", PLANE)
def test_over_two_axes(rule: str) -> None:
    torch.manual_seed(0)
    _checked(rule, nn.Conv2d(4, 4, 3, padding=1), PLANE[rule], (4, 7, 8))


@pytest.mark.parametrize("rule", VOLUME)
def test_over_three_axes(rule: str) -> None:
    torch.manual_seed(0)
    _checked(rule, nn.Conv3d(4, 4, 3, padding=1), VOLUME[rule], (4, 4, 5, 4))
