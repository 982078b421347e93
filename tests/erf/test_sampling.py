"""How many images: random weights, precision, interruptions, memory."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.erf.initialise import initialise, rebound
from rftools.erf.intervals import half_width, measure_all
from rftools.loading import Model


def deep(width: int = 8, channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    )


def test_random_weights_average_draws_made_by_hand() -> None:
    """The map is the mean over draws of each draw's own mean map; intervals are over draws."""
    x = torch.rand(6, 3, 11, 11)
    model = Model(deep(), "net", "net", (3, 11, 11))
    found = rf.effective(model, x, layers=["2"], random_weights=3, init="he", seed=5)
    by_hand = []
    for draw in range(3):
        module = initialise(model, "he", 5 + draw)
        by_hand.append(rf.effective(module, x[[draw, draw + 3]], layers=["2"])["2"].map)
    assert found["2"].map == pytest.approx(np.mean(by_hand, axis=0), rel=1e-6)
    assert found.draws == {"draws": 3, "init": "he", "images_per_draw": 2}
    assert found["2"].images == 6
    assert found["2"].measures["radius_50"].low is not None
    assert "over draws" in found.interval
    again = rf.effective(model, x, layers=["2"], random_weights=3, init="he", seed=5)
    assert (again["2"].map == found["2"].map).all()


@pytest.mark.parametrize(
    ("init", "variance"),
    [("xavier", 2 / (64 * 9 + 128 * 9)), ("he", 2 / (64 * 9)), ("uniform-positive", (2 / (64 * 9)) ** 2 / 12)],
)
def test_drawn_weights_have_their_variance(init: str, variance: float) -> None:
    net = nn.Sequential(nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128))
    before = [p.clone() for p in net.parameters()]
    drawn = initialise(Model(net, "net", "net"), init, 0)
    assert float(drawn[0].weight.detach().var()) == pytest.approx(variance, rel=0.03)
    assert not drawn[0].bias.any()
    assert float(drawn[1].weight.detach().min()) == 1
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_orthogonal_and_default_draws() -> None:
    model = rf.load("rftools:vgg-dilated")
    weight = initialise(model, "orthogonal", 0).features.block2.conv.weight.detach().reshape(24, -1)
    assert weight @ weight.T == pytest.approx(2 * torch.eye(24), abs=1e-5)
    same = initialise(model, "default", 0)
    for ours, theirs in zip(same.parameters(), model.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


class Residual(nn.Module):
    """A sum between modules, a batch norm, and a constant of its own where it is told one."""

    def __init__(self, constant: torch.Tensor | None = None) -> None:
        super().__init__()
        self.into, self.norm = nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.out = nn.Conv2d(8, 8, 3, padding=1)
        self.constant = constant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm(self.into(x)))
        y = y + self.out(y) * torch.tensor([2.0, 3.0]).repeat(4)[:, None, None]
        return y if self.constant is None else y * self.constant


def test_draws_go_through_the_captured_graph_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each draw's maps are plain autograd's of its own weights, though the graph was captured once."""
    net, x = Residual(), torch.randn(4, 2, 25, 25)
    found = rf.effective(net, x, layers=["out", "/add"], random_weights=2, init="xavier", seed=3)
    for name in ("out", "/add"):
        whole = []
        for draw in range(2):
            module = initialise(Model(net, "net", "net"), "xavier", 3 + draw).eval()
            kept: list[torch.Tensor] = []
            module.out.register_forward_hook(lambda _m, _a, y, kept=kept: kept.append(y))
            leaf = x[draw::2].clone().requires_grad_()
            y = module(leaf)
            unit = (y if name == "/add" else kept[0])[:, :, 12, 12].sum()
            whole.append(torch.autograd.grad(unit, leaf)[0].abs().mean((0, 1)).numpy())
        wanted = np.mean(whole, 0)
        assert np.abs(found[name].map - wanted).max() <= 1e-5 * wanted.max()
        assert np.abs(whole[0] - wanted).max() > 0.01 * wanted.max()

    def refused(*_: object) -> None:
        raise AssertionError("whole gradients, where the cone is less work")

    monkeypatch.setattr("rftools.erf.maps.gradients.layer_outputs", refused)
    rf.effective(net, torch.randn(2, 2, 65, 65), layers=["into", "norm", "out"], random_weights=2)


def test_a_graph_is_bound_to_other_weights_only_where_that_is_sure() -> None:
    net = Residual()
    graph, other = capture(net.eval(), (2, 9, 9)), initialise(Model(net, "net", "net"), "he", 0)
    bound = rebound(graph, net, other)
    assert bound is not None
    values = set(map(id, bound.constants.values()))
    assert {id(other.into.weight), id(other.out.weight), id(other.norm.running_mean)} <= values
    assert not {id(t) for t in (*net.parameters(), *net.buffers())} & values
    own = Residual(constant=torch.full((8, 1, 1), 2.0))
    assert rebound(capture(own.eval(), (2, 9, 9)), own, other) is None
    assert rebound(dataclasses.replace(graph, method="record"), net, other) is None
    assert rebound(graph, net, nn.Sequential(nn.Conv2d(2, 8, 3))) is None


def test_linear_stack_of_positive_weights_has_luos_width() -> None:
    """Uniform positive weights, no activation: sigma^2 is the sum of the kernels' variances, 2/3 a layer."""
    net = nn.Sequential(*[nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(6)])
    row = rf.effective(net, torch.rand(1, 8, 25, 25), layers=["5"], random_weights=20, init="uniform-positive")["5"]
    assert row.measures["ellipse_major"].value == pytest.approx(math.sqrt(6 * 2 / 3), rel=0.02)


def test_precision_stops_where_every_interval_is_narrow() -> None:
    found = rf.effective(
        deep(), "white", ["0", "2"], measures=["radius_50", "ellipse_major"], precision=0.03, input_size=(3, 15, 15)
    )
    stated = found.precision
    assert stated is not None
    assert stated["reached"]
    assert stated["missed"] == []
    assert stated["images"] == found["2"].images >= 24
    for row in found:
        assert set(row.measures) == {"radius_50", "ellipse_major"}
        assert all((half_width(m) or 0) <= 0.03 for m in row.measures.values())


def test_precision_gives_up_and_says_where() -> None:
    found = rf.effective(
        deep(), "white", ["0", "2"], measures=["radius_50"], precision=0.0001, max_images=40, input_size=(3, 15, 15)
    )
    stated = found.precision
    assert stated is not None
    assert not stated["reached"]
    assert (stated["images"], stated["max_images"]) == (40, 40)
    for missed in stated["missed"]:
        width = half_width(found[missed["layer"]].measures[missed["measure"]])
        assert missed["half_width"] == width
        assert width is not None
        assert width > 0.0001
    assert {missed["layer"] for missed in stated["missed"]} == {"2"} | {m["layer"] for m in stated["missed"]}


def test_more_images_continue_what_fewer_began() -> None:
    """The maps that a precise run ends with are those of one run over as many images."""
    x = torch.rand(80, 3, 15, 15)
    precise = rf.effective(deep(), x, ["2"], measures=["radius_50"], precision=0.0001, max_images=80)
    assert precise["2"].images == 80
    assert precise["2"].map == pytest.approx(rf.effective(deep(), x, ["2"])["2"].map, rel=1e-5)


def test_half_width_of_an_angle_is_relative_to_a_quarter_turn() -> None:
    assert half_width(rf.erf.Measure(179.0, 175.5, 184.5, "degrees")) == pytest.approx(0.05)
    assert half_width(rf.erf.Measure(0.0, 0.0, 0.0, "share")) == 0
    assert half_width(rf.erf.Measure(0.0, 0.0, 0.1, "share")) is None


def interrupted_after(images: int) -> object:
    def progress(done: int, total: int) -> None:
        if done >= images:
            raise KeyboardInterrupt

    return progress


def test_an_interruption_leaves_what_is_done() -> None:
    x = torch.rand(12, 3, 9, 9)
    found = rf.effective(deep(), x, ["2"], batch_size=4, progress=interrupted_after(8))  # type: ignore[arg-type]
    assert found.partial
    assert found["2"].images == 8
    assert (found["2"].map == rf.effective(deep(), x[:8], ["2"], batch_size=4)["2"].map).all()
    drawn = rf.effective(deep(), x, ["2"], random_weights=6, progress=interrupted_after(5))  # type: ignore[arg-type]
    assert drawn.partial
    assert drawn.draws is not None
    assert drawn.draws["draws"] == 3
    precise = rf.effective(
        deep(),
        torch.rand(99, 3, 9, 9),
        ["2"],
        precision=1e-6,
        progress=interrupted_after(32),  # type: ignore[arg-type]
    )
    assert precise.partial
    assert precise["2"].images == 36


def test_out_of_memory_halves_the_batch_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from rftools.erf.maps import gradients

    real, sizes = gradients._batch, []

    def scarce(module: nn.Module, batch: torch.Tensor, *rest: object) -> object:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(module, batch, *rest)  # type: ignore[arg-type]

    x = torch.rand(10, 3, 9, 9)
    plain = rf.effective(deep(), x, ["2"])
    monkeypatch.setattr(gradients, "_batch", scarce)
    found = rf.effective(deep(), x, ["2"])
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    assert found["2"].map == pytest.approx(plain["2"].map, rel=1e-6)
    assert found.events == (
        "out of memory with 10 images at a time; went on with 5",
        "out of memory with 5 images at a time; went on with 2",
    )
    monkeypatch.setattr(gradients, "_batch", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no")))
    with pytest.raises(rf.RequestError, match="out of memory with one image at a time"):
        rf.effective(deep(), x, ["2"])


def test_other_runtime_errors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from rftools.erf.maps import gradients

    monkeypatch.setattr(gradients, "_batch", lambda *_: (_ for _ in ()).throw(RuntimeError("another fault")))
    with pytest.raises(RuntimeError, match="another fault"):
        rf.effective(deep(), torch.rand(1, 3, 9, 9), ["2"])


def test_few_of_many_files_are_drawn(tmp_path: Path) -> None:
    """Not the first ones: folders are sorted by class."""
    from PIL import Image

    from rftools.erf.images import gather

    for i in range(20):
        Image.new("L", (4, 4), 10 * i).save(tmp_path / f"{i:02d}.png")
    model = Model(nn.Identity(), "net", "net", (1, 4, 4))
    levels = [gather(tmp_path, model, count=6, seed=seed).inputs[:, 0, 0, 0] * 25.5 for seed in (0, 0, 1)]
    assert torch.equal(levels[0], levels[1])
    assert not torch.equal(levels[0], levels[2])
    assert levels[0].max() > 6
    everything = gather(tmp_path, model, count=20, seed=0).inputs[:, 0, 0, 0] * 25.5
    assert everything == pytest.approx(torch.arange(20.0), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": ["radius"]}, r"no measure 'radius' \(closest: radius_90, radius_50\)"),
        ({"precision": 1.5}, r"precision 1.5 is not between 0 and 1"),
        ({"max_images": 10}, r"at most 10 images: that goes with a precision"),
        ({"random_weights": 0}, r"0 draws of weights"),
        ({"random_weights": 2, "precision": 0.1}, r"2 draws of weights: .* no precision beside"),
        ({"random_weights": 2, "init": "hee"}, r"no initialisation 'hee' \(closest: he\)"),
        ({"init": "he"}, r"the initialisation he goes with random weights"),
    ],
)
def test_bad_requests(options: dict[str, object], message: str) -> None:
    with pytest.raises(rf.RequestError, match=message):
        rf.effective(deep(), torch.rand(2, 3, 9, 9), **options)  # type: ignore[arg-type]


def test_a_layer_that_cannot_be_drawn_anew_is_named() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor

    with pytest.raises(rf.RequestError, match=r"layer '1' \(Scale\) has parameters and no reset_parameters"):
        rf.effective(nn.Sequential(nn.Conv2d(1, 1, 3), Scale()), torch.rand(1, 1, 9, 9), random_weights=2)


def test_measures_are_those_of_all() -> None:
    """A measure asked alone is the one that is worked out among all."""
    assert measure_all is not None
    x = torch.rand(9, 3, 15, 15)
    whole = rf.effective(deep(), x, ["2"])["2"].measures
    one = rf.effective(deep(), x, ["2"], measures=["ellipse_angle"])["2"].measures
    assert one == {"ellipse_angle": whole["ellipse_angle"]}
