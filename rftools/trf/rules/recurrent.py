"""Recurrent layers and their cells: a step sees those before it; both directions see all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields, join_fields
from rftools.trf.rules.registry import Answer, Call, NoRule, rule


@rule("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")
def recurrent(call: Call) -> Answer:
    """Step t sees all steps up to t and the initial state; backwards all from t on; deeper layers of both see all."""
    values = call.node.meta["val"]
    if "input" not in call.arguments:
        return _packed(call, shape_of(values[0]))
    shape = shape_of(values[0])
    dim = 0 if len(shape) == 2 or not call["batch_first"] else 1
    return _answers(call, call.field("input"), dim, shape)


def _packed(call: Call, shape: tuple[int, ...]) -> Answer:
    """A packed sequence ``(steps, features)`` is one of a batch of one image."""
    field = call.field("data")
    _refuse_batches(call, shape_of(_first(call["hx"]))[1])
    steps, features = shape
    whole = None if field is None else field.reshape((steps, 1, field.shape[1]))
    output, *states = _answers(call, whole, 0, (steps, 1, features))
    return [output.reshape(shape), *states]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value


def _refuse_batches(call: Call, count: int) -> None:
    if count != 1:
        raise NoRule(f"a packed sequence of {count} sequences made from one image")


@rule("aten._pack_padded_sequence")
def packed(call: Call) -> Answer:
    """``(1, steps, features)`` to ``(length, features)``: the steps up to the length, which is a constant."""
    if call.field("lengths") is not None:
        raise NoRule("packed sequences, whose lengths are data")
    dim = 1 if call["batch_first"] else 0
    field, shape = call.main("input"), call.shape
    _refuse_batches(call, field.shape[1 - dim])
    return call.first(field.take(dim, range(shape[0])).reshape(shape))


def _answers(call: Call, field: Field | None, dim: int, shape: tuple[int, ...]) -> list[Field]:
    values = call.node.meta["val"]
    start = _initial(call, len(shape), dim)
    mixed = None if field is None else field.reduce(-1)
    output = _joined([None if mixed is None else _output(call, mixed, dim, shape), start], shape)
    last = _joined([None if mixed is None else mixed.reduce(dim), start], (*_but(shape, dim)[:-1], 1))
    states = [_as_state(last, shape_of(value), dim) for value in values[1:]]
    several = start is not None and call["num_layers"] > 1  # a lower layer's state sees less than the last one's
    return [output, *(state.bounded() if several else state for state in states)]


def _output(call: Call, mixed: Field, dim: int, shape: tuple[int, ...]) -> Field:
    end = len(shape) - 1
    if not call["bidirectional"]:
        return mixed.running(dim).expand_dim(end, shape[-1])
    if call["num_layers"] > 1:
        return mixed.couple(dim).expand_dim(end, shape[-1])
    turned = range(mixed.shape[dim])[::-1]
    backward = mixed.take(dim, turned).running(dim).take(dim, turned)
    half = shape[-1] // 2
    halves = [field.expand_dim(end, half) for field in (mixed.running(dim), backward)]
    return concatenate_fields(halves, [half, half], end, shape)


def _initial(call: Call, rank: int, dim: int) -> Field | None:
    """The initial states ``(layers, batch, hidden)`` that are data, as all steps see them."""
    given = call.arguments.get("hx")
    nodes = given if isinstance(given, (list, tuple)) else [given]
    found = [field.reduce(0, len(field.shape) - 1) for node in nodes if (field := call.field_of(node)) is not None]
    if not found:
        return None
    whole = join_fields(found, found[0].shape)
    if any(field.labels.shape[0] > 1 for node in nodes if (field := call.field_of(node)) is not None):
        whole = whole.bounded()  # states of layers and directions that differ
    if rank == 2:
        return whole
    return whole if dim == 0 else whole.permute([1, 0, 2])


def _joined(fields: Sequence[Field | None], shape: Sequence[int]) -> Field:
    return join_fields([field for field in fields if field is not None], shape)


def _but(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])


def _as_state(field: Field, shape: tuple[int, ...], dim: int) -> Field:
    """(layers, batch, hidden) from a field whose sequence dimension has length 1."""
    flat = field.permute([dim, *(d for d in range(len(field.shape)) if d != dim)])
    return flat.expand(shape)


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
