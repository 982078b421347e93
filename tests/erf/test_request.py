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
    with pytest.raises(rf.RequestError, match=r"no option 'batchsize' \(closest: batch_size\); help\(rf.effective\)"):
        rf.effective(net(), torch.rand(1, 1, 5, 5), batchsize=3)  # type: ignore[call-arg]
