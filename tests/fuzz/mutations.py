"""Damage by seed: of bytes, of an archive's entries, of JSON's values."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from typing import Any

import numpy as np
import torch


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """Bits turned, bytes drawn, numbers made large, a piece cut out, doubled or cut off; heads and tails more often."""
    found = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        span = len(found) if random.random() < 0.3 else min(len(found), 2048)
        place = int(random.integers(span)) if random.random() < 0.6 else len(found) - 1 - int(random.integers(span))
        match int(random.integers(6)):
            case 0:
                found[place] ^= 1 << int(random.integers(8))
            case 1:
                found[place] = int(random.integers(256))
            case 2:
                found[place : place + 8] = random.choice([b"\xff" * 8, b"\x7f" * 8, bytes(8), b"\xff\xff\xff\x7f" * 2])
            case 3:
                del found[place : place + int(random.integers(1, 64))]
            case 4:
                found[place:place] = found[place : place + int(random.integers(1, 64))]
            case 5 if random.random() < 0.3:
                del found[max(1, place) :]
        if not found:
            return b""
    return bytes(found)


def damaged(whole: bytes, random: np.random.Generator) -> bytes:
    """The file's own bytes, or an entry of the archive with its checksum made anew, which would tell at once; values
    of JSON.
    """
    if whole.startswith(b"{") and random.random() < 0.7:
        return json.dumps(changed(json.loads(whole), random)).encode()
    if not whole.startswith(b"PK") or random.random() < 0.3:
        return mutated(whole, random)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(made, "w") as target:
        names = source.namelist()
        always = {name for name in names if name.endswith(("data.pkl", ".json"))} or {names[0]}
        for name in names:
            entry = source.read(name)
            chosen = entry and (name in always or random.random() < 0.05)
            target.writestr(name, damaged(entry, random) if chosen else entry)
    return made.getvalue()


ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 7, 2**31, 2**40, 2**63, -(2**40), 10**400, 0.5, -0.5, 1e308, float("nan"),
    float("inf"), 3.0, 1e-320, -0.0, 2, 3, 12, 100, 65_536,
    "", "x", "2", "a" * 300, "\x1b[2J\u202e", [], [None], {}, {"x": 1}, [[1]], [2**40, 2**40],
)  # fmt: skip


WHOLE = np.array([-(2**62), -(2**31), -2, -1, 0, 1, 2, 3, 7, 64, 255, 65_536, 2**31 - 1, 2**31, 2**40, 2**62])
OPERATORS = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "Gemm", "MatMul", "Add", "Concat", "Reshape", "Transpose",
    "Slice", "Gather", "Pad", "Resize", "Tile", "Range", "ConstantOfShape", "Expand", "Split", "Shape", "Cast",
    "Unsqueeze", "Squeeze", "ReduceMean", "Softmax", "BatchNormalization", "GroupNormalization", "Einsum", "Loop", "If",
    "OneHot", "Upsample", "DepthToSpace", "GridSample", "ScatterND", "LRN", "Where", "NonZero", "Mod", "Nonsense",
    "Flatten", "Clip", "Constant",
)  # fmt: skip
KERNELS = torch.ones(4, 3, 3, 3)
TENSORS: tuple[torch.Tensor, ...] = (
    torch.zeros(0), torch.tensor(1.0), torch.ones(1), KERNELS * torch.nan, KERNELS * 1j, KERNELS.to(torch.int8),
    KERNELS > 0, torch.ones(2, 2, 2, 2, 2, 2, 2), torch.ones(1).expand(1000, 1000), KERNELS.to(torch.bfloat16),
    KERNELS.to_sparse(), KERNELS.to("meta"), KERNELS.double() * 1e300, torch.zeros(4, 0, 3, 3), torch.empty(3, 0, 0),
    KERNELS.transpose(0, 3), torch.full((3, 3), torch.inf),
)  # fmt: skip


def changed(value: Any, random: np.random.Generator) -> Any:
    """A document of JSON with one to three of its values replaced, left out or doubled."""
    for _ in range(int(random.integers(1, 4))):
        places = list(_places(value))
        if not places:
            return value
        holder, key = places[int(random.integers(len(places)))]
        match int(random.integers(8)):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, holder[key])
            case _:
                holder[key] = another(holder[key], random)
    return value


def another(value: Any, random: np.random.Generator) -> Any:
    """Some other value: mostly of the same type, so that it gets past the first look at it."""
    alike = [each for each in (*ODD, *TENSORS) if type(each) is type(value)]
    known = alike if alike and random.random() < 0.7 else (*ODD, *TENSORS) if isinstance(value, torch.Tensor) else ODD
    return copy.deepcopy(known[int(random.integers(len(known)))])


def resaved(whole: bytes, random: np.random.Generator) -> bytes:
    """A file of PyTorch's that is whole, with some of what it holds changed."""
    content = torch.load(io.BytesIO(whole), weights_only=False)
    made = io.BytesIO()
    torch.save(changed(content, random), made)
    return made.getvalue()


def regraphed(whole: bytes, random: np.random.Generator) -> bytes:
    """An ONNX file that is whole, with some of its graph changed: attributes, shapes, wires, operators, constants."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(whole)
    graph = model.graph
    for _ in range(int(random.integers(1, 4))):
        node = graph.node[int(random.integers(len(graph.node)))]
        match int(random.integers(7)):
            case 0 if node.attribute:
                attribute = node.attribute[int(random.integers(len(node.attribute)))]
                attribute.i = int(random.choice(WHOLE))
                attribute.ints[:] = [int(random.choice(WHOLE)) for _ in range(int(random.integers(5)))]
            case 1:
                dims = graph.input[0].type.tensor_type.shape.dim
                dims[int(random.integers(len(dims)))].dim_value = int(random.choice(WHOLE))
            case 2 if node.input:
                names = [name for each in graph.node for name in (*each.input, *each.output)]
                node.input[int(random.integers(len(node.input)))] = str(random.choice(names))
            case 3:
                node.op_type = str(random.choice(OPERATORS))
            case 4:
                chosen = graph.initializer[int(random.integers(len(graph.initializer)))]
                shape = [int(random.integers(4)) for _ in range(int(random.integers(5)))]
                values = random.choice(WHOLE, shape).astype(random.choice(["f4", "i8", "f8", "u1", "?"]))
                chosen.CopyFrom(numpy_helper.from_array(values, chosen.name))
            case 5:
                chosen = graph.initializer[int(random.integers(len(graph.initializer)))]
                chosen.dims[:] = [int(random.choice(WHOLE)) for _ in chosen.dims]
            case 6:
                graph.node.insert(int(random.integers(len(graph.node))), node)
    return bytes(model.SerializeToString())


def _places(value: Any) -> Any:
    """Every container with a key of its own; of lists the first and the last entries alone."""
    if isinstance(value, dict):
        for key, item in list(value.items()):
            yield value, key
            yield from _places(item)
    elif isinstance(value, list) and value:
        for place in {0, len(value) - 1}:
            yield value, place
            yield from _places(value[place])
