"""Recurrent layers: a step sees those before it; both directions see all."""

from __future__ import annotations

from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.rules.registry import Answer, Call, rule


@rule("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")
def recurrent(call: Call) -> Answer:
    """One direction: step t sees all steps up to t; both directions: every step sees all."""
    field = call.main("input")
    dim = 1 if call["batch_first"] else 0
    if len(field.shape) == 2:
        dim = 0
    mixed = field.reduce(-1)
    seen = mixed.couple(dim) if call["bidirectional"] else mixed.running(dim)
    values = call.node.meta["val"]
    shape = shape_of(values[0])
    output = seen.expand_dim(len(shape) - 1, shape[-1])
    last = mixed.reduce(dim)
    states = [_as_state(last, shape_of(value), dim) for value in values[1:]]
    return [output, *states]


def _as_state(field: Field, shape: tuple[int, ...], dim: int) -> Field:
    """(layers, batch, hidden) from a field whose sequence dimension has length 1."""
    flat = field.permute([dim, *(d for d in range(len(field.shape)) if d != dim)])
    return flat.expand(shape)
