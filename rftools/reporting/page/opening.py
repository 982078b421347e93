"""The first thing on the page: one sentence made from results, and a picture with the field of any layer on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rftools.checks.layers import mapped
from rftools.checks.sizes import effective_size, lag
from rftools.plots.scene import even, short
from rftools.reporting.drawing.contours import contours, strips
from rftools.reporting.drawing.depth import LEFT, RIGHT, WIDTH, Depth, chart
from rftools.reporting.drawing.pictures import picture_url, plane
from rftools.reporting.findings import Thresholds
from rftools.reporting.page.render import embedded
from rftools.reporting.page.sentence import sentence, sides
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, say, text_or
from rftools.trf.layer_field import side_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 64  # layers that the scrubber runs through, an even choice
MARGIN = 0.05  # around the picture, as a share of its longer side


def opening(subject: Subject, picture: NDArray[np.uint8] | None, limits: Thresholds) -> dict[str, Any]:
    """The sentence, and where fields and a picture's size are known, the stage and the chart beside it."""
    said = {"sentence": sentence(subject, limits), "stage": None}
    if subject.theoretical is None or subject.input_size is None or picture is None:
        return said
    rows = _rows(subject)
    if not rows:
        return said
    height, width = plane(subject.input_size)
    layers = [layer_shown(row, subject) for row in rows]
    start = next((i for i in reversed(range(len(layers))) if layers[i]["inner"]), len(layers) - 1)
    depths = [_depth(row, subject) for row in rows]
    image = side_of(subject.input_size[1:])
    data = {"layers": layers, "start": start, "left": LEFT, "span": WIDTH - LEFT - RIGHT}
    margin = MARGIN * max(height, width)
    return said | {
        "stage": {
            "json": embedded(data),
            "layers": layers,
            "shown": layers[start],
            "start": start,
            "picture": picture_url(picture),
            "height": height,
            "width": width,
            "box": f"{-margin:g} {-margin:g} {width + 2 * margin:g} {height + 2 * margin:g}",
            "chart": chart(depths, image, "op"),
            "measured": any(layer["inner"] for layer in layers),
            "of": _measured_on(subject),
        }
    }


def _rows(subject: Subject) -> list[Any]:
    """The layers to go through: those that lead to the net's depth, or whatever was measured where there are none."""
    rank = len(subject.input_size or ()) - 1
    rows: list[Any] = mapped(subject.theoretical or ())
    if not rows and subject.effective is not None:
        measured = {row.name for row in subject.effective}
        rows = [row for row in subject.theoretical or () if row.name in measured]
    known = [row for row in rows if len(row.axes) == rank and all(axis.clipped is not None for axis in row.axes)]
    seen = [i for i, row in enumerate(known) if _measured(subject, row.name) is not None]
    others = [i for i in range(len(known)) if i not in set(seen)]
    return [known[i] for i in sorted([*even(seen, MOST), *even(others, max(0, MOST - len(seen)))])]


def _measured(subject: Subject, name: str) -> Any:
    rows = () if subject.effective is None else subject.effective.central()
    return next((row for row in rows if row.name == name and row.channel is None and row.images), None)


def _depth(row: Any, subject: Subject) -> Depth:
    side = side_of([axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes])
    found = _measured(subject, row.name)
    size, low, high = (None if found is None else effective_size(found)) or (None, None, None)
    return Depth(row.name, side, size, low, high)


def depth_of(name: str, subject: Subject) -> Depth:
    """A layer's sizes, by its name; none of a layer whose field is not known."""
    row = next((own for own in subject.theoretical or () if own.name == name), None)
    known = row is not None and bool(row.axes) and all(axis.clipped is not None for axis in row.axes)
    return _depth(row, subject) if known else Depth(name, None)


def layer_shown(row: Any, subject: Subject) -> dict[str, Any]:
    """What the stage shows of a layer: its window, clamped just outside the picture, its contours, and words."""
    picture = plane(subject.input_size or ())
    found = _measured(subject, row.name)
    axes = [(axis.window or axis.clipped) for axis in row.axes]
    if found is not None and (own := _windows(found)) is not None:
        axes = own
    inner, outer = ("", "") if found is None or not found.map.size else _outlines(found.map, picture)
    size = None if found is None else effective_size(found)
    return {
        "name": row.name,
        "label": short(row.name or say("script.model"), 40),
        "window": _box(axes, picture),
        "inner": inner,
        "outer": outer,
        "words": _words(row, size, found, "_at_random" if subject.random else ""),
    }


def _windows(row: Any) -> list[tuple[int, int]] | None:
    """The window of the unit that was measured, which need not be the one that fields are listed for."""
    found = [axis.get("window") or axis.get("clipped") for axis in (row.theoretical or {}).get("axes", [])]
    return [(int(low), int(high)) for low, high in found] if found and all(found) else None


def _outlines(values: Any, picture: tuple[int, int]) -> tuple[str, str]:
    flat = np.asarray(values)
    inner, outer = strips(flat, picture[0]) if flat.ndim == 1 else contours(flat)
    return inner, outer


def _box(axes: Sequence[tuple[int, int]], picture: tuple[int, int]) -> dict[str, float]:
    height, width = picture
    reach = 0.6 * MARGIN * max(picture)
    (top, bottom), (left, right) = ([(0, height - 1)] if len(axes) == 1 else [axes[-2]])[0], axes[-1]
    x, y = max(left, -reach), max(top, -reach)
    return {
        "x": round(x, 2),
        "y": round(y, 2),
        "width": round(min(right + 1, width + reach) - x, 2),
        "height": round(min(bottom + 1, height + reach) - y, 2),
    }


def _words(row: Any, size: tuple[float, float | None, float | None] | None, found: Any, random: str) -> str:
    name = short(row.name or say("script.model"), 40)
    if size is None or found is None:
        return say("opening.sees", name=name, sides=sides(row))
    value, low, high = size
    spread = "" if low is None or high is None else say("figures.spread", low=low, high=high)
    most = lag(found, 0.9)
    kind = {2: "circle", 3: "ball"}.get(len(row.axes)) or ("stretch" if most is None else "lag")
    shown = {"name": name, "sides": sides(row), "size": value, "spread": spread, "most": most}
    return say(f"opening.{kind}{random}", **shown, images=counted(found.images, "image"))


def _measured_on(subject: Subject) -> str:
    if subject.effective is None:
        return ""
    source = subject.effective.source
    return say("opening.measured_on", source=text_or("sources", source, source) or say("method.unnamed"))
