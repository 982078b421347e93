"""From an ONNX file to a `Model`: constants folded, steps in order, input size from the graph."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch

from rftools.errors import RequestError, missing_package
from rftools.files import Hashed
from rftools.loading.formats import reader
from rftools.loading.formats.onnx.external import fill_external
from rftools.loading.formats.onnx.folding import Constants, folded
from rftools.loading.formats.onnx.net import OnnxNet
from rftools.loading.formats.onnx.step import OPERATORS, Step
from rftools.loading.model import Model
from rftools.reading import check, door

ON_SHAPES = frozenset({"Shape", "ConstantOfShape", "Range", "NonZero", "Mod", "ReduceProd"})  # never on pixels


@reader(".onnx")
def read_onnx(path: Path) -> Model:
    """The net of an ONNX file, with the size of its first input where the file fixes it.

    Operators that are not read (what a detector does with its boxes, say) are left out with all that follows from
    them, and named in ``metadata["left_out"]``; the net ends before them.

    Raises:
        RequestError: no such file; no ONNX file; the package onnx is missing; nothing of the graph can be run.
    """
    graph, constants, opset = _graph_of(path)
    with door(path.name, "is no valid ONNX graph"):  # which may break any rule of any operator
        return _from_graph(graph, constants, opset, path)


def _from_graph(graph: Any, constants: Constants, opset: int, path: Path) -> Model:
    check("steps", len(graph.node), path.name)
    steps = folded([_step(node, opset) for node in graph.node], constants, path.name)
    inputs = [value for value in graph.input if value.name not in constants]
    if not inputs:
        raise RequestError(f"{path.name} takes no input; there is nothing whose field could be asked for")
    kept, left_out = _readable(steps, {value.name for value in inputs} | set(constants))
    outputs = _outputs(graph, kept, steps, constants)
    if not outputs:
        raise RequestError(f"{path.name}: none of its operators can be read (the first is {steps[0].op})")
    images, size = _shape(inputs[0])
    others = tuple(_shape(value)[1] for value in inputs[1:])
    for known in (size, *others):
        check("input", (images or 1) * prod(known or ()), path.name)
    module = OnnxNet(_needed(kept, outputs), constants, [value.name for value in inputs], outputs, images).eval()
    _settle_images(module, size, others)
    return Model(
        module=module,
        spec=str(path),
        name=path.name,
        input_size=size,
        file=Hashed.of(path),
        other_inputs=tuple(other for other in others if other is not None),
        metadata={"chosen": f"{path.name}: {_words(module, size)}"} | ({"left_out": left_out} if left_out else {}),
    )


def _words(module: OnnxNet, size: tuple[int, ...] | None) -> str:
    """In one line: ``ONNX file, 61,000 parameters, input 3x224x224``."""
    count = sum(parameter.numel() for parameter in module.parameters())
    return f"ONNX file, {count:,} parameters, input {'x'.join(map(str, size)) if size else 'of any size'}"


def _graph_of(path: Path) -> tuple[Any, Constants, int]:
    """The graph without its weights, these, and the version of its operators; what the file was parsed to is let go."""
    try:
        import onnx
    except ImportError:
        raise missing_package("onnx", "onnx", "ONNX files") from None
    with door(path.name, "is not a whole ONNX file"):
        model = onnx.load(path, load_external_data=False)
        if not model.graph.node:
            raise ValueError("it has no operators")
        fill_external(model.graph, path.parent, path.name)
        constants, graph = _initializers(model.graph, path), onnx.GraphProto()
        graph.node.extend(model.graph.node)
        graph.input.extend(model.graph.input)
        graph.output.extend(model.graph.output)
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return graph, constants, versions[0] if versions else 1


def _initializers(graph: Any, path: Path) -> Constants:
    from onnx import numpy_helper

    if graph.sparse_initializer:
        raise RequestError(f"{path.name} keeps weights as sparse tensors, which are not read yet")
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _step(node: Any, opset: int) -> Step:
    from onnx import helper

    attributes = {attribute.name: _text_or(helper.get_attribute_value(attribute)) for attribute in node.attribute}
    op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    return Step(op, node.name or op, attributes, tuple(node.input), tuple(node.output), opset)


def _text_or(value: Any) -> Any:
    """ONNX keeps texts as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _readable(steps: Sequence[Step], known: set[str]) -> tuple[list[Step], tuple[str, ...]]:
    """The steps that can be run, and the operators that can't (not those that only follow from them)."""
    kept: list[Step] = []
    left_out: list[str] = []
    for step in steps:
        if not all(name in known for name in step.inputs if name):
            continue
        if step.op in OPERATORS or step.op in ON_SHAPES:
            kept.append(step)
            known.update(name for name in step.outputs if name)
        else:
            left_out.append(f"{step.op} ({step.name})")
    return kept, tuple(left_out)


def _outputs(graph: Any, kept: Sequence[Step], steps: Sequence[Step], constants: Constants) -> list[str]:
    """The graph's outputs; where one can't be reached, the last that can: what the steps left out would have taken."""
    made = {name for step in kept for name in step.outputs}
    found = [value.name for value in graph.output if value.name in made]
    if len(found) == len(graph.output):
        return found
    run = {id(step) for step in kept}
    edge = [name for step in steps if id(step) not in run for name in step.inputs if name in made]
    return list(dict.fromkeys([*found, *edge]))


def _needed(steps: Sequence[Step], outputs: Sequence[str]) -> list[Step]:
    wanted, needed = set(outputs), []
    for step in reversed(steps):
        if wanted & set(step.outputs):
            needed.append(step)
            wanted.update(step.inputs)
    return needed[::-1]


def _shape(value: Any) -> tuple[int | None, tuple[int, ...] | None]:
    """The number of images, and ``(C, *spatial)``; None for what the file leaves open."""
    dims = [d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim]
    if len(dims) < 2:
        return None, None
    size = tuple(d for d in dims[1:] if d)
    return dims[0] or None, size if len(size) == len(dims) - 1 else None


def _settle_images(module: OnnxNet, size: tuple[int, ...] | None, others: Sequence[tuple[int, ...] | None]) -> None:
    """Whether more images than the file fixes give what each gives alone."""
    if module.images_fixed is None or size is None or None in others:
        return
    sizes = [size, *(other for other in others if other is not None)]
    generator = torch.Generator().manual_seed(0)
    images = module.images_fixed
    two = [torch.randn(2 * images, *each, generator=generator) for each in sizes]
    with torch.no_grad():
        alone = [_tensors(module(*(part[i * images :][:images] for part in two))) for i in range(2)]
        try:
            together = _tensors(module(*two))
            parts = list(zip(together, *alone, strict=True))
            same = all(
                whole.shape[0] == a.shape[0] + b.shape[0]
                and torch.allclose(whole, torch.cat([a, b]), rtol=1e-3, atol=1e-5 * float(a.abs().max()))
                for whole, a, b in parts
            )
        except (RuntimeError, IndexError, RequestError):
            same = False
    module.takes_one_batch = not same


def _tensors(found: Any) -> list[torch.Tensor]:
    values = found if isinstance(found, tuple) else (found,)
    return [value for value in values if isinstance(value, torch.Tensor) and value.ndim]
