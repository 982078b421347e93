"""The gallery's front, its tour, and the pictures of docs/good-pictures.md: python docs/make_figures.py [all|tour]

vgg-dilated learns crops of photographs for two epochs and loses 80 % of its weights; a ResNet-18 lends the map of its
net. Their reports are taken as a reader sees them, in the system's Chromium. "tour" takes the tour alone.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from playwright.sync_api import sync_playwright

import rftools as rf
from rftools.pruning import Request, save_pruned

DOCS = Path(__file__).parent
FRONT, GOOD = DOCS / "front", DOCS / "good"
BLOCKS = [f"features.block{i}.conv" for i in (1, 2, 3, 4)]
KINDS = ("vgg-strided", "vgg-large", "vgg-dilated", "vgg-strided-31")
TOUR = (900, 620)
#: picture -> page, place in it, element, width of the window
SHOTS = {
    FRONT / "opening": ("trained", "", "#overview", 900),
    FRONT / "netmap": ("resnet18", "#layer=layer3.1.conv2", "#netmap-tool", 900),
    FRONT / "compared": ("compared", "", "#overview", 900),
    FRONT / "roses": ("pruned", "", "#orientation-polar", 900),
    GOOD / "distill-ours": ("trained", "", "#overview .views", 760),
    GOOD / "luo-ours": ("learned", "", ".beside", 760),
    GOOD / "replknet-ours": ("kinds", "", ".beside", 900),
}


def pages(folder: Path) -> dict[str, Path]:
    """The reports that pictures are taken of, by name."""
    run = folder / "run"
    rf.train("rftools:vgg-dilated", "patches", run, epochs=2, seed=0)
    request = Request(sparsity=0.8)
    save_pruned(folder / "pruned.pt", rf.prune(rf.load(run / "best.pt"), request), request)
    first, best, pruned = (rf.load(path) for path in (run / "epoch-0000.pt", run / "best.pt", folder / "pruned.pt"))
    seen = {"count": 16, "layers": BLOCKS}  # of the held-out crops
    nets = [rf.load(f"rftools:{name}", input_size=(3, 48, 48)) for name in KINDS]
    return {
        "trained": rf.report(best, folder / "trained.html", **seen),
        "learned": rf.report([first, best], folder / "learned.html", **seen),
        "pruned": rf.report(pruned, folder / "pruned.html", effective=False),
        "compared": rf.report([best, pruned], folder / "compared.html", **seen),
        "kinds": rf.report(nets, folder / "kinds.html", count=8, layers=[BLOCKS[-1]]),
        "resnet18": rf.report(rf.load("torchvision:resnet18"), folder / "resnet18.html", effective=False),
    }


def opened(browser: Any, page: Path, place: str, width: int, height: int = 900) -> Any:
    view = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="light", reduced_motion="reduce",
        device_scale_factor=1 if (width, height) == TOUR else 1.5,
    )  # fmt: skip
    view.goto(page.resolve().as_uri() + place)
    view.locator("html[data-ready]").wait_for(state="attached")
    view.wait_for_timeout(500)
    return view


def taken(what: Any) -> Image.Image:
    return Image.open(io.BytesIO(what.screenshot())).convert("RGB")


def shots(browser: Any, known: dict[str, Path]) -> None:
    for path, (name, place, element, width) in SHOTS.items():
        view = opened(browser, known[name], place, width)
        if element == "#netmap-tool":  # blocks open, so that more than folders is seen
            view.locator("#nm-fit").click()
        taken(view.locator(element)).save(path.with_suffix(".webp"), quality=82)
        view.close()


def tour(browser: Any, known: dict[str, Path]) -> None:
    """What a reader can do, frame by frame: through the layers, over the picture, then two nets side by side."""
    frames: list[tuple[Image.Image, int]] = []

    def keep(view: Any, milliseconds: int = 700) -> None:
        view.wait_for_timeout(150)
        frames.append((taken(view), milliseconds))

    view = opened(browser, known["trained"], "", *TOUR)
    for key in ("Home", *["ArrowRight"] * 3):
        view.locator("#op-depth").press(key)
        keep(view, 900)
    view.locator("#explorer").scroll_into_view_if_needed()
    view.evaluate("document.getElementById('explorer').scrollIntoView()")
    for x, y in [(0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.55), (0.6, 0.5), (0.7, 0.4), (0.75, 0.3)]:
        box = view.locator("#ex-stage").bounding_box()
        view.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        keep(view, 450)
    view.close()
    for name, steps in (("compared", 4), ("pruned", 0)):
        view = opened(browser, known[name], "" if steps else "#orientation", *TOUR)
        if not steps:
            view.evaluate("document.getElementById('orientation').scrollIntoView()")
        for key in ("Home", *["ArrowRight"] * (steps - 1)) if steps else ():
            view.locator("#bs-depth").press(key)
            keep(view, 900)
        if not steps:
            keep(view, 1800)
        view.close()
    pictures, times = [frame for frame, _ in frames], [duration for _, duration in frames]
    pictures[0].save(
        FRONT / "tour.webp", save_all=True, append_images=pictures[1:], duration=times, loop=0, quality=70, method=4
    )


def as_distill(path: Path) -> None:
    """One row of units a layer, the ones that the last layer's chosen unit reads in colour: Araujo et al. 2019."""
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    axes = figure.subplots()
    side, reached = 41, {20}
    for depth, dilation in enumerate((8, 4, 2, 1), start=1):  # of vgg-dilated, the last convolution first
        height = 5 - depth
        below = {unit + tap * dilation for unit in reached for tap in (-1, 0, 1)}
        for units, level in ((reached, height), (below, height - 1)):
            axes.scatter(range(side), [level] * side, s=16, color="#c9ced6", zorder=1)
            axes.scatter(sorted(units), [level] * len(units), s=26, color="#c75300", zorder=3)
        for unit in reached:
            axes.plot(
                [(unit - dilation), unit, (unit + dilation)], [height - 1, height, height - 1], color="#c75300", lw=0.5
            )
        reached = below
    axes.set_yticks(range(5), ["input", "block1", "block2", "block3", "block4"])
    axes.set_xlabel("column (px)")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f"{len(reached)} input pixels in a row reach the unit", loc="left", fontsize=11)
    figure.savefig(path, dpi=110)


def as_luo(path: Path, run: Path) -> None:
    """Depth from left to right, before and after training, one scale of greys: Luo et al. 2016, figures 1 and 3."""
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    grid = figure.subplots(2, len(BLOCKS))
    for line, name in zip(grid, ("epoch-0000.pt", "best.pt"), strict=True):
        for axes, row in zip(line, rf.effective(rf.load(run / name), count=16, layers=BLOCKS), strict=True):
            axes.imshow(row.map / row.map.max(), cmap="gray", vmin=0, vmax=1)
            (top, bottom), (left, right) = (axis["clipped"] for axis in row.theoretical["axes"])
            axes.add_patch(Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False, ec="red"))
            axes.set_xticks([])
            axes.set_yticks([])
        line[0].set_ylabel("before training" if name.startswith("epoch") else "after training")
    for axes, name in zip(grid[0], BLOCKS, strict=True):
        axes.set_title(name.partition(".")[2], fontsize=10)
    figure.savefig(path, dpi=110)


def as_replknet(path: Path) -> None:
    """A map a net, nothing but maps: log10(x + 1) of scores, each to its own maximum: Ding et al. 2022, figure 1."""
    figure = Figure(figsize=(9, 2.7), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(KINDS)), KINDS, strict=True):
        net = rf.load(f"rftools:{name}", input_size=(3, 48, 48))
        result = rf.effective(net, count=8, layers=[BLOCKS[-1]], aggregation="positive")
        score = np.log10(result[0].map / result[0].map.max() * 1000 + 1)
        axes.imshow(score / score.max(), cmap=mpl.colormaps["RdYlGn"], vmin=0, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(name, fontsize=10)
    figure.savefig(path, dpi=110)


def main(what: str) -> None:
    for folder in (FRONT, GOOD):
        folder.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        known = pages(Path(scratch))
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tour(browser, known)
        if what == "all":
            shots(browser, known)
            as_distill(GOOD / "distill.png")
            as_luo(GOOD / "luo.png", Path(scratch) / "run")
            as_replknet(GOOD / "replknet.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "all")
