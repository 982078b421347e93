"""Operators without a rule of their own, and rare ones, element by element against poisoned rows."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.trf.engine import walk
from rftools.trf.rules import RULES, find_rule
from tests.trf.test_indexing import SIZE, After, Function, check_every_element

K = torch.rand(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ROWS = torch.tensor([1, 3])
GRID = torch.tensor([[[[-0.8, -0.4], [0.1, 0.3]], [[0.7, 0.9], [-1.4, 0.0]]]], dtype=torch.float64)
EYE = torch.eye(2, 3, dtype=torch.float64)[None] * 0.9


PARTS: dict[str, Function] = {  # taken apart
    "bilinear": lambda x: F.bilinear(x, x.flip(2), K.expand(3, 6, 6)),
    "rot90": lambda x: torch.rot90(x, 1, (2, 3)),
    "tensordot": lambda x: torch.tensordot(x, K, dims=([2], [0])),
    "kron": lambda x: torch.kron(x[:, :1], torch.ones(1, 1, 2, 2, dtype=torch.float64)),
    "take_along_dim": lambda x: torch.take_along_dim(x, torch.full((1, 4, 2, 6), 2), 2),
    "index_fill": lambda x: x.index_fill(2, ROWS, 0.0),
    "diff": lambda x: torch.diff(x, dim=2),
    "trapezoid": lambda x: torch.trapezoid(x, dim=2),
    "pairwise": lambda x: F.pairwise_distance(x, x.flip(2)),
    "trace": lambda x: x[0, 0].trace().reshape(1),
    "block_diag": lambda x: torch.block_diag(x[0, 0], x[0, 1, :2]),
    "cartesian": lambda x: torch.cartesian_prod(x[0, 0, 0], x[0, 0, 3]),
    "ellipsis": lambda x: torch.einsum("...ij,jk->...ik", x, K),
    "diagonal": lambda x: torch.einsum("ncii->nci", x),
    "ndtr": lambda x: torch.special.ndtr(x),
}
RARE: dict[str, Function] = {  # with a rule of their own
    "diag_embed": lambda x: torch.diag_embed(x[:, :, 0], 1),
    "cdist": lambda x: torch.cdist(x, x.flip(2)),
    "cdist with constants": lambda x: torch.cdist(x, K),
    "pdist": lambda x: F.pdist(x[0, 0]),
    "inverse": torch.linalg.inv,
    "determinant": torch.linalg.det,
    "solve": lambda x: torch.linalg.solve(x, x[..., :2]),
    "solve constants": lambda x: torch.linalg.solve(K, x),
    "solve from the right": lambda x: torch.linalg.solve(K, x, left=False),
    "solve a vector": lambda x: torch.linalg.solve(K, x[0, 0, 0]),
    "quantile": lambda x: x.quantile(0.5, dim=2),
    "quantiles": lambda x: x.quantile(torch.tensor([0.1, 0.5], dtype=x.dtype), dim=3),
    "masked_scatter": lambda x: x.masked_scatter(K > 0.5, x.flip(3)),
    "as_strided": lambda x: x.clone().as_strided((2, 3, 6), (30, 7, 1), 4),
    "bilinear sampling": lambda x: F.grid_sample(x, GRID, align_corners=False),
    "nearest sampling": lambda x: F.grid_sample(x, GRID, mode="nearest", align_corners=True),
    "affine": lambda x: F.grid_sample(x, F.affine_grid(EYE, [1, 4, 5, 5], align_corners=False), align_corners=False),
    "bessel": lambda x: torch.special.bessel_j0(x),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_taken_apart(name: str) -> None:
    assert check_every_element(After(PARTS[name])) in {"exact", "unit"}


@pytest.mark.parametrize("name", RARE)
def test_rare_operators(name: str) -> None:
    assert check_every_element(After(RARE[name])) in {"exact", "unit"}


class Steps(nn.Module):
    """A cell walks along the rows of the first channel."""

    def __init__(self, kind: type[nn.RNNCellBase]) -> None:
        super().__init__()
        self.cell = kind(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None
        for t in range(3):
            state = self.cell(x[:, 0, 2 * t], state)
        return state[0] if isinstance(state, tuple) else state


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_cells(kind: type[nn.RNNCellBase]) -> None:
    assert check_every_element(Steps(kind), (1, 6, 6)) in {"exact", "unit"}


def test_any_row_may_be_the_second_smallest() -> None:
    axis = rf.theoretical(After(lambda x: x.kthvalue(2, dim=2).values), input_size=SIZE)[""].axes[0]
    assert axis.global_


def test_factors_of_a_matrix_are_a_bound() -> None:
    for function in (lambda x: torch.linalg.qr(x)[0], lambda x: torch.linalg.lu(x)[1]):
        assert check_every_element(After(function)) == "bound"


def test_unpooling_is_a_bound() -> None:
    net = After(lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2))
    assert rf.theoretical(net, input_size=SIZE)[""].status == "bound"


def test_a_table_indexed_by_data_and_classes_keep_their_places() -> None:
    table = torch.rand(2, 3)
    for function in (lambda x: F.embedding((x > 0).long(), table), lambda x: F.one_hot((x > 0).long(), 2)):
        axis = rf.theoretical(After(function), input_size=SIZE)[""].axes[0]
        assert (axis.size, axis.stride) == (3, 1)


def test_boundaries_are_searched_element_by_element() -> None:
    marks = torch.arange(5.0)
    for function in (lambda x: torch.bucketize(x, marks), lambda x: torch.searchsorted(marks, x)):
        assert rf.theoretical(After(function), input_size=SIZE)[""].axes[0].size == 3


def test_a_part_without_a_rule_is_named() -> None:
    library = torch.library.Library("rftools_parts", "DEF")
    library.define("opaque(Tensor x) -> Tensor")
    library.impl("opaque", lambda x: x.clone(), "CompositeExplicitAutograd")
    library.impl("opaque", lambda x: torch.empty_like(x), "Meta")
    library.define("outer(Tensor x) -> Tensor")
    library.impl("outer", lambda x: torch.ops.rftools_parts.opaque(x) + 1, "CompositeImplicitAutograd")
    try:
        row = rf.theoretical(After(lambda x: torch.ops.rftools_parts.outer(x)), input_size=SIZE)[""]
        assert row.status == "unknown"
        assert "rftools_parts.opaque" in (row.cause or "")
    finally:
        library._destroy()


def test_the_callers_rule_of_a_part_is_followed() -> None:
    graph = capture(After(PARTS["rot90"]), SIZE)
    node = graph.outputs[0][1]
    assert "aten.rot90" not in RULES
    assert find_rule(node, {}) is not None
    seen = []

    def flip(call):  # type: ignore[no-untyped-def]
        seen.append(call.node)
        return RULES["aten.flip"](call)

    walk(graph, {"aten.flip": flip})
    assert len(seen) == 1


def test_the_reverse_walk_goes_through_the_parts() -> None:
    axis = rf.theoretical(After(PARTS["rot90"]), input_size=SIZE, surviving=True)["conv"].surviving
    whole = rf.theoretical(After(PARTS["diff"]), input_size=SIZE, paths=[""])[""].paths
    assert axis is not None
    assert whole is not None
    assert math.isclose(float(whole.sum()), 1.0, rel_tol=1e-9)
    assert int((whole.sum(1) > 0).sum()) == 4  # two neighbouring rows of a 3x3 convolution
