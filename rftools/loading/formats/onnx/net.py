"""An ONNX graph as a module: layers that hold weights are torch's own, at their paths; the rest runs step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from rftools.errors import RequestError
from rftools.loading.formats.onnx import arithmetic, movement  # noqa: F401 (they enter their operators)
from rftools.loading.formats.onnx.paths import Paths
from rftools.loading.formats.onnx.step import OPERATORS, Step, Value
from rftools.loading.formats.onnx.windows import windows

Constants = Mapping[str, NDArray[Any]]
_CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SIZES = frozenset({"Resize", "Upsample"})  # their factors are sizes, though written as fractions
_TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class OnnxNet(nn.Module):
    """The steps of an ONNX graph in order.

    ``images`` is the number of images that the file fixes, None where it leaves it open. Shapes that the file fixes
    with it are scaled for another number, unless ``takes_one_batch`` says that this would not be the same net.
    Its own names begin with an underscore: a graph's layers may have any other (``layers.0``, ``inputs``).
    """

    def __init__(
        self,
        steps: Sequence[Step],
        constants: Constants,
        inputs: Sequence[str],
        outputs: Sequence[str],
        images: int | None,
    ) -> None:
        super().__init__()
        self._steps, self._inputs, self._outputs, self._images = tuple(steps), tuple(inputs), tuple(outputs), images
        self.takes_one_batch = False
        self._fixed = dict(constants)
        self._layers: dict[int, str] = {}
        self._put_layers(Paths())
        self._put_constants()
        self._last_use = {name: i for i, step in enumerate(self._steps) for name in step.inputs}

    def _put_layers(self, paths: Paths) -> None:
        """Torch's own layers for the steps that hold weights; the same weights twice are one layer called twice."""
        known: dict[tuple[Any, ...], str] = {}
        for number, step in enumerate(self._steps):
            layer = layer_of(step, self._fixed)
            if layer is None:
                continue
            key = (step.op, step.inputs[1:], repr(sorted(step.attributes.items())))
            if key not in known:
                known[key] = paths.new(step)
                _put(self, known[key], layer)
            self._layers[number] = known[key]

    def _put_constants(self) -> None:
        """Numbers with a fraction move with the module's device and precision; shapes and indices stay NumPy's."""
        used = {name for n, step in enumerate(self._steps) if n not in self._layers for name in step.inputs}
        self._held: dict[str, str] = {}
        for name, value in list(self._fixed.items()):
            if name not in used and name not in self._outputs:
                del self._fixed[name]
            elif value.dtype.kind == "f" and value.size > 1:
                self._held[name] = f"_constant_{len(self._held)}"
                self.register_buffer(self._held[name], torch.from_numpy(np.array(value)))

    @property
    def images_fixed(self) -> int | None:
        """The number of images that the file fixes."""
        return self._images

    def forward(self, *inputs: torch.Tensor) -> Any:
        values: dict[str, Value] = dict(zip(self._inputs, inputs, strict=True))
        factor = self._factor(len(inputs[0]))
        for number, step in enumerate(self._steps):
            found = self._run(number, step, values, factor)
            several = found if isinstance(found, (tuple, list)) else (found,)
            values.update((name, value) for name, value in zip(step.outputs, several, strict=False) if name)
            for name in step.inputs:
                if self._last_use[name] == number and name not in self._outputs:
                    values.pop(name, None)
        found = [values[name] for name in self._outputs]
        return found[0] if len(found) == 1 else tuple(found)

    def _factor(self, images: int) -> int:
        if self._images in (None, images):
            return 1
        if self.takes_one_batch or images % (self._images or 1):
            raise RequestError(f"this ONNX file is made for {self._images} image(s) at a time, not for {images}")
        return images // (self._images or 1)

    def _run(self, number: int, step: Step, values: Mapping[str, Value], factor: int) -> Any:
        if number in self._layers:
            x = values[step.inputs[0]]
            assert isinstance(x, torch.Tensor)
            return self.get_submodule(self._layers[number])(_padded(step, x, self.get_submodule(self._layers[number])))
        given = [self._value(step, name, values) for name in step.inputs]
        if factor != 1 and step.op in ("Reshape", "Expand") and step.inputs[1] in self._fixed:
            given[1] = _scaled(given[1], factor)
        if step.op == "Shape":
            assert given[0] is not None
            return np.array(given[0].shape, dtype=np.int64)[step.get("start", 0) : step.get("end")]
        if not any(isinstance(value, torch.Tensor) for value in given):
            return evaluated(step, [None if value is None else np.asarray(value) for value in given])
        return OPERATORS[step.op](step, *given)

    def _value(self, step: Step, name: str, values: Mapping[str, Value]) -> Value | None:
        if not name:
            return None
        if name in self._held and step.op not in SIZES:
            return self.get_buffer(self._held[name])
        return self._fixed[name] if name in self._fixed else values[name]


def _scaled(shape: Any, factor: int) -> NDArray[np.int64]:
    found = np.array(shape, dtype=np.int64)
    if found.size and found[0] > 0:
        found[0] *= factor
    return found


def _padded(step: Step, x: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """Margins that torch's layer can't have (uneven ones) are put round its input."""
    if step.op != "Conv":
        return x
    w = windows(step, layer.kernel_size, x.shape[2:])  # type: ignore[arg-type]
    own = w.even and layer.padding != (0,) * len(w.kernel)
    return x if own or not any(w.margins) else functional.pad(x, w.margins)


def _put(root: nn.Module, path: str, layer: nn.Module) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        if folder not in root._modules:
            root.add_module(folder, nn.Module())
        root = root.get_submodule(folder)
    root.add_module(name, layer)


def layer_of(step: Step, constants: Constants) -> nn.Module | None:
    """Torch's layer for a step that multiplies by fixed weights; None for any other."""
    given = step.inputs[1:]
    if not given or not given[0] or step.inputs[0] in constants or not all(n in constants for n in given if n):
        return None
    weight = constants[step.inputs[1]]
    bias = constants[step.inputs[2]] if len(step.inputs) > 2 and step.inputs[2] else None
    if step.op == "Conv" and weight.ndim in (3, 4, 5):
        return _convolution(step, weight, bias)
    if step.op == "ConvTranspose" and weight.ndim in (3, 4, 5):
        return _transposed(step, weight, bias)
    if step.op == "MatMul" and weight.ndim == 2:
        return _linear(weight.T, None)
    plain = not step.get("transA", 0) and step.get("alpha", 1.0) == 1 and step.get("beta", 1.0) == 1
    if step.op == "Gemm" and plain and (bias is None or bias.ndim == 1):
        return _linear(weight if step.get("transB", 0) else weight.T, bias)
    return None


def _convolution(step: Step, weight: NDArray[Any], bias: NDArray[Any] | None) -> nn.Module:
    fixed = step.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    w = windows(step, weight.shape[2:], weight.shape[2:])
    padding = tuple(before for before, _ in w.pads) if fixed and w.even else (0,) * len(w.kernel)
    groups = step.get("group", 1)
    if groups < 1 or weight.shape[0] % groups:
        raise RequestError(f"ONNX operator Conv ({step.name}): {weight.shape[0]} filters are no {groups} groups")
    made = _CONV[weight.ndim - 2](
        weight.shape[1] * groups,
        weight.shape[0],
        w.kernel,
        w.strides,
        padding,
        w.dilations,
        groups,
        bias is not None,
        device="meta",
    )
    return _filled(made, weight, bias)


def _transposed(step: Step, weight: NDArray[Any], bias: NDArray[Any] | None) -> nn.Module | None:
    w = windows(step, weight.shape[2:], weight.shape[2:])
    fixed = step.get("auto_pad", "NOTSET") == "NOTSET"
    if not w.even or not fixed or step.get("output_shape") is not None:
        return None
    groups, extra = step.get("group", 1), tuple(step.get("output_padding", [0] * len(w.kernel)))
    made = _TRANSPOSED[weight.ndim - 2](
        weight.shape[0],
        weight.shape[1] * groups,
        w.kernel,
        w.strides,
        tuple(before for before, _ in w.pads),
        extra,
        groups,
        bias is not None,
        w.dilations,
        device="meta",
    )
    return _filled(made, weight, bias)


def _linear(weight: NDArray[Any], bias: NDArray[Any] | None) -> nn.Module:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    return _filled(made, weight, bias)


def _filled(layer: nn.Module, weight: NDArray[Any], bias: NDArray[Any] | None) -> nn.Module:
    layer.weight = nn.Parameter(torch.from_numpy(np.array(weight, dtype=np.float32)))
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(np.array(bias, dtype=np.float32)))
    return layer


def evaluated(step: Step, values: Sequence[NDArray[Any] | None]) -> Any:
    """A step that needs no pixels, by the reference evaluator of the onnx package."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    node = helper.make_node(step.op, step.inputs, step.outputs, **dict(step.attributes))
    given = {name: value for name, value in zip(step.inputs, values, strict=True) if name and value is not None}
    declared = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), list(value.shape))
        for name, value in given.items()
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in step.outputs if name]
    graph = helper.make_graph([node], "step", declared, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", step.opset)])
    found = ReferenceEvaluator(model).run(None, given)
    return found[0] if len(found) == 1 else tuple(found)
