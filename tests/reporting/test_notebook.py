"""Pages in a notebook: the frame holds the page whole, and its links, tables and explorer work there."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

import rftools as rf
from rftools.reporting import Page, explore
from rftools.reporting.page.notebook import REPORT
from tests import drawn


class Frame(HTMLParser):
    """The attributes of the one element that a cell's output is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def cell(page: Page) -> dict[str, str | None]:
    ((tag, attributes),) = Frame(page._repr_html_()).tags
    assert tag == "iframe"
    return attributes


def test_a_report_without_a_path_is_the_file_that_it_would_have_been(tmp_path: Path) -> None:
    results = [drawn.theoretical(), drawn.sparsity()]
    page = rf.report(results)
    path = rf.report(results, tmp_path / "a.html")
    saved = page.save(tmp_path / "b.html")
    made = re.compile(r"<dd><bdi>(?:\d{4}-\d\d-\d\d [^<]*|[\d,.]+ MB[^<]*)</bdi>")  # the time, and the memory held
    assert made.sub("", saved.read_text()) == made.sub("", path.read_text())
    assert list(tmp_path.iterdir()) != []
    assert not (tmp_path / "page.html").exists()
    frame = cell(page)
    assert frame["srcdoc"] == page.html
    assert "allow-same-origin" not in (frame["sandbox"] or "")
    assert REPORT in (frame["style"] or "")
    assert repr(page).startswith("<Page 'toy', ")


def test_hostile_names_stay_inside_the_frame() -> None:
    name = "'><script>alert(1)</script>" + '"' * 3 + "&apos;" + "x" * 10_000
    model = replace(drawn.MODEL, name=name)
    page = explore([replace(drawn.theoretical(name), model=model)])
    frame = cell(page)
    assert frame["srcdoc"] == page.html
    assert html.escape(name) not in (frame["title"] or "")
    assert len(frame["title"] or "") <= 60
    assert len(repr(page)) < 200


@pytest.mark.parametrize(
    ("make", "anchors"),
    [
        (drawn.theoretical, ["explorer"]),
        (drawn.effective, ["explorer"]),
        (drawn.orientation, ["orientation"]),
        (drawn.sparsity, ["sparsity"]),
    ],
)
def test_a_result_is_explored_alone(make: Any, anchors: list[str]) -> None:
    text = make().explore().html
    assert re.findall(r'<section id="([\w-]+)"', text) == anchors
    assert "<nav" not in text
    assert 'id="method"' not in text


def test_what_was_measured_alone_keeps_its_own_windows() -> None:
    text = drawn.grid().explore().html
    found = re.search(r'id="explorer-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found.group(1))
    assert [(layer["name"], layer["op"]) for layer in data["layers"]] == [
        (row.key, f"unit {row.unit_name}") for row in drawn.grid()
    ]
    assert set(data["maps"]) == {row.key for row in drawn.grid()}
    assert data["layers"][-1]["axes"][0]["window"] == [3, 17]  # that of `drawn`: 15 px about 10
    assert not any(layer["movable"] or layer["exact"] for layer in data["layers"])


def test_what_can_not_be_explored_is_said() -> None:
    other = replace(drawn.effective(), model=replace(drawn.MODEL, name="other"))
    with pytest.raises(rf.RequestError, match="results of one model"):
        drawn.theoretical().explore(other)
    with pytest.raises(rf.RequestError, match="nothing to explore: the result knows no input size"):
        explore([replace(drawn.theoretical(), input_size=None)])
    with pytest.raises(rf.RequestError, match="report: path is text"):
        rf.report(drawn.theoretical(), 3)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def notebook(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page as a notebook would be, with an explorer, a section of kernels, and a whole report."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, stride=2, padding=1))
    can = rf.theoretical(net, input_size=(3, 32, 40))
    does = rf.effective(net, input_size=(3, 32, 40), count=2)
    cells = [can.explore(does), drawn.orientation().explore(), rf.report([can, does, rf.orientation(net, mass="abs")])]
    path = tmp_path_factory.mktemp("notebook") / "cells.html"
    body = "".join(f"<div>{page._repr_html_()}</div>" for page in cells)
    path.write_text(f"<!doctype html><html lang=en><title>cells</title><h1>Cells</h1><main>{body}</main>", "utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: troubles.append(request.url) if request.url.startswith("http") else None)
    page.goto(path.as_uri())
    for frame in page.frames[1:]:
        frame.locator("html[data-ready]").wait_for(state="attached")
    yield page
    assert troubles == []
    page.close()


@pytest.mark.browser
def test_a_unit_is_chosen_within_a_cell(notebook: Any) -> None:
    frame = notebook.frames[1]
    facts = frame.locator("#ex-facts")
    before = facts.inner_text()
    frame.locator("#ex-column").press("ArrowRight")
    assert facts.inner_text() != before
    assert "half of the gradient within" in facts.inner_text()
    assert frame.url == "about:srcdoc"


@pytest.mark.browser
def test_links_lead_within_the_frame_and_further_columns_are_asked_for(notebook: Any) -> None:
    frame = notebook.frames[3]
    frame.locator('nav a[href="#method"]').click()
    top = "Math.abs(document.getElementById('method-h').getBoundingClientRect().top)"
    frame.wait_for_function(f"{top} < innerHeight", timeout=5000)
    assert frame.url == "about:srcdoc"
    assert len(notebook.frames) == 4
    hidden = frame.locator("#orientation-table th.further").first
    assert not hidden.is_visible()
    frame.locator('[data-all="orientation-table"]').check()
    assert hidden.is_visible()


@pytest.mark.browser
def test_cells_are_accessible(notebook: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="no axe-core (pip install axe-playwright-python)")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    for frame in notebook.frames[1:]:
        frame.evaluate(source)
        assert frame.evaluate("axe.run().then((found) => found.violations.map((v) => v.id))") == []
