"""The screenshots of docs/reading-a-report.md:
python docs/make_reading.py RESNET50.html PRUNED.html AT64.html COMPARED.html
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "reading"
WIDTH, HEIGHT = 1000, 720
#: picture -> which report, the place in it, and the element that is taken (None: the screen)
SHOTS = {
    "findings": (0, "", None),
    "object": (0, "#layer=layer3.0.conv2", "#explorer"),
    "unproductive": (2, "", None),
    "growth": (0, "#effective", "#effective-growth"),
    "pruned": (1, "", None),
    "lost": (1, "#layer=features.block2.conv", "#explorer"),
    "map": (0, "#layer=layer3.0.conv2&by=effective", "#netmap-tool"),
    "unit": (1, "#layer=features.block3.conv&unit=3,4", "#explorer"),
    "compared": (3, "", "#overview"),
    "orientation": (1, "#orientation", "#orientation"),
}


def take(view: Any, page: Path, place: str, element: str | None) -> Image.Image:
    """What a reader sees there."""
    view.goto("about:blank")
    view.goto(page.resolve().as_uri() + place)
    view.wait_for_timeout(1500)
    if "block2" in place:
        view.locator("#ex-overlay").select_option("left")
    shot = view.locator(element).screenshot() if element else view.screenshot()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def main(pages: list[Path]) -> None:
    FOLDER.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", device_scale_factor=1.5
        )
        for name, (which, place, element) in SHOTS.items():
            take(view, pages[which], place, element).save(FOLDER / f"{name}.webp", quality=82)
        browser.close()


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:5]])
