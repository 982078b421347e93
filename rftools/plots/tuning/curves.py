"""Orientation tuning: curves, polar curves, all filters of a layer sorted, the map of preferences, and depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.gratings.measures import bump_through
from rftools.plots.orientation.roses import kernel_picture, mirrored
from rftools.plots.scene import (
    Axis,
    Band,
    Heatmap,
    Image,
    Line,
    Mark,
    Panel,
    Points,
    PolarBars,
    Rule,
    Scene,
    Text,
    layer_ticks,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.gratings.result import FilterTuning, LayerTuning, TuningResult

SHOWN = 9  # filters with a panel of their own
TILES = 144  # kernels on a sheet
QUARTERS = tuple((float(t), f"{t}°") for t in (0, 45, 90, 135, 180))
READING = "Orientation is that of the bars: 0° is along x, counter-clockwise as seen."
BINS = np.linspace(-7.5, 172.5, 13)


def curves(result: TuningResult, layer: str | None = None, filters: Sequence[int] | None = None) -> Scene:
    """Response over orientation at the preferred frequency, a panel a filter, with the fitted von Mises bump.

    ``filters`` are by default the nine of the largest global OSI among those that answer.
    """
    row, chosen = _chosen(result, layer, filters)
    return Scene(
        panels=tuple(_curve_panel(row, one) for one in chosen),
        columns=min(3, len(chosen)),
        size=(330, 250) if len(chosen) > 1 else (560, 380),
        title=f"Orientation tuning, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"Response ({_meaning(result)}) over the orientation of a grating at the frequency that each filter "
        f"prefers. {READING} Dots: responses; line: von Mises fit; dashed: preferred orientation."
        + _selection(row, chosen, filters),
        alt=f"Tuning curves of {len(chosen)} filters of {short(row.name, 60)}: {_words(chosen)}.",
    )


def polar(result: TuningResult, layer: str | None = None, filters: Sequence[int] | None = None) -> Scene:
    """The same curves around the circle; an orientation has no direction, so the lower half mirrors the upper."""
    row, chosen = _chosen(result, layer, filters)
    return Scene(
        panels=tuple(_polar_panel(row, one) for one in chosen),
        columns=min(3, len(chosen)),
        size=(300, 320) if len(chosen) > 1 else (480, 470),
        title=f"Orientation tuning, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"Response ({_meaning(result)}), as a share of its maximum, over the orientation of a grating at the "
        f"frequency that each filter prefers. {READING} An orientation has no direction, so the lower half mirrors the "
        "upper. The straight line is the preferred orientation, as long as the global OSI."
        + _selection(row, chosen, filters),
        alt=f"Polar tuning curves of {len(chosen)} filters of {short(row.name, 60)}: {_words(chosen)}.",
    )


def sheet(result: TuningResult, layer: str | None = None) -> Scene:
    """All filters of a layer sorted by preferred orientation: their responses by orientation and by frequency, and the
    kernels themselves where the layer reads the image.
    """
    row = _pick(result, layer)
    order = _sorted(row)
    panels = [_raster(row, order), _bands(row, order)]
    if row.kernels is not None:
        panels.insert(0, _mosaic(row, order[:TILES]))
    return Scene(
        panels=tuple(panels),
        columns=len(panels),
        size=(420, 460),
        title=f"Filters by preferred orientation, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"Filters sorted by preferred orientation, those without one last. {READING} Responses "
        f"({_meaning(result)}) are shares of each filter's own maximum"
        + (
            "; the tick below each kernel is its preferred orientation, none where it is not above noise."
            if row.kernels is not None
            else "."
        ),
        alt=f"Tuning of {len(order)} filters of {short(row.name, 60)}, sorted by preferred orientation.",
    )


def preferences(result: TuningResult, layer: str | None = None) -> Scene:
    """The map of preferences: a rose of the orientations that selective filters prefer, and orientation against
    spatial frequency.
    """
    row = _pick(result, layer)
    return Scene(
        panels=(_rose(row), _scatter(row)),
        columns=2,
        size=(440, 430),
        title=f"Preferred gratings, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"{READING} Left: filters whose global OSI is above noise, by the orientation that they prefer, "
        "mirrored to the full circle; a sector's radius is the square root of its share, dotted is a uniform "
        "distribution, the line is the mean axis, as long as its resultant. Right: each filter's orientation and "
        "frequency; open circles are not selective. At an end of the frequencies shown, one beyond may be preferred.",
        alt=f"{row.selective} of {len(row.filters)} filters of {short(row.name, 60)} are selective; "
        + ("no mean axis." if row.mean_orientation is None else f"mean axis {row.mean_orientation:.0f}°."),
    )


def depth(result: TuningResult) -> Scene:
    """Through the layers: median global OSI with quartiles, the share of selective filters, and preferred frequency."""
    rows = [row for row in result if row.responding]
    if not rows:
        raise RequestError("no filter answers to any grating; there is no tuning to draw")
    x = numbers(range(len(rows)))
    axis = Axis("layer", ticks=layer_ticks([row.name for row in rows]), limits=(-0.5, len(rows) - 0.5))
    osi = [np.array([one.global_osi.value for one in _answering(row)], dtype=float) for row in rows]
    frequency = [np.array([one.frequency for one in _answering(row)], dtype=float) for row in rows]
    shares = numbers(100 * row.selective / len(row.filters) for row in rows)
    dead = numbers(100 * (1 - row.responding / len(row.filters)) for row in rows)
    return Scene(
        panels=(
            Panel("Global OSI", axis, Axis("median and quartiles", limits=(0, 1)), _quartiles(x, osi, "series-1")),
            Panel(
                "Filters",
                axis,
                Axis("share of filters", "%", limits=(0, 103)),
                (
                    Line(colour="series-2", label="selective", x=x, y=shares, markers=True),
                    Line(colour="muted", label="silent", x=x, y=dead, markers=True, dash="dash"),
                ),
            ),
            Panel(
                "Preferred frequency",
                axis,
                Axis("median and quartiles", "cycles/px", limits=(0, 0.52)),
                _quartiles(x, frequency, "series-3"),
            ),
        ),
        columns=3,
        size=(400, 350),
        title=f"Tuning through depth, {short(result.model.name, 40)}",
        caption=f"Responses are {_meaning(result)}. Silent filters answer to no grating; selective ones have a global "
        "OSI above their noise level.",
        alt=f"Median global OSI, share of selective filters and preferred frequency of {len(rows)} layers.",
    )


def _quartiles(x: tuple[float, ...], values: list[NDArray[np.float64]], colour: str) -> tuple[Mark, ...]:
    low, middle, high = (numbers(np.quantile(v, q) for v in values) for q in (0.25, 0.5, 0.75))
    return Band(colour=colour, x=x, low=low, high=high), Line(colour=colour, x=x, y=middle, markers=True)


def _pick(result: TuningResult, layer: str | None) -> LayerTuning:
    if layer is not None:
        row = result[layer]
        if not row.responding:
            raise RequestError(f"no filter of {layer!r} answers to any grating; there is no tuning to draw")
        return row
    for row in result:
        if row.responding:
            return row
    raise RequestError("no filter answers to any grating; there is no tuning to draw")


def _answering(row: LayerTuning) -> list[FilterTuning]:
    return [one for one in row.filters if one.response > 0]


def _chosen(
    result: TuningResult, layer: str | None, filters: Sequence[int] | None
) -> tuple[LayerTuning, list[FilterTuning]]:
    row = _pick(result, layer)
    if filters is None:
        best = sorted(_answering(row), key=lambda one: -(one.global_osi.value or 0.0))[:SHOWN]
        return row, sorted(best, key=lambda one: one.orientation.value or 0.0)
    for number in filters:
        if not 0 <= number < len(row.filters):
            raise RequestError(f"no filter {number} in {row.name!r}; there are 0 to {len(row.filters) - 1}")
        if row.filters[number].response <= 0:
            raise RequestError(f"filter {number} of {row.name!r} answers to no grating; there is no curve to draw")
    return row, [row.filters[number] for number in filters]


def _selection(row: LayerTuning, chosen: list[FilterTuning], asked: Sequence[int] | None) -> str:
    if asked is not None or len(chosen) == len(row.filters):
        return ""
    return f" The {len(chosen)} of {len(row.filters)} filters with the largest global OSI."


def _meaning(result: TuningResult) -> str:
    return "F0, mean rectified output" if result.response == "F0" else "F1, amplitude of the first harmonic"


def _words(chosen: list[FilterTuning]) -> str:
    return "; ".join(
        f"filter {one.filter} " + ("none" if one.orientation.value is None else f"{one.orientation.value:.0f}°")
        for one in chosen
    )


def _title(one: FilterTuning) -> str:
    angle = "-" if one.orientation.value is None else f"{one.orientation.value:.0f}°"
    return f"filter {one.filter}: {angle}, {one.frequency:.2g} cycles/px"


def _curve_panel(row: LayerTuning, one: FilterTuning) -> Panel:
    own, angles = row.curve(one.filter), np.asarray(row.orientations)
    fine = np.linspace(0, 180, 181)
    marks: list[Mark] = [
        Line(
            colour="series-1", label="von Mises fit", x=numbers(fine),
            y=numbers(bump_through(own, np.radians(angles), np.radians(fine))),
        ),
        Points(
            colour="series-6", label="response", x=numbers([*angles, 180.0]), y=numbers([*own, own[0]]),
            hover=tuple(f"{a:g}°: {r:.4g}" for a, r in zip([*angles, 180.0], [*own, own[0]])),
        ),
    ]  # fmt: skip
    if one.orientation.value is not None:
        marks.append(Rule(colour="series-2", value=one.orientation.value, axis="x"))
    fit = "" if one.fit is None else f", R² {one.fit:.2f}"
    return Panel(
        title=f"{_title(one)}\nglobal OSI {one.global_osi.value:.2f}{fit}",
        x=Axis("orientation", ticks=QUARTERS, limits=(0, 180)),
        y=Axis("response", limits=(min(0.0, float(own.min())), 1.1 * float(own.max()))),
        marks=tuple(marks),
    )


def _polar_panel(row: LayerTuning, one: FilterTuning) -> Panel:
    own = row.curve(one.filter) / row.curve(one.filter).max()
    angles = np.asarray(row.orientations)
    around, twice = [*angles, *(angles + 180), 360.0], [*own, *own, own[0]]
    marks: list[Mark] = [Line(colour="series-1", label="response", x=numbers(around), y=numbers(twice), markers=False)]
    if one.orientation.value is not None:
        length, angle = float(one.global_osi.value or 0), float(one.orientation.value)
        marks.append(
            Line(
                colour="series-2",
                label="preferred, as long as global OSI",
                x=(angle + 180, angle, angle),
                y=(length, 0.0, length),
            )
        )
    return Panel(
        title=_title(one), y=Axis(limits=(0.0, 1.05), ticks=((0.5, ""), (1.0, ""))), marks=tuple(marks), polar=True
    )


def _sorted(row: LayerTuning) -> list[FilterTuning]:
    """Selective filters by orientation, then the others that answer, then silent ones."""
    return sorted(
        row.filters,
        key=lambda one: (one.response <= 0, not one.selective, one.orientation.value or 0.0),
    )


def _raster(row: LayerTuning, order: list[FilterTuning]) -> Panel:
    values = np.stack([row.curve(one.filter) for one in order])
    step = 180.0 / len(row.orientations)
    return Panel(
        title="by orientation",
        x=Axis("orientation", ticks=QUARTERS[:-1], limits=(-step / 2, 180 - step / 2)),
        y=Axis("filter, sorted", limits=(-0.5, len(order) - 0.5), reversed=True, integer=True),
        marks=(
            Heatmap(
                values=_shares(values), extent=(-step / 2, 180 - step / 2, -0.5, len(order) - 0.5), limits=(0.0, 1.0)
            ),
            *_border(row, order, (-step / 2, 180 - step / 2)),
        ),
        legend=False,
    )


def _border(row: LayerTuning, order: list[FilterTuning], ends: tuple[float, float]) -> tuple[Mark, ...]:
    """A line between the selective filters and the others."""
    if not 0 < row.selective < len(order):
        return ()
    return (Line(colour="over-dark", x=ends, y=(row.selective - 0.5,) * 2, dash="dash"),)


def _bands(row: LayerTuning, order: list[FilterTuning]) -> Panel:
    values = np.stack([row.plane(one.filter).max(axis=1) for one in order])
    number = len(row.frequencies)
    return Panel(
        title="by frequency",
        x=Axis(
            "spatial frequency", "cycles/px", limits=(-0.5, number - 0.5),
            ticks=tuple((float(i), f"{row.frequencies[i]:.2g}") for i in range(0, number, max(1, -(-number // 6)))),
        ),
        y=Axis(limits=(-0.5, len(order) - 0.5), reversed=True, integer=True),
        marks=(
            Heatmap(
                values=_shares(values), extent=(-0.5, number - 0.5, -0.5, len(order) - 0.5), limits=(0.0, 1.0),
                bar="share of the filter's maximum",
            ),
            *_border(row, order, (-0.5, number - 0.5)),
        ),
        legend=False,
    )  # fmt: skip


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows as shares of their maximum; silent ones stay blank."""
    top = values.max(axis=1, keepdims=True)
    return np.divide(values, top, out=np.full_like(values, np.nan), where=top > 0)


def _mosaic(row: LayerTuning, order: list[FilterTuning]) -> Panel:
    assert row.kernels is not None
    columns = int(np.ceil(np.sqrt(len(order))))
    rows = -(-len(order) // columns)
    marks: list[Mark] = []
    for place, one in enumerate(order):
        top, left = divmod(place, columns)
        marks.append(
            Image(pixels=kernel_picture(row.kernels[one.filter]), extent=(left + 0.08, left + 0.92, top, top + 0.78))
        )
        if one.selective and one.orientation.value is not None:
            angle = np.radians(one.orientation.value)
            x, y = 0.09 * np.cos(angle), -0.09 * np.sin(angle)
            middle = (left + 0.5, top + 0.89)
            marks.append(Line(colour="series-2", x=(middle[0] - x, middle[0] + x), y=(middle[1] - y, middle[1] + y)))
    if len(row.filters) > len(order):
        marks.append(Text(colour="text", text=f"{len(order)} of {len(row.filters)}", x=columns / 2, y=rows + 0.3))
    return Panel(
        title="kernels",
        x=Axis(visible=False, limits=(0, columns)),
        y=Axis(visible=False, limits=(0, rows + (0.5 if len(row.filters) > len(order) else 0.0)), reversed=True),
        marks=tuple(marks),
        equal=True,
        legend=False,
    )


def _rose(row: LayerTuning) -> Panel:
    selective = [one.orientation.value for one in row.filters if one.selective and one.orientation.value is not None]
    wrapped = [angle - 180 if angle >= BINS[-1] else angle for angle in selective]
    counts, _ = np.histogram(wrapped, bins=BINS)
    radii = np.sqrt(12 * counts / max(1, counts.sum()))
    edges, full = mirrored(BINS, radii)
    outer = float(max(1.15, radii.max(initial=0.0) * 1.08))
    circle = numbers(range(0, 361, 3))
    hover = tuple(f"{a:g} to {b:g}°: {c} filters" for a, b, c in zip(BINS, BINS[1:], counts))
    marks: list[Mark] = [
        PolarBars(colour="series-1", label="selective filters", edges=edges, radii=full, hover=hover * 2),
        Line(colour="muted", label="uniform", x=circle, y=(1.0,) * len(circle), dash="dot"),
    ]
    if row.mean_orientation is not None and row.resultant is not None:
        length, angle = outer * row.resultant, row.mean_orientation
        marks.append(Line(colour="series-2", label="mean axis", x=(angle + 180, angle, angle), y=(length, 0.0, length)))
    chance = "" if row.p_rayleigh is None else f", p = {row.p_rayleigh:.2g}"
    resultant = "" if row.resultant is None else f"R = {row.resultant:.2f}{chance}"
    return Panel(
        title=f"{len(selective)} of {len(row.filters)} filters\n{resultant}",
        y=Axis(limits=(0.0, outer), ticks=((1.0, ""),)),
        marks=tuple(marks),
        polar=True,
    )


def _scatter(row: LayerTuning) -> Panel:
    marks: list[Mark] = []
    for selective, colour, symbol in ((False, "muted", "open"), (True, "series-1", "circle")):
        own = [one for one in _answering(row) if one.selective == selective and one.orientation.value is not None]
        if own:
            marks.append(
                Points(
                    colour=colour,
                    label="selective" if selective else "not selective",
                    x=numbers(one.orientation.value for one in own),
                    y=numbers(one.frequency for one in own),
                    symbol="circle" if symbol == "circle" else "open",
                    hover=tuple(f"{_title(one)}, global OSI {one.global_osi.value:.2f}" for one in own),
                )
            )
    low, high = row.frequencies[0], row.frequencies[-1]
    return Panel(
        title="orientation and frequency",
        x=Axis("preferred orientation", ticks=QUARTERS, limits=(-4, 184)),
        y=Axis("preferred spatial frequency", "cycles/px", limits=(0.85 * low, 1.05 * high)),
        marks=tuple(marks),
    )
