"""Reports from the files that the commands wrote: read back whole, shown, or refused in one line."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.errors import RequestError
from rftools.reporting.findings import findings
from rftools.reporting.sources.results import from_results, from_saved
from rftools.reporting.sources.saved import read_saved
from rftools.results import Result
from tests import drawn

SIZE = (3, 24, 20)


def net() -> nn.Module:
    """Holes, a branch, an upsampling with phases, a global gate; its kernels pruned."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1),
        nn.Conv2d(4, 4, (3, 5), padding=(1, 2)),
        nn.AdaptiveAvgPool2d(1),
    )
    for module in model:
        weight = getattr(module, "weight", None)
        if weight is not None:
            weight.data[torch.rand(weight.shape) < 0.8] = 0
    return model


ANALYSES: dict[str, Callable[[nn.Module], Result[Any]]] = {
    "trf": lambda model: rf.theoretical(model, input_size=SIZE, surviving=True),
    "erf": lambda model: rf.effective(model, input_size=SIZE, count=3),
    "sparsity": lambda model: rf.sparsity(model),
    "orientation": lambda model: rf.orientation(model),
}


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    model = net()
    return {name: work(model) for name, work in ANALYSES.items()}


@pytest.fixture
def files(results: dict[str, Any], tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.json" for name in results}
    for name, path in paths.items():
        results[name].to_json(path)
    results["erf"].to_npz(tmp_path / "erf.npz")
    return paths | {"maps": tmp_path / "erf.npz"}


@pytest.mark.parametrize("name", ANALYSES)
def test_what_is_read_writes_the_same_file(name: str, results: dict[str, Any], files: dict[str, Path]) -> None:
    (read,) = read_saved([files[name]]).results
    assert type(read) is type(results[name])
    assert read.to_json() == files[name].read_text(encoding="utf-8")
    assert read.columns() == results[name].columns()
    assert str(read.records()) == str(results[name].records())


@pytest.mark.parametrize("make", [drawn.theoretical, drawn.pruned, drawn.effective, drawn.sparsity, drawn.orientation])
def test_every_optional_field_comes_back(make: Callable[[], Any], tmp_path: Path) -> None:
    make().to_json(tmp_path / "r.json")
    (read,) = read_saved([tmp_path / "r.json"]).results
    assert read.to_json() == make().to_json()


def test_maps_and_listed_pixels_come_back(results: dict[str, Any], files: dict[str, Path], tmp_path: Path) -> None:
    (read,) = read_saved([files["maps"], files["erf"]]).results
    for row, given in zip(read, results["erf"], strict=True):
        assert np.array_equal(row.map, given.map)
    listed = dataclasses.replace(results["trf"], with_support=True)
    listed.to_json(tmp_path / "listed.json")
    (read,) = read_saved([tmp_path / "listed.json"]).results
    assert [[axis.support for axis in row.axes] for row in read] == [
        [axis.support for axis in row.axes] for row in listed
    ]


def test_the_same_findings_as_of_the_results(results: dict[str, Any], files: dict[str, Path]) -> None:
    read = from_saved(read_saved(list(files.values())))
    assert findings(read) == findings(from_results(list(results.values())))
    without = from_saved(read_saved([files["erf"]]))
    assert "dead units" not in {item.rule for item in findings(without)}  # the maps are not there, not dead


def test_the_page_of_files(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "r.html"
    main(["report", str(files["trf"]), str(files["erf"]), "-o", str(page)])
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert "trf.json (rftools" in text
    assert str(tmp_path) not in text
    for words in ("The maps are in another file", "rftools sparsity SPEC --json FILE", "The architecture is drawn"):
        assert words in text
    data = re.search(r'id="explorer-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert data is not None
    layers = {layer["name"]: layer for layer in json.loads(data.group(1))["layers"]}
    assert layers["3"]["movable"]
    assert not layers["3"]["exact"]  # without the model, what a border takes is known as a bound
    main(["report", *map(str, files.values()), "-o", str(page), "--force"])
    assert "The maps are in another file" not in page.read_text(encoding="utf-8")


def test_a_reports_own_json_makes_the_page_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    rf.report(net(), first, input_size=SIZE, count=2, json_path=tmp_path / "a.json")
    rf.report(tmp_path / "a.json", second, json_path=tmp_path / "b.json")
    whole, again = (json.loads((tmp_path / name).read_text())["models"][0] for name in ("a.json", "b.json"))
    for part in ("theoretical", "effective", "sparsity", "orientation"):
        assert whole[part] == again[part]
    assert whole["findings"] == again["findings"]


def test_a_partial_measurement_is_shown_and_marked(tmp_path: Path) -> None:
    dataclasses.replace(drawn.effective(), partial=True).to_json(tmp_path / "erf.json")
    rf.report(tmp_path / "erf.json", tmp_path / "r.html")
    assert "The measurement of effective fields was interrupted" in (tmp_path / "r.html").read_text(encoding="utf-8")


def refusal(*paths: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read_saved(paths)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(path: Path, target: Path, **changes: Any) -> Path:
    body = json.loads(path.read_text(encoding="utf-8"))
    target.write_text(json.dumps(body | changes), encoding="utf-8")
    return target


def test_other_versions_are_refused_by_their_schema(files: dict[str, Path], tmp_path: Path) -> None:
    old = changed(files["trf"], tmp_path / "old.json", schema={"name": "rftools.trf", "version": 0}, rftools="0.0.9")
    words = "holds rftools.trf version 0; this rftools reads version 1: write it again (it is from rftools 0.0.9)"
    assert refusal(old) == f"{old} {words}"
    newer = changed(files["trf"], tmp_path / "newer.json", schema={"name": "rftools.trf", "version": 2})
    assert "version 2; this rftools reads version 1" in refusal(newer)
    more = changed(files["trf"], tmp_path / "more.json", added_later=[1, 2])  # keys may be added within a version
    assert read_saved([more]).results[0].to_json() == files["trf"].read_text(encoding="utf-8")


def test_what_is_no_whole_result_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text(files["trf"].read_text(encoding="utf-8")[:2000], encoding="utf-8")
    assert refusal(cut).startswith(f"{cut} is no whole JSON file (")
    assert refusal(tmp_path / "none.json") == f"no such file: {tmp_path / 'none.json'}"
    body = json.loads(files["sparsity"].read_text(encoding="utf-8"))
    del body["layers"][1]["zeros"]
    (tmp_path / "lacking.json").write_text(json.dumps(body))
    assert "is no whole result: layers[1] has no 'zeros'" in refusal(tmp_path / "lacking.json")
    wrong = changed(files["sparsity"], tmp_path / "wrong.json", layers="none")
    assert "is no whole result: layers is no list" in refusal(wrong)
    (tmp_path / "other.json").write_text("[1, 2]")
    assert "it has no schema" in refusal(tmp_path / "other.json")
    tuning = changed(files["trf"], tmp_path / "t.json", schema={"name": "rftools.tuning", "version": 1})
    assert "holds rftools.tuning, which a report does not show" in refusal(tuning)


@pytest.mark.parametrize("key", ["model", "input_size", "layers"])
@pytest.mark.parametrize("value", [None, 3, "text", [1], {"a": 1}, [[]], True])
def test_damaged_parts_end_in_one_line(key: str, value: Any, files: dict[str, Path], tmp_path: Path) -> None:
    """Whatever stands where a part should, it is a line, or (an input size may be null) a result."""
    for name in ANALYSES:
        path = changed(files[name], tmp_path / "damaged.json", **{key: value})
        if (key, value) in (("input_size", None), ("input_size", [1])):
            assert len(read_saved([path]).results) == 1
        else:
            assert "is no whole result" in refusal(path)


def test_files_of_several_models_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    rf.sparsity(nn.Sequential(nn.Conv2d(3, 4, 5))).to_json(other)
    line = refusal(files["trf"], other)
    assert line.endswith("a report of results is of one model: give the models' files to compare them")
    assert "parameters:" in line
    size = tmp_path / "size.json"
    rf.effective(net(), input_size=(3, 32, 32), count=2).to_json(size)
    assert refusal(files["trf"], size).endswith("of 3x32x32; a report is for one size")
    moved = [dataclasses.replace(make(), model=dataclasses.replace(drawn.MODEL, spec=spec)).to_json(tmp_path / spec)
             for make, spec in ((drawn.sparsity, "a.json"), (drawn.orientation, "b.json"))]  # fmt: skip
    assert len(moved) == len(read_saved([tmp_path / "a.json", tmp_path / "b.json"]).results) == 2  # the same SHA-256


def test_maps_that_do_not_belong_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    assert refusal(files["maps"]).endswith("give the --json that `rftools erf` wrote with it too")
    np.savez(tmp_path / "other.npz", output=np.zeros((3, 3)))
    assert "does not hold the maps of" in refusal(files["erf"], tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes(files["maps"].read_bytes()[:300])
    assert "is no whole NPZ of arrays" in refusal(files["erf"], tmp_path / "cut.npz")


def test_the_command_refuses_what_would_have_no_effect(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ["-o", str(tmp_path / "r.html")]
    with pytest.raises(SystemExit):
        main(["report", str(files["trf"]), "--images", "pink", *page])
    line = "--images says how to analyse a model, and files of results are analysed already"
    assert capsys.readouterr().err == f"rftools: error: {line}\n"
    with pytest.raises(SystemExit):
        main(["report", str(files["trf"]), "rftools:vgg-dilated", *page])
    assert capsys.readouterr().err.endswith("a report takes models or files of results, not both at once\n")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("options", [{"channel": (0, 2)}, {"grid": (2, 2)}])
def test_units_that_were_asked_for_one_by_one_come_back(options: dict[str, Any], tmp_path: Path) -> None:
    asked = rf.effective(net(), input_size=SIZE, count=2, layers=["3"], **options)
    asked.to_json(tmp_path / "erf.json")
    asked.to_npz(tmp_path / "erf.npz")
    (read,) = read_saved([tmp_path / "erf.json", tmp_path / "erf.npz"]).results
    assert read.to_json() == asked.to_json()
    assert len(read) > 1
    rf.report(tmp_path / "erf.json", tmp_path / "r.html")
