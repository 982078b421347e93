"""Where ``torch.export`` refuses a module: the operators of one real forward pass, as they run."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from rftools.capture.aliases import View, scattered, views_of, written, written_constants
from rftools.capture.graph import Graph, ModuleCall, name_layers, name_outputs
from rftools.capture.inputs import Example, is_index
from rftools.capture.leaving import Leaving, mark_left
from rftools.capture.recurrences import AsOne
from rftools.capture.returns import Labels, count_call, labels_of, leaves
from rftools.errors import RequestError
from rftools.runtime.evaluation import without_gradients


def record(module: nn.Module, example: Example) -> Graph:
    """The graph of the operators that ran for ``example``: true for the path that this input took.

    Raises:
        RequestError: a tensor changed in place under a view of it, which a list of operators can't tell apart.
    """
    return recorded_by(_Watcher(example), module, example)


def recorded_by(recorder: Recorder, module: nn.Module, example: Example) -> Graph:
    """The graph of what a recorder sees of one call of the module."""
    handles = []
    for path, child in module.named_modules():
        handles.append(child.register_forward_pre_hook(recorder.entering(path, child)))
        handles.append(child.register_forward_hook(recorder.leaving, always_call=True))
    try:
        # Gradients are enabled, though none is needed, so that it shows where the net itself disables them.
        with without_gradients(module), torch.enable_grad(), recorder.seeing():
            returned = module(*example.args, **example.kwargs)
    finally:
        for handle in handles:
            handle.remove()
    outputs = name_outputs((path, recorder.node_of(value)) for path, value in leaves(returned, "", torch.Tensor))
    nodes = tuple(node for node in recorder.graph.nodes if node.op == "call_function")
    mark_left(nodes, recorder.inputs)
    return Graph(
        nodes=nodes,
        inputs=tuple(recorder.inputs),
        outputs=outputs,
        constants=recorder.constants,
        layers=name_layers(nodes, outputs, recorder.returned),
        written=written_constants(nodes, recorder.constants),
        method="record",
    )


class Recorder:
    """Writes every operator that runs into an ``fx.Graph``, with the modules that were running."""

    def prepare(self, example: Example) -> None:
        """Begin with the inputs."""
        self.graph = fx.Graph()
        self.constants: dict[str, torch.Tensor] = {}
        self.kept: list[torch.Tensor] = []  # a live tensor keeps its id its own
        self.nodes: dict[int, fx.Node] = {}
        self.views: dict[int, View] = {}
        self.children: dict[int, list[torch.Tensor]] = {}
        self.stale: set[int] = set()  # views of what was changed since; read anew when asked for
        self.storages: dict[int, list[torch.Tensor]] = {}
        self.stack: list[tuple[str, tuple[str, str]]] = []
        self.calls: dict[str, int] = {}
        self.inputs: list[fx.Node] = []
        self.returned: Labels = {}
        self.choosing = False
        self.quiet = False  # inside an operator that is written down as one
        for number, tensor in enumerate(example.tensors):
            node = self.graph.placeholder(f"input_{number}")
            node.meta["val"] = tensor
            self._map(tensor, node)
            self.inputs.insert(0 if number == example.of else len(self.inputs), node)
            if is_index(tensor):
                self.constants[node.name] = tensor

    def seeing(self) -> AbstractContextManager[Any]:
        """While the operators are seen."""
        raise NotImplementedError

    def constant_of(self, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
        """A name for a tensor that no operator made, and its values."""
        return "constant", tensor

    def memory_of(self, tensor: torch.Tensor) -> int:
        """What tensors that share memory have in common."""
        return int(tensor.untyped_storage().data_ptr())

    def entering(self, path: str, module: nn.Module) -> Any:
        kind = f"{type(module).__module__}.{type(module).__qualname__}"

        def enter(*_: Any) -> None:
            count = count_call(self.calls, path)
            self.stack.append((f"{path}@{count}" if count else path, (path, kind)))

        return enter

    def leaving(self, _: nn.Module, __: Any, output: Any) -> None:
        key, (path, kind) = self.stack[-1]
        self.returned[ModuleCall(key, path, kind).name] = labels_of(output, self.node_of)
        self.stack.pop()

    def node_of(self, value: Any) -> Any:
        """The node that computed a tensor; other values as they are."""
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) in self.stale:
            self._read_anew(value)
        return self.nodes.get(id(value))

    def noted(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator, and write it down."""
        result = func(*args, **kwargs)
        if self.quiet:
            return result
        changed = written(func, args, kwargs)
        for tensor in changed:
            self._check_family(func, tensor)
        node = self._emit(func, pytree.tree_map(self._argument, args), result, pytree.tree_map(self._argument, kwargs))
        self._give(result, node)
        for tensor, view in views_of(func, args, kwargs, result):
            self.views.setdefault(id(tensor), view)
            self.children.setdefault(id(view.parent), []).append(tensor)
        for tensor in changed:
            self._map(tensor, node)
            self._spread(tensor)
        return result

    def as_one(self, operator: Any, call: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        """One operator for a call whose own operators are not written down."""
        self.quiet = True
        try:
            result = call()
        finally:
            self.quiet = False
        self._give(result, self._emit(operator, pytree.tree_map(self._argument, args), result))
        return result

    def _emit(self, func: Any, args: tuple[Any, ...], value: Any, kwargs: Any = None) -> fx.Node:
        node = self.graph.create_node("call_function", func, args, kwargs or {})
        node.meta["val"] = pytree.tree_map(_as_now, value)
        node.meta["nn_module_stack"] = dict(self.stack)
        node.meta["choice"] = self.choosing  # a value that only chooses a branch
        node.meta["gradient"] = torch.is_grad_enabled()  # False inside the net's own torch.no_grad()
        return node

    def _give(self, result: Any, node: fx.Node) -> None:
        if isinstance(result, torch.Tensor):
            self._map(result, node)
        elif isinstance(result, (list, tuple)):
            for index, item in enumerate(result):
                if isinstance(item, torch.Tensor):
                    self._map(item, self._emit(operator.getitem, (node, index), item))

    def _argument(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) not in self.nodes:
            kind, constant = self.constant_of(value)
            placeholder = self.graph.placeholder(f"{kind}_{len(self.constants)}")
            placeholder.meta["val"] = value
            self.constants[placeholder.name] = constant
            self._map(value, placeholder)
        return self.node_of(value)

    def _map(self, tensor: torch.Tensor, node: fx.Node) -> None:
        self.stale.discard(id(tensor))
        self.nodes[id(tensor)] = node
        self.kept.append(tensor)
        if not tensor.is_meta:
            self.storages.setdefault(self.memory_of(tensor), []).append(tensor)

    def _spread(self, tensor: torch.Tensor) -> None:
        """A tensor was written: whatever it is a view of changed with it, and the other views are to be read anew."""
        self._outdate(tensor)
        view = self.views.get(id(tensor))
        if view is None:
            return
        parent = view.parent
        node = scattered(view, self.node_of(parent), self.nodes[id(tensor)], tensor.shape, self._emit)
        self._map(parent, node)
        self._spread(parent)
        self.stale.discard(id(tensor))

    def _outdate(self, tensor: torch.Tensor) -> None:
        for child in self.children.get(id(tensor), ()):
            self.stale.add(id(child))
            self._outdate(child)

    def _read_anew(self, tensor: torch.Tensor) -> None:
        view = self.views[id(tensor)]
        args = (self.node_of(view.parent), *view.args)
        if view.slot is None:
            self._map(tensor, self._emit(view.func, args, tensor, view.kwargs))
            return
        pieces = view.func(view.parent, *view.args, **view.kwargs)
        whole = self._emit(view.func, args, pieces, view.kwargs)
        self._map(tensor, self._emit(operator.getitem, (whole, view.slot), tensor))

    def _root(self, tensor: torch.Tensor) -> int:
        while (view := self.views.get(id(tensor))) is not None:
            tensor = view.parent
        return id(tensor)

    def _check_family(self, func: Any, target: torch.Tensor) -> None:
        """Refuse a write into memory that is shared in a way which was not seen."""
        if target.is_meta or id(target) not in self.nodes:
            return
        alike = self.storages.get(self.memory_of(target), ())
        if len({self._root(tensor) for tensor in alike}) > 1:
            path = self.stack[-1][1][0] if self.stack else ""
            raise RequestError(
                f"{func._schema.name} in {path or 'the model'} changes memory in place that another tensor shares,"
                " which can't be followed here; write it without the in-place form, or make the model exportable"
            )


def _as_now(value: Any) -> Any:
    """A tensor's shape and memory as they are now; ``transpose_`` and the like change those of the tensor itself."""
    return value.detach() if isinstance(value, torch.Tensor) else value


class _Watcher(Recorder, TorchDispatchMode):
    """Sees the operators of a real pass, and the values that leave it."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self.prepare(example)
        self.leaves = Leaving(self._left)

    @contextlib.contextmanager
    def seeing(self) -> Iterator[None]:
        with self.leaves, AsOne(self.as_one), self:
            yield

    def _left(self, func: Any, tensor: torch.Tensor) -> None:
        node = self.node_of(tensor)
        if node is not None:
            self._emit(func, (node,), None)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.choosing = self.leaves.choosing
        return self.noted(func, args, kwargs or {})
