"""The page's drawings against committed small pictures, so that a broken one is seen: `make looks` takes them anew.

Words are hidden and pictures made small before they are compared, so that machines' fonts and edges make no difference.
"""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import rftools as rf
from tests import drawn

pytestmark = pytest.mark.browser
FOLDER = Path(__file__).parent / "looks"
TAKEN = os.environ.get("RFTOOLS_TAKE_LOOKS") == "1"
SMALL = 96  # pixels that a picture is wide when it is compared
MEAN, WORST = 1.0, 30.0  # levels of 255 by which pictures may differ: on average, and in the 99.5th percentile
#: picture -> page and element
LOOKS = {
    "overview-stage": ("results", "#op-stage"),
    "overview-chart": ("results", "#op-chart"),
    "explorer-stage": ("results#layer=conv2", "#ex-stage"),
    "netmap": ("module", "#netmap"),
    "theoretical-growth": ("results", "#theoretical-growth .panel > svg:not([hidden])"),
    "sparsity-taps": ("results", "#sparsity-taps .panel > svg"),
    "orientation-polar": ("results", "#orientation-polar .panel > svg"),
    "effective-map": ("results", "#effective-map .panel:nth-child(2) > svg"),
    "compared-map": ("compared", ".beside .stage-map"),
    "compared-difference": ("compared", ".beside .difference .stage-map"),
}
BARE = "text, .bar { visibility: hidden !important } * { transition: none !important }"


def narrower() -> Any:
    """Effective fields whose second map is the toy's squared."""
    whole = drawn.effective()
    first, second = whole.layers
    return dataclasses.replace(whole, layers=(first, dataclasses.replace(second, map=second.map**2)))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("looks")
    results = [make() for make in (drawn.theoretical, drawn.effective, drawn.sparsity, drawn.orientation)]
    model = dataclasses.replace(drawn.MODEL, name="other")
    other = [dataclasses.replace(result, model=model) for result in (drawn.theoretical(), narrower(), drawn.sparsity())]
    steps = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, dilation=2, padding=2)]
    net = nn.Sequential(nn.Sequential(*steps), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1))
    return {
        "results": rf.report(results, folder / "results.html"),
        "module": rf.report(net, folder / "module.html", input_size=(3, 40, 56), effective=False),
        "compared": rf.report([*results, *other], folder / "compared.html"),
    }


def opened(browser: Any, address: str, scheme: str, change: str = "") -> Any:
    """A page without words; ``change`` is run on it."""
    page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(address)
    page.locator("html[data-ready]").wait_for(state="attached")
    page.add_style_tag(content=BARE)
    page.evaluate("document.querySelectorAll('.figures figure').forEach((e) => e.classList.add('ready'))")
    if change:
        page.evaluate(change)
    page.wait_for_timeout(200)  # maps are unpacked
    return page


def look(page: Any, element: str) -> NDArray[np.float64]:
    """An element in small."""
    shown = page.locator(element).locator("visible=true").first
    picture = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    size = (SMALL, max(1, round(SMALL * picture.height / picture.width)))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float64)


@pytest.fixture(scope="module")
def visited(browser: Any, pages: dict[str, Path]) -> Any:
    """Opens each page once in each scheme."""
    known: dict[tuple[str, str], Any] = {}

    def go(page: str, scheme: str) -> Any:
        if (page, scheme) not in known:
            known[page, scheme] = opened(browser, address(pages, page), scheme)
        return known[page, scheme]

    return go


def address(pages: dict[str, Path], page: str) -> str:
    """Of a page with the layer that it opens at."""
    name, mark, rest = page.partition("#")
    return pages[name].as_uri() + mark + rest


def differences(one: NDArray[np.float64], two: NDArray[np.float64]) -> tuple[float, float]:
    """By how much they differ on average, and in the worst of 200 pixels; heights may differ by a pixel."""
    rows = min(len(one), len(two))
    assert abs(len(one) - len(two)) <= 2
    change = np.abs(one[:rows] - two[:rows])
    return float(change.mean()), float(np.quantile(change, 0.995))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", LOOKS)
def test_a_drawing_looks_as_it_did(visited: Any, name: str, scheme: str) -> None:
    page, element = LOOKS[name]
    found = look(visited(page, scheme), element)
    kept = FOLDER / f"{name}-{scheme}.png"
    if TAKEN:
        Image.fromarray(found.astype(np.uint8)).save(kept, optimize=True)
    mean, worst = differences(found, np.asarray(Image.open(kept).convert("RGB"), dtype=np.float64))
    assert mean <= MEAN, f"{name} ({scheme}) differs by {mean:.1f} levels on average; make looks takes it anew"
    assert worst <= WORST, f"{name} ({scheme}) differs by {worst:.0f} levels in places; make looks takes it anew"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("overview-stage", "document.querySelectorAll('#op-stage .inner').forEach((e) => e.remove())"),
        ("overview-chart", "document.querySelector('#op-chart path.sees').setAttribute('d', '')"),
        ("netmap", "document.querySelectorAll('#netmap .colour').forEach((e) => e.setAttribute('fill', '#888'))"),
        (
            "orientation-polar",
            "document.querySelectorAll('.panel path').forEach((e) => e.setAttribute('fill', 'none'))",
        ),
        ("compared-difference", "document.querySelector('.difference image').remove()"),
    ],
)
def test_a_broken_drawing_is_seen(browser: Any, pages: dict[str, Path], name: str, change: str) -> None:
    page, element = LOOKS[name]
    kept = np.asarray(Image.open(FOLDER / f"{name}-light.png").convert("RGB"), dtype=np.float64)
    broken = opened(browser, address(pages, page), "light", change)
    mean, worst = differences(look(broken, element), kept)
    broken.close()
    assert mean > MEAN or worst > WORST
