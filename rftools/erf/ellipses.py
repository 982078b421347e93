"""Orientation of effective fields: which way the ellipse of each channel's field points."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from rftools.arguments import checked
from rftools.capture import capture
from rftools.erf.images import ImageSource, gather
from rftools.erf.maps.channels import channel_maps
from rftools.errors import RequestError
from rftools.loading import Model, as_model
from rftools.runtime.device import pick_device
from rftools.trf import LayerField, theoretical
from rftools.units import choose, unit_of
from rftools.weights import LayerOrientation, OrientationResult
from rftools.weights.directions import blank, describe, from_axes
from rftools.weights.results import FilterOrientation
from rftools.weights.statistics.shapes import Inertia, coordinates, inertia
from rftools.weights.statistics.sphere import axes, fractional_anisotropy, tensors

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

Floats = NDArray[np.float64]
SHARED = "no p: channels share the layers before them, and with these a direction"


class Sharing(TypedDict, total=False):
    """How the work is divided, and who is told: 8 images at a time, and nobody, where nothing is asked."""

    batch_size: int
    progress: Callable[[int, int], None] | None


@checked
def effective_orientation(
    model: Model | nn.Module,
    images: ImageSource | Dataset[Any] = None,
    layers: Sequence[str] | str | None = None,
    *,
    input_size: tuple[int, ...] | None = None,
    count: int | None = None,
    device: str = "auto",
    seed: int = 0,
    **course: Unpack[Sharing],
) -> OrientationResult:
    """Which way the effective fields of a layer's channels point: `orientation` of gradients instead of weights.

    A channel's map is ``mean over images and input channels of |d y_c / d x[p]|`` at the layer's central unit; its
    orientation and anisotropy ``(l1 - l2)/(l1 + l2)`` are those of the map's second moments. The layer's statistics
    are as for weights, with channels for kernels, in input pixels; there is no lattice, so ``p_lattice`` and ``q`` are
    None. ``p_rayleigh`` is the test to read in the net's first layer; deeper ones have no p, since their channels share
    the layers before them and with these a direction: in half of all nets with random weights Rayleigh's test would
    reject evenness at 5 %. Their intervals are those of other channels behind the same layers. Over volumes and frames
    channels have axes on the sphere (``row.axes``), from the inertia tensors of their maps.

    Args:
        images: as for `effective`; white noise where not given.
        layers: names or patterns; by default all layers that hold weights and have a map. A layer's channels go back
            together, inside its unit's window.

    Raises:
        RequestError: a net over one axis, where nothing has an orientation; what `effective` raises.

    >>> import torch
    >>> conv = torch.nn.Conv2d(1, 2, 3, padding=1)
    >>> _ = torch.nn.init.zeros_(conv.weight)
    >>> conv.weight.data[0, 0, 1] = conv.weight.data[1, 0, :, 1] = 1.0  # a horizontal and a vertical line
    >>> row = effective_orientation(torch.nn.Sequential(conv), input_size=(1, 9, 9))["0"]
    >>> [one.angle for one in row.filters], row.pooled.rank
    ([0.0, 90.0], 2)
    """
    batch_size, progress = course.get("batch_size", 8), course.get("progress")
    subject = as_model(model, input_size)
    size = subject.require_input_size()
    if len(size) == 2:
        raise RequestError("this net's input has one axis, and a line has no orientation; 2-D and 3-D nets have one")
    graph = capture(subject.module, inputs=[size, *subject.other_inputs])
    every = theoretical(subject, graph=graph)
    rows, first = choose(every, subject.module, layers), choose(every, subject.module, None)[0].name
    given = gather(images, subject, count=count, usual=8, seed=seed)
    found = []
    for place, row in enumerate(rows):
        maps = channel_maps(
            subject.module, given.inputs, unit_of(row), device=pick_device(device), batch_size=batch_size, graph=graph
        )
        found.append(_layer(row, maps, seed) if row.name == first else _untested(_layer(row, maps, seed)))
        if progress is not None:
            progress(place + 1, len(rows))
    return OrientationResult(
        model=subject.info(), input_size=size, layers=tuple(found), mass="abs", seed=seed, of="effective"
    )


def _layer(row: LayerField, maps: NDArray[np.floating[Any]], seed: int) -> LayerOrientation:
    box = tuple(slice(None) if a.clipped is None else slice(a.clipped[0], a.clipped[1] + 1) for a in row.axes)
    seen = maps[(slice(None), *box)]
    if not seen.any():
        return blank(row.name, 0, "the gradient of every channel is zero at these images")
    if seen.ndim == 4:
        return _on_the_sphere(row.name, seen)
    shapes = ellipses(seen)
    alive = shapes.mass > 0
    own = describe(row.name, shapes.only(alive), np.ones(int(alive.sum()), dtype=np.int64), "px", seed)
    filters = tuple(
        FilterOrientation(int(c), float(shapes.anisotropy[c]), None if np.isnan(a) else float(np.degrees(a)))
        for c, a in enumerate(shapes.angle)
        if alive[c]
    )
    return dataclasses.replace(own, filters=filters, filter_anisotropy=own.anisotropy)


def _untested(row: LayerOrientation) -> LayerOrientation:
    """A row without tests against chance, and why: its channels are not independent of each other."""
    return dataclasses.replace(row, p_rayleigh=None, p_kuiper=None, p_rao=None, note=row.note or SHARED)


def _on_the_sphere(name: str, maps: NDArray[np.floating[Any]]) -> LayerOrientation:
    """The axes of maps ``(channels, depth, height, width)``; a channel that sees nothing is left out."""
    mass, positions = maps.reshape(len(maps), -1).astype(np.float64), coordinates(maps.shape[1:])
    which = np.flatnonzero(mass.any(axis=1))
    mass = mass[which] / mass[which].max(axis=1, keepdims=True)
    shapes = fractional_anisotropy(np.linalg.eigvalsh(tensors(mass, positions)).astype(np.float64))
    filters = tuple(FilterOrientation(int(c), float(a), None) for c, a in zip(which, shapes, strict=True))
    own = from_axes(name, axes(mass, np.ones(len(mass)), positions), "px")
    return dataclasses.replace(own, filters=filters, filter_anisotropy=own.anisotropy)


def ellipses(maps: NDArray[np.floating[Any]]) -> Inertia:
    """The second moments of maps ``(channels, height, width)`` about their own centroids, y up."""
    positions = coordinates(maps.shape[1:])
    flat = maps.reshape(len(maps), -1)
    parts = [inertia(own[None].astype(np.float64), positions) for own in flat]
    return Inertia(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("xx", "xy", "yy", "mass")))
