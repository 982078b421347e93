"""Nets in which the images of one batch influence each other: norms by batch statistics, reductions over the batch."""

from __future__ import annotations

from torch import fx

from rftools.capture import Graph, op_name
from rftools.capture.shapes import shape_of

ONE_BY_ONE = "the images of a batch influence each other in this net (batch statistics): they are run one by one"
NORMS = frozenset(
    {"batch_norm", "native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm", "_batch_norm_with_update"}
)
REDUCTIONS = frozenset(
    {"mean", "sum", "prod", "std", "var", "var_mean", "std_mean", "amax", "amin", "max", "min", "norm", "median"}
    | {"linalg_vector_norm", "logsumexp", "softmax", "_softmax", "log_softmax", "_log_softmax", "cumsum", "argmax"}
)


def mixes_images(graph: Graph) -> bool:
    """Whether an operator on the input's way reads all images of a batch at once.

    A reduction that takes the first dimension counts, though a net may have put something else there: images are then
    run one by one without need, and the maps are the same.
    """
    reached = set(graph.inputs)
    for node in graph.nodes:
        if any(source in reached for source in node.all_input_nodes):
            reached.add(node)
            if _mixes(node):
                return True
    return False


def _mixes(node: fx.Node) -> bool:
    name = op_name(node)
    if name in NORMS:
        given = _arguments(node)
        return bool(given.get("training", given.get("train", True))) or given.get("running_mean", 0) is None
    source = node.args[0] if node.args else None
    if name not in REDUCTIONS or not isinstance(source, fx.Node):
        return False
    given = _arguments(node)
    if isinstance(given.get("other"), fx.Node):
        return False  # the larger of two tensors, element by element
    dims = given.get("dim")
    rank = max(1, len(shape_of(source)))
    chosen = dims if isinstance(dims, (list, tuple)) else [dims]
    return dims is None or not chosen or any(isinstance(d, int) and d % rank == 0 for d in chosen)


def _arguments(node: fx.Node) -> dict[str, object]:
    """A node's arguments by their names in the schema, the defaults included."""
    schema = getattr(node.target, "_schema", None)
    found: dict[str, object] = {}
    for position, slot in enumerate(schema.arguments if schema is not None else ()):
        if position < len(node.args):
            found[slot.name] = node.args[position]
        elif slot.name in node.kwargs:
            found[slot.name] = node.kwargs[slot.name]
        elif slot.has_default_value():
            found[slot.name] = slot.default_value
    return found
