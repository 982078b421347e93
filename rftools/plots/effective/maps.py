"""Effective fields: the map with its window and ellipse, growth through depth, all layers at once, radial profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.scene import (
    Axis,
    Band,
    Dash,
    Ellipse,
    Extent,
    Heatmap,
    Image,
    Line,
    Mark,
    Panel,
    Points,
    Rect,
    Rule,
    Scene,
    layer_ticks,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult

SMALL = 96  # pixels a side that a map on the sheet keeps
FLOOR = 1e-4  # the log scale begins at this share of the maximum
SHEET = 24  # maps on a contact sheet
DISCS = {"radius_50": "diameter that holds half of the sum", "radius_90": "diameter that holds 90 % of the sum"}
HELD = (20, 50, 99)  # per cent of the sum that contours hold, as area ratios do
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot")


def heat(result: EffectiveResult, layer: str | None = None, image: str = "first") -> Scene:
    """One layer's map on a linear and a logarithmic scale, with the theoretical window and the one-sigma ellipse; and,
    where it is known what was looked at, its contours over the ``first`` image or the ``mean`` of all.

    ``layer`` defaults to the last one; 1-D maps are drawn as curves, 3-D ones as their sum over the first axis.
    """
    row = _pick(result, layer)
    shown = flat(row)
    title = f"{of_unit(row)}, {row.images} image{'s' * (row.images != 1)}"
    if shown.ndim == 1:
        return _profile_1d(row, shown, title)
    extent = (-0.5, shown.shape[1] - 0.5, -0.5, shown.shape[0] - 0.5)
    linear = Heatmap(values=shown, extent=extent, limits=(0.0, 1.0), bar="share of the maximum")
    decades = Heatmap(
        values=_decades(shown), extent=extent, limits=(float(np.log10(FLOOR)), 0.0), bar="log10 of the share"
    )
    x, y = (
        Axis("input column", "px", limits=extent[:2]),
        Axis("input row", "px", limits=(-0.5, extent[3]), reversed=True),
    )
    marks = outlines(row, extent)
    panels = [
        Panel(title="linear", x=x, y=y, marks=(linear, *marks), equal=True),
        Panel(title=f"logarithmic, from {FLOOR:g} of the maximum", x=x, y=y, marks=(decades, *marks), equal=True),
    ]
    picture = _picture(result, image, shown.shape)
    if picture is not None:
        over = (Image(pixels=picture, extent=extent), *contours(shown), *marks)
        named = "the mean image" if image == "mean" else "the first image"
        panels.append(Panel(title=f"contours over {named}", x=x, y=y, marks=over, equal=True))
    return Scene(
        panels=tuple(panels),
        columns=len(panels),
        size=(470, 440),
        title=title,
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} images. The "
        "rectangle is the theoretical window, the ellipse one standard deviation of the map around its own mean, "
        "the cross the unit's centre."
        + (f" Contours hold {', '.join(map(str, HELD))} % of the smoothed map's sum." if picture is not None else ""),
        alt=f"Heat map of the effective field of layer {short(row.name, 60)}; {_measure_words(row)}.",
    )


def of_unit(row: EffectiveLayer) -> str:
    """Which layer's which unit, in words."""
    where = f"{row.token} token" if row.token else f"unit {row.unit_name}"
    channel = "" if row.channel is None else f", channel {row.channel}"
    return f"{short(row.name, 40)}: {where}{channel}"


def _picture(result: EffectiveResult, image: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """What was looked at, in grey and paler, so that lines stand out; None where it is not known, or is noise."""
    if image not in ("first", "mean"):
        raise RequestError(f"no image {image!r}; there are the first and the mean")
    pixels = result.pictures.get(image)
    if pixels is None or pixels.shape[:2] != shape or result.source.endswith("noise"):
        return None
    grey = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
    return np.repeat((40 + 0.6 * grey).astype(np.uint8)[..., None], 3, axis=2)


def contours(values: NDArray[np.float64]) -> list[Mark]:
    """Lines around the smallest areas that hold `HELD` per cent of the sum, of the map smoothed over an eighth of its
    own spread (single pixels of a map vary from one to the next).
    """
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(values, _spread(values) / 8)
    falling = np.sort(smooth, axis=None)[::-1]
    sums = falling.cumsum()
    lines: list[Mark] = []
    for share, dash in zip(HELD, DASHES, strict=True):
        level = falling[min(int(np.searchsorted(sums, share / 100 * sums[-1])), len(falling) - 1)]
        x: list[float] = []
        y: list[float] = []
        for points in np.asarray(contour_generator(z=np.pad(smooth, 1)).lines(float(level)), dtype=object):
            place = np.asarray(points, dtype=np.float64) - 1
            x += [*place[:, 0].tolist(), np.nan]
            y += [*place[:, 1].tolist(), np.nan]
        lines.append(Line(colour="overlay-2", label=f"holds {share} %", x=numbers(x), y=numbers(y), dash=dash))
    return lines


def _pick(result: EffectiveResult, layer: str | None) -> EffectiveLayer:
    if layer is not None:
        return result[layer]
    rows = [row for row in result.central() if row.map.any()]
    if not rows:
        raise RequestError("no layer has an effective map; nothing to draw")
    return rows[-1]


def flat(row: EffectiveLayer) -> NDArray[np.float64]:
    """The map, at most 2-D, as shares of its maximum."""
    values = raw(row)
    top = values.max(initial=0.0)
    return values / top if top > 0 else values


def raw(row: EffectiveLayer) -> NDArray[np.float64]:
    """The map's magnitudes, of three axes summed over the first."""
    values = np.abs(np.asarray(row.map, dtype=np.float64))
    while values.ndim > 2:
        values = values.sum(axis=0)
    return values


def _decades(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        logs = np.log10(values)
    return np.where(values >= FLOOR, logs, np.nan)


def outlines(row: EffectiveLayer, frame: Extent) -> list[Mark]:
    """The theoretical window, the one-sigma ellipse and the unit's centre, over a map in input pixels."""
    marks: list[Mark] = []
    window = _window(row)
    if window is not None:
        (top, bottom), (left, right) = window
        inside = (
            max(left - 0.5, frame[0]),
            min(right + 0.5, frame[1]),
            max(top - 0.5, frame[2]),
            min(bottom + 0.5, frame[3]),
        )
        marks.append(Rect(colour="overlay", label="theoretical window", extent=inside))
    radii = [_value(row, name) for name in ("ellipse_major", "ellipse_minor", "ellipse_angle")]
    if None not in radii:
        major, minor, angle = (float(v) for v in radii if v is not None)
        marks.append(
            Ellipse(colour="over-dark", label="one sigma", centre=_centroid(row), radii=(major, minor), angle=angle)
        )
    centre = _centre(row)
    if centre is not None and len(centre) == 2:
        marks.append(Points(colour="overlay", x=(centre[1],), y=(centre[0],), symbol="cross"))
    return marks


def _centroid(row: EffectiveLayer) -> tuple[float, float]:
    values = flat(row)
    total = values.sum()
    y, x = np.indices(values.shape)
    return float((x * values).sum() / total), float((y * values).sum() / total)


def _theoretical(row: EffectiveLayer, key: str) -> list[Any] | None:
    """What the theoretical engine says of the drawn (the last two) axes, or None where it is silent on one."""
    values = [axis.get(key) for axis in _axes(row)][-2:]
    return None if not values or any(value is None for value in values) else values


def _axes(row: EffectiveLayer) -> list[dict[str, Any]]:
    return list((row.theoretical or {}).get("axes", []))


def _window(row: EffectiveLayer) -> list[tuple[int, int]] | None:
    values = _theoretical(row, "clipped") or _theoretical(row, "window")
    return values if values is not None and len(values) == 2 else None


def _centre(row: EffectiveLayer) -> list[float] | None:
    own = _theoretical(row, "unit_centre")
    if own is not None or row.token is not None:
        return None if own is None else [float(value) for value in own]
    values = _theoretical(row, "window")
    return None if values is None else [(low + high) / 2 for low, high in values]


def _value(row: EffectiveLayer, measure: str) -> float | None:
    found = row.measures.get(measure)
    return None if found is None or found.value is None else float(found.value)


def _measure_words(row: EffectiveLayer) -> str:
    radius = _value(row, "radius_50")
    return "its size is not known" if radius is None else f"{2 * radius:.1f} pixels across hold half of it"


def _profile_1d(row: EffectiveLayer, values: NDArray[np.float64], title: str) -> Scene:
    marks: list[Mark] = [Line(x=numbers(range(len(values))), y=numbers(values), label="effective")]
    axis = (_axes(row) or [{}])[0]
    for edge in axis.get("clipped") or ():
        marks.append(Rule(colour="series-2", value=float(edge), axis="x", label=None))
    return Scene(
        panels=(Panel(title=title, x=Axis("input index", "px"), y=Axis("share of the maximum"), marks=tuple(marks)),),
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} inputs; dashed "
        "lines bound the theoretical window.",
        alt=f"Curve of the effective field of layer {short(row.name, 60)} over the input.",
    )


def _spread(values: NDArray[np.float64]) -> float:
    """The root of the mean squared distance from the map's centroid, per axis."""
    total = max(float(values.sum()), 1e-300)
    squares = 0.0
    for places in np.indices(values.shape):
        mean = float((places * values).sum()) / total
        squares += float(((places - mean) ** 2 * values).sum()) / total
    return float(np.sqrt(squares / values.ndim))


def growth(result: EffectiveResult, measure: str | None = None) -> Scene:
    """Effective against theoretical size through depth, with the intervals of ``measure``: the width that holds 95.45 %
    of the sum, where it is measured (``relative_size``). A radius is drawn as a diameter. The dotted line grows
    with the root of depth, as in random nets (Luo et al., arXiv:1701.04128).
    """
    rows = result.central()
    known = sorted({name for row in rows for name in row.measures})
    measure = measure or ("relative_size" if "relative_size" in known else "radius_50")
    if measure not in known:
        raise RequestError(f"no measure {measure!r}; measured are {', '.join(known) or 'none'}")
    sizes = [_sizes(row, measure) for row in rows]
    x = numbers(range(len(rows)))
    effective = numbers(value for value, _, _ in sizes)
    theoretical = numbers(clipped_size(row) for row in rows)
    hover = tuple(f"{row.key or '(model)'}: {value:.3g} px" for row, value in zip(rows, effective, strict=True))
    named = "width of 95 % of the sum" if measure == "relative_size" else DISCS.get(measure, measure)
    marks: list[Mark] = [
        Line(colour="series-2", label="theoretical, inside the image", x=x, y=theoretical, dash="dash", markers=True),
        Band(
            colour="series-1",
            label="95 % interval",
            x=x,
            low=numbers(low for _, low, _ in sizes),
            high=numbers(high for _, _, high in sizes),
        ),
        Line(colour="series-1", label=f"effective ({named})", x=x, y=effective, markers=True, hover=hover),
    ]
    if len(rows) > 2:
        marks.append(Line(colour="muted", label="as the root of depth", x=x, y=_root(effective), dash="dot"))
    return Scene(
        panels=(
            Panel(
                title="Effective against theoretical field",
                x=Axis("layer", ticks=layer_ticks([row.key for row in rows]), limits=(-0.5, len(rows) - 0.5)),
                y=Axis("side", "px"),
                marks=tuple(marks),
            ),
        ),
        caption="Size of the effective field with its 95 % interval (bootstrap over images) below the side of the "
        "theoretical one, clipped to the image."
        + (" The dotted line is the best one that grows with the root of depth." if len(rows) > 2 else ""),
        alt=f"Two curves over {len(rows)} layers of {result.model.name}: theoretical and effective field size.",
    )


def _sizes(row: EffectiveLayer, measure: str) -> tuple[float | None, float | None, float | None]:
    """A measure with its interval; a share of the theoretical size in pixels of it, a radius as a diameter."""
    found = row.measures.get(measure)
    if found is None:
        return None, None, None
    scale = _full_size(row) if measure == "relative_size" else 2.0 if measure in DISCS else 1.0
    low, high = (None if limit is None else limit * scale for limit in (found.low, found.high))
    return (None if found.value is None else found.value * scale), low, high


def _full_size(row: EffectiveLayer) -> float:
    """What `relative_size` is relative to: the theoretical size, where global the image's, the axes' geometric mean."""
    sides = [axis["size"] or axis["clipped"][1] - axis["clipped"][0] + 1 for axis in _axes(row)]
    return float(np.prod(sides)) ** (1 / len(sides))


def _root(effective: tuple[float, ...]) -> tuple[float, ...]:
    """``c sqrt(1), c sqrt(2), ...`` with the c of least squares."""
    root = np.sqrt(np.arange(1, len(effective) + 1))
    values = np.array(effective)
    there = np.isfinite(values)
    share = float(root[there] @ values[there] / max(root[there] @ root[there], 1e-300))
    return numbers(share * root)


def clipped_size(row: EffectiveLayer) -> float | None:
    """The side of the theoretical window inside the image, the axes' geometric mean."""
    sides = [hull[1] - hull[0] + 1 for axis in _axes(row) if (hull := axis.get("clipped")) is not None]
    return float(np.prod(sides)) ** (1 / len(sides)) if sides else None


def measure_axis(result: EffectiveResult, measure: str) -> Axis:
    """A measure's axis, with its unit where it has one."""
    unit = next((row.measures[measure].unit for row in result if measure in row.measures), "1")
    return Axis(measure, None if unit == "1" else unit)


def sheet(result: EffectiveResult, most: int = SHEET) -> Scene:
    """All layers' maps, small, on one linear scale each; beyond ``most`` layers an even choice of them."""
    rows = [row for row in result.central() if row.map.any()]
    if not rows:
        raise RequestError("no layer has an effective map; nothing to draw")
    chosen = [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(most, len(rows)))]
    return Scene(
        panels=tuple(_thumbnail(row) for row in chosen),
        columns=min(4, len(chosen)),
        size=(210, 220),
        title=f"Effective fields of {short(result.model.name, 40)}",
        caption="Effective field of each layer's unit as a share of its own maximum, on a square-root "
        "scale; rectangles are theoretical windows. "
        + (f"{len(chosen)} of {len(rows)} layers." if len(chosen) < len(rows) else ""),
        alt=f"Contact sheet of {len(chosen)} effective fields.",
    )


def _thumbnail(row: EffectiveLayer) -> Panel:
    values = flat(row)
    hidden = Axis(visible=False)
    if values.ndim == 1:
        line = Line(x=numbers(range(len(values))), y=numbers(values))
        return Panel(title=short(row.key, 24), x=hidden, y=hidden, marks=(line,), legend=False)
    extent = (-0.5, values.shape[1] - 0.5, -0.5, values.shape[0] - 0.5)
    outline = [mark for mark in outlines(row, extent) if isinstance(mark, Rect)]
    return Panel(
        title=short(row.key, 24),
        x=Axis(visible=False, limits=extent[:2]),
        y=Axis(visible=False, limits=(-0.5, extent[3]), reversed=True),
        marks=(
            Heatmap(values=np.sqrt(smaller(values, SMALL)), extent=covered(values.shape, SMALL), limits=(0.0, 1.0)),
            *outline,
        ),
        equal=True,
        legend=False,
    )


def smaller(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The map in at most ``most`` blocks a side, each the largest of its pixels.

    >>> import numpy as np
    >>> smaller(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    step = -(-max(values.shape) // most)
    height, width = (-(-side // step) for side in values.shape)
    padded = np.zeros((height * step, width * step))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks: NDArray[np.float64] = padded.reshape(height, step, width, step).max(axis=(1, 3))
    return blocks


def covered(shape: tuple[int, ...], most: int) -> Extent:
    """What the blocks of `smaller` cover, in pixels: the last ones may reach over the map's edge.

    >>> covered((5, 8), 4)
    (-0.5, 7.5, -0.5, 5.5)
    """
    step = -(-max(shape) // most)
    height, width = (-(-side // step) * step for side in shape)
    return (-0.5, width - 0.5, -0.5, height - 0.5)


def profile(result: EffectiveResult, layers: tuple[str, ...] = ()) -> Scene:
    """Mean of the map over rings around the unit's centre, by distance, at most six layers."""
    rows = [result[name] for name in layers] if layers else [row for row in result.central() if row.map.any()]
    rows = [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(6, len(rows)))] if rows else []
    if not rows:
        raise RequestError("no layer has an effective map; nothing to draw")
    marks = []
    for index, row in enumerate(rows):
        distance, mean = radial(flat(row), _centre(row))
        reach = np.flatnonzero(mean > 1e-3)
        kept = slice(0, int(reach[-1]) + 2 if len(reach) else 1)
        x, y = numbers(distance[kept]), numbers(mean[kept])
        marks.append(Line(colour=f"series-{index + 1}", label=short(row.key), x=x, y=y))
    return Scene(
        panels=(
            Panel(
                title="Radial profile",
                x=Axis("distance from the unit's centre", "px"),
                y=Axis("mean gradient, share of the largest"),
                marks=tuple(marks),
            ),
        ),
        caption="Mean of the effective map over rings one pixel wide around the unit's centre.",
        alt=f"Radial profiles of {len(rows)} layers.",
    )


def radial(values: NDArray[np.float64], centre: list[float] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ring means: ``mean[k]`` over pixels at a distance in ``[k - 0.5, k + 0.5)``, as shares of the largest.

    >>> import numpy as np
    >>> distance, mean = radial(np.eye(3)[[1]].repeat(1, axis=0), None)
    >>> mean.tolist()
    [1.0, 0.0]
    """
    middle = centre if centre is not None else [(n - 1) / 2 for n in values.shape]
    offsets = np.indices(values.shape) - np.reshape(middle, (-1,) + (1,) * values.ndim)
    ring = np.floor(np.sqrt((offsets**2).sum(axis=0)) + 0.5).astype(int).ravel()
    counts = np.bincount(ring)
    sums = np.bincount(ring, weights=values.ravel())
    kept = counts > 0
    mean = sums[kept] / counts[kept]
    top = mean.max(initial=0.0)
    return np.flatnonzero(kept).astype(np.float64), mean / top if top > 0 else mean
