"""Which units are looked at: single channels, each map against plain autograd on the module itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import rftools as rf
from rftools.erf import compare
from rftools.loading import as_model
from rftools.plots import describe
from rftools.plots.scene import Heatmap, Points
from tests.cli.test_cli import run

Maps = NDArray[np.float64]


def net() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 5, 3, stride=2, padding=1)).double()


def by_hand(module: nn.Module, x: torch.Tensor, layer: str, pick: tuple[object, ...]) -> Maps:
    """The mean of ``|d y / d x|`` over images and channels, y being what ``pick`` takes of the layer's output."""
    kept: list[torch.Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda m, a, out: kept.append(out))
    leaf = x.clone().to(next(module.parameters()).dtype).requires_grad_(True)
    module.eval()(leaf)
    handle.remove()
    (gradient,) = torch.autograd.grad(kept[0][pick].sum(), leaf)
    return gradient.abs().mean((0, 1)).double().numpy()


@pytest.mark.parametrize("size", [9, 64])  # whole gradients, and inside windows
def test_a_channel_against_plain_autograd(size: int) -> None:
    module, x = net(), torch.rand(3, 2, size, size)
    centre = ((size + 1) // 2) // 2
    result = rf.effective(module, x, layers=["2"], channel=[0, 4])
    assert [(row.name, row.channel, row.key) for row in result] == [("2", 0, "2:0"), ("2", 4, "2:4")]
    for channel in (0, 4):
        expected = by_hand(module, x, "2", (slice(None), channel, centre, centre))
        assert result[f"2:{channel}"].map == pytest.approx(expected, rel=1e-9)
    assert not np.allclose(result["2:0"].map, result["2:4"].map)
    whole = rf.effective(module, x, layers=["2"])["2"]
    assert whole.channel is None
    assert whole.map == pytest.approx(by_hand(module, x, "2", (slice(None), slice(None), centre, centre)), rel=1e-9)


def test_a_class_of_a_net() -> None:
    """A layer without a map has channels too: the classes."""
    module = nn.Sequential(net(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)).double()
    x = torch.rand(2, 2, 9, 9)
    found = rf.effective(module, x, layers=["3"], channel=2)["3"]
    assert found.map == pytest.approx(by_hand(module, x, "3", (slice(None), 2)), rel=1e-9)


@pytest.mark.parametrize("aggregation", ["power", "positive", "signed"])
def test_aggregations_of_a_channel(aggregation: str) -> None:
    """A linear channel's gradient is its kernel: its square, its positive part if the unit is positive, itself."""
    conv = nn.Conv2d(2, 3, 3, bias=False)
    x = torch.rand(1, 2, 3, 3)
    w = conv.weight.detach()[1]
    expected = {
        "power": w.square().mean(0),
        "signed": w.mean(0),
        "positive": torch.relu(w).sum(0) * float((conv(x)[0, 1] > 0).item()),
    }[aggregation]
    found = rf.effective(nn.Sequential(conv), x, layers=["0"], aggregation=aggregation, channel=1)["0"].map
    assert found == pytest.approx(expected.double().numpy(), rel=1e-5)


def test_channels_by_captum() -> None:
    module, x = net().float(), torch.rand(2, 2, 9, 9)
    found = rf.effective(module, x, layers=["2"], channel=3, method="integrated-gradients")["2"].map
    from captum.attr import NeuronIntegratedGradients

    direct = NeuronIntegratedGradients(module, module[2]).attribute(
        x, (3, 2, 2), baselines=torch.zeros_like(x), n_steps=50
    )
    assert found == pytest.approx(direct.abs().mean((0, 1)).detach().numpy(), rel=1e-4, abs=1e-7)


def test_layers_without_the_channel() -> None:
    """Three and five channels: number 4 is in the second layer only; number 5 in none."""
    result = rf.effective(net(), torch.rand(2, 2, 9, 9), channel=4)
    first, second = result
    assert first.measures["radius_50"].value is None
    assert first.note == "no channel 4: the layer has 3"
    assert second.measures["radius_50"].value is not None
    body = json.loads(result.to_json())["layers"]
    assert [row["channel"] for row in body] == [4, 4]
    assert [row["map"] for row in body] == [None, "2:4"]
    with pytest.raises(
        rf.RequestError, match=r"^there is no channel 5: 2 has 5 \(0 to 4\), the most of the layers asked for$"
    ):
        rf.effective(net(), torch.rand(2, 2, 9, 9), channel=5)
    with pytest.raises(rf.RequestError, match=r"^there is no channel 3: 0 has 3 \(0 to 2\)$"):
        rf.effective(net(), torch.rand(2, 2, 9, 9), layers=["0"], channel=[0, 3])
    with pytest.raises(rf.RequestError, match=r"channel -1 is no whole number from 0 on"):
        rf.effective(net(), torch.rand(2, 2, 9, 9), channel=-1)


def test_layers_without_the_unit() -> None:
    """Maps of 9 and of 5 places a side: unit 7,7 is in the first only; where none has it, that is an error."""
    first, second = rf.effective(net(), torch.rand(2, 2, 9, 9), layers=["0", "2"], unit=(7, 7))
    assert first.measures["radius_50"].value is not None
    assert (second.unit, second.images, second.note) == ((), 0, "no such unit: output is 5x5x5")
    assert second.measures["radius_50"].value is None
    with pytest.raises(rf.RequestError, match=r"^the unit lies outside the map of '2', whose output is 5x5x5$"):
        rf.effective(net(), torch.rand(2, 2, 9, 9), layers=["2"], unit=(7, 7))


def test_channels_of_two_models() -> None:
    x = torch.rand(4, 2, 9, 9)
    found = compare([net(), net()], x, layers=["2"], channel=[1, 2], measures=["radius_50"])
    assert [layer.name for layer in found] == ["2:1", "2:2"]
    assert found["2:1"].differences[0]["radius_50"].value == 0


def test_channels_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    npz = tmp_path / "maps.npz"
    options = ["rftools:vgg-dilated", "--layer", "features.block1.conv", "--count", "2"]
    status, out, _ = run(capsys, "erf", *options, "--channel", "0,3-4", "--npz", str(npz), "--measure", "radius_50")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("layer\tchannel\ttheoretical")
    assert [line.split("\t")[1] for line in lines[1:4]] == ["0", "3", "4"]
    with np.load(npz) as maps:
        assert sorted(maps.files) == [f"features.block1.conv:{c}" for c in (0, 3, 4)]
        assert not np.allclose(maps["features.block1.conv:0"], maps["features.block1.conv:3"])
    assert run(capsys, "erf", *options)[1].startswith("layer\ttheoretical")
    status, _, err = run(capsys, "erf", *options, "--channel", "3-x")
    assert (status, err) == (2, "rftools: error: channel '3-x' is no list of whole numbers such as 3 or 0,5-9\n")


@pytest.mark.parametrize("size", [9, 64])  # whole gradients, and inside windows
def test_a_grid_of_units_against_plain_autograd(size: int) -> None:
    module, x = net(), torch.rand(2, 2, size, size)
    extent = (size + 1) // 2
    lines = [0, extent // 2, extent - 1]
    result = rf.effective(module, x, layers=["2"], grid=(3, 3))
    assert [row.unit for row in result] == [(i, j) for i in lines for j in lines]
    assert [row.cell for row in result] == [(i, j) for i in range(3) for j in range(3)]
    for row in result:
        expected = by_hand(module, x, "2", (slice(None), slice(None), *row.unit))
        assert row.map == pytest.approx(expected, rel=1e-9)
        assert result[row.key] is row
    assert result["2"].unit == (extent // 2, extent // 2)
    alone = rf.effective(module, x, layers=["2"])["2"]
    assert result["2"].measures == alone.measures
    assert len({row.measures["ellipse_major"].value for row in result}) > 3


def test_a_grid_takes_one_forward_pass() -> None:
    module, calls = net(), []
    module.register_forward_hook(lambda *_: calls.append(1))
    rf.effective(module, torch.rand(2, 2, 9, 9), layers=["0", "2"], grid=(3, 3), method="gradient", batch_size=2)
    assert len(calls) <= 2  # one to capture it, one for all units


def test_grids_of_one_and_of_three_axes() -> None:
    torch.manual_seed(0)
    line = nn.Sequential(nn.Conv1d(1, 2, 3, padding=1)).double()
    x = torch.rand(2, 1, 12)
    for row, place in zip(rf.effective(line, x, layers=["0"], grid=(4,)), (0, 4, 7, 11), strict=True):
        assert row.map == pytest.approx(by_hand(line, x, "0", (slice(None), slice(None), place)), rel=1e-9)
    volume = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1)).double()
    x = torch.rand(1, 1, 5, 6, 7)
    found = rf.effective(volume, x, layers=["0"], grid=(1, 2, 3))
    assert [row.unit for row in found] == [(2, i, j) for i in (0, 5) for j in (0, 3, 6)]
    for row in found:
        assert row.map == pytest.approx(by_hand(volume, x, "0", (slice(None), slice(None), *row.unit)), rel=1e-9)


def test_a_grid_of_tokens_and_of_channels() -> None:
    from tests.erf.test_tokens import SIZE, built, vit

    module, x = built(vit), torch.rand(1, *SIZE)
    name = "encoder.layers.encoder_layer_1.mlp.3"
    found = rf.effective(module, x, layers=[name], grid=(2, 2), channel=[3, 5])
    assert [row.key for row in found] == [f"{name}@{i},{j}:{c}" for i in (0, 3) for j in (0, 3) for c in (3, 5)]
    for row in found:
        i, j = row.unit
        expected = by_hand(module, x, name, (slice(None), 1 + 4 * i + j, row.channel))
        assert row.map == pytest.approx(expected, rel=1e-9)


def test_what_json_npz_and_table_say_of_a_grid(tmp_path: Path) -> None:
    result = rf.effective(net(), torch.rand(2, 2, 9, 9), layers=["2"], grid=(1, 2))
    body = json.loads(result.to_json())["layers"]
    assert [(row["name"], row["unit"], row["cell"], row["map"]) for row in body] == [
        ("2", [2, 0], [0, 0], "2@2,0"),
        ("2", [2, 4], [0, 1], "2@2,4"),
    ]
    result.to_npz(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as maps:
        assert sorted(maps.files) == ["2@2,0", "2@2,4"]
    assert list(result.table()["unit"]) == ["2,0", "2,4"]


def test_grids_that_there_are_not() -> None:
    module, x = (
        nn.Sequential(net(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)).double(),
        torch.rand(1, 2, 9, 9),
    )
    with pytest.raises(rf.RequestError, match=r"^a unit and a grid of units: give one of them$"):
        rf.effective(module, x, unit=(0, 0), grid=(3, 3))
    with pytest.raises(rf.RequestError, match=r"^grid 0x3 is not one whole number from 1 on for each axis$"):
        rf.effective(module, x, grid=(0, 3))
    with pytest.raises(
        rf.RequestError, match=r"a grid of 3 units takes maps of one axis, and 0\.2 has units along 2 axes"
    ):
        rf.effective(module, x, grid=(3,))
    with pytest.raises(rf.RequestError, match=r"^a grid of 3x3 units takes maps of 2 axes, and 3 has no map$"):
        rf.effective(module, x, layers=["3"], grid=(3, 3))
    mixed = rf.effective(module, x, layers=["0.2", "3"], grid=(2, 1))
    assert [(row.name, row.cell) for row in mixed] == [("0.2", (0, 0)), ("0.2", (1, 0)), ("3", None)]


@pytest.mark.parametrize("backend", ["matplotlib", "plotly"])
def test_the_sheet_of_a_grid(backend: str) -> None:
    result = rf.effective(net(), torch.rand(2, 2, 9, 9), grid=(3, 2))
    scene = describe(result, "grid", layer="2")
    assert (scene.columns, scene.rows) == (2, 3)
    luo, half = (result["2@0,4"].measures[name].value for name in ("luo_centre", "radius_50"))
    assert scene.panels[1].title == f"(0, 4): Luo {luo:.3g}, r50 {half:.3g} px"
    top = max(row.map.max() for row in result if row.name == "2")
    shades = [mark.values for mark in scene.marks(Heatmap)]
    for row, shade in zip([row for row in result if row.name == "2"], shades, strict=True):
        assert shade == pytest.approx(np.sqrt(row.map / top))
    crosses = [(mark.x, mark.y) for mark in scene.marks(Points)]
    assert crosses[0] == ((0.0,), (0.0,))
    assert result.plot(backend, kind="grid") is not None
    assert describe(result, "growth").panels[0].x.ticks == ((0.0, "0@4,8"), (1.0, "2@2,4"))
    with pytest.raises(rf.RequestError, match=r"no grid of units to draw; ask for one \(--grid 3x3"):
        describe(rf.effective(net(), torch.rand(2, 2, 9, 9)), "grid")


def test_a_grid_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["rftools:vgg-dilated", "--layer", "features.block1.conv", "--count", "2", "--measure", "radius_50"]
    status, out, _ = run(capsys, "erf", *options, "--grid", "2x3", "-o", str(tmp_path / "grid.png"))
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("layer\tunit\ttheoretical")
    assert [line.split("\t")[1] for line in lines[1:]] == ["0,0", "0,16", "0,31", "31,0", "31,16", "31,31"]
    assert (tmp_path / "grid.png").stat().st_size > 10_000
    status, _, err = run(capsys, "erf", *options, "--grid", "3y3")
    assert err == "rftools: error: grid '3y3' is not one whole number from 1 on for each axis, such as 3x3\n"
    status, _, err = run(capsys, "erf", *options, "--kind", "grid")
    assert err == "rftools: error: --kind grid draws a grid of units; say how many (--grid 3x3)\n"


class Two(nn.Module):
    """The image times what the depth says, so that neither may be zero."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, 2, 1), nn.Conv2d(3, 4, 5, 2, 2)
        self.last = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, image: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(image) * torch.tanh(self.second(depth)))  # type: ignore[no-any-return]


def two() -> Two:
    torch.manual_seed(4)
    return Two().double()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("of", [0, 1])
def test_one_of_several_inputs_against_plain_autograd(of: int, named: bool) -> None:
    module = two()
    image, depth = torch.rand(3, 2, 12, 12).double(), torch.rand(3, 3, 12, 12).double()
    own = [image, depth][of]
    others = [image[:1], depth[:1]]
    others[of] = own[:1]
    given = {"image": others[0], "depth": others[1]} if named else others
    which: int | str = ("image", "depth")[of] if named else of
    row = rf.effective(module, own, layers=["last"], inputs=given, of=which)["last"]
    leaf = own.clone().requires_grad_(True)
    fixed = others[1 - of].expand(3, -1, -1, -1)
    out = module(*((leaf, fixed) if of == 0 else (fixed, leaf)))
    (gradient,) = torch.autograd.grad(out[:, :, 3, 3].sum(), leaf)
    assert row.map == pytest.approx(gradient.abs().mean((0, 1)).numpy(), rel=1e-9)
    assert "forward" not in module.__dict__


def test_what_the_other_inputs_are_is_said() -> None:
    module = two()
    result = rf.effective(module, torch.rand(2, 3, 12, 12), inputs=[(2, 12, 12), (3, 12, 12)], of=1, seed=5)
    assert [row.name for row in result] == ["second", "last"]
    assert result.of_input == "1"
    assert result.input_size == (3, 12, 12)
    assert result.events == ("input 0 is held at white noise (2x12x12), the same for all images",)
    body = json.loads(result.to_json())
    assert (body["of_input"], body["notes"]) == ("1", list(result.events))
    again = rf.effective(module, torch.rand(2, 3, 12, 12), inputs=[(2, 12, 12), (3, 12, 12)], of=1, seed=6)
    assert not np.allclose(result["last"].map, again["last"].map)
    given = [torch.rand(1, 2, 12, 12), torch.rand(4, 3, 12, 12)]
    whole = rf.effective(module, layers=["last"], inputs=given, of=1)  # the images are what was given for that input
    assert whole["last"].images == 4
    assert whole.events == ("input 0 is held at the given tensor (2x12x12), the same for all images",)


def test_inputs_that_do_not_fit() -> None:
    module, sizes = two(), [(2, 12, 12), (3, 12, 12)]
    with pytest.raises(rf.RequestError, match=r"^there is no input 2; the inputs are 0, 1$"):
        rf.effective(module, inputs=sizes, of=2)
    with pytest.raises(rf.RequestError, match=r"^input 0 is 2 samples; give one \(a first dimension of 1\)"):
        rf.effective(module, inputs=[torch.rand(2, 2, 12, 12), (3, 12, 12)], of=1)
    with pytest.raises(rf.RequestError, match=r"^layer 'first' sees nothing of the input, or is not called$"):
        rf.effective(module, layers=["first"], inputs=sizes, of=1)
    with pytest.raises(rf.RequestError, match=r"^there is no input 1; the inputs are 0$"):
        rf.effective(net(), torch.rand(1, 2, 9, 9), of=1)
    broken = two()
    broken.second.weight.data.fill_(float("inf"))
    with pytest.raises(rf.RequestError, match="not finite"):
        rf.effective(broken, torch.rand(1, 3, 12, 12), inputs=sizes, of=1)
    assert "forward" not in broken.__dict__


@pytest.mark.parametrize("options", [{"method": "integrated-gradients"}, {"random_weights": 2}, {"grid": (2, 2)}])
def test_other_ways_with_several_inputs(options: dict[str, object]) -> None:
    module = two().float()
    result = rf.effective(
        module,
        torch.rand(2, 3, 12, 12),
        layers=["last"],
        inputs=[(2, 12, 12), (3, 12, 12)],
        of=1,
        **options,  # type: ignore[arg-type]
    )
    assert all(row.map.max() > 0 for row in result)


def test_several_inputs_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--input-size", "2x12x12,3x12x12", "--of-input", "1"]
    status, out, err = run(capsys, "erf", f"{__file__}:two", *sizes, "--count", "2")
    assert status == 0
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["second", "last"]
    assert "input 0 is held at white noise (2x12x12), the same for all images" in err


def test_layers_whose_names_hold_the_signs_of_patterns() -> None:
    """They are measured unasked, and their names mean themselves before they mean a pattern."""
    net = nn.Sequential()
    for name in ("conv[0]", "b*", "b1", "conv0"):
        net.add_module(name, nn.Conv2d(2, 2, 3))
    images = torch.rand(2, 2, 16, 16)
    model = as_model(net, (2, 16, 16))
    assert [row.name for row in rf.effective(model, images)] == ["conv[0]", "b*", "b1", "conv0"]
    for pattern, names in {"conv[0]": ["conv[0]"], "b*": ["b*"], "b?": ["b*", "b1"], "conv[[]0]": ["conv[0]"]}.items():
        assert [row.name for row in rf.effective(model, images, layers=[pattern])] == names
        assert [row.name for row in rf.sparsity(model).only(pattern)] == names
