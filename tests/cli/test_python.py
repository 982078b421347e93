"""Python in the same grammar: results are mappings of layers' names, and the public names are a handful."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
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
    first, *table = repr(result).splitlines()
    assert first == f"<{type(result).__name__} of {result.model.name}: {len(result)} layers>"
    rule = next(k for k, line in enumerate(table) if set(line) == {"-"})
    assert table[rule - 1].split()[0] == "layer"
    assert [line.split()[0] for line in table[rule + 1 :]][: len(result)] == [row.name for row in result]
    assert result._repr_html_().startswith("<table")


WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "unit": (lambda m: rf.theoretical(m, unit=3), ".*: unit is several whole numbers, text, a mapping or None, not 3"),
    "unit's number": (lambda m: rf.theoretical(m, unit=(1.5, 2)), "a unit is one whole number .* not (1.5, 2)"),
    "layers": (lambda m: rf.effective(m, layers=3), "effective: layers is several texts, text or None, not 3"),
    "paths": (lambda m: rf.theoretical(m, paths=3), "theoretical: paths is several texts, not 3"),
    "orientation": (
        lambda m: rf.orientation(m, layers=[3]),
        "orientation: layers is several texts, text or None, not [3]",
    ),
    "threshold": (lambda m: rf.sparsity(m, threshold="a"), "sparsity: threshold is a number or None, not 'a'"),
    "sign": (lambda m: rf.sparsity(m, threshold=-1), "the near-zero threshold is -1; it takes a positive number"),
    "models": (lambda m: rf.compare(1, 2), "compare: models is several of .*, not 1"),
    "seed": (lambda m: rf.tuning(m, seed=-1), "tuning: seed is a whole number from 0, not -1"),
    "size": (lambda m: rf.theoretical(m, input_size=-4), "an input size is (C, *spatial), whole numbers from 1, .*"),
    "vast": (
        lambda m: rf.check(m, input_size=10**7, min_field=2),
        "input size 3x10000000x10000000 asks for .* at most .*",
    ),
    "option": (
        lambda m: rf.tuning(m, phase=8),
        "tuning takes no option 'phase' (closest: phases); it takes .*",
    ),
    "spec": (
        lambda m: rf.theoretical("rftools:vgg-dilated"),
        "a model is a loaded Model or a torch.nn.Module, not str: rf.load('rftools:vgg-dilated')",
    ),
    "layer": (
        lambda m: rf.sparsity(m)["stem"],
        "no layer 'stem'; there are 5 layers: features.block1.conv, features.block2.conv, features.block3.conv, ...",
    ),
    "row": (lambda m: rf.sparsity(m)[1.5], "a layer is named by text or its place, not by float"),
}


@pytest.mark.parametrize("what", WRONG)
def test_arguments_of_a_wrong_type_get_one_line(what: str) -> None:
    call, line = WRONG[what]
    with pytest.raises(rf.RequestError) as stop:
        call(rf.load("rftools:vgg-dilated"))
    assert re.fullmatch(re.escape(line).replace(re.escape(".*"), ".*"), str(stop.value))


ODD: tuple[object, ...] = (object(), -4, 1.5, "zzz", [1.5], {"a": 1}, float("nan"), 10**30, b"x", True, ("a", "b"))
CALLS: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
    "theoretical": (rf.theoretical, {"input_size": (1, 8, 8)}),
    "effective": (rf.effective, {"input_size": (1, 8, 8), "count": 1, "images": "white"}),
    "compare": (lambda net, **given: rf.compare([net, net], **given), {"input_size": (1, 8, 8), "count": 1}),
    "orientation": (rf.orientation, {}),
    "sparsity": (rf.sparsity, {}),
    "tuning": (rf.tuning, {"input_size": (1, 8, 8), "orientations": 4, "phases": 4}),
    "check": (rf.check, {"input_size": (1, 8, 8), "min_field": 2}),
    "prune": (rf.prune, {"sparsity": 0.5}),
    "reach": (rf.reach, {"input_size": (1, 8, 8), "target": 9}),
}


def words_of(function: Callable[..., Any]) -> list[str]:
    """A function's parameters but the model, with the options that its last one unpacks."""
    found = [name for name, one in inspect.signature(function).parameters.items() if one.kind is not one.VAR_KEYWORD]
    hints = [str(one.annotation) for one in inspect.signature(function).parameters.values()]
    kinds = [function.__globals__[hint[7:-1]] for hint in hints if hint.startswith("Unpack[")]  # type: ignore[attr-defined]
    return [*found[1:], *(name for kind in kinds for name in kind.__annotations__)]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_no_argument_ends_in_another_error_than_ours(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    call, usual = CALLS[name]
    refused = 0
    for word in words_of(inspect.unwrap(getattr(rf, name))):
        for value in ODD:
            net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Conv2d(2, 1, 3))
            try:
                call(net, **(usual | {word: value}))
            except rf.RequestError:
                refused += 1
    assert refused >= 20


def test_a_result_shows_a_dash_for_nothing_and_no_empty_column() -> None:
    result = rf.sparsity(rf.load("rftools:vgg-dilated"))
    for shown in (repr(result), result._repr_html_()):
        assert not {"None", "NaN"} & set(re.findall(r"\w+", shown))
        assert "zeros are" not in shown
    assert "zeros are" in result.table().columns


def test_a_result_and_a_row_fit_into_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    model = rf.load("rftools:vgg-dilated")
    results: list[Any] = [rf.theoretical(model), rf.sparsity(model), rf.orientation(model)]
    results.append(rf.effective(model, "white", layers="features.block4", count=2))
    for result in results:
        for text in (repr(result), repr(result[0])):
            assert max(map(len, text.splitlines())) <= 80
        assert repr(result[0]).startswith(f"<{type(result[0]).__name__} {result[0].name}>")
    assert ".table() shows all" in repr(results[1])
    assert "radius_50: " in repr(results[3][0])
    assert re.search(r"radius_50: [\d.]+ px \([\d.]+ to [\d.]+\)", repr(results[3][0]))


def test_a_mistyped_name_of_the_package_has_its_neighbours() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'efective' \(closest: effective\)"):
        rf.efective  # noqa: B018
    assert not hasattr(rf, "__wrapped__")


def test_a_pruned_net_shows_its_table_not_its_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cut = rf.prune(net(), sparsity=0.5)
    first, *table = repr(cut).splitlines()
    assert first == "<Cut of Sequential: sparsity 0.500; .model, .masks, .original, .result>"
    assert table == repr(cut.result).splitlines()[1:]
    assert "tensor" not in repr(cut)
    assert cut._repr_html_() == cut.result._repr_html_()


def test_what_models_differ_in_and_totals_show_themselves_in_lines() -> None:
    compared = rf.compare([net(), nn.Sequential(nn.Conv2d(1, 4, 3))], torch.rand(3, 1, 12, 12), layers="0")
    first, *lines = repr(compared[0]).splitlines()
    assert first == "<ComparedLayer 0: 2 models>"
    change = compared[0].differences[0]["radius_50"]
    (own,) = [line for line in lines if line.startswith("  radius_50: ")]
    assert own.startswith(
        f"  radius_50: {compared[0].rows[0].measures['radius_50'].value:.4g}; {change.value:+.4g} px ("
    )
    assert own.endswith(change.verdict)
    assert max(map(len, lines)) < 80
    assert repr(rf.sparsity(net()).total).splitlines()[:3] == ["<Total>", "  weights: 180", "  zeros: 0"]
