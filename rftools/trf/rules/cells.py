"""One step of a recurrent net: RNN, LSTM and GRU cells."""

from __future__ import annotations

from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.registry import Answer, Call, rule


@rule("aten.rnn_tanh_cell", "aten.rnn_relu_cell", "aten.gru_cell")
def cell(call: Call) -> Answer:
    """Every element of the new state sees the whole input and the whole old state."""
    return join_fields(_mixed(call, ["input", "hx"]), call.shape)


@rule("aten.lstm_cell")
def lstm_cell(call: Call) -> Answer:
    """``c' = f c + i g`` sees the old ``c`` at its own place, and through the gates all of the input and of ``h``."""
    hidden, carried = call["hx"]
    shape = shape_of(carried)
    own = call.field_of(carried)
    gates = [field for value in (call["input"], hidden) if (field := call.field_of(value)) is not None]
    fields = [_all_features(field, shape[-1]) for field in gates] + ([] if own is None else [own])
    state = join_fields(fields, shape)
    return [state, state]


def _mixed(call: Call, names: list[str]) -> list[Field]:
    return [_all_features(field, call.shape[-1]) for name in names if (field := call.field(name)) is not None]


def _all_features(field: Field, features: int) -> Field:
    return field.reduce(-1).expand_dim(len(field.shape) - 1, features)
