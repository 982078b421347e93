"""The quick way to a graph: the operators of one forward pass on tensors without values, as they are called.

No weight and no pixel has a value here, so that nothing can hang on one: a branch on data, a number taken out of a
tensor, a shape that data decide end the trace, and the net is exported instead, with the guards of ``torch.export``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import ProxyTorchDispatchMode
from torch.utils._python_dispatch import TorchDispatchMode

from rftools.capture.graph import Graph
from rftools.capture.inputs import Example
from rftools.capture.leaving import Leaving
from rftools.capture.record import Recorder, recorded_by
from rftools.capture.recurrences import OPERATORS, of_shapes
from rftools.runtime.evaluation import without_gradients

PLAIN = (torch.Tensor, nn.Parameter, nn.Buffer)  # other classes of tensors have ways of their own


#: Operators that ask, where torch is old, whether the values of an argument are in range before they do anything.
CHECKING = {getattr(packet, name) for packet in (torch.ops.aten.quantile, torch.ops.aten.nanquantile)
            for name in packet.overloads()}  # fmt: skip


class Untraceable(Exception):
    """The net is to be captured another way."""


def trace(module: nn.Module, example: Example) -> Graph:
    """The graph of one forward pass of ``module``, without values.

    Raises:
        Untraceable, or whatever the module raises: the trace may not be all of what the net does.
    """
    fakes = _Fakes(allow_non_fake_inputs=True)
    with without_gradients(module), _without_values(module, fakes) as originals:
        inputs = [fakes.from_tensor(tensor, static_shapes=True) for tensor in example.tensors]
        empty = replace(example, args=tuple(inputs[: len(example.args)]), kwargs=dict(
            zip(example.kwargs, inputs[len(example.args) :], strict=True)
        ))  # fmt: skip
        tracer = _Tracer(empty, originals, dict(zip(map(id, inputs), example.tensors, strict=True)))
        fakes.tracer = tracer
        with fakes, enable_python_dispatcher(), of_shapes() as recurrences:
            graph = recorded_by(tracer, module, empty)
    if sum(recurrences.values()) != tracer.recurrences:
        raise Untraceable("a recurrent layer ran inside another operator")
    return replace(graph, method="trace")


class _Fakes(FakeTensorMode):
    """Tensors without values; tells of each operator that runs on them."""

    tracer: _Tracer | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.equal.default and self.tracer is not None and self.tracer.inside in CHECKING:
            return True
        result = super().__torch_dispatch__(func, types, args, kwargs)
        if self.tracer is not None:
            self.tracer.ran(func, args, result)
        return result


@contextlib.contextmanager
def _without_values(module: nn.Module, fakes: FakeTensorMode) -> Iterator[dict[int, torch.Tensor]]:
    """Parameters and buffers without values in place of the module's own, which are given by their stand-ins' id."""
    taken: list[tuple[dict[str, Any], str, torch.Tensor]] = []
    originals: dict[int, torch.Tensor] = {}
    try:
        for child in module.modules():
            for own in (child._parameters, child._buffers):
                for name, tensor in own.items():
                    if tensor is None:
                        continue
                    if type(tensor) not in PLAIN:
                        raise Untraceable(f"{name} is a {type(tensor).__name__}")
                    empty = fakes.from_tensor(tensor, static_shapes=True)
                    taken.append((own, name, tensor))
                    originals[id(empty)] = tensor
                    own[name] = empty  # type: ignore[assignment]
        yield originals
    finally:
        for place, name, tensor in taken:
            place[name] = tensor


class _Tracer(Recorder, ProxyTorchDispatchMode):
    """Sees operators before they are taken apart, as ``torch.export`` does.

    Torch lets only modes of its own there, by their class; of that one nothing else is used.
    """

    def __init__(self, example: Example, originals: dict[int, torch.Tensor], inputs: dict[int, torch.Tensor]) -> None:
        self.originals = originals
        self.recurrences = 0
        self.inside: Any = None  # the operator that runs below this mode
        TorchDispatchMode.__init__(self, torch._C.DispatchKey.PreDispatch)
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY
        self.pre_dispatch = True
        self.plain, self.failed = _autocasts(), False
        self.prepare(example)
        for node in self.inputs:
            if node.name in self.constants:
                self.constants[node.name] = inputs[id(self.constants[node.name])]

    def __enter__(self) -> Any:
        return TorchDispatchMode.__enter__(self)

    def __exit__(self, *raised: Any) -> Any:
        return TorchDispatchMode.__exit__(self, *raised)

    @contextlib.contextmanager
    def seeing(self) -> Iterator[None]:
        with Leaving(self._left), self:
            yield
        if self.failed:  # and the net caught it
            raise Untraceable("what the net would do with a value is not known")

    def _left(self, func: Any, tensor: torch.Tensor) -> None:
        self.failed = True
        raise Untraceable(f"a value leaves by {func}")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.inside = func
        try:
            self._check(func)
            return self.noted(func, args, kwargs or {})
        except BaseException:
            self.failed = True
            raise
        finally:
            self.inside = None

    def ran(self, func: Any, args: Any, result: Any) -> None:
        """Below this mode, what makes a tensor of numbers alone (``full``, ``arange``) returns another name of it."""
        if self.inside is None and func is torch.ops.aten.detach.default:
            node = self.nodes.get(id(args[0]))
            if node is not None and node.op == "call_function" and not node.all_input_nodes:
                self._map(result, node)

    def _check(self, func: Any) -> None:
        if not isinstance(func, torch._ops.OpOverload):
            raise Untraceable(f"{func} holds a graph of its own")
        if not torch.is_grad_enabled() or self.plain != _autocasts():
            raise Untraceable("a part runs without gradients, or in another precision")
        self.recurrences += func in OPERATORS

    def constant_of(self, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
        """The module's own tensor for a stand-in; a tensor with values for itself."""
        own = self.originals.get(id(tensor))
        if own is not None:
            return "own", own
        if isinstance(tensor, FakeTensor):
            raise Untraceable("a tensor came from outside of what was followed")
        return "constant", tensor

    def memory_of(self, tensor: torch.Tensor) -> int:
        return int(tensor.untyped_storage()._cdata)


def _autocasts() -> tuple[bool, bool]:
    return torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")
