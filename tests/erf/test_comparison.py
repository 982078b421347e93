"""Several models on the same images: paired differences, tables, files, drawings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.erf import compare
from rftools.erf.intervals import differences
from rftools.erf.measures.registry import REGISTRY, Frame
from rftools.models import build, save_checkpoint
from rftools.plots import describe, plot, save

FRAME = Frame((10.0, 10.0), (21, 21), (21, 21), (0, 0))


def net(seed: int, kernel: int = 3) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, kernel, padding=kernel // 2), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))


def maps(widths: NDArray[np.float64]) -> NDArray[np.float32]:
    y, x = np.mgrid[:21, :21] - 10.0
    return np.exp(-(x**2 + y**2) / (2 * widths[:, None, None] ** 2)).astype(np.float32)


def test_differences_are_those_of_two_results() -> None:
    x = torch.rand(12, 1, 11, 11)
    found = compare([net(0), net(1, 5)], x, labels=["a", "b"])
    for layer in found:
        one, two = (rf.effective(model, x)[layer.name].measures for model in (net(0), net(1, 5)))
        for name, change in layer.differences[0].items():
            a, b = one[name].value, two[name].value
            if a is None or b is None:  # a Gaussian that is wider than its map
                assert name.startswith("gaussian_sigma")
                assert change.value is None
                continue
            expected = (b - a + 90) % 180 - 90 if one[name].unit == "degrees" else b - a
            assert change.value == pytest.approx(expected, abs=1e-9)


def test_a_model_does_not_differ_from_itself() -> None:
    found = compare([net(0), net(0)], torch.rand(6, 1, 11, 11), labels=["a", "a"])
    assert found.labels == ("a (1)", "a (2)")
    for layer in found:
        for name, change in layer.differences[0].items():
            wanted = (0, None, None, None) if REGISTRY[name].no_interval else (0, 0, 0, False)
            assert (change.value, change.low, change.high, change.holds) == wanted


def test_pairing_drops_what_images_have_in_common() -> None:
    """Widths that vary widely from image to image and a small shift: seen by pairs, and not without them."""
    draw = np.random.default_rng(0)
    widths = draw.uniform(2, 4, 40)
    chosen = {"ellipse_major": REGISTRY["ellipse_major"]}
    first, second = maps(widths), maps(widths + 0.05)
    paired = differences((first, FRAME), (second, FRAME), chosen, seed=0)["ellipse_major"]
    shuffled = differences((first, FRAME), (second[::-1].copy(), FRAME), chosen, seed=0)["ellipse_major"]
    assert paired.holds is True
    assert shuffled.holds is False
    assert paired.value == pytest.approx(shuffled.value)


def test_false_alarms_are_rare() -> None:
    """Models that differ by chance only: about one in twenty differences holds."""
    draw = np.random.default_rng(1)
    chosen = {name: REGISTRY[name] for name in ("ellipse_major", "radius_50")}
    alarms = dict.fromkeys(chosen, 0)
    for seed in range(200):
        common = draw.uniform(2, 4, 50)
        one, two = (maps(common + draw.uniform(-0.5, 0.5, 50)) for _ in range(2))
        for name, change in differences((one, FRAME), (two, FRAME), chosen, seed=seed).items():
            alarms[name] += bool(change.holds)
    assert all(3 <= count <= 20 for count in alarms.values()), alarms


def test_angles_differ_by_less_than_a_quarter_turn() -> None:
    y, x = np.mgrid[:21, :21] - 10.0

    def lines(degrees: float) -> NDArray[np.float32]:
        u = x * np.cos(np.radians(degrees)) - y * np.sin(np.radians(degrees))
        v = x * np.sin(np.radians(degrees)) + y * np.cos(np.radians(degrees))
        noise = 1 + 0.1 * np.random.default_rng(0).random((8, 21, 21))
        return (noise * np.exp(-(u**2) / 18 - v**2 / 4)).astype(np.float32)

    chosen = {"ellipse_angle": REGISTRY["ellipse_angle"]}
    turned = differences((lines(175), FRAME), (lines(5), FRAME), chosen, seed=0)["ellipse_angle"]
    assert turned.value == pytest.approx(10, abs=1)
    assert turned.low is not None
    assert turned.high is not None
    assert turned.low < turned.value < turned.high < 20


def test_tables_json_and_maps(tmp_path: Path) -> None:
    x = torch.rand(5, 1, 11, 11)
    pair = compare([net(0), net(1)], x, labels=["a", "b"])
    assert pair.columns()[:4] == ("layer", "measure", "a", "b")
    row = pair.records()[0]
    assert row[4] == pytest.approx(row[3] - row[2])
    assert row[7] in ("holds", "does not")
    content = json.loads(pair.to_json())
    assert content["schema"] == {"name": "rftools.erf-comparison", "version": 1}
    assert content["layers"][0]["differences"][0]["radius_50"]["holds"] in (True, False)
    assert [len(layer["measures"]) for layer in content["layers"]] == [2, 2]
    pair.to_npz(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as stored:
        assert sorted(stored.files) == ["0:0", "0:2", "1:0", "1:2"]
        assert (stored["1:2"] == pair["2"].rows[1].map).all()
    three = compare([net(0), net(1), net(2)], x, labels=["a", "b", "c"], measures=["radius_90"])
    assert three.columns() == ("at", "layer", "radius_90", "radius_90 since a", "low", "high", "holds")
    assert [record[0] for record in three.records()] == ["a", "a", "b", "b", "c", "c"]


def test_layers_that_one_model_lacks_are_left_out() -> None:
    other = nn.Sequential(*net(1), nn.Conv2d(2, 1, 3))
    found = compare([net(0), other], torch.rand(3, 1, 11, 11))
    assert [layer.name for layer in found] == ["0", "2"]
    assert found.left_out == ("3",)


@pytest.mark.parametrize(("calls", "done"), [(5, "ab"), (4, "ab"), (6, "abc")])
def test_an_interruption_leaves_the_models_that_are_done(calls: int, done: str) -> None:
    left = iter(range(calls - 1, -1, -1))

    def progress(_done: int, _total: int) -> None:
        if next(left) == 0:
            raise KeyboardInterrupt

    x = torch.rand(4, 1, 11, 11)
    nets = [net(0), net(1), net(2)]
    found = compare(nets, x, labels=list("abc"), batch_size=2, progress=progress)
    assert "".join(found.labels) == done
    assert found.partial == (done != "abc")
    left = iter(range(2, -1, -1))
    with pytest.raises(KeyboardInterrupt):
        compare(nets, x, batch_size=2, progress=progress)


def test_bad_comparisons() -> None:
    x = torch.rand(3, 1, 11, 11)
    with pytest.raises(rf.RequestError, match="a comparison takes two models or more, not 1"):
        compare([net(0)], x)
    with pytest.raises(rf.RequestError, match="a precision is of one model"):
        compare([net(0), net(1)], x, precision=0.1)
    with pytest.raises(rf.RequestError, match="no measured layer of the same name"):
        compare([net(0), nn.Sequential(nn.Identity(), nn.Conv2d(1, 1, 3))], x)
    models = [rf.load("rftools:vgg-dilated"), rf.load("rftools:vgg-dilated", input_size=(3, 16, 16))]
    with pytest.raises(rf.RequestError, match=r"takes inputs of 3x32x32, .* of 3x16x16; give both one --input-size"):
        compare(models, count=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs of a run that has learnt nothing."""
    folder = tmp_path_factory.mktemp("run")
    for epoch in (10, 2, 0):
        torch.manual_seed(epoch)
        content = {
            "arch": {"name": "vgg-dilated", "arguments": {"classes": 3, "channels": 3}},
            "state_dict": build("vgg-dilated", classes=3).state_dict(),
            "epoch": epoch,
            "history": [],
            "classes": ["a", "b", "c"],
            "input_size": [3, 32, 32],
            "normalisation": {"mean": [0.0] * 3, "std": [1.0] * 3},
        }
        save_checkpoint(folder / f"epoch-{epoch}.pt", content)
    return folder


def test_epochs_label_files_of_one_run_only() -> None:
    """A best checkpoint and what was pruned from it are called by their names, in the order given."""
    from rftools.erf.words import in_order
    from rftools.loading import Model

    told = [{"epoch": k + 1, "loss": 2.0 - k} for k in range(5)]

    def model(name: str, epoch: int, history: list[dict[str, float]], **metadata: object) -> Model:
        known = {"epoch": epoch, "history": history, "masked": ()} | metadata
        return Model(torch.nn.Identity(), spec=f"runs/{name}.pt", name=name, metadata=known)

    first, last = model("epoch-2", 2, told[:2]), model("best", 5, told)
    assert in_order([last, first])[1] == ["epoch 2", "epoch 5"]
    for other in (
        model("pruned", 3, told[:3], masked=("conv1",)),  # masks that its training knows nothing of
        model("tuned", 6, told),  # trained on after it was pruned
        model("other", 3, [{"epoch": k, "loss": 9.0} for k in (1, 2, 3)]),
        Model(
            torch.nn.Identity(), spec="elsewhere/epoch-3.pt", name="else", metadata={"epoch": 3, "history": told[:3]}
        ),
    ):
        assert in_order([last, other]) == ([last, other], ["best", other.name])
    sparse = [entry | {"sparsity": 0.1 * entry["epoch"]} for entry in told]
    gradual = [model(f"epoch-{k}", k, sparse[:k], masked=("conv1",)) for k in (5, 3)]
    assert in_order(gradual)[1] == ["epoch 3", "epoch 5"]


def test_a_series_runs_in_the_order_of_its_epochs(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    picture = tmp_path / "series.gif"
    main(["erf", str(run / "epoch-*.pt"), "--layer", "features.block?", "--count", "3", "-o", str(picture)])
    lines = capsys.readouterr().out.splitlines()
    assert list(dict.fromkeys(line.split("\t")[0] for line in lines[1:])) == ["epoch 0", "epoch 2", "epoch 10"]
    with Image.open(picture) as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
        assert film.info["loop"] == 0
    files = [str(run / f"epoch-{epoch}.pt") for epoch in (0, 10)]
    main(["erf", *files, "--layer", "features.block4", "--count", "3", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["labels"] == ["epoch 0", "epoch 10"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "map"], "no plot 'map' of several SPECs; there are difference, growth, curves, animation"),
        (["-o", "x.bmp"], "cannot draw x.bmp: it ends in .bmp"),
        (["--kind", "curves", "-o", "x.gif"], "cannot draw that as .gif: only an animation moves"),
    ],
)
def test_bad_words(
    run: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["erf", str(run / "epoch-*.pt"), "--layer", "features.block1", "--count", "2", *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_drawings(tmp_path: Path) -> None:
    from rftools.plots.scene import Band, Heatmap, Line

    found = compare([net(0), net(1), net(2)], torch.rand(5, 1, 11, 11), labels=["epoch 1", "epoch 2", "epoch 3"])
    film = plot(found, "animation", backend="plotly", layer="2")
    assert [frame.name for frame in film.frames] == ["epoch 1", "epoch 2", "epoch 3"]
    assert [step.label for step in film.layout.sliders[0].steps] == ["epoch 1", "epoch 2", "epoch 3"]
    values = [np.asarray(frame.data[0].z, dtype=float) for frame in film.frames]
    for value, row in zip(values, found["2"].rows, strict=True):
        assert value == pytest.approx(np.sqrt(row.map / row.map.max()))
    change = list(describe(found, "difference", layer="2").marks(Heatmap))[-1]
    shares = [row.map / row.map.sum() for row in (found["2"].rows[0], found["2"].rows[2])]
    expected = shares[1] - shares[0]
    assert change.values == pytest.approx(expected / np.abs(expected).max())
    assert change.diverging
    curves = describe(found, "curves", measure="radius_90")
    lines = {line.label: line for line in curves.marks(Line)}
    assert lines["2"].y == pytest.approx([row.measures["radius_90"].value for row in found["2"].rows])
    assert len(list(curves.marks(Band))) == 2
    for kind in ("difference", "growth", "curves"):
        for suffix in (".png", ".html"):
            save(found, tmp_path / f"{kind}{suffix}", kind=kind)
    still = plot(found, "animation", layer="2")
    assert [a.get_title(loc="left") for a in still.axes if a.get_images()] == [f"2, epoch {k}" for k in (1, 2, 3)]
