"""`effective`: from a model and images to what units of its layers really see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from rftools.arguments import checked
from rftools.erf.images import ImageSource
from rftools.erf.measured import effective_maps
from rftools.erf.request import Options, Request, request
from rftools.erf.result import EffectiveResult
from rftools.loading import Model
from rftools.units import Where

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset


@checked
def effective(
    model: Model | nn.Module,
    images: ImageSource | Dataset[Any] = None,
    layers: Sequence[str] | str | None = Request.layers,
    unit: Where | Mapping[str, Where] | None = Request.unit,
    aggregation: str = Request.aggregation,
    device: str = Request.device,
    **options: Unpack[Options],
) -> EffectiveResult:
    """What one unit of each layer sees: its gradient with respect to the input, aggregated over images.

    ``map[p] = mean over images and input channels of |d y / d x[p]|`` for ``aggregation="abs"``, where y sums the
    unit's channels (Luo et al., arXiv:1701.04128); see `layer_maps` for the others. Every measure comes with a 95 %
    bootstrap interval over the images.

    Args:
        images: ``(N, C, *spatial)`` inputs, a path to pictures or arrays, a list of pictures, a data set or its name
            (``patches``, ``cifar10``: the held-out part), a data loader, or ``white`` or ``pink`` noise. By default the
            held-out part of the data that a checkpoint of ours was trained on, and white noise for other models.
        layers: names or patterns (``layer4.*``; with a slash, ``layer1.*/add``, of operators between modules); by
            default all layers that hold weights and have a map.
        unit: the output index; by default the centre of each layer's map. Of layers of tokens (vision transformers) it
            is a place on the grid that they make of the image, or ``"class"`` for the class token.
        aggregation: of the input's channels: ``abs``, ``power``, ``positive`` (Ding et al.) or ``signed``.
        device: ``auto`` takes CUDA when present.

    Options, each with its default:
        input_size (the model's own): ``(C, *spatial)`` of a plain module that is given no images; one number is the
            side of an input with the channels of the first convolution.
        count (all of a tensor, an array or a list; else as many as it takes, or 4 a draw of random weights): how many
            images to take at most, or to make of noise. It takes 8 to 32 a layer: until half of the interval of
            ``radius_50`` is at most 5 % of its value.
        batch_size (16): images that go through the net at once; halved where memory runs out.
        seed (0): of noise, of which of many files are taken, of random signs, weights and resampling.
        strict (False): stop at a picture that can't be read instead of leaving it out.
        method ("gradient"): ``gradient``, or one of captum's attributions, see `attribution_maps`.
        measures (all): names of the measures to work out.
        precision (None): look at ever more images until the half-width of each measure's interval (``radius_50`` where
            none is named) is at most this share of its value.
        max_images (1,000): that a precision may take.
        random_weights (None): average maps over this many draws of random weights instead, drawn as ``init`` says: the
            map of a draw is what an image's is otherwise, so that intervals are over draws.
        init ("default"): ``default``, ``xavier``, ``he``, ``orthogonal`` or ``uniform-positive``.
        progress (None): called with the images that are done and all of them.
        watch (None): called with a `rftools.erf.enough.Seen` whenever layers have been measured: each one's
            ``radius_50`` and images so far, and the share of the work that is done.
        channel (None): y is this channel of the unit alone; of several, each gets a row of its own. In a layer of fewer
            channels there is nothing to see: its row's measures are None.
        grid (None): so many units along each axis of every layer's map, evenly from the first to the last (the central
            one is among them where the number is odd), a row each: how the field changes towards the border.
        inputs (None): all inputs of a model that takes several, in order or by name: a tensor of one sample, or a size
            ``(C, *spatial)`` for one of white noise. The images go to one of them, the others stay as they are.
        of (0): the input that the images go to, by its number or name.
        graph (None): the module's captured graph, where the caller has it already.

    Ctrl-C ends it early: the result then holds the images that are done, and is ``partial``.

    Raises:
        RequestError: no such layer, unit, channel, aggregation, method, measure or option; images that do not fit; a
            gradient that is not finite.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.Conv2d(1, 1, 3, padding=1))
    >>> result = effective(net, torch.rand(4, 1, 15, 15))
    >>> result["1"].map.shape, int((result["1"].map > 0).sum())
    ((15, 15), 25)
    """
    asked = {"layers": layers, "unit": unit, "aggregation": aggregation, "device": device}
    return effective_maps(model, images, request(asked | options)).result()
