"""Whole files of every kind that rftools reads, and what reads them."""

from __future__ import annotations

import argparse
import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.models import save_checkpoint
from tests.fuzz.mutations import damaged, regraphed, resaved

Call = Callable[[Path], Any]
Change = Callable[[bytes, np.random.Generator], bytes]
OWN = "tests.fuzz.inputs:small"
SIZE = (3, 12, 12)


def small() -> nn.Module:
    """A net of three layers that hold weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            a=nn.Conv2d(3, 4, 3), b=nn.ReLU(), c=nn.Conv2d(4, 4, 3, stride=2), d=nn.Flatten(), e=nn.Linear(64, 2)
        )
    )


def ours() -> nn.Module:
    torch.manual_seed(0)
    return rf.load("rftools:vgg-dilated").module


@dataclass(frozen=True)
class Input:
    """A kind of file: its ending, what writes a whole one, and what reads it, in turn."""

    ending: str
    write: Callable[[Path], Any]
    reads: tuple[Call, ...]
    change: Change = damaged


def load(model: str | None = OWN) -> Call:
    return lambda path: rf.load(path, model=model, input_size=SIZE if model == OWN else None)


def show(path: Path) -> None:
    repr(rf.info(path))
    rf.info(path).to_json()


def weights(path: Path) -> None:
    rf.sparsity(path).to_json()
    rf.orientation(path).to_json()


def fields(path: Path) -> None:
    rf.theoretical(rf.load(path)).to_json()


WEIGHTS = (load(), show, load(None), weights)


def checkpoint(path: Path) -> None:
    content = {
        "arch": {"name": "vgg-dilated", "arguments": {"classes": 10}},
        "state_dict": ours().state_dict(),
        "epoch": 2,
        "history": [{"epoch": 1, "loss": 0.5, "val_accuracy": 0.5}],
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
    state = {name: tensor.numpy() for name, tensor in small().state_dict().items()}
    path.write_bytes(pickle.dumps(state | {"args": argparse.Namespace(a=1)}))


def whole_module(path: Path) -> None:
    torch.save(small(), path)


def scripted(path: Path) -> None:
    torch.jit.save(torch.jit.trace(small().eval(), torch.zeros(1, *SIZE)), path)


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


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(small().eval(), (torch.zeros(1, *SIZE),)), path)


def kernels(path: Path) -> None:
    np.savez(path, **{name: tensor.numpy() for name, tensor in small().state_dict().items()})  # type: ignore[arg-type]


def keras(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for layer, shape in (("conv", (3, 3, 3, 4)), ("conv_1", (3, 3, 4, 4))):
            file[f"layers/{layer}/vars/0"] = np.ones(shape, np.float32)
            file[f"layers/{layer}/vars/1"] = np.ones(4, np.float32)


def sharded(path: Path) -> None:
    from safetensors.torch import save_file

    state = small().state_dict()
    save_file(state, path.parent / "model-1.safetensors")
    path.write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(state, "model-1.safetensors")})
    )


def config(path: Path) -> None:
    (path.parent / "hub").mkdir(exist_ok=True)
    torch.save(small().state_dict(), path.parent / "hub" / "pytorch_model.bin")
    body = {
        "architecture": "resnet18",
        "num_classes": 3,
        "pretrained_cfg": {"input_size": [3, 64, 64], "mean": [0.5] * 3},
    }
    path.write_text(json.dumps(body | {"model_type": "resnet", "id2label": {"0": "a"}, "hidden_sizes": [8, 8]}))


def folder(read: Call) -> Call:
    def of_folder(path: Path) -> None:
        (path.parent / "hub" / "config.json").write_bytes(path.read_bytes())
        read(path.parent / "hub")

    return of_folder


def picture(kind: str, mode: str = "RGB", **options: Any) -> Callable[[Path], Any]:
    from PIL import Image

    def write(path: Path) -> None:
        draw = np.random.default_rng(0)
        deep = mode == "I;16"
        pixels = draw.integers(0, 65_536 if deep else 256, (12, 16) if deep else (12, 16, 3))
        made = Image.fromarray(pixels.astype(np.uint16 if deep else np.uint8))
        (made if deep else made.convert(mode)).save(path, kind, **options)

    return write


def see(path: Path) -> None:
    from rftools.erf.images import gather
    from rftools.loading import as_model

    gather(path, as_model(small(), SIZE), count=2)


def array(path: Path) -> None:
    np.save(path, np.ones((2, *SIZE), np.float32))


def arrays(path: Path) -> None:
    np.savez_compressed(path, x=np.ones((2, *SIZE), np.float32))


def limits(path: Path) -> None:
    path.write_text('min-field = 64\nmax-holes = {"a.*" = 0, "b" = 3.5}\n# a remark\nmax-anisotropy = 1e-3\n')


def read_limits(path: Path) -> None:
    from rftools.checks.limits import read_limits

    read_limits(path)


@cache
def results() -> dict[str, Any]:
    net = small()
    images = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(0))
    return {
        "trf": rf.theoretical(net, input_size=SIZE),
        "erf": rf.effective(net, images, layers=["a", "c"]),
        "sparsity": rf.sparsity(net),
        "orientation": rf.orientation(net),
    }


def saved(name: str) -> Callable[[Path], Any]:
    return lambda path: results()[name].to_json(path)


def read_results(path: Path) -> None:
    from rftools.reporting.sources.saved import read_saved

    read_saved([path])


def page(path: Path) -> None:
    rf.report([path], path.with_suffix(".html"))


def against(path: Path) -> None:
    from rftools.checks.against import against

    against(results()["trf"], path)


def maps(path: Path) -> None:
    results()["erf"].to_npz(path)
    results()["erf"].to_json(path.with_name("erf.json"))


def read_maps(path: Path) -> None:
    from rftools.reporting.sources.saved import read_saved

    read_saved([path.with_name("erf.json"), path])


INPUTS: dict[str, Input] = {
    "checkpoint": Input(".pt", checkpoint, (load(None), show)),
    "archive": Input(".ckpt", archive, WEIGHTS),
    "stream": Input(".pth", stream, WEIGHTS),
    "pickle": Input(".bin", plain_pickle, WEIGHTS),
    "module": Input(".pt", whole_module, WEIGHTS),
    "script": Input(".pt", scripted, WEIGHTS),
    "safetensors": Input(".safetensors", safetensors, WEIGHTS),
    "onnx": Input(".onnx", onnx, (load(None), show)),
    "checkpoint's parts": Input(".pt", checkpoint, (load(None), show, weights), resaved),
    "archive's parts": Input(".ckpt", archive, WEIGHTS, resaved),
    "graph": Input(".onnx", onnx, (load(None), show, fields), regraphed),
    "exported": Input(".pt2", exported, WEIGHTS),
    "kernels": Input(".npz", kernels, WEIGHTS),
    "keras": Input(".h5", keras, (show, weights)),
    "shards": Input(".index.json", sharded, WEIGHTS),
    "folder": Input(".json", config, (folder(load()), folder(show), folder(load(None)), folder(weights))),
    "png": Input(".png", picture("PNG"), (see,)),
    "png of 16 bits": Input(".png", picture("PNG", "I;16"), (see,)),
    "png with a palette": Input(".png", picture("PNG", "P", transparency=3), (see,)),
    "jpeg": Input(".jpg", picture("JPEG"), (see,)),
    "gif": Input(".gif", picture("GIF", "P"), (see,)),
    "tiff": Input(".tif", picture("TIFF", compression="tiff_lzw"), (see,)),
    "webp": Input(".webp", picture("WEBP"), (see,)),
    "bmp": Input(".bmp", picture("BMP"), (see,)),
    "npy": Input(".npy", array, (see,)),
    "npz": Input(".npz", arrays, (see,)),
    "toml": Input(".toml", limits, (read_limits,)),
    "trf.json": Input(".json", saved("trf"), (read_results, against, page)),
    "erf.json": Input(".json", saved("erf"), (read_results, page)),
    "sparsity.json": Input(".json", saved("sparsity"), (read_results, page)),
    "orientation.json": Input(".json", saved("orientation"), (read_results, page)),
    "maps": Input(".npz", maps, (read_maps,)),
}
#: Damage of what takes a page to read is done less often.
DEAR = {page: 40, show: 2, fields: 12}
