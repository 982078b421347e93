"""What the explorer needs: every layer's footprint, the maps and pictures that lie on the stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rftools.reporting.drawing.explorer import footprints
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
    if subject.theoretical is None or subject.input_size is None or picture is None:
        return None
    layers = footprints(subject.theoretical, subject.supports)
    if not layers:
        return None
    height, width = plane(subject.input_size)
    local = [i for i, layer in enumerate(layers) if layer["movable"] and not any(a["global"] for a in layer["axes"])]
    masks = surviving_masks(subject.theoretical)
    central = [] if subject.effective is None else subject.effective.central()
    maps = stored(central, subject.part("units") or ())
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
