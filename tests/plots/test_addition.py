"""A new drawing is one file: it is found by its place, listed in order, and drawn by both libraries."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import rftools
from rftools.errors import RequestError
from rftools.plots import kind, kinds, plot
from rftools.plots import kinds as listed
from rftools.plots import sparsity as folder
from rftools.plots.kinds import REGISTRY
from tests import drawn

TOY = '''"""Weights that are there, layer by layer."""

from rftools.plots.kinds import kind
from rftools.plots.scene import PlotAxis, Line, Panel, Scene, layer_axis, numbers


@kind("rftools.sparsity", "weights")
def weights(result):
    line = Line(x=numbers(range(len(result))), y=numbers(row.weights for row in result))
    return Scene((Panel("Weights", layer_axis([row.name for row in result]), PlotAxis("weights"), (line,)),))
'''


def test_a_drawing_is_added_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    module = importlib.import_module("rftools.plots.kinds")
    module._discover.cache_clear()
    try:
        assert listed("rftools.sparsity") == ("taps", "layers", "survival", "weights")  # those without a place last
        result = drawn.sparsity()
        assert plot(result, "weights").axes[0].get_lines()[0].get_ydata().tolist() == [1152, 160]
        assert list(plot(result, "weights", backend="plotly").data[0].y) == [1152, 160]
    finally:
        REGISTRY["rftools.sparsity"].pop("weights", None)
        sys.modules.pop("rftools.plots.sparsity.toy", None)
        module._discover.cache_clear()


def test_kinds_are_those_of_a_result_or_a_schema() -> None:
    assert kinds(drawn.effective()) == kinds("rftools.erf") == ("map", "growth", "sheet", "profile", "grid")
    assert kinds([drawn.orientation(), drawn.orientation()]) == ("sheet", "course")
    assert kinds(list(drawn.HISTORY)) == ("curves",)


def test_a_name_is_taken_once_and_an_unknown_schema_is_refused() -> None:
    with pytest.raises(RequestError, match=r"there is a drawing 'map' of rftools\.erf already"):
        kind("rftools.erf", "map")(lambda result: None)
    with pytest.raises(RequestError, match=r"nothing of 'rftools\.nothing' can be drawn; drawn are"):
        kinds("rftools.nothing")
    assert rftools.plots.kinds("rftools.erf")[0] == "map"
