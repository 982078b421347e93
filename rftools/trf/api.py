"""`theoretical`: from a model to the field of every layer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from rftools.arguments import checked
from rftools.capture import Graph, Inputs, capture
from rftools.capture.shapes import shape_of
from rftools.loading import Model, as_model
from rftools.trf.input_range import input_range_of
from rftools.trf.result import TheoreticalResult
from rftools.trf.rows import explore
from rftools.trf.rules import Rule
from rftools.trf.shortcuts import without_short_step
from rftools.trf.surviving import with_paths, with_surviving
from rftools.units import Where

if TYPE_CHECKING:
    from torch import nn


class WorkedOut(TypedDict, total=False):
    """What `theoretical` need not work out again."""

    graph: Graph | None


@checked
def theoretical(
    model: Model | nn.Module,
    input_size: tuple[int, ...] | None = None,
    *,
    unit: Where | Mapping[str, Where] | None = None,
    surviving: bool = False,
    rules: Mapping[str, Rule] | None = None,
    inputs: Inputs | None = None,
    of: int | str = 0,
    paths: Sequence[str] = (),
    **known: Unpack[WorkedOut],
) -> TheoreticalResult:
    """The theoretical receptive field of every layer, per input axis, exact or said not to be.

    For output index ``o`` an axis's field is ``[start + o*stride, start + o*stride + size - 1]`` in input pixels,
    index 0 being the first pixel; what no path reaches inside it are its holes.

    Args:
        model: a loaded model or any module.
        input_size: ``(C, *spatial)``, without the batch; needed where the model does not know its own.
        unit: the output index that windows speak of: ``(i, j)`` for every layer whose map holds it, or one for
            each named layer. The default is the centre, ``n // 2``, of each layer's own map. Of layers of tokens it is
            a place on the grid that these make of the image, or ``"class"``.
        surviving: also walk back from the unit of every layer that holds weights, through the weights that are not
            zero, channel by channel: what pruning left of its field (inside the image).
        rules: rules for operators, by name (``"mylib.blur"``), which go before the registered ones.
        inputs: all inputs of a model that takes several, in order or by name: sizes ``(C, *spatial)`` or tensors with
            their batch. Fields are in the pixels of the input ``of``; the others are taken as constants.
        paths: layers of which the unit's paths are counted pixel by pixel (``.paths``, shares of all of them): the
            field of a linear net whose weights are all alike.
        known: what the caller has already: ``graph``, the module's captured graph.

    Raises:
        RequestError: the model does not take the input, no layer's map holds the unit, or an option that there is not.

    >>> import torch, rftools as rf
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 8, 3, stride=2, padding=1))
    >>> axis = rf.theoretical(net, input_size=(3, 32, 32))["1"].axes[0]
    >>> axis.size, axis.stride, axis.start, axis.centre
    (5, 2.0, -2, 0.0)

    Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill 2019,
    doi:10.23915/distill.00021; holes, phases and tables are this project's own.
    """
    subject = as_model(model, input_size)
    if inputs is None:
        inputs = [subject.require_input_size(), *subject.other_inputs]
    graph = known.get("graph") or capture(subject.module, inputs=inputs, of=of)
    size = shape_of(graph.inputs[0])[1:]
    own = _own_rules(rules)
    net = explore(subject.module, graph, own)
    fields, rows = net.fields, net.rows(unit)
    if surviving:
        rows = with_surviving(rows, graph, fields, own)
    if paths:
        rows = with_paths(rows, paths, graph, fields, own)
    return TheoreticalResult(
        model=subject.info(),
        input_size=tuple(size),
        layers=tuple(rows),
        capture=graph.method,
        input_range=input_range_of(rows),
    )


def _own_rules(rules: Mapping[str, Rule] | None) -> dict[str, Rule]:
    own = {name.replace("::", "."): function for name, function in (rules or {}).items()}
    for name in without_short_step(own):
        warnings.warn(
            f"the rule for {name} replaces one whose step back is short; walks back take longer through it, "
            f"unless like({name!r}) marks a rule that reads the same elements",
            stacklevel=3,
        )
    return own
