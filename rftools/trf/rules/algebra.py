"""Linear algebra, distances and order statistics: every result sees whole dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import fx

from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.registry import Answer, Call, rule

WHOLE = ["linalg_inv", "linalg_inv_ex", "inverse", "linalg_pinv", "matrix_exp", "linalg_matrix_exp", "linalg_det"]
WHOLE += ["_linalg_det", "linalg_slogdet", "_linalg_slogdet", "linalg_svdvals", "linalg_svd", "_linalg_svd", "svd"]
WHOLE += ["linalg_eigh", "_linalg_eigh", "linalg_eigvalsh", "linalg_eig", "linalg_eigvals", "linalg_matrix_power"]
WHOLE += ["matrix_power", "linalg_matrix_norm", "linalg_cond", "linalg_matrix_rank", "det", "logdet", "slogdet"]
# Factors of a matrix are worked out column by column: the first ones do not see the last columns.
IN_TURN = ["linalg_qr", "linalg_cholesky", "linalg_cholesky_ex", "cholesky", "cholesky_inverse", "linalg_lu"]
IN_TURN += ["linalg_lu_factor", "geqrf", "linalg_householder_product"]
TRIANGULAR = ["linalg_solve_triangular", "triangular_solve", "cholesky_solve"]


@rule(*(f"aten.{name}" for name in WHOLE))
def of_matrices(call: Call) -> Answer:
    """Every number that comes of a matrix sees the whole matrix, and not the other matrices of its batch."""
    several = call.node.meta["val"]
    outputs = list(several) if isinstance(several, (list, tuple)) else [several]
    inputs = [(field, shape_of(node)) for node in _nodes(call) if (field := call.field_of(node)) is not None]
    batch = max(len(shape) for _, shape in inputs) - 2
    whole = [field.reduce(*range(-min(2, len(shape)), 0)) for field, shape in inputs]
    answers = [None if value is None else _spread(whole, tuple(value.shape), batch) for value in outputs]
    return answers if isinstance(several, (list, tuple)) else answers[0]


@rule(*(f"aten.{name}" for name in [*IN_TURN, *TRIANGULAR]))
def in_turn(call: Call) -> Answer:
    """The whole matrix holds what an element of its factors sees, which may be less."""
    answer = of_matrices(call)
    if isinstance(answer, (list, tuple)):
        return [None if field is None else field.bounded() for field in answer]
    return None if answer is None else cast(Field, answer).bounded()


@rule("aten.linalg_solve", "aten.linalg_solve_ex", "aten._linalg_solve_ex", "aten.linalg_lstsq")
def solved(call: Call) -> Answer:
    """Column j of ``A X = B``'s solution sees all of A and column j of B."""
    left = call.get("left", True)
    first, second = ("A", "B") if "A" in call.arguments else ("self", "b")
    matrix, right = call.field(first), call.field(second)
    shape = call.shape
    if right is not None:
        vector = len(right.shape) == 1 or right.shape == call.shape_of(first)[:-1]
        right = right.reduce(-1 if vector or not left else -2)
    whole = None if matrix is None else _spread([matrix.reduce(-2, -1)], shape, len(call.shape_of(first)) - 2)
    answer = join_fields([field for field in (whole, right) if field is not None], shape)
    return call.first(answer)


def _spread(fields: Sequence[Field], shape: tuple[int, ...], batch: int) -> Field:
    """Fields of whole matrices ``(*batch, 1, 1)`` for all elements of a result ``(*batch, *anything)``."""
    rest = len(shape) - batch
    return join_fields([field.reshape((*field.shape[:batch], *[1] * rest)).expand(shape) for field in fields], shape)


def _nodes(call: Call) -> list[fx.Node]:
    return [value for value in call.arguments.values() if isinstance(value, fx.Node)]


@rule("aten.cdist", "aten._cdist_forward")
def distances(call: Call) -> Answer:
    """Distance (i, j) sees row i of the one set of points and row j of the other."""
    first, second = call.field("x1"), call.field("x2")
    fields = []
    if first is not None:
        fields.append(first.reduce(-1))
    if second is not None:
        rows = second.reduce(-1)
        order = [*range(len(rows.shape) - 2), len(rows.shape) - 1, len(rows.shape) - 2]
        fields.append(rows.permute(order))
    return join_fields(fields, call.shape)


@rule("aten.pdist", "aten._pdist_forward")
def own_distances(call: Call) -> Answer:
    """Pairs (i, j) with i < j, one after the other: each sees its two rows."""
    rows = call.main("self").reduce(-1, keepdim=False)
    count = rows.shape[0]
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    return join_fields([rows.take(0, [pair[end] for pair in pairs]) for end in (0, 1)], call.shape)


@rule("aten._trilinear")
def trilinear(call: Call) -> Answer:
    """``sum_k`` of a product of three tensors, each expanded along its own dimensions."""
    fields: list[Field] = []
    for name in ("i1", "i2", "i3"):
        field = call.field(name)
        if field is None:
            continue
        shape = list(field.shape)
        for dim in sorted(call[f"expand{name[1]}"]):
            shape.insert(dim, 1)
        fields.append(field.reshape(shape).reduce(*call["sumdim"], keepdim=False))
    return join_fields(fields, call.shape)


@rule("aten.kthvalue", "aten.nanmedian", "aten.quantile", "aten.nanquantile")
def order_statistic(call: Call) -> Answer:
    """Any element along the dimension may be the one; several quantiles stand in front, and each sees the same."""
    field, dim = call.main("self"), call.get("dim")
    chosen = range(len(field.shape)) if dim is None else [dim]
    left = field.reduce(*chosen, keepdim=bool(call.get("keepdim", False)))
    in_front = [1] * (len(call.shape) - len(left.shape))
    answer = left.reshape((*in_front, *left.shape)).expand(call.shape)
    return call.every(answer)


@rule("aten.histc")
def histogram(call: Call) -> Answer:
    """Any element may be counted in any bin."""
    field = call.main("self")
    return field.reduce(*range(len(field.shape))).reshape([1] * len(call.shape)).expand(call.shape)
