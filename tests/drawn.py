"""Results put together by hand, for tests of what is drawn and reported."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np

from rftools.erf.comparison import ComparedLayer, EffectiveComparison
from rftools.erf.intervals import Difference
from rftools.erf.result import EffectiveLayer, EffectiveResult, Measure
from rftools.gratings import Estimate, FilterTuning, LayerTuning, TuningResult
from rftools.probing import Probed, SizeSeen
from rftools.results import ModelInfo
from rftools.trf.layer_field import AxisField, LayerField, Phase, Surviving
from rftools.trf.result import TheoreticalResult
from rftools.weights.results import (
    Examples,
    Histogram,
    LayerOrientation,
    LayerSparsity,
    NearZero,
    OrientationResult,
    Pooled,
    Shapes,
    SparsityResult,
    Total,
)

MODEL = ModelInfo(spec="/somewhere/private/best.pt", name="toy", sha256="ab" * 32, parameters=1234)
SIDE = 20


def axis(size: int, stride: int, start: int, unit: int, holes: tuple[tuple[int, int], ...] = ()) -> AxisField:
    """A local axis of one phase, its support worked out by listing the pixels."""
    low = start + unit * stride
    gone = {low + offset + i for offset, length in holes for i in range(length)}
    inside = [i for i in range(low, low + size) if 0 <= i < SIDE and i not in gone]
    mask = sum(1 << (i - inside[0]) for i in inside)
    return AxisField(
        size=size,
        stride=float(stride),
        start=start,
        centre=start + (size - 1) / 2,
        phases=(Phase(start, size, holes),),
        holes=holes,
        global_=False,
        min_size=size,
        window=(low, low + size - 1),
        clipped=(inside[0], inside[-1]),
        bits=(inside[0], mask),
    )


WHOLE = AxisField(
    size=None, stride=None, start=None, centre=None, phases=None, holes=(), global_=True,
    window=(0, SIDE - 1), clipped=(0, SIDE - 1), bits=(0, (1 << SIDE) - 1),
)  # fmt: skip


def layer(name: str, axes: tuple[AxisField, ...], n: int, **changes: object) -> LayerField:
    fields = {
        "name": name, "op": "conv2d", "module": "Conv2d", "output_shape": (4, n, n), "axes": axes, "status": "exact",
        "cause": None, "aligned": True, "productive": True, "unit": (n // 2, n // 2),
    }  # fmt: skip
    return LayerField(**(fields | changes))  # type: ignore[arg-type]


UNEVEN = (axis(9, 2, -3, 5, ((3, 1),)), axis(7, 2, -3, 5))


LEFT = Surviving(sizes=(5, 7), clipped=((8, 12), (7, 13)), share=0.5)
PATHS = np.zeros((SIDE, SIDE))
PATHS[7:16, 7:14] = np.outer([1, 2, 3, 0, 5, 4, 3, 2, 1], [1, 2, 3, 4, 3, 2, 1])


def theoretical(first: str = "conv1", axes: tuple[AxisField, ...] = UNEVEN, **changes: object) -> TheoreticalResult:
    rows = (
        layer(first, (axis(3, 1, -1, 10), axis(3, 1, -1, 10)), 20),
        layer("conv2", axes, 10, **({"paths": PATHS} | changes)),
        layer("pool", (WHOLE, WHOLE), 1, op="adaptive_avg_pool2d", output_shape=(4, 1, 1), unit=()),
    )
    return TheoreticalResult(model=MODEL, input_size=(3, SIDE, SIDE), layers=rows)


def pruned(first: str = "conv1") -> TheoreticalResult:
    """The same with what pruning left of the second layer's field."""
    return theoretical(first, surviving=LEFT)


def gauss(angle: float, major: float, minor: float, centre: tuple[float, float]) -> np.ndarray:
    """A Gaussian blob; ``angle`` in degrees, counter-clockwise as seen; ``centre`` (row, column)."""
    y, x = np.indices((SIDE, SIDE), dtype=np.float64)
    dx, dy = x - centre[1], centre[0] - y
    t = np.deg2rad(angle)
    u, v = dx * np.cos(t) + dy * np.sin(t), dy * np.cos(t) - dx * np.sin(t)
    return np.exp(-0.5 * ((u / major) ** 2 + (v / minor) ** 2))


def effective(first: str = "conv1", luo: float = 5.0) -> EffectiveResult:
    def of(name: str, side: int, blob: np.ndarray) -> EffectiveLayer:
        low = 10 - side // 2
        hull = [low, low + side - 1]
        measures = {
            "luo_centre": Measure(luo, luo - 0.5, luo + 0.5, "px"),
            "radius_50": Measure(luo / 2, luo / 2 - 0.25, luo / 2 + 0.25, "px"),
            "ellipse_major": Measure(3.0, 2.9, 3.1, "px"),
            "ellipse_minor": Measure(1.5, 1.4, 1.6, "px"),
            "ellipse_angle": Measure(30.0, 29.0, 31.0, "degrees"),
        }
        axes = [{"size": side, "window": hull, "clipped": hull, "global": False, "centre": 10.0} for _ in range(2)]
        theory = {"status": "exact", "axes": axes}
        return EffectiveLayer(name, (10, 10), 8, "abs", measures, theory, blob, scale=1.0)

    rows = (of(first, 3, gauss(0, 1, 1, (10, 10))), of("conv2", 15, gauss(30, 3, 1.5, (10, 10))))
    return EffectiveResult(model=MODEL, input_size=(3, SIDE, SIDE), layers=rows, source="white noise", seed=3)


def grid(first: str = "conv1") -> EffectiveResult:
    """As `effective`, of four units of the first layer."""
    whole = effective(first)
    places = [((i, j), (6 * i + 7, 6 * j + 7)) for i in (0, 1) for j in (0, 1)]
    rows = [dataclasses.replace(whole[first], unit=unit, cell=cell, map=gauss(0, 1, 1, unit)) for cell, unit in places]
    return dataclasses.replace(whole, layers=(*rows, whole["conv2"]))


def comparison(first: str = "conv1") -> EffectiveComparison:
    results = tuple(effective(first, luo) for luo in (5.0, 6.0, 8.0))
    layers = []
    for name in (first, "conv2"):
        change = [{"luo_centre": Difference(d, d - 0.1, d + 0.1, "px")} for d in (1.0, 3.0)]
        layers.append(ComparedLayer(name, tuple(result[name] for result in results), tuple(change)))
    labels = (first, "b", "c")
    return EffectiveComparison(MODEL, (3, SIDE, SIDE), tuple(layers), labels=labels, results=results)


def sparsity(first: str = "conv1", dead: int = 0) -> SparsityResult:
    near = NearZero(1e-3, 0.6)
    taps = (2, 10, 30, 40, 30, 12, 3, 1, 0, 0)
    shapes = Shapes(2, 10, 60, 56)
    rows = (
        LayerSparsity(
            first, (16, 8, 3, 3), 1152, 700, 700 / 1152, near, taps, shapes, 20, dead, 0,
            survival=tuple(tuple(0.1 * (3 * i + j) for j in range(3)) for i in range(3)),
        ),
        LayerSparsity("fc", (10, 16), 160, 0, 0.0, near, None, None, None, 0, 0),
    )  # fmt: skip
    total = Total(1312, 700, 700 / 1312, near, taps, shapes, 20, dead, 0, (3, 3))
    return SparsityResult(model=MODEL, input_size=None, layers=rows, total=total)


def orientation(first: str = "conv1", q: float = 0.4) -> OrientationResult:
    counts = (30, 0, 0, 10, 0, 0, 20, 0, 0, 5, 0, 0)
    rows = (
        LayerOrientation(
            first, 80, 65, 25.0, 0.3, 0.5, 0.01, q, q, Pooled(0.1, 20.0, 2),
            Histogram(tuple(15.0 * i for i in range(13)), counts), null_radius=0.2, angle_low=10.0, angle_high=40.0,
            examples=Examples(np.ones((3, 3, 3), dtype=np.float32), np.array([0.0, 45.0, np.nan])),
        ),
        LayerOrientation("conv2", 80, 0, None, None, None, None, None, None, None, Histogram((0.0, 180.0), (0,))),
    )  # fmt: skip
    return OrientationResult(model=MODEL, input_size=None, layers=rows)


def probed(first: str = "conv1") -> Probed:
    """A net that tells nothing from less than 7 of 20 pixels, and all from 11 on."""
    shares = [0.25 + 0.75 * min(max((side - 6) / 5, 0), 1) for side in range(SIDE + 1)]
    rows = [SizeSeen(f"{k} px", k, share, share - 0.05, min(share + 0.05, 1), 100) for k, share in enumerate(shares)]
    return Probed(
        model=MODEL,
        input_size=(3, SIDE, SIDE),
        layers=tuple(rows),
        method="occlusion",
        source="patches, held out (100)",
        unit="px",
        chance=0.25,
        whole=1.0,
        behavioural=Measure(11.0, 10.0, 12.0, "px"),
        reach=None,
        layer=first,
        theoretical=15,
        effective=Measure(8.0, 7.5, 8.5, "px"),
        seed=0,
    )


def tuning(first: str = "conv1") -> TuningResult:
    turns = np.arange(8) * 22.5
    curves = 1 + np.cos(np.deg2rad(2 * (turns - np.array([[40.0], [130.0]]))))
    responses = np.stack([0.5 * curves, curves], axis=1)
    one = Estimate(0.5, 0.4, 0.6)
    filters = (
        FilterTuning(0, 2.0, Estimate(40.0, 35.0, 45.0), 45.0, 0.3, "high", one, one, 0.5, 0.1, True, 45.0, 0.9, 1.5),
        FilterTuning(1, 2.0, Estimate(130.0, 95.0, 165.0), 135.0, 0.2, None, one, one, 0.5, 0.7, False, 45.0, 0.9, 1.5),
    )
    row = LayerTuning(
        first, (10, 10), (10.0, 10.0), (3, 3), 4.2, tuple(turns), (0.15, 0.3), 0.0, filters, 2, 1, 40.0, 1.0, 0.3,
        {"global_osi": 0.5}, responses, kernels=np.ones((2, 3, 3, 3), dtype=np.float32),
    )  # fmt: skip
    return TuningResult(model=MODEL, input_size=(3, SIDE, SIDE), layers=(row, replace(row, name="conv2", kernels=None)))


HISTORY = tuple(
    {"epoch": i + 1, "loss": 2.0 / (i + 1), "val_loss": 2.1 / (i + 1), "accuracy": 0.5, "val_accuracy": 0.45}
    for i in range(4)
)
