"""What figures of a study are drawn on: SVG text, colours that all eyes tell apart, the runs that were done."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
MARKS = "osD^vPX*<>hp"


@dataclass(frozen=True)
class StudyFigure:
    """A drawing with the sentence that it stands for."""

    title: str
    caption: str
    svg: str


def drawn(draw: Callable[[Axes], None], size: tuple[float, float] = (7.2, 4.4)) -> str:
    """One panel as SVG text."""

    def whole(canvas: Any) -> None:
        axes = canvas.subplots()
        draw(axes)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)

    return sheet(whole, size)


def sheet(draw: Callable[[Any], None], size: tuple[float, float]) -> str:
    """What is drawn on a figure, as SVG text that is the same every time."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    with rc_context({"svg.hashsalt": "rftools", "svg.fonttype": "none", "font.size": 10}):
        canvas = Canvas(figsize=size, layout="constrained")
        draw(canvas)
        stream = io.StringIO()
        canvas.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def done(tables: dict[str, Any]) -> pd.DataFrame:
    """The runs that did not fail."""
    results = tables["results"]
    found: pd.DataFrame = results[results["error"].isna()]
    return found
