"""Every drawing is opened in both libraries: all that it holds lies inside the axes that are drawn."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from rftools.plots import describe, plot
from rftools.plots import scene as sc
from rftools.plots.ranges import places, shown
from rftools.plots.saving import save
from tests import drawn
from tests.plots.test_plots import ALL, RESULTS

HELD = (sc.Line, sc.Points, sc.Band, sc.Bars, sc.ReferenceLine, sc.Text)  # windows and ellipses may leave the picture


def deep() -> Any:
    """Fields from 3 to 3,039 pixels: an axis of decades."""
    axes = [(drawn.axis(side, 1, -(side // 2), 10),) * 2 for side in (3, 31, 331, 3039)]
    rows = tuple(drawn.layer(f"conv{i}", own, 20) for i, own in enumerate(axes))
    return dataclasses.replace(drawn.theoretical(), layers=rows)


def missing(scene: sc.Scene, ranges: list[tuple[tuple[float, float], tuple[float, float]]]) -> list[str]:
    """Marks outside their panel's ranges ((x ends), (y ends)), which are in data coordinates, ordered."""
    found = []
    panels = [panel for panel in scene.panels if not panel.polar]
    for panel, ends in zip(panels, ranges, strict=True):
        for mark in panel.marks:
            for axis, (low, high) in zip("xy", ends, strict=True):
                own = [v for v in places(mark, axis) if math.isfinite(v)] if isinstance(mark, HELD) else []
                room = 1e-9 * (abs(low) + abs(high))
                if any(not low - room <= value <= high + room for value in own):
                    found.append(f"{panel.title}: {type(mark).__name__} {mark.label} along {axis} beyond {low, high}")
    return found


CASES = [pytest.param(RESULTS[schema], kind, id=f"{schema}-{kind}") for schema, kind in ALL]
CASES.append(pytest.param(deep, "growth", id="logarithmic"))


@pytest.mark.parametrize("make, kind", CASES)
def test_matplotlib_shows_all_that_a_drawing_holds(make: Any, kind: str) -> None:
    result = make()
    figure = plot(result, kind)
    figure.canvas.draw()
    scene = describe(result, kind)
    axes = [a for a in figure.axes if a.name != "polar" and a.get_label() != "<colorbar>"]
    films = len(axes) // max(1, sum(not panel.polar for panel in scene.panels)) or 1  # a film shows its scenes together
    ranges = [(tuple(sorted(a.get_xlim())), tuple(sorted(a.get_ylim()))) for a in axes[:: films or 1]]
    assert missing(scene, ranges[: sum(not p.polar for p in scene.panels)]) == []


RANGES = """() => {
  const layout = document.querySelector(".js-plotly-plot")._fullLayout;
  return layout._subplots.cartesian.map(id => {
    const [x, y] = id.slice(1).split("y");
    return ["x" + x, "y" + y].map(name => {
      const axis = layout[name[0] + "axis" + name.slice(1)];
      const ends = [...axis.range].sort((a, b) => a - b);
      return axis.type === "log" ? ends.map(v => 10 ** v) : ends;
    });
  });
}"""


@pytest.mark.browser
def test_plotly_shows_all_that_a_drawing_holds(browser: Any, tmp_path: Path) -> None:
    """In a browser, since plotly.js settles an axis's range itself from all that the figure holds."""
    lost: dict[str, Any] = {}
    page = browser.new_page()
    for case in CASES:
        result, kind = case.values[0](), case.values[1]
        save(result, tmp_path / "a.html", kind=kind)
        page.goto((tmp_path / "a.html").as_uri())
        page.wait_for_selector(".js-plotly-plot .main-svg", state="attached")
        scene = describe(result, kind)
        if outside := missing(scene, page.evaluate(RANGES) if any(not p.polar for p in scene.panels) else []):
            lost[str(case.id)] = outside
    assert lost == {}


def test_an_axis_of_decades_shows_the_rule_and_no_more() -> None:
    panel = describe(deep(), "growth").panels[0]
    assert panel.y.log
    low, high = shown(panel, "y")
    assert 1 < low < 3
    assert 3039 < high < 6000
    layout = plot(deep(), "growth", backend="plotly").layout
    assert [10**v for v in layout.yaxis.range] == pytest.approx([low, high])
    (label,) = [note for note in layout.annotations if "image" in note.text]
    assert label.y == pytest.approx(math.log10(drawn.SIDE))  # plotly takes a label's place as an exponent


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 140.0])
def test_an_ellipse_lies_between_its_extremes(angle: float) -> None:
    """Against points all round it."""
    mark = sc.Ellipse(centre=(3.0, 5.0), radii=(4.0, 1.5), angle=angle)
    turn = math.radians(angle)
    points = [(4 * math.cos(math.radians(t)), 1.5 * math.sin(math.radians(t))) for t in range(3600)]
    x = [3 + a * math.cos(turn) - b * math.sin(turn) for a, b in points]
    y = [5 - (a * math.sin(turn) + b * math.cos(turn)) for a, b in points]
    assert tuple(places(mark, "x")) == pytest.approx((min(x), max(x)), abs=1e-3)
    assert tuple(places(mark, "y")) == pytest.approx((min(y), max(y)), abs=1e-3)
