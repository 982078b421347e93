"""What a report costs: its size, the seconds to write it beyond the analyses, and how a browser takes it.

    python benchmarks/report.py [SPEC ...]

Time to content and the longest task are Chromium's own, from the page's start; they are left out where there is none.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rftools as rf
from rftools.plots.picture import neutral_picture
from rftools.reporting.findings import Limits
from rftools.reporting.page import Provenance, page
from rftools.reporting.pictures import plane
from rftools.reporting.subject import from_model

SPECS = (
    "rftools:vgg-dilated",
    "rftools:vgg-cascade",
    "rftools:resnet-dilated",
    "rftools:wavenet",
    "torchvision:resnet50",
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OBSERVE = """new Promise((done) => {
  let longest = 0;
  const see = (list) => { for (const task of list.getEntries()) longest = Math.max(longest, task.duration); };
  new PerformanceObserver(see)
    .observe({ type: "longtask", buffered: true });
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  setTimeout(() => done([paint ? paint.startTime : NaN, longest]), 500);
})"""


def prune(model: rf.Model, share: float) -> None:
    """Set the smallest weights of each convolution to zero, so that every section has something to show."""
    for module in model.module.modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.dim() > 2:
            flat = weight.data.abs().flatten()
            weight.data[weight.data.abs() < flat.kthvalue(max(1, int(share * flat.numel()))).values] = 0


def write(spec: str, folder: Path) -> tuple[Path, float, float]:
    """The page of a pruned net, the seconds of its analyses, and those of the page itself."""
    model = rf.load(spec)
    prune(model, 0.75)
    begin = time.perf_counter()
    subject = from_model(model, None, {"count": 2})
    analysed = time.perf_counter()
    assert subject.input_size is not None
    text = page(subject, neutral_picture(*plane(subject.input_size)), Limits(), Provenance(None, analysed - begin))
    path = folder / f"{subject.model.name}.html"
    path.write_text(text, encoding="utf-8")
    return path, analysed - begin, time.perf_counter() - analysed


def browse(path: Path) -> tuple[float, float]:
    """Milliseconds to the first content, and of the longest task."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser: Any = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 1400, "height": 900})
        view.goto(path.as_uri())
        content, longest = view.evaluate(OBSERVE)
        browser.close()
    return content, longest


def main(specs: list[str]) -> None:
    print(f"{'net':<24}{'KB':>8}{'analyses s':>12}{'page s':>8}{'content ms':>12}{'longest task ms':>17}")
    with tempfile.TemporaryDirectory() as folder:
        for spec in specs or SPECS:
            path, analyses, seconds = write(spec, Path(folder))
            content, longest = browse(path) if CHROMIUM else (float("nan"), float("nan"))
            size = path.stat().st_size / 1000
            print(f"{spec:<24}{size:>8.0f}{analyses:>12.1f}{seconds:>8.1f}{content:>12.0f}{longest:>17.0f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
