"""The gallery's page, from the scripts' own words and pictures.

    python docs/make_gallery.py             # run every script; pictures that look the same, and their times, stay
    python docs/make_gallery.py --renew     # replace all pictures and times
    python docs/make_gallery.py --page      # write the page from the pictures that are there

A script's first sentence is the question that it answers, the paragraph after it the answer.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "gallery"
TIMES = PICTURES / "seconds.json"
PAGE = ROOT / "docs" / "gallery.md"
THUMB = 280  # pixels wide
AT_ONCE = 2  # scripts
INTRO = """# Gallery

One script for each question, and nothing in it but the public interface. Each has a fixed seed and runs in the
project's own checks; the pictures here are what it wrote.

What a report of a net answers by itself, in one look and under the mouse:

![A tour of a report: through the layers, over the picture, two nets side by side, roses](front/tour.webp){ width=900 }

![The first screen: a sentence, a picture, sizes over depth](front/opening.webp){ width=440 }
![The map of a ResNet-18: each box with its field](front/netmap.webp){ width=440 }
![Two nets side by side: maps, difference, kernels](front/compared.webp){ width=440 }
![Roses of kernels against what random taps give](front/roses.webp){ width=440 }

`docs/make_figures.py` makes these; [What a good picture of a field shows](good-pictures.md) says why they look so. The
questions, one by one:
"""


def scripts() -> list[Path]:
    """The gallery's scripts; what they share begins with an underscore."""
    return sorted(path for path in (ROOT / "gallery").glob("*.py") if not path.name.startswith("_"))


def words(script: Path) -> tuple[str, str]:
    """A script's question, and what follows it, without how to run it."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    question, mark, rest = text.partition("?")
    body = re.sub(r"\n*Run: .*", "", rest, flags=re.DOTALL).strip()
    return question.replace("\n", " ") + mark, body


def run(script: Path, *, renew: bool) -> float | None:
    """Run a script. Seconds of processor time where a picture of it was replaced, else None."""
    with tempfile.TemporaryDirectory() as name:
        seconds = _processor_time([sys.executable, str(script), name])
        drawn = sorted(Path(name).glob("*.png"))
        changed = [path for path in drawn if renew or not look_alike(path, PICTURES / path.name)]
        for path in changed:
            shutil.copyfile(path, PICTURES / path.name)
    return seconds if changed else None


def look_alike(first: Path, second: Path) -> bool:
    """Whether two pictures are there, of one size, and differ by less than the eye sees: two levels of 255 on average
    over their most different eighth of rows (rounding differs from machine to machine).
    """
    if not second.exists():
        return False
    one, two = (np.asarray(Image.open(path).convert("RGB"), dtype=np.int16) for path in (first, second))
    if one.shape != two.shape:
        return False
    rows = np.sort(np.abs(one - two).mean(axis=(1, 2)))
    return bool(rows[-max(1, len(rows) // 8) :].mean() < 2)


def _processor_time(words: list[str]) -> float:
    """Seconds of processor time of a program, whatever else runs meanwhile."""
    process = subprocess.Popen(words)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # so that it is not waited for again
    if status:
        raise subprocess.CalledProcessError(process.returncode, words)
    return round(used.ru_utime + used.ru_stime, 1)


def thumbnail(script: Path) -> None:
    image = Image.open(PICTURES / f"{script.stem}.png").convert("RGB")
    image.thumbnail((THUMB, THUMB))
    (PICTURES / "thumbs").mkdir(exist_ok=True)
    image.save(PICTURES / "thumbs" / f"{script.stem}.webp", quality=80)


def pictures_of(name: str) -> list[str]:
    """The pictures that a script wrote: the one of its name, and those that add a word to it."""
    return [f"{name}.png", *sorted(path.name for path in PICTURES.glob(f"{name}_*.png"))]


def page(times: dict[str, float]) -> str:
    """The page as Markdown: thumbnails that lead on, then each question with its picture, answer and time."""
    cards, parts = [], []
    for script in scripts():
        name = script.stem
        question, body = words(script)
        cards.append(f"[![{question}](gallery/thumbs/{name}.webp){{ width=180 }}](#{name})")
        seconds = f", {times[name]:.0f} s of one processor" if name in times else ""
        pictures = "\n\n".join(f"![{question}](gallery/{picture})" for picture in pictures_of(name))
        parts.append(f"## {question} {{ #{name} }}\n\n{pictures}\n\n{body}\n\nSource: `gallery/{name}.py`{seconds}.\n")
    return "\n".join([INTRO, "\n".join(cards) + "\n", *parts])


def main(arguments: list[str]) -> None:
    times = json.loads(TIMES.read_text(encoding="utf-8")) if TIMES.exists() else {}
    drawing = functools.partial(run, renew="--renew" in arguments)
    found = scripts()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        spent = [None] * len(found) if "--page" in arguments else list(pool.map(drawing, found))
    for script, seconds in zip(found, spent, strict=True):
        if seconds is not None:
            times[script.stem] = seconds
            print(f"{script.name}: {seconds} s, replaced", flush=True)
        elif "--page" not in arguments:
            print(f"{script.name}: unchanged", flush=True)
        if seconds is not None or not (PICTURES / "thumbs" / f"{script.stem}.webp").exists():
            thumbnail(script)
    TIMES.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(times), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
