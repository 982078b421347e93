"""Where ``torch.export`` refuses a module: the operators of one real forward pass, as they run."""

from __future__ import annotations

import operator
import weakref
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from rftools.capture.graph import Graph, name_layers, name_outputs
from rftools.errors import RequestError


def record(module: nn.Module, example: torch.Tensor) -> Graph:
    """The graph of the operators that ran for ``example``: true for the path that this input took.

    Raises:
        RequestError: a tensor changed in place under a view of it, which a list of operators can't tell apart.
    """
    recorder = _Recorder(example)
    handles = []
    for path, child in module.named_modules():
        handles.append(child.register_forward_pre_hook(recorder.entering(path, child)))
        handles.append(child.register_forward_hook(recorder.leaving, always_call=True))
    try:
        with torch.no_grad(), recorder:
            returned = module(example)
    finally:
        for handle in handles:
            handle.remove()
    outputs = name_outputs(pytree.tree_map(recorder.node_of, returned))
    nodes = tuple(node for node in recorder.graph.nodes if node.op == "call_function")
    return Graph(
        nodes=nodes,
        inputs=(recorder.input,),
        outputs=outputs,
        constants=recorder.constants,
        layers=name_layers(nodes, outputs),
        method="record",
    )


class _Recorder(TorchDispatchMode):
    """Writes every operator that runs into an ``fx.Graph``, with the modules that were running."""

    def __init__(self, example: torch.Tensor) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.constants: dict[str, torch.Tensor] = {}
        self.kept: list[torch.Tensor] = []  # a live tensor keeps its id its own
        self.nodes: dict[int, fx.Node] = {}
        self.storages: dict[int, list[weakref.ref[torch.Tensor]]] = {}
        self.stack: list[tuple[str, tuple[str, str]]] = []
        self.calls: dict[str, int] = {}
        self.input = self.graph.placeholder("input")
        self.input.meta["val"] = example
        self._map(example, self.input)

    def entering(self, path: str, module: nn.Module) -> Any:
        kind = f"{type(module).__module__}.{type(module).__qualname__}"

        def enter(*_: Any) -> None:
            count = self.calls.get(path, 0)
            self.calls[path] = count + 1
            key = f"{path}@{count}" if count else path
            self.stack.append((key, (path, kind)))

        return enter

    def leaving(self, *_: Any) -> None:
        self.stack.pop()

    def node_of(self, value: Any) -> Any:
        """The node that computed a tensor; other values as they are."""
        return self.nodes.get(id(value)) if isinstance(value, torch.Tensor) else value

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func._schema.is_mutable:
            self._check_no_view(func, args)
        node = self.graph.create_node(
            "call_function", func, pytree.tree_map(self._argument, args), pytree.tree_map(self._argument, kwargs)
        )
        node.meta["val"] = result
        node.meta["nn_module_stack"] = dict(self.stack)
        self._give(result, node)
        return result

    def _give(self, result: Any, node: fx.Node) -> None:
        if isinstance(result, torch.Tensor):
            self._map(result, node)
        elif isinstance(result, (list, tuple)):
            for index, item in enumerate(result):
                if isinstance(item, torch.Tensor):
                    element = self.graph.call_function(operator.getitem, (node, index))
                    element.meta.update(val=item, nn_module_stack=node.meta["nn_module_stack"])
                    self._map(item, element)

    def _argument(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) not in self.nodes:
            placeholder = self.graph.placeholder(f"constant_{len(self.constants)}")
            placeholder.meta["val"] = value
            self.constants[placeholder.name] = value
            self._map(value, placeholder)
        return self.nodes[id(value)]

    def _map(self, tensor: torch.Tensor, node: fx.Node) -> None:
        self.kept.append(tensor)
        self.nodes[id(tensor)] = node
        if not tensor.is_meta:
            self.storages.setdefault(tensor.untyped_storage().data_ptr(), []).append(weakref.ref(tensor))

    def _check_no_view(self, func: Any, args: Any) -> None:
        target = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if target is None or target.is_meta or id(target) not in self.nodes:
            return
        alike = self.storages.get(target.untyped_storage().data_ptr(), ())
        sharing = {id(tensor) for reference in alike if (tensor := reference()) is not None}
        if sharing - {id(target)}:
            path = self.stack[-1][1][0] if self.stack else ""
            raise RequestError(
                f"{func._schema.name} in {path or 'the model'} changes a view of another tensor in place, which"
                " can't be followed here; write it without the in-place form, or make the model exportable"
            )
