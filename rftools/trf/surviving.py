"""What is asked of single units by walking back: what pruning left of their fields, and how many paths lead where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import fx

from rftools.capture import Graph
from rftools.capture.operators import KERNELS
from rftools.capture.shapes import shape_of
from rftools.errors import no_layer
from rftools.rows import names_of
from rftools.trf.field import Field
from rftools.trf.layer_field import LayerField, Surviving
from rftools.trf.reverse import Reverse, unit_place
from rftools.trf.rules import Answer, Rule


def with_surviving(
    rows: Sequence[LayerField], graph: Graph, fields: Mapping[fx.Node, Answer], rules: Mapping[str, Rule]
) -> list[LayerField]:
    """The rows of layers with kernels or matrices, each with what its weights left of its field."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    whole, left = Reverse(graph, fields, rules), Reverse(graph, fields, rules, surviving=True)
    done = []
    for row in rows:
        if row.op not in KERNELS or row.unit is None or row.status == "unknown":
            done.append(row)
            continue
        field = fields[nodes[row.name]]
        assert isinstance(field, Field)
        place = unit_place(field, row.unit_dims, row.place)
        all_of_it, rest = (walk.support(nodes[row.name], place).any(0) for walk in (whole, left))
        left_of_it = replace(_what_is_left(all_of_it, rest), smallest_mask=_smallest_mask(nodes[row.name], row.op))
        done.append(replace(row, surviving=left_of_it))
    return done


def _smallest_mask(node: fx.Node, op: str) -> tuple[tuple[int, ...], ...] | None:
    """The first and the last tap along all axes at once: between them they reach what the whole kernel reaches."""
    if not op.startswith("conv") or "transpose" in op or (op == "convolution" and node.args[6]):
        return None
    kernel = shape_of(node.args[1])[2:]
    corners = (tuple(0 for _ in kernel), tuple(k - 1 for k in kernel))
    return corners[:1] if corners[0] == corners[1] else corners


def with_paths(
    rows: Sequence[LayerField],
    wanted: Sequence[str],
    graph: Graph,
    fields: Mapping[fx.Node, Answer],
    rules: Mapping[str, Rule],
) -> list[LayerField]:
    """The rows named in ``wanted`` with the counts of their unit's paths."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    wanted = names_of(wanted)
    for name in wanted:
        if name not in nodes:
            raise no_layer(name, list(nodes))
    walk = Reverse(graph, fields, rules)
    done = []
    for row in rows:
        field = fields[nodes[row.name]]
        if row.name in wanted and row.unit is not None and row.status != "unknown" and isinstance(field, Field):
            counts = walk.counts(nodes[row.name], unit_place(field, row.unit_dims, row.place)).sum(0)
            row = replace(row, paths=counts.numpy())
        done.append(row)
    return done


def _what_is_left(whole: torch.Tensor, rest: torch.Tensor) -> Surviving:
    clipped: list[tuple[int, int] | None] = []
    for axis in range(rest.ndim):
        seen = rest.movedim(axis, 0).reshape(rest.shape[axis], -1).any(1).nonzero()
        clipped.append((int(seen[0]), int(seen[-1])) if len(seen) else None)
    sizes = tuple(0 if c is None else c[1] - c[0] + 1 for c in clipped)
    return Surviving(sizes, tuple(clipped), float(rest.sum()) / max(float(whole.sum()), 1.0), support=rest.numpy())
