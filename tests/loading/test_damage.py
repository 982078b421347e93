"""Damaged files of every format: each ends in a result or in one line, soon, and in little memory."""

from __future__ import annotations

import argparse
import io
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.models import save_checkpoint

resource: Any = pytest.importorskip("resource", reason="memory is measured as POSIX has it")
MUTATIONS = 1_000
SECONDS = 10.0
MEMORY = 2 << 30


def small() -> nn.Module:
    torch.manual_seed(0)
    return rf.load("rftools:vgg-dilated").module


def checkpoint(path: Path) -> None:
    content = {
        "arch": {"name": "vgg-dilated", "arguments": {"classes": 10}},
        "state_dict": small().state_dict(),
        "epoch": 2,
        "history": [{"epoch": 1, "loss": 0.5}],
        "classes": list("abcdefghij"),
        "input_size": [3, 32, 32],
        "normalisation": {"mean": [0.0] * 3, "std": [1.0] * 3},
    }
    save_checkpoint(path, content)


def archive(path: Path) -> None:
    torch.save({"state_dict": small().state_dict(), "args": argparse.Namespace(lr=0.1), "best": np.float64(1)}, path)


def stream(path: Path) -> None:
    torch.save({"state_dict": small().state_dict()}, path, _use_new_zipfile_serialization=False)


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"conv.weight": np.ones((4, 3, 3, 3), np.float32), "args": argparse.Namespace(a=1)}))


def safetensors(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(small().state_dict(), path)


def onnx(path: Path) -> None:
    helpers = pytest.importorskip("onnx.helper")
    from onnx import TensorProto, numpy_helper

    nodes = [
        helpers.make_node("Conv", ["x", "a.weight"], ["h"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helpers.make_node("Relu", ["h"], ["r"]),
        helpers.make_node("ConstantOfShape", ["s"], ["c"]),
        helpers.make_node("Concat", ["c", "c"], ["d"], axis=0),
        helpers.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
        helpers.make_node("Reshape", ["p", "t"], ["f"]),
        helpers.make_node("Gemm", ["f", "head.weight"], ["g"], transB=1),
        helpers.make_node("Add", ["g", "d"], ["y"]),
    ]
    constants = {
        "a.weight": np.ones((4, 3, 3, 3), np.float32),
        "s": np.array([1], np.int64),
        "t": np.array([1, -1], np.int64),
        "head.weight": np.ones((2, 36), np.float32),
    }
    graph = helpers.make_graph(
        nodes,
        "net",
        [helpers.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helpers.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helpers.make_model(graph, opset_imports=[helpers.make_opsetid("", 18)])
    path.write_bytes(model.SerializeToString())


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "checkpoint": (".pt", checkpoint),
    "archive": (".ckpt", archive),
    "stream": (".pth", stream),
    "pickle": (".bin", plain_pickle),
    "safetensors": (".safetensors", safetensors),
    "onnx": (".onnx", onnx),
}


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
    """The file's own bytes, or an entry of the archive with its checksum made anew, which would tell at once."""
    if not whole.startswith(b"PK") or random.random() < 0.3:
        return mutated(whole, random)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            chosen = name.endswith("data.pkl") or random.random() < 0.05
            target.writestr(name, mutated(source.read(name), random) if chosen else source.read(name))
    return made.getvalue()


def attempt(path: Path, model: str | None) -> str | None:
    """What went wrong beyond a refusal in one line; None for a result or a proper refusal."""
    begin = time.monotonic()
    try:
        rf.load(path, model=model)
    except rf.RequestError as error:
        if "\n" in str(error) or not str(error):
            return f"not one line: {error!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - begin
    return f"{seconds:.0f} s" if seconds > SECONDS else None


def damage(folder: Path, name: str, count: int, seed: int = 0) -> list[str]:
    ending, write = WRITERS[name]
    path = folder / f"whole{ending}"
    write(path)
    whole, random = path.read_bytes(), np.random.default_rng([seed, *name.encode()])
    needs = None if name in ("checkpoint", "onnx") else "rftools:vgg-dilated"
    wrong = []
    for number in range(count):
        (folder / f"net{ending}").write_bytes(damaged(whole, random))
        problem = attempt(folder / f"net{ending}", needs)
        if problem:
            wrong.append(f"{name} {number}: {problem}")
    return wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITERS)
def test_damaged_files_are_one_line(tmp_path: Path, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert damage(tmp_path, name, MUTATIONS // len(WRITERS)) == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", WRITERS)
def test_many_damaged_files_are_one_line(tmp_path: Path, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert damage(tmp_path, name, 50_000 // len(WRITERS), seed=1) == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


def test_the_damage_is_real(tmp_path: Path) -> None:
    """Whole files load; of the damaged ones most do not, and some still do."""
    for name, (ending, write) in WRITERS.items():
        write(tmp_path / f"a{ending}")
        if name != "pickle":
            rf.load(tmp_path / f"a{ending}", model=None if name in ("checkpoint", "onnx") else "rftools:vgg-dilated")
    data, random = io.BytesIO(), np.random.default_rng(0)
    torch.save({"a": torch.zeros(3)}, data)
    drawn: set[Any] = {mutated(data.getvalue(), random) for _ in range(50)}
    assert len(drawn) > 45
