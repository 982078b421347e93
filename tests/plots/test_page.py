"""Interactive files: as wide as the window, light or dark as the system is, and what is under the pointer in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rftools.plots import plot, save
from rftools.plots.theme import THEMES
from tests import drawn

SEEN = """() => {
  const figure = document.getElementById("figure");
  const line = figure._fullData.find(trace => trace.name === "field, height");
  return [figure._fullLayout.paper_bgcolor, line.line.color, figure._fullLayout.width];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_follows_the_system_and_fills_the_window(browser: Any, scheme: str, tmp_path: Path) -> None:
    save(drawn.theoretical(), tmp_path / "a.html")
    save(drawn.theoretical(), tmp_path / "b.html", theme="light")
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1100, "height": 700})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "a.html").as_uri())
    colour = THEMES[scheme].colour
    page.wait_for_function("() => document.getElementById('figure')._fullLayout")
    ground, line, width = page.evaluate(SEEN)
    assert (ground, line) == (colour("background"), colour("series-1"))
    assert 1000 < width <= 1100
    page.goto((tmp_path / "b.html").as_uri())
    page.wait_for_function("() => document.getElementById('figure')._fullLayout")
    assert page.evaluate(SEEN)[0] == THEMES["light"].colour("background")  # asked for: whatever the system says
    assert errors == []


@pytest.mark.parametrize("kind", ["map", "growth", "profile"])
def test_what_is_under_the_pointer_is_said_in_words(kind: str) -> None:
    options = {"layer": "conv2"} if kind == "map" else {}
    for trace in plot(drawn.effective(), kind, backend="plotly", **options).data:
        named = trace.hovertemplate and trace.hovertemplate.endswith("<extra></extra>")
        assert named or trace.hoverinfo in ("skip", "text", "name"), trace  # never plotly's own `trace 0`
        assert trace.hoverinfo != "name" or trace.name
    heat = next(t for t in plot(drawn.effective(), "map", backend="plotly", layer="conv2").data if t.type == "heatmap")
    assert heat.hovertemplate.startswith("input column %{x:.4g} px, input row %{y:.4g} px: %{z:.3g} share of")
