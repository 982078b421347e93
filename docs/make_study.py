"""Put a study's tables, page and figures into the docs: python docs/make_study.py STUDY docs/experiments/study/NAME"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from rftools.study import rebuild
from rftools.study.figures import figures
from rftools.study.tables import PARTS, read


def put(study: Path, place: Path) -> None:
    """The tables as they are; page and figures made from them."""
    place.mkdir(parents=True, exist_ok=True)
    for name in (*(f"{part}.csv" for part in PARTS), "plan.toml"):
        if study != place:
            shutil.copyfile(study / name, place / name)
    rebuild(place)
    for figure in figures(read(place)):
        name = re.sub(r"[^a-z]+", "-", figure.title.lower()).strip("-")
        (place / f"{name}.svg").write_text(figure.svg, encoding="utf-8")


if __name__ == "__main__":
    put(Path(sys.argv[1]), Path(sys.argv[2]))
