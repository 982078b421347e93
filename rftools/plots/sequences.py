"""Words about sequences: their places are samples, and what a net is given is a sequence, not an image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from rftools.plots.scene import Mark, Panel, PlotAxis, Scene

#: what is said of pictures -> what is said of sequences; a phrase before the words in it
WORDS = {
    "image's side": "sequence's length",
    "picture's side": "sequence's length",
    "input pixels": "samples",
    "input pixel": "sample",
    "one pixel wide": "one sample wide",
    "pixels": "samples",
    "pixel": "sample",
    "px": "samples",
    "images": "sequences",
    "image": "sequence",
    "picture": "sequence",
}
#: whole words, and none that belongs to a name: a layer may be called ``image.encoder`` or ``px/add``
PHRASES = re.compile(rf"(?<![\w./\[{{-])({'|'.join(map(re.escape, WORDS))})(?![\w/\[-]|\.\w)", re.IGNORECASE)
M = TypeVar("M", bound=Mark)


def in_samples(text: str) -> str:
    """Words about a sequence in its own terms.

    >>> in_samples("Pixels of the picture")
    'Samples of the sequence'
    >>> in_samples("Side of the field of image.encoder in input pixels; 9 px of the image's side")
    "Side of the field of image.encoder in samples; 9 samples of the sequence's length"
    """
    return PHRASES.sub(lambda found: _as_large(WORDS[found[1].lower()], found[1]), text)


def _as_large(word: str, model: str) -> str:
    return word.capitalize() if model[0].isupper() else word


def is_sequence(result: Any) -> bool:
    """Whether a result, or each of a list of results, is of inputs over one axis."""
    results = result if isinstance(result, (list, tuple)) else [result]
    sizes = [getattr(one, "input_size", None) for one in results]
    return bool(sizes) and all(size is not None and len(size) == 2 for size in sizes)


def of_samples(scene: Scene) -> Scene:
    """A scene of a sequence's result: units, titles, labels, hover texts and captions speak of samples."""
    title, caption, alt = map(in_samples, (scene.title, scene.caption, scene.alt))
    return replace(scene, panels=tuple(map(_panel, scene.panels)), title=title, caption=caption, alt=alt)


def _panel(panel: Panel) -> Panel:
    marks = tuple(_mark(mark) for mark in panel.marks)
    return replace(panel, title=in_samples(panel.title), x=_axis(panel.x), y=_axis(panel.y), marks=marks)


def _axis(axis: PlotAxis) -> PlotAxis:
    unit = None if axis.unit is None else in_samples(axis.unit)
    return replace(axis, label=in_samples(axis.label), unit=unit)


def _mark(mark: M) -> M:
    said: Mapping[str, Any] = {
        name: in_samples(value) if isinstance(value, str) else tuple(map(in_samples, value))
        for name in ("label", "hover", "bar", "text")
        if name in {field.name for field in fields(mark)} and (value := getattr(mark, name))
    }
    return replace(mark, **said)
