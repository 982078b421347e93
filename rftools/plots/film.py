"""Drawings that follow one another: a GIF, or a plotly figure with a slider."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rftools.plots.scene import Scene
from rftools.plots.theme import Theme

if TYPE_CHECKING:
    from PIL import Image
    from plotly.graph_objects import Figure

FRAME = 400  # milliseconds
LAST = 1600  # the last frame rests


@dataclass(frozen=True)
class Film:
    """Scenes of one size with the same marks, and what each is called."""

    scenes: tuple[Scene, ...]
    labels: tuple[str, ...]

    @property
    def caption(self) -> str:
        return self.scenes[0].caption

    def side_by_side(self, columns: int = 4) -> Scene:
        """All scenes in one drawing, where nothing can move."""
        first = self.scenes[0]
        panels = tuple(panel for scene in self.scenes for panel in scene.panels)
        return replace(first, panels=panels, columns=min(columns, len(panels)))


def gif(film: Film, theme: Theme) -> bytes:
    """An endless GIF, a frame a scene, drawn by matplotlib."""
    from PIL import Image

    from rftools.plots.backends.matplotlib import render

    frames = []
    for scene in film.scenes:
        buffer = io.BytesIO()
        render(scene, theme).savefig(buffer, format="png", dpi=100, facecolor="auto")
        frames.append(Image.open(buffer).convert("RGB"))
    palette = _palette(frames)
    coloured = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [FRAME] * (len(frames) - 1) + [LAST]
    stream = io.BytesIO()
    coloured[0].save(stream, "GIF", save_all=True, append_images=coloured[1:], duration=times, loop=0, disposal=2)
    return stream.getvalue()


def _palette(frames: list[Image.Image]) -> Image.Image:
    """The 256 most frequent colours of all frames, so that a colour means the same in each."""
    from PIL import Image

    pixels = np.concatenate([np.asarray(frame).reshape(-1, 3) for frame in frames])
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours[np.argsort(-counts, kind="stable")[:256]].astype(np.uint8).tobytes())
    return palette


def slider(film: Film, theme: Theme) -> Figure:
    """A plotly figure with a slider over the scenes and a button that plays them."""
    import plotly.graph_objects as go

    from rftools.plots.backends.plotly import render
    from rftools.plots.backends.plotly_marks import plain_text

    drawn = [render(scene, theme) for scene in film.scenes]
    labels = [plain_text(label) for label in film.labels]
    figure = drawn[0]
    figure.frames = [
        go.Frame(data=one.data, name=label, layout={"annotations": one.layout.annotations})
        for one, label in zip(drawn, labels, strict=True)
    ]
    now = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    play = {"fromcurrent": True, "frame": {"duration": FRAME, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": label, "method": "animate", "args": [[label], now]} for label in labels]
    buttons = [
        {"label": "play", "method": "animate", "args": [None, play]},
        {"label": "pause", "method": "animate", "args": [[None], now]},
    ]
    colours = {"bgcolor": theme.colour("surface"), "bordercolor": theme.colour("grid")}
    margin = figure.layout.margin
    figure.update_layout(
        height=(figure.layout.height or 470) + 90,
        margin={"l": margin.l, "r": margin.r, "t": margin.t, "b": 160},
        sliders=[{"steps": steps, "active": 0, "x": 0.18, "len": 0.82, "y": -0.16, "pad": {"t": 20}, **colours}],
        updatemenus=[
            {"type": "buttons", "direction": "left", "buttons": buttons, "x": 0.15, "y": -0.2, "yanchor": "top"}
            | {"showactive": False, "pad": {"t": 20}, **colours}
        ],
    )
    return figure
