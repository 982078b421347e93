"""The report in a real browser: no error, no request, nothing cut off; explorer, tables, themes and print work."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.reporting.drawing.units import decoded
from rftools.reporting.findings import Thresholds
from tests import drawn

pytestmark = pytest.mark.browser
with torch.random.fork_rng():
    torch.manual_seed(0)
    NET = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, stride=2, dilation=3, padding=2),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1),
    )
SIZE = (3, 40, 56)
OBJECTS = Thresholds(objects=((7, 5),))


def pruned() -> nn.Module:
    """A net whose second layer reads one row and one column only."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 5, stride=2, padding=2))
    weight = net[1].weight.data
    cross = weight.clone()
    weight.zero_()
    weight[:, :, 2] = cross[:, :, 2]
    weight[:, :, :, 2] = cross[:, :, :, 2]
    return net


def inherited() -> nn.Module:
    """A net whose layers are named like what every object of JavaScript has."""
    names = ("constructor", "__proto__", "toString", "hasOwnProperty", "valueOf")
    return nn.Sequential(OrderedDict((name, nn.Conv2d(3, 3, 3, padding=1)) for name in names))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    effective = rf.effective(NET, input_size=SIZE, count=2)
    results = [rf.theoretical(NET, input_size=SIZE), effective, rf.sparsity(NET), rf.orientation(NET)]
    results = [dataclasses.replace(r, model=drawn.MODEL) for r in results]
    hostile = "<script>document.title='owned'</script>\"'\u202e" + "x" * 10_000
    evil = [make(hostile) for make in (drawn.theoretical, drawn.effective, drawn.sparsity, drawn.orientation)]
    evil = [dataclasses.replace(r, model=dataclasses.replace(drawn.MODEL, name=hostile)) for r in evil]
    return {
        "plain": rf.report(NET, folder / "plain.html", input_size=SIZE, count=2),
        "results": rf.report(results, folder / "results.html"),
        "hostile": rf.report(evil, folder / "hostile.html"),
        "pruned": rf.report(pruned(), folder / "pruned.html", input_size=SIZE, effective=False, limits=OBJECTS),
        "nested": rf.report(
            nn.Sequential(NET, nn.ReLU(), NET[0:0]), folder / "n.html", input_size=SIZE, effective=False
        ),
        "named": rf.report(inherited(), folder / "named.html", input_size=SIZE, count=2),
        "compared": rf.report([*results, *evil], folder / "compared.html"),
    }


@pytest.fixture
def visit(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Opens a page; at the end no error may have been logged and no request have left it."""
    troubles: list[str] = []
    contexts = []

    def go(name: str = "plain", width: int = 1400, scheme: str = "light", anchor: str = "", **options: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("request", lambda request: troubles.append(request.url) if _leaves(request.url) else None)
        page.goto(pages[name].as_uri() + anchor)
        if options.get("java_script_enabled", True):
            page.locator("html[data-ready]").wait_for(state="attached")
        return page

    yield go
    for context in contexts:
        context.close()
    assert troubles == []


def test_layers_named_like_parts_of_the_language_are_layers(visit: Any) -> None:
    page = visit("named")
    choice = page.locator("#ex-layer")
    for name in choice.locator("option").all_inner_texts():
        choice.select_option(label=name)
        assert page.locator("#ex-map").get_attribute("href")
    assert choice.locator("option").count() == 6  # and the model


def _leaves(url: str) -> bool:
    return not url.startswith(("file:", "data:"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 400, 800, 1400, 1600])
@pytest.mark.parametrize("name", ["plain", "hostile", "compared"])
def test_nothing_is_cut_off(visit: Any, name: str, width: int, scheme: str) -> None:
    page = visit(name, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    over = page.evaluate(
        """() => [...document.querySelectorAll("main p, main dd, main h2, main button, main select, header *")]
            .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert over == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]


def test_sections_and_pictures_do_not_overlap(visit: Any) -> None:
    for width in (400, 1400):
        clashes = visit("plain", width).evaluate(
            """() => {
              const clash = [];
              for (const group of ["main > section", "figure", "li"]) {
                const boxes = [...document.querySelectorAll(group)].map((e) => e.getBoundingClientRect());
                boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
                  const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                  const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                  if (x > 1 && y > 1) clash.push([group, i]);
                }));
              }
              return clash;
            }"""
        )
        assert clashes == []


def test_hostile_names_stay_text(visit: Any) -> None:
    page = visit("hostile")
    assert page.title() != "owned"
    assert page.locator("h1").inner_text().startswith("<script>document.title='owned'</script>")
    assert page.evaluate("document.scripts.length") == 4  # the overview's and the explorer's data and the page's own


def facts(page: Any) -> dict[str, str]:
    names = page.locator("#ex-facts dt").all_inner_texts()
    return dict(zip(names, page.locator("#ex-facts dd").all_inner_texts(), strict=True))


@pytest.mark.parametrize(
    "layer, unit", [("0", (3, 50)), ("1", (0, 26)), ("1", (10, 11)), ("2", (37, 0)), ("2", (6, 7))]
)
def test_the_explorer_agrees_with_the_engine(visit: Any, layer: str, unit: tuple[int, int]) -> None:
    page = visit(anchor=f"#layer={layer}&unit={unit[0]},{unit[1]}")
    row = rf.theoretical(NET, input_size=SIZE, unit={layer: unit})[layer]
    shown = facts(page)
    for name, axis in zip(("Rows", "Columns"), row.axes, strict=True):
        assert axis.window is not None
        low, high = axis.window
        assert shown[name] == f"{low} to {high} ({high - low + 1} px)"
    counts = [len(axis.support or ()) for axis in row.axes]
    assert shown["Pixels that reach it"].startswith(f"{counts[0] * counts[1]:,} (")
    assert shown["Unit"] == f"{unit[0]}, {unit[1]}"


def test_the_explorer_shows_what_pruning_left(visit: Any) -> None:
    """A cross of 3 x 3 pixels: 7 x 3 + 3 x 7 - 3 x 3 of 7 x 7, moved with the unit, cut at the border."""
    page = visit("pruned", anchor="#layer=1&unit=10,14")
    picture = page.locator("#ex-surviving")
    assert facts(page)["Left by pruning"] == "33 px (67.3 % of the field at unit 10, 14)"
    place = {key: picture.get_attribute(key) for key in ("x", "y", "width", "height", "visibility")}
    assert place == {"x": "25", "y": "17", "width": "7", "height": "7", "visibility": "visible"}
    page.locator("#ex-row").focus()
    page.keyboard.press("ArrowRight")
    assert picture.get_attribute("y") == "19"
    page.goto(page.url.partition("#")[0] + "#layer=1&unit=0,0")
    assert facts(page)["Left by pruning"].startswith("at most 33 px")
    page.locator("#ex-overlay").select_option("reach")
    assert picture.get_attribute("visibility") == "hidden"


def test_the_explorer_draws_objects_to_scale(visit: Any) -> None:
    page = visit("pruned", anchor="#layer=1&unit=10,14")
    shown = page.locator("#ex-objects rect").first
    place = {key: float(shown.get_attribute(key)) for key in ("x", "y", "width", "height")}
    assert place == {"x": 28.5 - 3.5, "y": 20.5 - 2.5, "width": 7, "height": 5}  # around pixel (20, 28)
    assert facts(page)["Object of 7x5 px"] == "fits into the field"
    page.locator("#ex-object-width").fill("8")
    assert facts(page)["Object of 8x5 px"] == "does not fit into the field"


def test_the_explorer_bounds_what_it_cannot_know(visit: Any) -> None:
    """Results alone do not tell which paths a border cuts on the way; units whose window is inside are exact."""
    assert facts(visit("results", anchor="#layer=1&unit=0,26"))["Pixels that reach it"].startswith("at most ")
    assert not facts(visit("results", anchor="#layer=1&unit=9,12"))["Pixels that reach it"].startswith("at most ")


def explored(page: Any) -> Any:
    return page.evaluate("JSON.parse(document.getElementById('explorer-data').textContent)")


def test_the_explorer_shows_the_effective_map_at_its_unit(visit: Any) -> None:
    page = visit(anchor="#layer=1&unit=9,13")
    image, ellipse = page.locator("#ex-map"), page.locator("#ex-ellipse")
    page.locator("#ex-map[visibility=visible]").wait_for(state="attached")
    unit = explored(page)["maps"]["1"]["units"][0]
    assert facts(page)["Effective size"] == unit["words"]
    assert [float(image.get_attribute(key)) for key in ("x", "y", "width", "height")] == unit["box"]
    middle = [float(ellipse.get_attribute(key)) for key in ("cx", "cy")]
    assert middle == [pytest.approx(26.5, abs=1.5), pytest.approx(18.5, abs=1.5)]  # about the unit's pixel (18, 26)
    page.locator("#ex-overlay").select_option("reach")
    for drawing in (image, ellipse):
        assert drawing.get_attribute("visibility") == "hidden"


def test_the_explorer_snaps_to_the_nearest_measured_unit_and_says_so(visit: Any) -> None:
    page = visit(anchor="#layer=1&unit=1,2")
    unit = next(each for each in explored(page)["maps"]["1"]["units"] if each["unit"] == [0, 0])
    assert facts(page)["Effective size"] == f"{unit['words']}; that is the nearest measured unit, 0, 0"
    window = {key: float(page.locator("#ex-snapped").get_attribute(key)) for key in ("x", "y", "width", "height")}
    row = rf.theoretical(NET, input_size=SIZE, unit={"1": (0, 0)})["1"]
    assert [window["y"], window["y"] + window["height"] - 1] == list(row.axes[0].window or ())
    assert [window["x"], window["x"] + window["width"] - 1] == list(row.axes[1].window or ())
    assert page.locator("#ex-dots circle").count() == 25
    page.locator("#ex-overlay").select_option("difference")
    page.locator("#ex-parting").wait_for(state="visible")
    assert not page.locator("#ex-bar").is_visible()


PIXELS = """async () => {
  const image = new Image();
  image.src = document.getElementById("ex-map").getAttribute("href");
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return [image.height, image.width, [...canvas.getContext("2d").getImageData(0, 0, image.width, image.height).data]];
}"""


def test_the_explorers_picture_is_the_map(visit: Any) -> None:
    """The browser's pixels against the map in the file: opaque in the order of the map's values, clear at zero."""
    page = visit(anchor="#layer=1&unit=9,13")
    page.locator("#ex-map[visibility=visible]").wait_for(state="attached")
    rows, columns, flat = page.evaluate(PIXELS)
    opacity = np.array(flat).reshape(rows, columns, 4)[..., 3]
    entry = explored(page)["maps"]["1"]
    content = np.frombuffer(zlib.decompress(base64.b64decode(entry["data"])), dtype=np.uint8)
    assert [rows, columns] == entry["units"][0]["shape"]
    codes = content[: rows * columns].reshape(rows, columns)
    order = np.argsort(-codes.astype(float), axis=None, kind="stable")
    assert (np.diff(opacity.ravel()[order].astype(int)) <= 0).all()
    values = decoded(codes).ravel()[order]
    held = np.concatenate([[0.0], np.cumsum(values / values.sum())[:-1]])
    expected = np.round(230 * (1 - held[codes.ravel()[order] > 0]) ** 0.7)
    assert np.abs(opacity.ravel()[order][: len(expected)] - expected).max() <= 1


def test_the_explorer_moves_by_keyboard(visit: Any) -> None:
    page = visit(anchor="#layer=1&unit=10,11")
    page.locator("#ex-column").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#ex-row").focus()
    page.keyboard.press("ArrowLeft")
    assert facts(page)["Unit"] == "9, 12"
    assert page.evaluate("location.hash") == "#layer=1&unit=9,12"
    page.locator("#ex-layer").select_option(label="2  ·  conv_transpose2d")
    assert facts(page)["Unit"] == "19, 27"
    assert page.evaluate("location.hash") == "#layer=2&unit=19,27"


def test_the_map_chooses_the_layer_everywhere(visit: Any) -> None:
    page = visit(anchor="#layer=0&unit=3,4")
    boxes = page.locator("#netmap .node")
    assert boxes.count() == 4  # the input and three layers
    boxes.nth(2).click()
    assert page.locator("#ex-layer").evaluate("(e) => e.selectedOptions[0].textContent").startswith("1 ")
    assert page.locator("#op-depth").get_attribute("aria-valuetext") == "1"
    assert page.locator("tr.chosen").count() >= 3
    assert page.locator("#netmap [aria-current]").get_attribute("aria-label").startswith("1, Conv2d")
    boxes.nth(2).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#layer=2"
    assert page.locator("#ex-layer").evaluate("(e) => e.selectedOptions[0].textContent").startswith("2 ")


def test_the_maps_folders_open_and_close(visit: Any) -> None:
    page = visit("nested")
    closed = page.locator("#netmap .node:not(.frame)").count()
    frame = page.locator("#netmap .frame").first
    assert frame.get_attribute("aria-expanded") == "true"
    frame.focus()
    page.keyboard.press("Enter")
    assert page.locator("#netmap .folder").get_attribute("aria-expanded") == "false"
    assert page.locator("#netmap .node:not(.frame)").count() < closed
    page.locator("#nm-search").fill("conv_transpose")
    assert page.locator("#nm-found").inner_text() == "0 of 0"
    page.locator("#nm-search").fill("ConvTranspose")
    assert page.locator("#nm-found").inner_text() == "1 of 1"
    assert page.locator("#netmap .node:not(.frame)").count() == closed


def test_the_maps_colours_are_the_figures(visit: Any) -> None:
    page = visit()
    data = page.evaluate("JSON.parse(document.getElementById('netmap-data').textContent)")
    page.locator("#nm-by").select_option("effective")
    shown = page.locator("#netmap .box .what").all_text_contents()
    values = [box["values"].get("effective") for box in data["boxes"]]
    assert [text for text, value in zip(shown, values, strict=True) if value is not None] == [
        f"{value:.0f} px" if value >= 9.95 else f"{value:.1f} px" for value in values if value is not None
    ]
    assert "by=effective" in page.evaluate("location.hash")
    assert page.locator("#nm-scale").get_attribute("aria-label") == "Effective size"


def test_the_explorer_moves_by_mouse(visit: Any) -> None:
    page = visit(anchor="#layer=0&unit=20,28")
    box = page.locator("#ex-frame").bounding_box()
    for row, column in ((5, 9), (33, 50)):
        x = box["x"] + (column + 0.5) / SIZE[2] * box["width"]
        page.mouse.move(x, box["y"] + (row + 0.5) / SIZE[1] * box["height"])
        page.mouse.down()
        page.mouse.up()
        assert facts(page)["Unit"] == f"{row}, {column}"


def test_an_unknown_link_does_no_harm(visit: Any) -> None:
    page = visit(anchor="#layer=nowhere&unit=a,b")
    assert facts(page)["Status"] == "exact"
    assert facts(visit(anchor="#layer=1&unit=999,-4"))["Unit"] == "18, 0"


def test_tables_sort_filter_and_copy(visit: Any) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    table = page.locator("#theoretical-table")
    column = [text.strip() for text in table.locator("thead th").all_inner_texts()].index("size")
    press = table.locator("thead button").nth(column)
    cells = f"tbody tr td:nth-child({column + 1})"
    press.click()
    sizes = [int(text) for text in table.locator(cells).all_inner_texts()]
    assert sizes == sorted(sizes)
    press.click()
    assert [int(text) for text in table.locator(cells).all_inner_texts()] == sorted(sizes, reverse=True)
    assert table.locator("[aria-sort]").count() == 1
    page.locator("[data-filter=theoretical-table]").fill("conv_transpose")
    assert table.locator("tbody tr:visible").count() == 2  # the layer, and the model that ends with it
    page.locator("[data-copy=theoretical-table]").click()
    page.get_by_text("Copied.").wait_for()
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0].startswith("layer,operator,output,size")
    assert len(lines) == 3


def test_the_theme_switch(visit: Any) -> None:
    page = visit(scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    press = page.locator("#theme")
    press.click()
    assert (press.inner_text(), page.evaluate(ground)) == ("Theme: light", "rgb(255, 255, 255)")
    line = page.locator("#theoretical-growth svg text").first
    assert line.evaluate("e => getComputedStyle(e).fill") in ("rgb(86, 93, 102)", "rgb(26, 29, 33)")
    press.click()
    assert (press.inner_text(), page.evaluate(ground)) == ("Theme: dark", "rgb(20, 23, 27)")
    press.click()
    assert press.inner_text() == "Theme: system"


def test_without_javascript_everything_but_the_tools_is_there(visit: Any) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator("#findings li").count() > 0
    assert page.locator("figure svg").count() >= 6
    assert page.locator("#theoretical-table tbody tr").count() == 4
    assert page.get_by_text("The explorer needs JavaScript").is_visible()
    for tool in (".tools", "#explorer-tool", "#netmap-tool", "#theme"):
        assert not page.locator(tool).first.is_visible()


def test_it_prints(visit: Any) -> None:
    page = visit(scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--background')") == "#ffffff"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_every_plot_is_drawn_in_the_end(visit: Any) -> None:
    page = visit()
    page.wait_for_selector(".figures figure:not(.ready)", state="detached")
    assert page.locator(".figures figure").count() >= 4


def test_the_report_as_pdf(tmp_path: Path) -> None:
    target = tmp_path / "r.pdf"
    rf.report([drawn.theoretical(), drawn.sparsity()], tmp_path / "r.html", pdf_path=target)
    content = target.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"%%EOF" in content[-32:]
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 2


def test_every_control_can_be_reached_and_named(visit: Any) -> None:
    page = visit()
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, [role=img], [role=region]")]
            .filter((e) => !e.hidden && e.checkVisibility())
            .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length)))
            .map((e) => e.outerHTML.slice(0, 100))"""
    )
    assert unnamed == []
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((e) => +e.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert page.locator(landmark).count() == 1


@pytest.mark.parametrize("name", ["plain", "compared"])
def test_the_page_meets_wcag(visit: Any, name: str) -> None:
    """axe-core finds nothing; the page's own policy keeps it from running as a script element, not from here."""
    axe = pytest.importorskip("axe_playwright_python", reason="no axe-core (pip install axe-playwright-python)")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    for scheme in ("light", "dark"):
        page = visit(name, scheme=scheme)
        page.evaluate(source + ";0")
        found = page.evaluate("axe.run().then((result) => result.violations.map((v) => v.id))")
        assert found == []


STAGE = """() => [...document.querySelectorAll("#op-stage path, #op-stage rect")].map((e) => e.outerHTML)"""


def test_the_overview_goes_through_the_layers(visit: Any) -> None:
    """Slider, chart and explorer choose one layer together; the address keeps it; what is drawn is the page's data."""
    page = visit("plain")
    opened = page.evaluate("JSON.parse(document.getElementById('opening-data').textContent)")
    page.locator("#op-depth").focus()
    page.keyboard.press("Home")
    first = opened["layers"][0]
    assert page.locator("#op-words").inner_text() == first["words"]
    assert page.locator("#op-stage .inner").get_attribute("d") == first["inner"]
    assert float(page.locator("#op-stage .sees").get_attribute("width")) == first["window"]["width"]
    assert page.evaluate("document.getElementById('ex-layer').selectedOptions[0].text").startswith(first["name"])
    assert f"layer={first['name']}" in page.evaluate("location.hash")
    before = page.evaluate(STAGE)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(STAGE) != before
    assert page.locator("#op-words").inner_text() == opened["layers"][1]["words"]
    assert page.locator("#op-chart circle.now").first.get_attribute("data-place") == "1"


def test_the_chart_and_the_explorer_move_the_overview(visit: Any) -> None:
    page = visit("plain", width=400, has_touch=True)
    box = page.locator("#op-chart").bounding_box()
    page.touchscreen.tap(box["x"] + 0.98 * box["width"], box["y"] + box["height"] / 2)
    opened = page.evaluate("JSON.parse(document.getElementById('opening-data').textContent)")
    last = opened["layers"][-1]["name"]
    assert page.locator("#op-depth").get_attribute("aria-valuetext") == last
    page.locator("#ex-layer").select_option(index=0)
    assert page.locator("#op-depth").get_attribute("aria-valuetext") == opened["layers"][0]["name"]


def test_the_address_opens_the_overview_at_its_layer(visit: Any) -> None:
    page = visit("plain", anchor="#layer=0")
    assert page.locator("#op-depth").get_attribute("aria-valuetext") == "0"


@pytest.mark.parametrize("width", [360, 400, 800, 1600])
def test_the_overviews_words_are_legible(visit: Any, width: int) -> None:
    """No text of the chart is seen at less than 11 pixels, and none runs out of it."""
    page = visit("plain", width)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("#op-chart text")].map((e) => {
          const scale = e.getScreenCTM().a;
          const [a, b] = [e.getBoundingClientRect(), document.getElementById("op-chart").getBoundingClientRect()];
          return [parseFloat(getComputedStyle(e).fontSize) * scale, a.left >= b.left - 1 && a.right <= b.right + 1];
        })"""
    )
    assert all(size >= 11 and inside for size, inside in sizes), sizes


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("name", ["plain", "compared"])
def test_the_figures_words_are_legible(visit: Any, name: str, width: int) -> None:
    """At each width the drawing that is shown has no text below 11 pixels."""
    page = visit(name, width)
    page.wait_for_selector(".figures figure:not(.ready)", state="detached")
    small = page.evaluate(
        """() => [...document.querySelectorAll(".panel text")].filter((e) => e.checkVisibility())
            .map((e) => [e.textContent, parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a])
            .filter(([_, size]) => Math.abs(size) < 10.9 && size > 1)"""
    )
    assert small == []
    assert page.locator(".panel > svg:visible").count() > 0


def test_the_overview_stands_without_javascript(visit: Any) -> None:
    page = visit("plain", java_script_enabled=False)
    assert page.locator("#op-stage .inner").get_attribute("d").startswith("M")
    assert page.locator(".sentence").inner_text().startswith("The last convolution")


def test_models_side_by_side_follow_one_slider(visit: Any, browser: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    nets = [NET, nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, dilation=3, padding=2))]
    path = rf.report(nets, tmp_path / "pair.html", input_size=SIZE, count=2)
    page = browser.new_page(viewport={"width": 400, "height": 900})
    page.goto(path.as_uri())
    page.locator("html[data-ready]").wait_for(state="attached")
    layers = page.evaluate("JSON.parse(document.getElementById('beside-data').textContent).layers")
    page.locator("#bs-depth").focus()
    page.keyboard.press("Home")
    for place in range(2):
        assert page.locator("#bs-name").inner_text() == layers[place]["label"]
        urls = page.evaluate("[...document.querySelectorAll('.beside image')].map((e) => e.getAttribute('href'))")
        assert urls == [*(each["url"] for each in layers[place]["maps"]), layers[place]["difference"]["url"]]
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert page.locator(".cells:visible").count() == 3  # each model, and their difference
        assert {e.get_attribute("data-place") for e in page.locator(".cells:visible").all()} == {str(place)}
        assert page.locator(".beside .depth-chart circle.now").first.get_attribute("data-place") == str(place)
        page.keyboard.press("ArrowRight")
    assert "layer=1" in page.evaluate("location.hash")
    page.locator(".stage-map").first.hover()
    crosses = page.evaluate("[...document.querySelectorAll('.stage-map .cross')].map((e) => e.getAttribute('d'))")
    assert len(set(crosses)) == 1
    assert crosses[0].startswith("M")
    page.close()
