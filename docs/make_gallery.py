"""The gallery's page, from the scripts' own words and pictures.

    python docs/make_gallery.py             # run every script, then write the page
    python docs/make_gallery.py --page      # write the page from the pictures that are there

A script's first sentence is the question that it answers, the paragraph after it the answer.
"""

from __future__ import annotations

import ast
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "gallery"
TIMES = PICTURES / "seconds.json"
PAGE = ROOT / "docs" / "gallery.md"
THUMB = 280  # pixels wide
INTRO = """# Gallery

One script for each question, and nothing in it but the public interface. Each has a fixed seed and runs in the
project's own checks; the pictures here are what it wrote.
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


def run(script: Path) -> float:
    """Seconds of processor time that the script took; its picture lies in the docs then."""
    begin = _children()
    subprocess.run([sys.executable, str(script), str(PICTURES)], check=True)
    return round(_children() - begin, 1)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def thumbnail(script: Path) -> None:
    image = Image.open(PICTURES / f"{script.stem}.png").convert("RGB")
    image.thumbnail((THUMB, THUMB))
    (PICTURES / "thumbs").mkdir(exist_ok=True)
    image.save(PICTURES / "thumbs" / f"{script.stem}.webp", quality=80)


def page(times: dict[str, float]) -> str:
    """The page as Markdown: thumbnails that lead on, then each question with its picture, answer and time."""
    cards, parts = [], []
    for script in scripts():
        name = script.stem
        question, body = words(script)
        cards.append(f"[![{question}](gallery/thumbs/{name}.webp){{ width=180 }}](#{name})")
        seconds = f", {times[name]:.0f} s of one processor" if name in times else ""
        parts.append(
            f"## {question} {{ #{name} }}\n\n![{question}](gallery/{name}.png)\n\n{body}\n\n"
            f"Source: `gallery/{name}.py`{seconds}.\n"
        )
    return "\n".join([INTRO, "\n".join(cards) + "\n", *parts])


def main(arguments: list[str]) -> None:
    times = json.loads(TIMES.read_text(encoding="utf-8")) if TIMES.exists() else {}
    for script in scripts():
        if "--page" not in arguments:
            times[script.stem] = run(script)
            print(f"{script.name}: {times[script.stem]} s", flush=True)
        thumbnail(script)
    TIMES.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(times), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
