"""What the explorer needs: every layer's footprint, the maps and pictures that lie on the stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rftools.reporting.drawing.explorer import footprints, measured_units
from rftools.reporting.drawing.pictures import colours, picture_url, plane, surviving_masks
from rftools.reporting.drawing.units import DECADES, stored
from rftools.reporting.page.render import embedded
from rftools.reporting.subject.subject import Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def explorer(
    subject: Subject, picture: NDArray[np.uint8] | None, objects: Sequence[tuple[int, int]]
) -> dict[str, Any] | None:
    if subject.input_size is None or picture is None:
        return None
    layers = _layers(subject)
    if not layers:
        return None
    height, width = plane(subject.input_size)
    local = [i for i, layer in enumerate(layers) if layer["movable"] and not any(a["global"] for a in layer["axes"])]
    masks = {} if subject.theoretical is None else surviving_masks(subject.theoretical)
    maps = _maps(subject)
    telling = next((own for known in (maps, masks) if (own := [i for i in local if layers[i]["name"] in known])), local)
    start = telling[-1] if telling else len(layers) - 1
    data = {
        "layers": layers,
        "maps": maps,
        "surviving": masks,
        "objects": [list(sides) for sides in objects],
        "height": height,
        "width": width,
        "start": start,
        "decades": DECADES,
        "colours": colours(),
        "parting": colours(diverging=True),
        "sides": list(subject.input_size[1:]),
    }
    names = {layer["name"] for layer in layers}
    shown = {key: data[key] for key in ("height", "width", "colours", "parting")}
    return {"json": embedded(data), "picture": picture_url(picture), "names": names, **shown}


def _layers(subject: Subject) -> list[dict[str, Any]]:
    """Every layer's footprint; without theoretical fields the units that were measured, each with its own window."""
    if subject.theoretical is not None:
        return footprints(subject.theoretical, subject.supports)
    return [] if subject.effective is None else measured_units(subject.effective)


def _maps(subject: Subject) -> dict[str, dict[str, Any]]:
    if subject.effective is None:
        return {}
    if subject.theoretical is None:
        return stored(replace(row, name=row.key, channel=None) for row in subject.effective)
    return stored(subject.effective.central(), subject.part("units") or ())
