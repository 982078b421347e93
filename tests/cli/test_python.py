"""Python in the same grammar: results are mappings of layers' names, and the public names are a handful."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from tests import drawn

RESULTS = (drawn.theoretical, drawn.effective, drawn.sparsity, drawn.orientation)


@pytest.mark.parametrize("make", RESULTS)
def test_a_result_is_a_mapping_of_its_layers(make) -> None:  # type: ignore[no-untyped-def]
    result = make()
    names = [row.name for row in result]
    assert list(result.keys()) == names
    for place, name in enumerate(names):
        assert name in result
        assert result[name].name == result[place].name == result.get(name).name == name
    assert result[-1] is result[len(result) - 1]
    assert all(row in result for row in result)  # iteration runs over rows, as it did
    assert "nothing" not in result
    assert result.get("nothing") is None
    assert result.get("nothing", 3) == 3
    for wrong, line in (
        (len(names), f"no layer {len(names)}; there are {len(names)}, from 0"),
        ("nothing", "no layer"),
    ):
        with pytest.raises(rf.RequestError, match=line):
            result[wrong]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))


def test_rows_are_chosen_by_name_or_pattern() -> None:
    result = rf.sparsity(net())
    assert result.only() == result
    chosen = result.only("2")
    assert chosen.keys() == ("2",)
    assert chosen.total.weights == 4 * 4 * 9
    assert result.only("[02]").keys() == ("0", "2")
    fields = rf.theoretical(net(), input_size=(1, 16, 16))
    assert fields.only("2", "0").keys() == ("0", "2")
    with pytest.raises(rf.RequestError, match=r"no layer matches 3; there are \d"):
        fields.only("3")


def test_a_model_says_what_it_is_in_a_line() -> None:
    assert repr(rf.load("rftools:vgg-dilated")) == (
        "<Model vgg-dilated: 25474 parameters, input 3x32x32, weights random, seed 0>"
    )


def test_the_public_names_are_sorted_loaded_and_documented() -> None:
    assert dir(rf) == sorted(rf.__all__)
    assert {"compare", "check", "load", "report", "theoretical", "effective", "sparsity", "orientation"} <= set(dir(rf))
    for name in dir(rf):
        value = getattr(rf, name)
        if callable(value):
            first = (inspect.getdoc(value) or "").partition("\n")[0]
            assert first, name


@pytest.mark.parametrize("make", RESULTS)
def test_a_repr_says_what_it_is_of_and_shows_the_table(make) -> None:  # type: ignore[no-untyped-def]
    result = make()
    first, head, *rows = repr(result).splitlines()
    assert first == f"<{type(result).__name__} of {result.model.name}: {len(result)} layers>"
    assert head.split()[0] == "layer"
    assert len(rows) >= len(result)
    assert result._repr_html_().startswith("<table")


WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "unit": (lambda m: rf.theoretical(m, unit=3), "a unit is one whole number for each axis of the map, .* not 3"),
    "unit's number": (lambda m: rf.theoretical(m, unit=(1.5, 2)), "a unit is one whole number .* not (1.5, 2)"),
    "layers": (lambda m: rf.effective(m, layers=3, count=2), "layers are named by text, .* not by 3"),
    "paths": (lambda m: rf.theoretical(m, paths=3), "layers are named by text, .* not by 3"),
    "orientation": (lambda m: rf.orientation(m, layers=3), "layers are named by text, .* not by 3"),
    "threshold": (lambda m: rf.sparsity(m, threshold="a"), "the near-zero threshold is a; it takes a positive number"),
    "models": (lambda m: rf.compare(1, 2), "a comparison takes a list of two models or more, not int"),
    "row": (lambda m: rf.sparsity(m)[1.5], "a layer is named by text or its place, not by float"),
}


@pytest.mark.parametrize("what", WRONG)
def test_arguments_of_a_wrong_type_get_one_line(what: str) -> None:
    call, line = WRONG[what]
    with pytest.raises(rf.RequestError) as stop:
        call(rf.load("rftools:vgg-dilated"))
    assert re.fullmatch(re.escape(line).replace(re.escape(".*"), ".*"), str(stop.value))


def test_a_result_shows_a_dash_for_nothing_and_no_empty_column() -> None:
    result = rf.sparsity(rf.load("rftools:vgg-dilated"))
    for shown in (repr(result), result._repr_html_()):
        assert not {"None", "NaN"} & set(re.findall(r"\w+", shown))
        assert "zeros are" not in shown
    assert "zeros are" in result.table().columns
