"""Scenes as inline SVG that the page's theme colours: panels that stack, each wide and narrow where it needs to be."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rftools.plots import scene as sc
from rftools.reporting.drawing.chart_examples import examples
from rftools.reporting.drawing.chart_marks import Cartesian, bounds, colourmap
from rftools.reporting.drawing.chart_polar import polar_panel
from rftools.reporting.drawing.elements import clean, colour, stroke, tag, words
from rftools.reporting.drawing.scales import LETTER, AxisScale, scale, ticks
from rftools.reporting.texts import say

NARROW, WIDE, BESIDE = 320, 520, 250  # pixels that panels are drawn for; the last where several stand beside
LONGEST_TILTED = 96  # pixels that an upright or tilted name of a tick may take
EDGE = 7  # pixels around the axes in which marks are still seen


def chart(scene: sc.Scene, label: str) -> str:
    """A scene as HTML: its title, its panels side by side as far as they have room, colour bars, one legend."""
    several = len(scene.panels) > 1
    small = BESIDE if several else NARROW
    widths = (min(scene.size[0], small),) if several or scene.size[0] <= NARROW + 60 else (WIDE, NARROW)
    title = tag("p", escape(clean(scene.title)), class_="chart-title") if scene.title and several else ""
    panels = "".join(_panel(panel, scene, widths, label) for panel in scene.panels)
    parts = "".join([*_bars(scene), _legend(scene)])
    bare = not any(panel.x.visible or panel.y.visible or panel.polar for panel in scene.panels)
    least = min(max(widths), 140 if bare else 240)
    grid = f"--panel:{max(widths)}px;--least:{least}px;--columns:{scene.columns}"
    return title + tag("div", panels, class_="panels", style=grid) + parts


def _panel(panel: sc.Panel, scene: sc.Scene, widths: tuple[int, ...], label: str) -> str:
    """One panel, drawn for each width that it may be seen at; only one of them is."""
    several = len(scene.panels) > 1
    heading = panel.title or ("" if several else scene.title)
    shown = "".join(f"<span>{escape(clean(line))}</span>" for line in heading.split("\n") if line)
    names = {True: "narrow", False: "wide"} if len(widths) > 1 else {}
    drawn = []
    for width in widths:
        content, height = (polar_panel if panel.polar else _cartesian(scene))(panel, width)
        box = {"viewBox": f"0 0 {width} {height:.0f}", "style": f"max-width:{1.15 * width:.0f}px", "role": "img"}
        box["aria-label"] = f"{label} {clean(panel.title)}".strip() if several else label
        drawn.append(tag("svg", content or " ", **box, class_=names.get(width == NARROW)))
    content = tag("p", shown or " ", class_="panel-title") + "".join(drawn)
    if not panel.examples:
        return tag("div", content, class_="panel")
    label = say("figures.examples", of=clean(heading.split("\n")[0]))
    return tag(
        "div",
        content + examples(panel),
        class_=" ".join(("panel", "shows")),
        tabindex=0,
        role="group",
        aria_label=label,
    )


def _cartesian(scene: sc.Scene):  # type: ignore[no-untyped-def]
    """A drawer of panels whose height is in proportion to the scene's."""

    def draw(panel: sc.Panel, width: float) -> tuple[str, float]:
        shape = scene.size[1] / scene.size[0] * (1.0 if width != NARROW or scene.size[0] <= NARROW + 60 else 1.25)
        return _axes(panel, width, min(max(shape, 0.4), 1.1))

    return draw


def _axes(panel: sc.Panel, width: float, shape: float) -> tuple[str, float]:
    span = scale(panel, "y", 1, 0)
    named_y = ticks(panel.y, span.low, span.high, 6 if panel.y.ticks is None else 200)
    left = 8 + (LETTER * max((len(text) for _, text in named_y), default=0) + 8) + (18 if panel.y.title else 0)
    left = min(left, 0.42 * width) if panel.y.visible else EDGE
    right, top = 14 if panel.x.visible else EDGE, 10
    inner = width - left - right
    along = scale(panel, "x", left, left + inner)
    room = inner / max(1, len(panel.x.ticks or ()))
    named_x = ticks(panel.x, along.low, along.high, int(inner // 15) if panel.x.ticks else max(2, int(inner // 62)))
    long = max((LETTER * len(text) for _, text in named_x), default=0)
    tilted = bool(panel.x.ticks) and long > max(room, inner / max(1, len(named_x))) - 4
    below = (
        0 if not panel.x.visible else (min(long, LONGEST_TILTED) + 12 if tilted else 20) + (18 if panel.x.title else 2)
    )
    if panel.equal:
        tall = abs(span.high - span.low)
        high = inner * tall / (abs(along.high - along.low) or 1)
        if high > 1.6 * inner:
            high, inner = 1.6 * inner, 1.6 * inner * inner / high
            along = scale(panel, "x", left, left + inner)
    else:
        high = max(shape * width - top - 40, 110, 15.5 * len(named_y) if panel.y.ticks is not None else 0)
    upward = scale(panel, "y", top + high, top)
    height = top + high + below + (2 if panel.x.visible else EDGE)
    frame = _frame(panel, along, upward, named_x, named_y, tilted=tilted)
    marks = "".join(Cartesian(along, upward).mark(mark) for mark in sorted(panel.marks, key=_order))
    return frame + _clipped(marks, left, top, inner, high) + _titles(panel, width, left, inner, height, high), height


def _order(mark: sc.Mark) -> int:
    """Pictures lie under everything, symbols over it."""
    if isinstance(mark, (sc.Heatmap, sc.Image)):
        return 0
    return 2 if isinstance(mark, (sc.Points, sc.Rect, sc.Ellipse)) else 3 if isinstance(mark, sc.Text) else 1


def _clipped(marks: str, left: float, top: float, width: float, height: float) -> str:
    box = (left - EDGE, top - EDGE, width + 2 * EDGE, height + 2 * EDGE)
    shown = " ".join(f"{each:.1f}" for each in box)
    names = dict(zip(("x", "y", "width", "height"), box, strict=True))
    return tag("svg", marks or " ", viewBox=shown, **names, overflow="hidden")


def _frame(
    panel: sc.Panel,
    along: AxisScale,
    upward: AxisScale,
    named_x: list[tuple[float, str]],
    named_y: list[tuple[float, str]],
    *,
    tilted: bool,
) -> str:
    left, right = sorted((along.begin, along.end))
    top, bottom = sorted((upward.begin, upward.end))
    found = []
    for value, text in named_y:
        y = upward(value)
        if not panel.equal and panel.y.ticks is None:
            found.append(tag("path", "", d=f"M{left:.1f} {y:.1f}H{right:.1f}", class_="rule"))
        found.append(words(text, left - 7, y + 4, text_anchor="end", class_="tick"))
    for value, text in named_x:
        x = along(value)
        if tilted:
            turn = f"rotate(-58 {x:.1f} {bottom + 12:.1f})"
            cut = sc.short(text, int(LONGEST_TILTED / LETTER * 1.15))
            found.append(words(cut, x, bottom + 14, text_anchor="end", class_="tick", transform=turn))
        else:
            found.append(words(text, x, bottom + 17, text_anchor="middle", class_="tick"))
    if panel.x.visible or panel.y.visible:
        d = f"M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" + (f"V{top:.1f}Z" if panel.equal else "")
        found.append(tag("path", "", d=d, class_="axis"))
    return "".join(found)


def _titles(panel: sc.Panel, width: float, left: float, inner: float, height: float, high: float) -> str:
    found = ""
    if panel.x.visible and panel.x.title:
        found += words(panel.x.title, left + inner / 2, height - 5, text_anchor="middle", class_="axis-title")
    if panel.y.visible and panel.y.title:
        middle = 10 + high / 2
        turn = f"rotate(-90 13 {middle:.1f})"
        found += words(panel.y.title, 13, middle, text_anchor="middle", class_="axis-title", transform=turn)
    return found


def _bars(scene: sc.Scene) -> Iterator[str]:
    """A bar for each meaning of colours, said once."""
    seen = set()
    for mark in scene.marks(sc.Heatmap):
        if mark.bar is None:
            continue
        low, high = bounds(mark)
        key = (mark.bar, low, high, mark.diverging, mark.falling)
        if key in seen:
            continue
        seen.add(key)
        steps = [_hexadecimal(colourmap(mark)(i / 12)) for i in range(13)]
        inner = [value for value in mark.ticks if low < value < high]
        named = "".join(tag("b", f"{v:g}", style=f"left:{100 * (v - low) / (high - low):.1f}%") for v in inner)
        colours = tag("i", named or " ", style=f"background:linear-gradient(90deg,{','.join(steps)})")
        ends = [tag("span", text) for text in (f"{escape(clean(mark.bar))}: {low:.3g}", f"{high:.3g}")]
        yield tag("p", colours.join(ends), class_="bar")


def _hexadecimal(rgba: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgba[:3])


def _legend(scene: sc.Scene) -> str:
    """What several panels name stands in it once."""
    named: dict[str, sc.Mark] = {}
    for panel in scene.panels:
        for mark in panel.marks if panel.legend else ():
            if mark.label:
                named.setdefault(mark.label, mark)
    items = [tag("span", f"{_swatch(mark)} {escape(clean(label))}", class_="item") for label, mark in named.items()]
    return tag("p", " ".join(items), class_="key") if items else ""


def _swatch(mark: sc.Mark) -> str:
    """A mark in small."""
    if isinstance(mark, sc.Points) and mark.symbol == "cross":
        content = tag("path", "", d="M5 6h12M11 0v12", **stroke(mark.colour))
    elif isinstance(mark, sc.Points):
        fill = "none" if mark.symbol == "open" else colour(mark.colour)
        content = tag("circle", "", cx=11, cy=6, r=4, fill=fill, stroke=colour(mark.colour))
    elif isinstance(mark, (sc.Line, sc.ReferenceLine)):
        content = tag("path", "", d="M0 6h22", **stroke(mark.colour, dash=mark.dash))
        content += tag("circle", "", cx=11, cy=6, r=3, fill=colour(mark.colour)) if getattr(mark, "markers", 0) else ""
    elif isinstance(mark, (sc.Rect, sc.Ellipse)):
        dash = getattr(mark, "dash", "solid")
        content = tag("rect", "", x=2, y=1, width=18, height=10, **stroke(mark.colour, dash=dash))
    else:
        opacity = str(getattr(mark, "opacity", 1.0))
        content = tag("rect", "", x=1, y=1, width=20, height=10, fill=colour(mark.colour), fill_opacity=opacity)
    return tag("svg", content, class_="swatch", viewBox="0 0 22 12", aria_hidden="true")
