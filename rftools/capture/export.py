"""Capture with ``torch.export``: the ATen graph of a module in evaluation mode, module paths included."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from rftools.capture.graph import Graph, name_layers, name_outputs
from rftools.capture.inputs import Example, Inputs, example_of, is_index
from rftools.capture.operators import VIEWS
from rftools.capture.record import record
from rftools.errors import RequestError
from rftools.runtime.evaluation import evaluating, uncompiled


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the pages that a refused export logs and the warnings of a library's own tracing."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def capture(
    module: nn.Module, input_size: tuple[int, ...] | None = None, *, inputs: Inputs | None = None, of: int | str = 0
) -> Graph:
    """The graph of one forward pass of ``module`` on an input of ``input_size`` ``(C, *spatial)``.

    ``inputs`` stands for several: sizes or tensors by position or by name; ``of`` says which of them fields speak of,
    and comes first in `Graph.inputs`. No weight is read: meta tensors and random ones give the same graph. The module
    is left as it was.

    Raises:
        RequestError: the module refuses this input, or its forward cannot be captured.
    """
    module = uncompiled(module)
    if inputs is None:
        if input_size is None:
            raise RequestError("a net is captured on an input; give its size (C, *spatial)")
        inputs = [input_size]
    example = example_of(module, inputs, of)
    with evaluating(module), _unchanged(module), _quiet(), _plain_attention():
        try:
            with _unchanged(module):  # torch 2.6 leaves tensors without values where it refuses
                program = torch.export.export(module, example.args, dict(example.kwargs), strict=False)
            if _has_regions(program.graph) or _has_symbols(program.graph):
                return record(module, example)
            if _needs_functional_form(program.graph):
                program = program.run_decompositions({})
        except Exception as error:
            _refuse_input(module, example, error)
            return record(module, example)
    return _from_program(program, example)


@contextlib.contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """What a forward pass keeps in its modules (anchors for the last shape, say) is not kept beyond the block: while
    a net is captured it would be tensors without values.
    """
    kept = [(child, dict(child.__dict__), dict(child._buffers)) for child in module.modules()]
    try:
        yield
    finally:
        for child, attributes, buffers in kept:
            child.__dict__.clear()
            child.__dict__.update(attributes)
            child._buffers.clear()
            child._buffers.update(buffers)


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Without the fused operators that put a whole encoder layer behind one name."""
    mha = torch.backends.mha
    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)


def _refuse_input(module: nn.Module, example: Example, error: Exception) -> None:
    """Say so in one line where the module itself, not the capture, refuses the input."""
    try:
        with torch.no_grad():
            module(*example.args, **example.kwargs)
    except RequestError as own:  # a module of ours says it better
        raise own from error
    except Exception as own:
        name = type(module).__name__
        reason = str(own).strip().splitlines()[0] if str(own).strip() else type(own).__name__
        if "indices" in reason and "Long" in reason:
            raise RequestError(
                f"{name} looks its input up in a table (integer tokens), which have no pixels that a field could be"
                " counted in; give the module that follows the embedding"
            ) from error
        several = "; several inputs are separated by commas" if "missing" in reason and "argument" in reason else ""
        raise RequestError(
            f"{name} does not take an input of {example.text}: {reason}; give one that fits with --input-size{several}"
        ) from error


def _has_regions(graph: fx.Graph) -> bool:
    """Whether a part of the net (under autocast, say) was put away in a graph of its own."""
    return any(str(getattr(node.target, "__name__", "")).startswith("wrap_with") for node in graph.nodes)


def _has_symbols(graph: fx.Graph) -> bool:
    """Whether a shape depends on the data and stays open; a recorded pass has one that did occur."""
    values = (leaf for node in graph.nodes for leaf in pytree.tree_leaves(node.meta.get("val")))
    return any(isinstance(n, torch.SymInt) for v in values if isinstance(v, torch.Tensor) for n in v.shape)


def _needs_functional_form(graph: fx.Graph) -> bool:
    """Whether an in-place operator changes a tensor that is read again under its old name, or a view of one."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable or not node.args or not isinstance(node.args[0], fx.Node):
            continue
        target = node.args[0]
        if any(order[user] > order[node] for user in target.users) or _is_view(target):
            return True
        if any(_is_view(user) and order[user] < order[node] for user in target.users):
            return True
    return False


def _is_view(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return getattr(node.target, "__name__", "") in VIEWS
    return schema.name.rpartition("::")[2] in VIEWS


def _from_program(program: Any, example: Example) -> Graph:
    signature = program.graph_signature
    nodes = tuple(node for node in program.graph.nodes if node.op == "call_function")
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    inputs = [placeholders[name] for name in signature.user_inputs if isinstance(name, str)]
    values = {**program.state_dict, **program.constants}
    owners = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **getattr(signature, "inputs_to_lifted_tensor_constants", {}),
    }
    constants = {name: values[owner] for name, owner in owners.items() if owner in values}
    constants.update({node.name: value for node, value in zip(inputs, example.tensors, strict=True) if is_index(value)})
    by_name = {node.name: node for node in program.graph.nodes}
    flat = [by_name.get(name) if isinstance(name, str) else None for name in signature.user_outputs]
    outputs = name_outputs(pytree.tree_unflatten(flat, program.call_spec.out_spec))
    return Graph(
        nodes=nodes,
        inputs=(inputs[example.of], *inputs[: example.of], *inputs[example.of + 1 :]),
        outputs=outputs,
        constants=constants,
        layers=name_layers(nodes, outputs),
    )
