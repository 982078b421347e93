"""Scenes as the page draws them: every kind of mark lies where its values are."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from rftools.errors import RequestError
from rftools.plots import describe, kinds
from rftools.plots import scene as sc
from rftools.reporting.drawing.chart import BESIDE, chart
from rftools.reporting.drawing.chart_marks import bounds, painted
from rftools.reporting.drawing.scales import scale
from tests import drawn

RESULTS = (drawn.theoretical, drawn.effective, drawn.sparsity, drawn.orientation)


def tree(text: str) -> ET.Element:
    return ET.fromstring(f"<div>{text}</div>")


@pytest.mark.parametrize("make", RESULTS, ids=lambda make: make.__name__)
def test_every_drawing_is_whole_and_inside_its_box(make: object) -> None:
    result = make()  # type: ignore[operator]
    seen = 0
    for kind in kinds(result):
        try:
            scene = describe(result, kind)
        except RequestError:  # it needs what was not asked for
            continue
        seen += 1
        found = tree(chart(scene, "words"))
        pictures = [svg for svg in found.iter("svg") if svg.get("role") == "img"]
        assert pictures, kind
        for svg in pictures:
            _, _, width, height = map(float, (svg.get("viewBox") or "").split())
            for text in svg.iter("text"):
                if "rotate" not in (text.get("transform") or ""):
                    assert -1 <= float(text.get("x", 0)) <= width + 1, (kind, text.text)
                    assert -1 <= float(text.get("y", 0)) <= height + 1, (kind, text.text)
            assert "nan" not in ET.tostring(svg, encoding="unicode").lower().replace("aria-label", "")
    assert seen >= 2


def panel(*marks: sc.Mark, **how: object) -> sc.Scene:
    return sc.Scene((sc.Panel(marks=marks, **how),), size=(BESIDE, 200))  # type: ignore[arg-type]


def test_points_and_bars_lie_evenly_between_their_scales() -> None:
    values = (3.0, 0.0, 7.0, 5.0)
    scene = panel(sc.Line(x=(0, 1, 2, 3), y=values, markers=True), sc.Bars(x=(0, 1, 2, 3), heights=values, width=0.5))
    found = tree(chart(scene, ""))
    dots = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in found.iter("circle")][:4]
    ys = np.array([y for _, y in dots])
    slope, offset = np.polyfit(values, ys, 1)
    assert slope < 0  # up is more
    assert np.abs(slope * np.array(values) + offset - ys).max() < 0.11
    bars = [bar for bar in found.iter("rect") if bar.get("height")]
    tall = {round(-float(bar.get("height", 0)) / slope, 1) for bar in bars if float(bar.get("height", 0)) > 12}
    assert {3.0, 7.0, 5.0} <= {value + 0.0 for value in np.round(list(tall))}
    assert "NaN" not in ET.tostring(found, encoding="unicode")


def test_logarithmic_and_reversed_axes() -> None:
    own = sc.Panel(x=sc.PlotAxis(log=True, limits=(1, 1000)), y=sc.PlotAxis(reversed=True, limits=(0, 10)))
    along, down = scale(own, "x", 0, 90), scale(own, "y", 100, 0)
    assert [along(value) for value in (1, 10, 1000)] == pytest.approx([0, 30, 90])
    assert [down(value) for value in (0, 10)] == pytest.approx([0, 100])


def test_a_gap_breaks_a_line_and_names_are_text() -> None:
    scene = panel(sc.Line(x=(0, 1, 2), y=(1.0, float("nan"), 2.0), label="</p><script>"), title="<b>&\x07")
    text = chart(scene, '"><svg onload=alert(1)>')
    assert "<script" not in text
    assert "onload=alert(1)>" not in text.replace("&gt;", "")
    assert len(re.findall(r'd="M[^L"]*M', text)) == 1


def test_a_heat_map_is_painted_by_its_values() -> None:
    values = np.array([[0.0, 1.0], [0.5, np.nan]])
    mark = sc.Heatmap(values=values, extent=(0, 2, 0, 2))
    assert bounds(mark) == (0.0, 1.0)
    pixels = np.asarray(painted(mark).convert("RGBA"))
    assert pixels[1, 1, 3] == 0
    luminance = pixels[..., :3].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert luminance[0, 0] < luminance[1, 0] < luminance[0, 1]
    url = re.search(r'href="data:image/png;base64,([^"]+)"', chart(panel(mark), ""))
    assert url is not None
    assert Image.open(io.BytesIO(base64.b64decode(url[1]))).size == (2, 2)


def test_polar_sectors_have_their_radii_and_angles() -> None:
    scene = panel(
        sc.PolarBars(edges=(0, 90, 180), radii=(1.0, 0.5)), polar=True, half=True, y=sc.PlotAxis(limits=(0, 1))
    )
    sectors = [e for e in tree(chart(scene, "")).iter("path") if e.get("fill-opacity")]
    first, second = (
        [tuple(map(float, pair.split())) for pair in re.findall(r"[ML]([^MLZ]+)", e.get("d", ""))] for e in sectors
    )
    (x, y), right, top = first[0], first[1], first[-1]
    assert (right[0] - x, y - top[1]) == pytest.approx((BESIDE / 2 - 26, BESIDE / 2 - 26), abs=0.2)
    assert (x - second[-1][0], second[-1][1]) == pytest.approx(((BESIDE / 2 - 26) / 2, y), abs=0.2)
