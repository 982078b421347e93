"""Recurrent layers as single operators while a net is traced: only the shapes of what they return matter there.

Torch traces an LSTM over 2,000 steps by going through all of them, some ten operators each, which the graph does not
hold in the end.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CELLS = ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
LAYERS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
OPERATORS = tuple(getattr(torch.ops.aten, name).input for name in LAYERS)


def without_steps(trace: Callable[[], Any]) -> Any:
    """The program that ``trace`` makes; as torch makes it where a recurrent layer does not stay an operator of it."""
    with of_shapes() as called:
        program = trace()
    kept = Counter(node.target for node in program.graph.nodes)
    return trace() if any(kept[operator] < count for operator, count in called.items()) else program


@contextlib.contextmanager
def of_shapes() -> Iterator[Counter[Any]]:
    """Tracing takes empty tensors for what recurrent layers return; the block gets how often each was called."""
    called: Counter[Any] = Counter()
    before = {operator: dict(operator.py_kernels) for operator in OPERATORS}
    try:
        for operator in OPERATORS:
            _replace(operator, dict.fromkeys(before[operator], partial(_shapes, called, operator)))
        yield called
    finally:
        for operator, kernels in before.items():
            _replace(operator, kernels)


def _replace(operator: Any, kernels: dict[Any, Any]) -> None:
    operator.py_kernels.clear()
    operator.py_kernels.update(kernels)
    operator._dispatch_cache.clear()


def _shapes(
    called: Counter[Any], operator: Any, sequence: torch.Tensor, hx: Any, parameters: Sequence[torch.Tensor], *rest: Any
) -> Any:
    """Tensors as the operator returns them: ``(steps, batch, directions * features)`` and the last states."""
    called[operator] += 1
    *_, bidirectional, _ = rest
    states = list(hx) if isinstance(hx, (list, tuple)) else [hx]
    features = states[0].shape[-1] * (2 if bidirectional else 1)
    output = sequence.new_empty((*sequence.shape[:-1], features))
    return (output, *(state.new_empty(state.shape) for state in states))


class AsOne(TorchFunctionMode):
    """Calls of recurrent layers and cells by name: ``take(operator, call, arguments)`` runs them, and returns what they
    return. Below them only their steps are seen.
    """

    def __init__(self, take: Callable[[Any, Callable[[], Any], tuple[Any, ...]], Any]) -> None:
        super().__init__()
        self.take = take

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if kwargs or name not in (*LAYERS, *CELLS) or func is not getattr(torch, name):
            return func(*args, **(kwargs or {}))
        packet = getattr(torch.ops.aten, name)
        if name in CELLS:
            return self.take(packet.default, partial(func, *args), args)
        packed = not isinstance(args[3], bool)
        return self.take(packet.data if packed else packet.input, partial(func, *args), args)
