"""What a panel counts, as small pictures that stand below it while it is pointed at or has the focus."""

from __future__ import annotations

from html import escape

from rftools.plots import scene as sc
from rftools.reporting.drawing.elements import tag
from rftools.reporting.drawing.pictures import data_url


def examples(panel: sc.Panel) -> str:
    """The panel's examples, each with its words."""
    return tag("p", "".join(_one(example) for example in panel.examples), class_="examples")


def _one(example: sc.Thumbnail) -> str:
    from PIL import Image

    url = data_url(Image.fromarray(example.pixels))
    named = tag("b", escape(example.words), aria_hidden="true")
    return tag("span", tag("img", src=url, alt=example.words) + named)
