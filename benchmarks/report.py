"""What a report costs: its size, the seconds to write it beyond the analyses, and how a browser takes it.

    python benchmarks/report.py [SPEC ...]

Rows: every net of the study, a ResNet-50, a Swin, a U-Net, a 1-D and a 3-D net, all pruned so that every section has
something to show; a run that was pruned over its epochs; a comparison of four. Time to content and the longest task are
Chromium's own, the second while the page is scrolled from top to end; they are left out where there is none. Seconds of
the page are processor time, so that other work on the machine does not count.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import rftools as rf
from rftools.models import NETS
from rftools.plots.picture import neutral_picture
from rftools.reporting.drawing.pictures import plane
from rftools.reporting.findings import Thresholds
from rftools.reporting.page.comparison import comparison
from rftools.reporting.page.contents import contents
from rftools.reporting.page.method import Provenance
from rftools.reporting.page.render import render
from rftools.reporting.sources.models import from_model
from rftools.reporting.sources.run import from_run
from rftools.reporting.subject.subject import Subject

OTHERS = ("torchvision:resnet50", "timm:swin_tiny_patch4_window7_224", "U-Net", "3-D")
FOUR = ("vgg-dilated", "vgg-strided", "vgg-large", "vgg-cascade")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SCROLL = """async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let y = 0; y < document.documentElement.scrollHeight; y += 800) { scrollTo(0, y); await wait(40); }
  await wait(200);
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return paint ? paint.startTime : NaN;
}"""


class UNet(nn.Module):
    """Three levels down and up again, each level's map put beside what comes back."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64)
        self.down = nn.ModuleList(block(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.middle = block(64, 128)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths))
        self.join = nn.ModuleList(block(2 * w, w) for w in reversed(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for down in self.down:
            x = down(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.middle(x)
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), kept.pop()], dim=1))
        return x


def block(inputs: int, outputs: int) -> nn.Sequential:
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def volume() -> nn.Module:
    """A 3-D net with kernels that are not cubes."""
    shapes = (((3, 5, 7), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((1, 3, 3), (1, 1, 1)))
    layers: list[nn.Module] = []
    for index, (kernel, stride) in enumerate(shapes):
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        layers += [nn.Conv3d(8 if index else 1, 8, kernel, stride=stride, padding=padding), nn.ReLU()]
    return nn.Sequential(*layers)


def load(spec: str) -> rf.Model:
    from rftools.loading import as_model

    torch.manual_seed(0)
    if spec == "U-Net":
        return as_model(UNet(), (3, 128, 128))
    return as_model(volume(), (1, 16, 32, 32)) if spec == "3-D" else rf.load(spec)


def prune(model: rf.Model, share: float) -> None:
    """Set the smallest weights of each convolution to zero, so that every section has something to show."""
    for module in model.module.modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.dim() > 2:
            flat = weight.data.abs().flatten()
            weight.data[weight.data.abs() < flat.kthvalue(max(1, int(share * flat.numel()))).values] = 0


def analysed(spec: str) -> Subject:
    """A pruned net's results; random noise, two images: what is measured does not change what the page costs."""
    model = load(spec)
    prune(model, 0.75)
    return from_model(model, None, {"count": 2})


def trained(folder: Path) -> Subject:
    """A run of four short epochs, pruned on the way."""
    from rftools.cli import main as rftools

    run = str(folder / "run")
    size = ["--epochs", "4", "--steps-per-epoch", "4", "--batch-size", "8", "--device", "cpu"]
    rftools(["train", "rftools:vgg-dilated", "--data", "patches", *size, "--prune", "constant:0.9@begin=8", "-o", run])
    return from_run(run, {"count": 2})


def report(name: str, make: Callable[[], dict[str, Any]], analyses: float, folder: Path) -> str:
    """One line of the table: what the page of ``make``'s contents costs."""
    begin = time.process_time()
    text = render(make())
    seconds = time.process_time() - begin
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    content, longest = browse(path) if CHROMIUM else (float("nan"), float("nan"))
    size = path.stat().st_size / 1000
    return f"{name:<36}{size:>8.0f}{analyses:>12.1f}{seconds:>8.1f}{content:>12.0f}{longest:>17.0f}"


def one(name: str, subject: Subject, folder: Path) -> str:
    assert subject.input_size is not None
    picture = neutral_picture(*plane(subject.input_size))
    seconds = sum(subject.seconds.values())
    return report(name, lambda: contents(subject, picture, Thresholds(), Provenance(None, seconds)), seconds, folder)


def browse(path: Path) -> tuple[float, float]:
    """Milliseconds to the first content, and of the longest task."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser: Any = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 1400, "height": 900})
        tracing, events, ended = view.context.new_cdp_session(view), [], []
        tracing.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
        tracing.on("Tracing.tracingComplete", lambda done: ended.append(done))
        tracing.send("Tracing.start", {"categories": "devtools.timeline,toplevel", "transferMode": "ReportEvents"})
        view.goto(path.as_uri())
        view.locator("html[data-ready]").wait_for(state="attached")
        content = view.evaluate(SCROLL)
        tracing.send("Tracing.end")
        while not ended:
            view.wait_for_timeout(20)
        browser.close()
    return content, longest_task(events)


def longest_task(events: list[dict[str, Any]]) -> float:
    """Of the thread that parsed the page; what the measurement itself sends to the browser is left out."""
    threads = {event.get("tid") for event in events if event["name"] == "ParseHTML"}
    tasks = [event for event in events if event["name"].endswith("RunTask") and event.get("tid") in threads]
    own = [task for task in tasks if "devtools" not in task.get("args", {}).get("src_file", "")]
    return max((task.get("dur", 0) / 1000 for task in own), default=0.0)


def main(specs: list[str]) -> None:
    heads = f"{'KB':>8}{'analyses s':>12}{'page s':>8}{'content ms':>12}{'longest task ms':>17}"
    print(f"{'report of':<36}{heads}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for spec in specs or (*(f"rftools:{net}" for net in NETS), *OTHERS):
            print(one(spec, analysed(spec), folder), flush=True)
        if specs:
            return
        print(one("a run of four epochs, pruned", trained(folder), folder), flush=True)
        four = [analysed(f"rftools:{net}") for net in FOUR]
        seconds = sum(sum(subject.seconds.values()) for subject in four)
        made = Provenance(None, seconds)
        print(report("four nets compared", lambda: comparison(four, Thresholds(), made), seconds, folder), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
