"""Effective maps of many units: what the page keeps of them is what was measured."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.errors import RequestError
from rftools.reporting.drawing.units import CENTRAL, OTHERS, coded, cropped, decoded, stored
from rftools.reporting.sources.models import from_model

SIZE = (3, 24, 36)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2))


def test_a_byte_keeps_a_value_to_two_per_cent_over_four_decades() -> None:
    values = np.concatenate([[0.0], 10.0 ** np.linspace(-3.99, 0, 500)])
    again = decoded(coded(values))
    assert again[0] == 0
    assert np.abs(again[1:] / values[1:] - 1).max() < 0.0185
    assert decoded(coded(np.array([1e-12, 1.0])))[0] == pytest.approx(1e-4, rel=1e-9)


def test_blocks_hold_the_maps_sum_where_they_lie() -> None:
    values = np.random.default_rng(0).random((30, 50))
    values[:7], values[:, 41:] = 0, 0
    blocks, (left, top, width, height) = cropped(values, 10)
    assert (left, top) == (0, 7)
    rows, columns = height // blocks.shape[0], width // blocks.shape[1]
    assert blocks.sum() == pytest.approx(values.sum())
    assert blocks[1, 2] == pytest.approx(values[7 + rows : 7 + 2 * rows, 2 * columns : 3 * columns].sum())


def unpacked(entry: dict[str, object]) -> list[np.ndarray]:
    content = np.frombuffer(zlib.decompress(base64.b64decode(str(entry["data"]))), dtype=np.uint8)
    found, begin = [], 0
    for unit in entry["units"]:  # type: ignore[attr-defined]
        rows, columns = unit["shape"]
        found.append(decoded(content[begin : begin + rows * columns]).reshape(rows, columns))
        begin += rows * columns
    assert begin == len(content)
    return found


def test_the_maps_of_a_grid_are_those_that_are_measured_alone() -> None:
    model = net()
    images = torch.randn(2, *SIZE)
    grid = rf.effective(model, images, layers=["2"], grid=(3, 3))
    central = rf.effective(model, images, layers=["2"])
    entry = stored(central.central(), grid)["2"]
    units = [tuple(unit["unit"]) for unit in entry["units"]]
    assert units[0] == (12, 18)
    assert len(set(units)) == 9
    for unit, blocks, known in zip(units, unpacked(entry), entry["units"], strict=True):
        alone = rf.effective(model, images, layers=["2"], unit=unit).layers[0]
        expected, box = cropped(alone.map, OTHERS if unit != units[0] else CENTRAL)
        assert known["box"] == box
        assert blocks == pytest.approx(expected / expected.max(), rel=0.02, abs=1e-4)
        assert known["size"] == pytest.approx(2 * (alone.measures["radius_50"].value or 0))


def test_a_small_input_has_a_grid_by_default_and_the_json_has_its_figures(tmp_path: Path) -> None:
    rf.report(net(), tmp_path / "r.html", input_size=SIZE, count=2, json_path=tmp_path / "r.json")
    page = (tmp_path / "r.html").read_text()
    text = page.partition('id="explorer-data">')[2].partition("</script>")[0]
    shown = json.loads(text)["maps"]["2"]["units"]
    assert len(shown) == 25
    rows = json.loads((tmp_path / "r.json").read_text())["models"][0]["units"]["layers"]
    measured = {tuple(row["unit"]): row for row in rows if row["name"] == "2"}
    for unit in shown[1:]:
        assert unit["size"] == 2 * measured[tuple(unit["unit"])]["measures"]["radius_50"]["value"]


def test_which_units_are_measured() -> None:
    def found(size: tuple[int, ...], **options: object) -> set[tuple[int, ...]] | None:
        result = from_model(net(), size, {"count": 1, **options}).part("units")
        return None if result is None else {row.unit for row in result if row.name == "2"}

    assert found(SIZE, grid=(2, 3)) == {(i, j) for i in (0, 23) for j in (0, 18, 35)}
    assert len(found((3, 80, 80)) or ()) == 9
    assert found(SIZE, unit=(0, 0)) is None
    with pytest.raises(RequestError, match="grid"):
        found(SIZE, grid=(2, 3, 4))
