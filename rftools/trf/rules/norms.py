"""Norms and softmax: every element sees all those it is measured against."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from rftools.capture import op_name
from rftools.capture.operators import aten
from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.elementwise import NORMS_OF_BATCHES, tensors_of
from rftools.trf.rules.registry import Answer, Call, rule


@rule("aten.softmax", "aten._softmax", "aten.log_softmax", "aten._log_softmax", "aten.softmin", "aten._safe_softmax")
def softmax(call: Call) -> Answer:
    field, dim = call.main("self"), call["dim"]
    log = "log" in op_name(call.node)
    closed = None if op_name(call.node) == "softmin" else call.closed_weights()
    if closed is None:
        return _against(field, [dim])
    alone = (~closed).sum(dim, keepdim=True) == 1  # the only weight of a sum is one, whatever its score
    mixed = field.closed(closed).couple(dim)
    if log:  # a small weight's logarithm is no small number
        return join_fields([field, mixed], call.shape).closed(~closed & alone)
    return mixed.closed(closed | alone)


@rule("aten.layer_norm", "aten.native_layer_norm")
def layer_norm(call: Call) -> Answer:
    dims = range(-len(call["normalized_shape"]), 0)
    return call.first(_scaled(call, _against(call.only("input"), dims), 0))


@rule("aten.rms_norm", "aten._fused_rms_norm")
def rms_norm(call: Call) -> Answer:
    """No mean is taken off: of one element its sign is left."""
    dims = range(-len(call["normalized_shape"]), 0)
    return call.first(_scaled(call, call.only("input").couple(*dims), 0))


@rule("aten.group_norm", "aten.native_group_norm")
def group_norm(call: Call) -> Answer:
    field = call.only("input")
    groups = call.get("num_groups") or call["group"]
    n, c, *space = field.shape
    deep = field.reshape((n, groups, c // groups, *space))
    coupled = _against(deep, range(2, len(deep.shape)))
    return call.first(_scaled(call, None if coupled is None else coupled.reshape(field.shape), len(space)))


@rule("aten.instance_norm")
def instance_norm(call: Call) -> Answer:
    field = call.only("input")
    return _against(field, range(2, len(field.shape))) if call["use_input_stats"] else field


@rule(*aten((*NORMS_OF_BATCHES, "_native_batch_norm_legit", "_native_batch_norm_legit_functional")))
def batch_norm(call: Call) -> Answer:
    """Running statistics are constants; the batch's own are those of the whole map, and of all images in it."""
    field = call.only("input")
    if own_statistics(call):
        return call.first(_against(field, [d for d in range(len(field.shape)) if d != 1]))
    return call.first(field)


def own_statistics(call: Call) -> bool:
    """Whether a batch norm measures what it is given."""
    training = call.arguments.get("training", call.arguments.get("train", False))
    return bool(training) or call.arguments.get("running_mean") is None


@rule("aten.local_response_norm")
def local_response_norm(call: Call) -> Answer:
    return call.main("input").couple(1)


def _against(field: Field, dims: Iterable[int]) -> Field | None:
    """Elements measured against all along ``dims``; one that is measured against itself alone is a constant."""
    over = list(dims)
    return None if math.prod(field.shape[d] for d in over) == 1 else field.couple(*over)


def _scaled(call: Call, field: Field | None, after: int) -> Field | None:
    """After a scale of whose numbers some are zero; ``after`` dimensions follow those that it has."""
    zeros = call.zeros(call.arguments.get("weight"))
    return field if field is None or zeros is None else field.closed(zeros.reshape(*zeros.shape, *[1] * after))


@rule("aten.pixel_norm", "aten.cosine_similarity")
def along_channels(call: Call) -> Answer:
    fields = [f for f in map(call.field_of, tensors_of(call.arguments.values())) if f is not None]
    dim = call.get("dim", 1)
    whole = join_fields(fields, torch.broadcast_shapes(*[f.shape for f in fields]))
    return whole.reduce(dim, keepdim=False)
