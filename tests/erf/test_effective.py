"""Effective fields against plain autograd, closed forms and made-up maps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import rftools as rf
from rftools.erf.intervals import measure_all
from rftools.erf.measures.registry import REGISTRY, Frame, Mixed, measure
from rftools.models import NETS

Maps = NDArray[np.float64]


def value(
    name: str, image: Maps, centre: tuple[float, ...] | None = None, sizes: tuple[int, ...] | None = None
) -> float:
    """One measure of one map."""
    where = centre or tuple((n - 1) / 2 for n in image.shape)
    frame = Frame(where, sizes or image.shape, image.shape, (0,) * image.ndim)
    with np.errstate(all="ignore"):
        return float(REGISTRY[name].function(image[None], frame)[0])


def uniform_stack(n: int, size: int) -> nn.Sequential:
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(n)]).double()
    for conv in net:
        nn.init.constant_(conv.weight, 1 / 9)
    return net


@pytest.mark.parametrize(
    ("n", "side"),
    [
        (5, 8.3),
        (10, 11.7),
        (20, 16.2),
        (40, 22.7),
        pytest.param(80, 32.3, marks=pytest.mark.slow),
        pytest.param(160, 45.6, marks=pytest.mark.slow),
    ],
)
def test_luo_sizes_of_linear_uniform_stacks(n: int, side: float) -> None:
    """Luo et al., figure 1; sigma = sqrt(2n/3)."""
    size = 2 * n + 3 if n <= 40 else 161
    row = rf.effective(uniform_stack(n, size), torch.rand(1, 1, size, size), layers=[""])[""]
    assert row.measures["luo_centre"].value == pytest.approx(side, rel=0.01)
    for name in ("ellipse_major", "ellipse_minor", "std_x", "std_y"):
        if n <= 40:  # later ones are cut by the image
            assert row.measures[name].value == pytest.approx(math.sqrt(2 * n / 3), rel=0.01)
    if n >= 10:
        assert row.measures["gaussian_sigma_x"].value == pytest.approx(math.sqrt(2 * n / 3), rel=0.03)
        assert row.measures["gaussian_r2"].value is not None
        assert row.measures["gaussian_r2"].value > 0.99


NETS_2D = [name for name in NETS if "wide" not in name and name not in {"wavenet", "resnet-strided", "resnet-dilated"}]


@pytest.mark.parametrize("name", [*NETS_2D, "wavenet", pytest.param("resnet-dilated", marks=pytest.mark.slow)])
def test_maps_equal_plain_autograd(name: str) -> None:
    """abs maps of every layer with weights, against one backward pass each on a fresh forward."""
    torch.manual_seed(1)
    model = rf.load(f"rftools:{name}", input_size=(1, 600) if name == "wavenet" else None, seed=1)
    x = torch.rand(3, *model.require_input_size())
    result = rf.effective(model, x, batch_size=2)
    modules = dict(model.module.named_modules())
    for row in list(result)[:: 1 if len(result.layers) < 12 else 5]:
        kept: list[torch.Tensor] = []

        def keep(_m: nn.Module, _a: object, out: torch.Tensor, kept: list[torch.Tensor] = kept) -> torch.Tensor:
            kept.append(out)
            return out.clone()

        handle = modules[row.name].register_forward_hook(keep)
        leaf = x.clone().requires_grad_(True)
        model.module(leaf)
        handle.remove()
        unit = kept[0][(slice(None), slice(None), *row.unit)]
        (gradient,) = torch.autograd.grad(unit.sum(), leaf)
        plain = gradient.abs().mean((0, 1)).numpy()
        assert np.abs(row.map - plain).max() <= 1e-5 * plain.max()
        outside = np.ones_like(plain, dtype=bool)
        box = tuple(slice(axis["clipped"][0], axis["clipped"][1] + 1) for axis in row.theoretical["axes"])
        outside[box] = False
        assert not row.map[outside].any()


def test_aggregations_by_hand() -> None:
    """A layer whose gradient is known: y = sum of w x, so dy/dx = w, for every image."""
    conv = nn.Conv2d(2, 1, 3, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(-9.0, 9.0).reshape(1, 2, 3, 3))
    w = conv.weight.detach().numpy()[0].astype(float)
    x = torch.rand(2, 2, 3, 3)
    net = nn.Sequential(conv)

    def got(aggregation: str) -> Maps:
        return rf.effective(net, x, layers=["0"], aggregation=aggregation)["0"].map

    assert got("abs") == pytest.approx(np.abs(w).mean(0))
    assert got("signed") == pytest.approx(w.mean(0))
    assert got("power") == pytest.approx((w**2).mean(0))
    positive = conv(x) > 0
    assert got("positive") == pytest.approx(np.maximum(w, 0).sum(0) * float(positive.float().mean()))


def test_power_estimates_the_sum_over_channels() -> None:
    """With random signs, the mean square is the sum over channels of squared gradients in expectation."""
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 8, 3, bias=False)
    exact = (conv.weight.detach().numpy()[:, 0].astype(float) ** 2).sum(0)
    found = rf.effective(
        nn.Sequential(conv), torch.rand(4000, 1, 3, 3), layers=["0"], aggregation="power", batch_size=1
    )
    assert found["0"].map == pytest.approx(exact, rel=0.15)


def test_in_place_activation_does_not_change_what_a_layer_gives() -> None:
    """The gradient of a convolution is the convolution's, not that of the relu that overwrites it."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.ReLU(inplace=True))
    with torch.no_grad():
        net[0].weight.fill_(-1.0)
    assert rf.effective(net, torch.rand(2, 1, 5, 5), layers=["0"])["0"].map.sum() == pytest.approx(9)
    dead = rf.effective(net, torch.rand(2, 1, 5, 5), layers=["1"])["1"]
    assert dead.note == "the gradient is zero everywhere: a dead unit at these images"
    assert all(m.value is None and m.low is None for m in dead.measures.values())
    rf.effective(net, torch.rand(2, 1, 5, 5), layers=["1"]).to_json()


def test_everything_is_put_back() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1))
    net[0].weight.requires_grad_(False)
    before = torch.random.get_rng_state()
    for layers in (["0"], ["nothing"]):
        try:
            rf.effective(net, torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0)), layers=layers)
        except rf.RequestError:
            assert layers == ["nothing"]
    assert net.training
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, True]
    assert not net[0]._forward_hooks
    assert torch.equal(before, torch.random.get_rng_state())


def blur(angle: float, major: float, minor: float, size: int = 101) -> Maps:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    y = -y
    u = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    v = -x * np.sin(np.radians(angle)) + y * np.cos(np.radians(angle))
    return np.asarray(np.exp(-(u**2) / (2 * major**2) - v**2 / (2 * minor**2)))


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120, 179])
def test_ellipse_of_an_anisotropic_blur(angle: float) -> None:
    image = blur(angle, 9, 4)
    assert abs((value("ellipse_angle", image) - angle + 90) % 180 - 90) < 1
    assert value("ellipse_major", image) == pytest.approx(9, rel=0.02)
    assert value("ellipse_minor", image) == pytest.approx(4, rel=0.02)
    assert value("ellipse_anisotropy", image) == pytest.approx((81 - 16) / (81 + 16), rel=0.01)


def test_gaussian_fit_of_a_gaussian() -> None:
    image = blur(0, 9, 4)
    assert value("gaussian_sigma_x", image) == pytest.approx(9, rel=1e-3)
    assert value("gaussian_sigma_y", image) == pytest.approx(4, rel=1e-3)
    assert value("gaussian_r2", image) == pytest.approx(1, abs=1e-6)


def test_a_gaussian_wider_than_the_map_has_no_sigma() -> None:
    y, x = np.mgrid[-10:11, -10:11].astype(float)
    image = np.exp(-(x**2) / (2 * 30.0**2) - y**2 / (2 * 4.0**2))
    assert np.isnan(value("gaussian_sigma_x", image))
    assert value("gaussian_sigma_y", image) == pytest.approx(4, rel=1e-3)
    assert value("gaussian_r2", image) == pytest.approx(1, abs=1e-6)


def test_a_flat_map_has_no_gaussian() -> None:
    draw = np.random.default_rng(0)
    flat = 1 + 0.01 * draw.random((7, 7)) + 0.2 * (np.abs(np.arange(7) - 3) > 2)  # rather a bowl than a bell
    assert np.isnan(value("gaussian_sigma_x", flat))
    assert value("gaussian_r2", flat) < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (5, 7)])
def test_holes_against_every_neighbour_by_hand(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).random(shape)
    alone = 0.0
    for (y, x), here in np.ndenumerate(image):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        beside = [image[at] for at in around if 0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]]
        alone += max(here - max(beside, default=0.0), 0) ** 2
    assert value("hole_energy", image) == pytest.approx(alone / (image**2).sum(), rel=1e-12)


def test_gaussian_fit_agrees_with_scipy() -> None:
    from scipy.optimize import curve_fit

    image = blur(0, 9, 4) + 0.02 * np.random.default_rng(0).random((101, 101))
    y, x = np.mgrid[:101, :101].reshape(2, -1)
    total = image.sum()
    cx, cy = (x @ image.reshape(-1)) / total, (y @ image.reshape(-1)) / total

    def model(_: object, a: float, sx: float, sy: float) -> Maps:
        return np.asarray(a * np.exp(-((x - cx) ** 2) / (2 * sx**2) - (y - cy) ** 2 / (2 * sy**2)))

    (_, sx, sy), _ = curve_fit(model, None, image.reshape(-1), p0=(1, 5, 5))
    assert value("gaussian_sigma_x", image) == pytest.approx(sx, rel=1e-3)
    assert value("gaussian_sigma_y", image) == pytest.approx(sy, rel=1e-3)


@pytest.mark.parametrize("centre", [(4.0, 4.0), (3.5, 3.5), (4.0, 3.5), (3.5, 4.25), (2.0, 5.5)])
@pytest.mark.parametrize("share", [20, 50, 99])
def test_area_sides_by_every_square(centre: tuple[float, float], share: int) -> None:
    """The smallest square about the unit's centre, that lies on a pixel or not: all sides in quarters of a pixel."""
    image = np.random.default_rng(share).random((10, 9))
    y, x = np.mgrid[:10, :9]
    apart = np.maximum(abs(y - centre[0]), abs(x - centre[1]))
    sides = np.arange(0, 40, 0.25)
    wanted = next(s for s in sides if image[apart <= (s - 1) / 2 + 1e-9].sum() > share / 100 * image.sum())
    assert value(f"area_side_{share}", image, centre=centre) == wanted


def test_area_ratios() -> None:
    """An even map: the square with more than t of the sum is the first with more than t of the pixels."""
    image = np.ones((41, 41))
    assert value("area_side_50", image) == 29  # 29^2 = 841 of 1,681 is the first above one half
    assert value("area_ratio_50", image) == pytest.approx(29**2 / 41**2)
    peaked = blur(0, 5, 5)
    for scale in (1.0, 1e3, 1e6):
        assert value("area_ratio_20", peaked * scale) == value("area_ratio_20", peaked)
    logs = [value("area_ratio_log_20", peaked * scale) for scale in (1.0, 1e3, 1e6)]
    assert logs[0] < logs[1] < logs[2]


def ding(scores: Maps, threshold: float) -> float:
    """Ding et al.'s published procedure, step by step."""
    scaled = np.log10(scores + 1)
    scaled = scaled / scaled.max()
    h, w = scaled.shape
    for i in range(1, h // 2):
        square = scaled[h // 2 - i : h // 2 + i + 1, w // 2 - i : w // 2 + i + 1]
        if square.sum() / scaled.sum() > threshold:
            return float((2 * i + 1) ** 2 / (h * w))
    return 1.0


@pytest.mark.parametrize("share", [20, 30, 50, 99])
def test_ding_step_by_step(share: int) -> None:
    scores = blur(20, 12, 7, 100) * 50 + np.random.default_rng(0).random((100, 100))
    got = value(f"area_ratio_log_{share}", scores, centre=(50.0, 50.0))
    assert got == pytest.approx(ding(scores, share / 100), rel=1e-9)


def test_radii_and_entropy() -> None:
    ring = np.zeros((21, 21))
    ring[10, [5, 15]] = 1
    assert value("radius_50", ring) == pytest.approx(5)
    assert value("radius_90", ring) == pytest.approx(5.4)  # a pixel is one wide
    random = np.random.default_rng(0).random((21, 21))
    y, x = np.indices((21, 21)) - 10.3
    spread = np.clip(np.linspace(-0.5, 0.5, 4001)[:, None] + np.hypot(x, y + 0.8).reshape(-1), 0, None)
    heavy = np.broadcast_to(random.reshape(-1), spread.shape).reshape(-1)
    order = np.argsort(spread.reshape(-1))
    held = heavy[order].cumsum()
    for share in (50, 90):
        brute = spread.reshape(-1)[order][np.searchsorted(held, share / 100 * held[-1])]
        assert value(f"radius_{share}", random, centre=(9.5, 10.3)) == pytest.approx(brute, rel=1e-4)
    assert value("entropy_area", np.ones((7, 9))) == pytest.approx(63)
    gauss = blur(0, 10, 10)
    assert value("radius_50", gauss) == pytest.approx(10 * math.sqrt(2 * math.log(2)), rel=0.01)
    assert value("entropy_area", gauss) == pytest.approx(2 * math.pi * math.e * 100, rel=0.01)


def test_gridding_is_seen_and_vanishes() -> None:
    """Dilation 2 thrice looks at every second pixel only; 1, 2, 3, 4 at all."""

    def holes(dilations: tuple[int, ...]) -> float:
        net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=d, dilation=d, bias=False) for d in dilations])
        for conv in net:
            nn.init.constant_(conv.weight, 1 / 9)
        found = rf.effective(net, torch.rand(1, 1, 41, 41), layers=[""])[""].measures["hole_energy"].value
        assert found is not None
        return found

    assert holes((2, 2, 2)) == pytest.approx(1)
    assert holes((1, 2, 3, 4)) < 0.01


def test_edge_energy() -> None:
    image = np.zeros((16, 16))
    image[8, 8], image[0, 0] = 2, 1
    assert value("edge_energy", image) == pytest.approx(1 / 5)


def test_one_and_three_axes() -> None:
    line = nn.Sequential(nn.Conv1d(1, 1, 5, padding=2))
    row = rf.effective(line, torch.rand(4, 1, 31), layers=["0"])["0"]
    assert row.map.shape == (31,)
    assert row.measures["std_x"].value is not None
    assert "ellipse_major" not in row.measures
    volume = nn.Sequential(nn.Conv3d(1, 1, (1, 3, 5), padding=(0, 1, 2), bias=False))
    nn.init.constant_(volume[0].weight, 1.0)
    row = rf.effective(volume, torch.rand(2, 1, 7, 7, 7), layers=["0"])["0"]
    assert [row.measures[f"std_{a}"].value for a in "zyx"] == pytest.approx([0, math.sqrt(2 / 3), math.sqrt(2)])


def test_intervals_cover() -> None:
    """On maps with a random width the 95 % interval covers the value from many images in 88 to 99 % of 200 runs."""
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:21, :21] - 10.0

    def maps(n: int) -> NDArray[np.float32]:
        width = draw.uniform(2, 4, (n, 1, 1))
        return np.exp(-(x**2 + y**2) / (2 * width**2)).astype(np.float32)

    frame = Frame((10.0, 10.0), (21, 21), (21, 21), (0, 0))
    chosen = {name: REGISTRY[name] for name in ("ellipse_major", "radius_50", "entropy_area")}
    large = maps(20_000).mean(0, dtype=np.float64)[None]
    truth = {name: float(d.function(large, frame)[0]) for name, d in chosen.items()}
    hits = dict.fromkeys(chosen, 0)
    for seed in range(200):
        found = measure_all(maps(50), frame, chosen, seed=seed)
        for name, m in found.items():
            assert m.low is not None
            assert m.high is not None
            hits[name] += m.low <= truth[name] <= m.high
    assert all(0.88 <= n / 200 <= 0.99 for n in hits.values()), hits


@pytest.mark.parametrize("shape", [(18, 23), (40, 31), (17,), (7, 9, 8)], ids=str)
@pytest.mark.parametrize("outlier", [1.0, 400.0])
def test_mixed_sums_are_those_of_formed_means(shape: tuple[int, ...], outlier: float) -> None:
    """Of a mean, a measure is the same whether the mean is formed, or its sums are mixed from those of the maps."""
    draw, rank = np.random.default_rng(3), len(shape)
    around = np.meshgrid(*(np.arange(n) - n / 2.3 for n in shape), indexing="ij")
    width = np.array([0.8, 9.0, 6.0, 4.0, 8.0, 7.0]).reshape(-1, *[1] * rank)
    maps = np.exp(-sum(g**2 for g in around)[None] / width**2) * draw.gamma(2.0, size=(6, *shape))
    maps[0] *= outlier  # the means are then of very different widths
    for offset, middle in ((3, 9.0), (0, 7.5), (1, 8.25)):
        frame = Frame((middle,) * rank, (None,) * rank, (60,) * rank, (offset,) * rank)
        shares = draw.multinomial(6, [1 / 6] * 6, size=20) / 6
        formed = np.tensordot(shares, maps, 1)
        for name, definition in REGISTRY.items():
            if definition.of_mixed is not None and rank in definition.ranks:
                found = definition.of_mixed(Mixed(maps, shares), frame.ready())
                near = 1e-4 if name.startswith("gaussian") else 1e-9
                assert found == pytest.approx(definition.function(formed, frame), rel=near), name


def test_a_single_image_has_no_interval() -> None:
    row = rf.effective(nn.Sequential(nn.Conv2d(1, 1, 3)), torch.rand(1, 1, 9, 9))["0"]
    assert row.measures["luo_max"].low is None


def test_own_measures() -> None:
    @measure("sum_of_map", unit="1")
    def total(maps: Maps, frame: Frame) -> Maps:
        return maps.reshape(len(maps), -1).sum(1)

    try:
        conv = nn.Conv2d(1, 1, 3, bias=False)
        row = rf.effective(nn.Sequential(conv), torch.rand(2, 1, 9, 9))["0"]
        assert row.measures["sum_of_map"].value == pytest.approx(float(conv.weight.detach().abs().sum()))
        with pytest.raises(rf.RequestError, match="there is a measure 'sum_of_map' already"):
            measure("sum_of_map", unit="1")(total)
    finally:
        REGISTRY.pop("sum_of_map")


def test_npz_holds_the_maps(tmp_path: Path) -> None:
    result = rf.effective(nn.Sequential(nn.Conv2d(1, 1, 3)), torch.rand(2, 1, 9, 9), layers=["0", ""])
    result.to_npz(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as stored:
        assert stored.files == ["0", "output"]
        assert stored["0"].dtype == np.float64
        assert (stored["0"] == result["0"].map).all()


def test_pictures_are_resized_and_normalised(tmp_path: Path) -> None:
    from PIL import Image

    from rftools.erf.images import gather

    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "a.png")
    Image.new("L", (9, 9), 128).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_text("no picture")
    model = rf.load("torchvision:resnet18", input_size=(3, 16, 16))
    found = gather(tmp_path, model, count=10, seed=0)
    assert found.inputs.shape == (2, 3, 16, 16)
    assert found.skipped == ("c.png",)
    assert found.inputs[0, 0].mean() == pytest.approx((1 - 0.485) / 0.229, rel=1e-4)
    with pytest.raises(rf.RequestError, match=r"c\.png is no picture that can be read"):
        gather(tmp_path, model, count=10, seed=0, strict=True)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 2, 9, 9), r"the images have 2 channels, the net takes 1"),
        (torch.rand(2, 1, 8, 9), r"the images are 8x9, the input size is 9x9"),
        (torch.rand(0, 1, 9, 9), r"the images are none"),
        ("nowhere", r"no such file or folder: nowhere"),
        ([torch.rand(1, 9, 9), torch.rand(1, 8, 8)], r"images of mixed sizes: 1x9x9 and 1x8x8"),
        (3, r"images are a tensor, an array, a path"),
    ],
)
def test_bad_images(images: object, message: str) -> None:
    with pytest.raises(rf.RequestError, match=message):
        rf.effective(nn.Sequential(nn.Conv2d(1, 1, 3)), images, input_size=(1, 9, 9))  # type: ignore[arg-type]


def test_bad_requests(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3))
    x = torch.rand(1, 1, 9, 9)
    with pytest.raises(rf.RequestError, match=r"no aggregation 'ab' \(closest: abs\); there are abs, power"):
        rf.effective(net, x, aggregation="ab")
    with pytest.raises(rf.RequestError, match=r"no layer matches 'conv'"):
        rf.effective(net, x, layers=["conv"])
    with pytest.raises(rf.RequestError, match=r"unit 9,9 lies outside the map"):
        rf.effective(net, x, unit=(9, 9))
    with pytest.raises(rf.RequestError, match=r"no images in"):
        rf.effective(net, tmp_path, input_size=(1, 9, 9))
    bad = nn.Sequential(nn.Conv2d(1, 1, 3))
    bad[0].weight.data[0, 0, 0, 0] = math.inf
    with pytest.raises(rf.RequestError, match=r"the gradient of layer '0' is not finite at image 0"):
        rf.effective(bad, x, layers=["0"])
