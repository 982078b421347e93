"""Capture with ``torch.export``: the ATen graph of a module in evaluation mode, module paths included."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from rftools.capture.again import leaves_changed, refuse_other_paths
from rftools.capture.aliases import written_constants
from rftools.capture.functional import without_writes, writes_in_place
from rftools.capture.graph import Graph, module_path, name_layers, name_outputs
from rftools.capture.inputs import Example, Inputs, example_of, is_index
from rftools.capture.leaving import mark_left
from rftools.capture.record import record
from rftools.capture.recurrences import without_steps
from rftools.capture.refused import refuse_input, refuse_scripted
from rftools.capture.returns import Labels, leaves, returned
from rftools.capture.trace import trace
from rftools.errors import RequestError, reason
from rftools.runtime.evaluation import evaluating, uncompiled
from rftools.runtime.randomness import undrawn
from rftools.runtime.state import unchanged

TRIES = 8  # runs of a net that draws random numbers


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
    refuse_scripted(module)
    with undrawn(), evaluating(module), _quiet(), _plain_attention():
        graph, changed = _traced(module, example)
        if graph is None:
            graph, changed = _by_export(module, example), changed or leaves_changed(module, example)
        if changed or graph.written:
            refuse_other_paths(module, example)
        return graph


def _by_export(module: nn.Module, example: Example) -> Graph:
    """The graph by ``torch.export``, or where that refuses the operators of a real pass."""
    with unchanged(module):
        try:
            program, labels = _exported(module, example)
            if _has_regions(program.graph) or _has_symbols(program.graph):
                return _recorded(module, example)
            if writes_in_place(program.graph):
                program, labels = without_writes(program, module, partial(_exported_once, module, example))
        except RequestError:
            raise
        except Exception as error:
            with unchanged(module):
                refuse_input(module, example, error)
            return _recorded(module, example)
    return _from_program(program, example, labels)


def _traced(module: nn.Module, example: Example) -> tuple[Graph | None, bool]:
    """The quick way's graph, and whether the call changed the module; None where it is not sure to be the net's."""
    states = _random_states()
    with unchanged(module) as left:
        try:
            graph = trace(module, example)
        except Exception:  # the slower ways find out what it is, and say so
            return None, False
    return (graph if _random_states() == states else None), left.changed


def _exported(module: nn.Module, example: Example) -> tuple[Any, Labels]:
    """The program, and what its modules returned; traced again where Python's or numpy's random numbers were drawn."""
    states = _random_states()
    program, labels = _export(module, example)
    if _random_states() != states:
        for _ in range(TRIES):
            _check_same(program.graph.nodes, _export(module, example)[0].graph.nodes, module)
    return program, labels


def _export(module: nn.Module, example: Example) -> tuple[Any, Labels]:
    labels: Labels = {}

    def trace() -> Any:
        labels.clear()
        with returned(module, labels):
            return _exported_once(module, example)

    return without_steps(trace), labels


def _exported_once(module: nn.Module, example: Example) -> Any:
    with unchanged(module):  # torch 2.6 leaves tensors without values where it refuses
        return torch.export.export(module, example.args, dict(example.kwargs), strict=False)


def _random_states() -> tuple[Any, ...]:
    kind, keys, position, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (nets draw from it)
    return random.getstate(), kind, bytes(np.asarray(keys)), position, *rest


def _recorded(module: nn.Module, example: Example) -> Graph:
    """The operators of one real pass, done twice, and more often where it draws random numbers.

    What differs then is no one net.

    Raises:
        RequestError: another path the second time, or a pass that fails.
    """
    graphs: list[Graph] = []
    for number in range(TRIES):
        with unchanged(module):
            torch.manual_seed(torch.initial_seed() + number)
            states = _random_states(), torch.random.get_rng_state().tolist()
            try:
                graphs.append(record(module, example))
            except RequestError:
                raise
            except Exception as error:
                raise RequestError(f"{type(module).__name__} fails while it is followed: {reason(error)}") from error
            drawn = states != (_random_states(), torch.random.get_rng_state().tolist())
        _check_same(graphs[0].nodes, graphs[-1].nodes, module)
        if not drawn and number:
            break
    return graphs[0]


def _check_same(first: Iterable[fx.Node], second: Iterable[fx.Node], module: nn.Module) -> None:
    """Whether two runs called the same operators of the same tensors in the same modules."""
    one, other = ([(n.target, module_path(n), str((n.args, n.kwargs))) for n in nodes] for nodes in (first, second))
    if one != other:
        raise RequestError(
            f"{type(module).__name__} takes another path from one run to the next; make its forward the same each time"
        )


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


def _has_regions(graph: fx.Graph) -> bool:
    """Whether a part of the net (under autocast, say) was put away in a graph of its own."""
    return any(str(getattr(node.target, "__name__", "")).startswith("wrap_with") for node in graph.nodes)


def _has_symbols(graph: fx.Graph) -> bool:
    """Whether a shape depends on the data and stays open; a recorded pass has one that did occur."""
    values = (leaf for node in graph.nodes for leaf in pytree.tree_leaves(node.meta.get("val")))
    return any(isinstance(n, torch.SymInt) for v in values if isinstance(v, torch.Tensor) for n in v.shape)


def _from_program(program: Any, example: Example, labels: Labels) -> Graph:
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
    outputs = name_outputs(leaves(pytree.tree_unflatten(flat, program.call_spec.out_spec), "", fx.Node))
    mark_left(nodes, inputs)
    mutated = set(signature.buffers_to_mutate.values())
    written = {name for name, owner in owners.items() if owner in mutated}
    named = {
        key: {by_name[name]: label for name, label in own.items() if name in by_name} for key, own in labels.items()
    }
    return Graph(
        nodes=nodes,
        inputs=(inputs[example.of], *inputs[: example.of], *inputs[example.of + 1 :]),
        outputs=outputs,
        constants=constants,
        layers=name_layers(nodes, outputs, named),
        written=written_constants(nodes, constants) | written,
    )
