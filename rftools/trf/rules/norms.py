"""Norms and softmax: every element sees all those it is measured against."""

from __future__ import annotations

import torch

from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.elementwise import tensors_of
from rftools.trf.rules.registry import Answer, Call, rule


@rule("aten.softmax", "aten._softmax", "aten.log_softmax", "aten._log_softmax", "aten.softmin", "aten._safe_softmax")
def softmax(call: Call) -> Answer:
    return call.main("self").couple(call["dim"])


@rule("aten.layer_norm", "aten.native_layer_norm", "aten.rms_norm", "aten._fused_rms_norm")
def layer_norm(call: Call) -> Answer:
    dims = range(-len(call["normalized_shape"]), 0)
    return _first(call, call.only("input").couple(*dims))


@rule("aten.group_norm", "aten.native_group_norm")
def group_norm(call: Call) -> Answer:
    field = call.only("input")
    groups = call.get("num_groups") or call["group"]
    n, c, *space = field.shape
    deep = field.reshape((n, groups, c // groups, *space))
    return _first(call, deep.couple(*range(2, len(deep.shape))).reshape(field.shape))


@rule("aten.instance_norm")
def instance_norm(call: Call) -> Answer:
    field = call.only("input")
    return field.couple(*range(2, len(field.shape))) if call["use_input_stats"] else field


@rule("aten.local_response_norm")
def local_response_norm(call: Call) -> Answer:
    return call.main("input").couple(1)


def _first(call: Call, field: Field) -> Answer:
    value = call.node.meta["val"]
    return [field, *[None] * (len(value) - 1)] if isinstance(value, (list, tuple)) else field


@rule("aten.pixel_norm", "aten.cosine_similarity")
def along_channels(call: Call) -> Answer:
    fields = [f for f in map(call.field_of, tensors_of(call.arguments.values())) if f is not None]
    dim = call.get("dim", 1)
    whole = join_fields(fields, torch.broadcast_shapes(*[f.shape for f in fields]))
    return whole.reduce(dim, keepdim=False)
