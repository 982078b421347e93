"""`plot`: a result as a figure of one of two libraries."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rftools.errors import RequestError, closest
from rftools.plots.film import Film, slider
from rftools.plots.kinds import Build, drawings, schema_of
from rftools.plots.scene import Scene
from rftools.plots.sequences import is_sequence, of_samples
from rftools.plots.theme import theme

BACKENDS = ("matplotlib", "plotly")


def describe(result: Any, kind: str | None = None, **options: Any) -> Scene:
    """What `plot` would draw: the scene (of an animation its first), before any library draws it.

    Raises:
        RequestError: no such kind or option for this result, or nothing in it to draw.
    """
    scene = built(result, kind, **options)
    return scene.scenes[0] if isinstance(scene, Film) else scene


def built(result: Any, kind: str | None, **options: Any) -> Scene | Film:
    """The scene or film of a drawing, its name and options checked."""
    known = drawings(schema_of(result))
    name = next(iter(known)) if kind is None else kind
    if name not in known:
        raise RequestError(f"no plot {name!r} of this result{closest(name, known)}; there are {', '.join(known)}")
    _check_options(name, known[name], options)
    scene: Scene | Film = known[name](result, **options)
    if not is_sequence(result):
        return scene
    return replace(scene, scenes=tuple(map(of_samples, scene.scenes))) if isinstance(scene, Film) else of_samples(scene)


def _check_options(name: str, build: Build, options: Mapping[str, Any]) -> None:
    known = list(inspect.signature(build).parameters)[1:]
    for option in options:
        if option not in known:
            raise RequestError(
                f"the plot {name!r} has no option {option!r}{closest(option, known)}; "
                f"it takes {', '.join(known) or 'none'}"
            )


def plot(
    result: Any, kind: str | None = None, backend: str = "matplotlib", theme: str = "light", **options: Any
) -> Any:
    """Draw a result: a ``matplotlib.figure.Figure`` or a ``plotly.graph_objects.Figure``.

    Args:
        result: what an analysis returned, a list of such results of several models (sparsity, orientation), or a
            training history (a list of dicts, one an epoch).
        kind: which of its drawings, see `kinds`; the first one where not given.
        backend: ``"matplotlib"`` or ``"plotly"``.
        theme: ``"light"`` or ``"dark"``.
        options: those of the drawing, such as ``layer="conv1"``.

    Raises:
        RequestError: no such kind, back end, theme or option, or nothing in the result to draw.

    >>> figure = plot([{"epoch": 1, "loss": 2.1}, {"epoch": 2, "loss": 1.7}], backend="plotly")
    >>> [trace.name for trace in figure.data]
    ['training']
    """
    if backend not in BACKENDS:
        raise RequestError(f"no backend {backend!r}{closest(backend, BACKENDS)}; there are {', '.join(BACKENDS)}")
    return render(built(result, kind, **options), backend, theme)


def render(scene: Scene | Film, backend: str, name: str) -> Any:
    if isinstance(scene, Film):
        if backend == "plotly":
            return slider(scene, theme(name))
        scene = scene.side_by_side()
    return importlib.import_module(f"rftools.plots.backends.{backend}").render(scene, theme(name))
