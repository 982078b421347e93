"""What is asked of effective fields: one list of options, with one default each."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.erf.request import Options, Request


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))


def test_options_are_the_requests_fields_and_each_is_explained() -> None:
    fields = [field.name for field in dataclasses.fields(Request)]
    assert fields == ["layers", "unit", "aggregation", "device", *Options.__annotations__]
    documented = re.findall(r"^ {8}(\w+) \(", inspect.getdoc(rf.effective) or "", re.MULTILINE) or re.findall(
        r"^ {4}(\w+) \(", inspect.getdoc(rf.effective) or "", re.MULTILINE
    )
    assert documented == list(Options.__annotations__)


def test_the_signature_has_the_requests_defaults() -> None:
    for name, parameter in inspect.signature(rf.effective).parameters.items():
        if name in ("layers", "unit", "aggregation", "device"):
            assert parameter.default == getattr(Request(), name)
    assert len(inspect.signature(rf.effective).parameters) <= 8


def test_an_unknown_option_is_one_line_with_the_closest_name() -> None:
    with pytest.raises(rf.RequestError, match=r"effective takes no option 'batchsize' \(closest: batch_size\); it "):
        rf.effective(net(), torch.rand(1, 1, 5, 5), batchsize=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("first", "size"), [(nn.Conv2d(3, 1, 3), (3, 9, 9)), (nn.Conv1d(2, 1, 3), (2, 9))])
def test_one_number_is_the_inputs_side(first: nn.Module, size: tuple[int, ...]) -> None:
    assert rf.effective(nn.Sequential(first), input_size=9, count=1).input_size == size
    with pytest.raises(rf.RequestError, match="Linear has no convolution to read channels off"):
        rf.effective(nn.Linear(2, 2), input_size=9)


def test_compare_is_public_and_speaks_alike() -> None:
    found = rf.compare([net(), net()], torch.rand(3, 1, 9, 9), "0", aggregation="signed")
    assert [row.aggregation for row in found["0"].rows] == ["signed", "signed"]
    with pytest.raises(rf.RequestError, match="no option 'lables'"):
        rf.compare([net(), net()], lables=["a", "b"])  # type: ignore[call-arg]


def test_a_precision_takes_measures_that_have_an_interval() -> None:
    with pytest.raises(rf.RequestError, match="luo_centre has no interval: it moves in steps"):
        rf.effective(net(), input_size=(1, 9, 9), measures=["luo_centre"], precision=0.05)
    found = rf.compare([net(), net()], torch.rand(3, 1, 9, 9))["0"].differences[0]
    assert found["luo_max"].low is None
    assert found["luo_max"].value is not None
    assert found["radius_50"].low is not None


@pytest.mark.parametrize("grid", [(999_999, 999_999), (1025,), (33, 32)])
def test_a_grid_of_too_many_units_is_refused_before_any_is_measured(grid: tuple[int, ...]) -> None:
    with pytest.raises(rf.RequestError, match="has more than the 1,024 units of a layer that are measured at once"):
        rf.effective(net(), input_size=(1, 9, 9), grid=grid)
