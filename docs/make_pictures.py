"""The pictures of docs/measures.md: each measure drawn on one map, with the value that the library gives.

    python docs/make_pictures.py

The map is made by hand: a Gaussian that is not round, beside the unit's centre, with the gaps of a dilated stack.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, Rectangle

from rftools.erf.measures.registry import REGISTRY, Frame

FOLDER = Path(__file__).parent / "measures"
SIDE, CENTRE, FIELD = 64, (32.0, 32.0), 45
BLUE, ORANGE, RED = "#56b4e9", "#e69f00", "#ff4d4d"


def blob(holes: float = 0.35) -> np.ndarray:
    """Standard deviations 9 and 5 px at 30 degrees, its middle at row 30, column 35; every third pixel weaker."""
    rows, columns = np.indices((SIDE, SIDE), dtype=np.float64)
    x, y, turn = columns - 35, 30 - rows, np.deg2rad(30)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    smooth = np.exp(-0.5 * ((along / 9) ** 2 + (across / 5) ** 2))
    return smooth * np.where((rows % 3 == 0) & (columns % 3 == 0), 1.0, 1 - holes)


MAP = blob()
FRAME = Frame(centre=CENTRE, sizes=(FIELD, FIELD), image=(SIDE, SIDE), offset=(0, 0))


def value(name: str, maps: np.ndarray = MAP) -> float:
    """The library's own value."""
    return float(REGISTRY[name].function(maps[None], FRAME)[0])


def base(axes: Axes, maps: np.ndarray = MAP) -> None:
    axes.imshow(maps / maps.max(), cmap="cividis", vmin=0, vmax=1)
    low = CENTRE[0] - FIELD // 2 - 0.5
    axes.add_patch(Rectangle((low, low), FIELD, FIELD, fill=False, ec=RED, lw=1.5, label="theoretical window"))
    axes.plot(CENTRE[1], CENTRE[0], "+", color=RED, ms=10, label="the unit's centre")
    axes.set(xlabel="input column (px)", ylabel="input row (px)")


def square(axes: Axes, side: float, colour: str, label: str) -> None:
    corner = (CENTRE[1] - side / 2, CENTRE[0] - side / 2)
    axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colour, lw=2, label=f"{label}: {side:.1f} px"))


def luo(axes: Axes) -> None:
    base(axes)
    axes.contour(MAP, [0.0455 * MAP[32, 32]], colors=[BLUE], linewidths=1.5)
    square(axes, value("luo_centre"), ORANGE, "a square of the same area, luo_centre")


def area(axes: Axes) -> None:
    base(axes)
    for share, colour in ((20, "#66c2a5"), (50, BLUE), (99, ORANGE)):
        square(axes, value(f"area_side_{share}"), colour, f"area_side_{share}")


def ellipse(axes: Axes) -> None:
    base(axes)
    middle = [float((MAP * index).sum() / MAP.sum()) for index in np.indices(MAP.shape)]
    major, minor, angle = (value(f"ellipse_{name}") for name in ("major", "minor", "angle"))
    words = f"{major:.1f} by {minor:.1f} px at {angle:.0f}°"
    axes.add_patch(Ellipse(middle[::-1], 2 * major, 2 * minor, angle=-angle, fill=False, ec=ORANGE, lw=2, label=words))


def gaussian(axes: Axes) -> None:
    middle = round(float((MAP.sum(1) * np.arange(SIDE)).sum() / MAP.sum()))
    columns, sigma = np.arange(SIDE), value("gaussian_sigma_x")
    axes.plot(columns, MAP[middle] / MAP.max(), color="#0072b2", label=f"the map along row {middle}")
    peak = float((MAP.sum(0) * columns).sum() / MAP.sum())
    words = f"gaussian_sigma_x {sigma:.1f} px, gaussian_r2 {value('gaussian_r2'):.2f}"
    axes.plot(columns, 0.8 * np.exp(-0.5 * ((columns - peak) / sigma) ** 2), color="#c75300", label=words)
    axes.set(xlabel="input column (px)", ylabel="share of the maximum", ylim=(0, 1.05))


def radius(axes: Axes) -> None:
    base(axes)
    for share, colour in ((50, BLUE), (90, ORANGE)):
        found = value(f"radius_{share}")
        label = f"radius_{share}: {found:.1f} px"
        axes.add_patch(Circle(CENTRE[::-1], found, fill=False, ec=colour, lw=2, label=label))


def entropy(axes: Axes) -> None:
    base(axes)
    count = value("entropy_area")
    disc = np.sqrt(count / np.pi)
    words = f"an even disc of the same entropy: {count:.0f} px"
    axes.add_patch(Circle((35, 30), disc, fill=False, ec=ORANGE, lw=2, label=words))


def holes(axes: Axes) -> None:
    strong = blob(0.9)
    base(axes, strong)
    words = f"hole_energy {value('hole_energy', strong):.2f}; of a map without gaps {value('hole_energy', blob(0)):.2f}"
    axes.plot([], [], " ", label=words)


def edge(axes: Axes) -> None:
    base(axes)
    words = f"outside this half of the image: edge_energy {value('edge_energy'):.2f}"
    axes.add_patch(Rectangle((15.5, 15.5), 32, 32, fill=False, ec=ORANGE, lw=2, ls="--", label=words))


PICTURES: dict[str, Callable[[Axes], None]] = {
    "luo": luo, "area": area, "ellipse": ellipse, "gaussian": gaussian,
    "radius": radius, "entropy": entropy, "holes": holes, "edge": edge,
}  # fmt: skip


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        figure = Figure(figsize=(4.6, 4.9 if name != "gaussian" else 3.6), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        figure.legend(loc="outside lower left", fontsize=8, frameon=False)
        figure.savefig(FOLDER / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
