"""Interactive files: as wide as the window, light or dark as the system is, and what is under the pointer in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import rftools as rf
from rftools.plots import plot, save
from rftools.plots.theme import THEMES
from tests import drawn
from tests.plots.test_plots import ALL, RESULTS

SEEN = """() => {
  const figure = document.getElementById("figure");
  const line = figure._fullData.find(trace => trace.name === "field, height");
  return [figure._fullLayout.paper_bgcolor, line.line.color, figure._fullLayout.width];
}"""

FILM = """() => {
  const figure = document.getElementById("figure");
  return [figure._fullLayout.paper_bgcolor, figure._transitionData._frames.length];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_follows_the_system_and_fills_the_window(browser: Any, scheme: str, tmp_path: Path) -> None:
    save(drawn.theoretical(), tmp_path / "a.html")
    save(drawn.theoretical(), tmp_path / "b.html", theme="light")
    save(drawn.comparison(), tmp_path / "film.html", kind="animation")
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1100, "height": 700})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    colour = THEMES[scheme].colour

    def seen(name: str, what: str) -> Any:
        page.goto((tmp_path / name).as_uri())
        page.locator("html[data-ready]").wait_for(state="attached")
        return page.evaluate(what)

    ground, line, width = seen("a.html", SEEN)
    assert (ground, line) == (colour("background"), colour("series-1"))
    assert 1000 < width <= 1100
    assert seen("b.html", SEEN)[0] == THEMES["light"].colour("background")  # asked for: whatever the system says
    assert seen("film.html", FILM) == [colour("background"), 3]  # frames follow, too
    assert errors == []
    page.close()


@pytest.mark.parametrize(("schema", "kind"), ALL)
def test_what_is_under_the_pointer_is_said_in_words(schema: str, kind: str) -> None:
    """No trace falls back to what plotly itself says, `trace 0` and bare coordinates."""
    for trace in plot(RESULTS[schema](), kind, backend="plotly").data:
        told = trace.hovertemplate and trace.hovertemplate.endswith("<extra></extra>")
        assert told or trace.hoverinfo in ("skip", "text"), trace
        assert trace.hoverinfo != "text" or trace.text is not None


def test_outlines_and_maps_say_where_they_lie_in_units() -> None:
    drawing = plot(drawn.effective(), "map", backend="plotly", layer="conv2")
    said = [trace.hovertemplate for trace in drawing.data if trace.type == "scatter" and trace.hovertemplate]
    assert "theoretical window: input column 3 to 17 px, input row 3 to 17 px<extra></extra>" in said
    assert any("half axes 3 and 1.5 px at 30°" in text for text in said)
    heat = next(trace for trace in drawing.data if trace.type == "heatmap")
    assert heat.hovertemplate.startswith("input column %{x:.4g} px, input row %{y:.4g} px: %{z:.3g} share of")


def test_one_file_holds_several_drawings(tmp_path: Path) -> None:
    save(drawn.effective(), tmp_path / "a.html", kind="map, growth", layer="conv2")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert text.count('class="drawing"') == 2
    found = re.search(r'id="drawings">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    first, second = json.loads(found.group(1))
    assert "heatmap" in [trace["type"] for trace in first["data"]]
    assert {trace["type"] for trace in second["data"]} == {"scatter"}
    assert text.count("@plotly/d3 3.") == 1  # the library, once
    with pytest.raises(rf.RequestError, match=r"several drawings \(map, growth\) need a page, .html"):
        save(drawn.effective(), tmp_path / "a.png", kind=["map", "growth"])
    with pytest.raises(rf.RequestError, match="none of the plots map, growth has an option 'depth'"):
        save(drawn.effective(), tmp_path / "b.html", kind=["map", "growth"], depth=3)
    with pytest.raises(rf.RequestError, match="no plot 'mpa'"):
        save(drawn.effective(), tmp_path / "b.html", kind=["mpa", "growth"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_hostile_names_stay_words(tmp_path: Path) -> None:
    save(drawn.theoretical("</script><script>alert(1)</script>"), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == 4
