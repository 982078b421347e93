"""Files that try to run code, open other files, or ask for addresses: one of each way that is known."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rftools.models import build, save_checkpoint


class Gadget:
    """Unpickling this calls ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


Write = Callable[[Path], Any]
CANARY = "canary"


def code() -> str:
    """What none of the files may bring about."""
    return f"open({CANARY!r}, 'w').close()"


def traps() -> Iterator[tuple[str, Any]]:
    yield "system", Gadget(os.system, f"touch {CANARY}")
    yield "exec", Gadget(exec, code())
    yield "eval", Gadget(eval, code())
    yield "open", Gadget(open, CANARY, "w")
    yield "import", Gadget(__import__, "antigravity")
    yield "getattr", Gadget(getattr, Gadget(__import__, "os"), "system")
    yield "numpy", Gadget(np.load, "other.npy", None, True)
    yield "torch", Gadget(torch.load, "other.pt", None)
    yield "hub", Gadget(torch.hub.load, "someone/net", "make")
    yield "map", Gadget(list, Gadget(map, exec, [code()]))
    yield "partial", Gadget(Gadget, os.system)


OPCODES = {
    "inst": b"(S'touch canary'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch canary'\no.",
    "reduce": b"cos\nsystem\n(S'touch canary'\ntR.",
    "newobj": b"\x80\x02cos\nsystem\nX\x0c\x00\x00\x00touch canary\x85\x81.",
    "newobj_ex": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch canary\x85}\x92.",
    "build": b"\x80\x02cbuiltins\nexec\n}X\x03\x00\x00\x00doc\x88sb.",
    "dotted": b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93\x8c\x01a\x85R.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"Pcanary\n.",
    "binary persistent": b"\x80\x02X\x06\x00\x00\x00canaryQ.",
    "memo": b"\x80\x02cos\nsystem\nq\x00h\x00X\x0c\x00\x00\x00touch canary\x85R.",
    "setitems": b"\x80\x02cbuiltins\n__dict__\n(X\x01\x00\x00\x00aK\x01u.",
    "long": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"a.",
    "bytes": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"a.",
    "nested": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "itself": b"\x80\x02]q\x00h\x00a.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
}


def pickles() -> Iterator[tuple[str, Write]]:
    for name, data in OPCODES.items():
        yield f"{name}.pt", lambda path, data=data: path.write_bytes(data)
    weights = {"a.weight": np.ones((4, 3, 3, 3), np.float32)}
    tensors = {"a.weight": torch.ones(4, 3, 3, 3)}
    for name, trap in traps():
        for protocol in (0, 2, 4, 5):
            yield (
                f"{name}-{protocol}.bin",
                lambda path, t=trap, p=protocol: path.write_bytes(pickle.dumps(weights | {"x": t}, p)),
            )
        yield f"{name}-archive.ckpt", lambda path, t=trap, w=tensors: torch.save({"state_dict": w, "x": t}, path)
        yield (
            f"{name}-stream.pth",
            lambda path, t=trap, w=tensors: torch.save(
                {"model": w, "x": t}, path, _use_new_zipfile_serialization=False
            ),
        )


ARGUMENTS: dict[str, dict[str, Any]] = {
    "timm:resnet10t": {"checkpoint_path": "other.pt"},
    "timm:resnet10t ": {"pretrained": True},
    "timm:hf-hub:someone/net": {},
    "timm:local-dir:.": {},
    "timm:resnet10t?checkpoint_path=other.pt": {},
    "torchvision:resnet18": {"weights": "DEFAULT"},
    "torchvision:resnet18 ": {"progress": True, "weights_backbone": "DEFAULT"},
    "evil:make": {},
    "evil.py:make": {},
    "os:system": {"command": f"touch {CANARY}"},
    "builtins:exec": {},
}


def checkpoints() -> Iterator[tuple[str, Write]]:
    for number, (name, arguments) in enumerate(ARGUMENTS.items()):
        content = {
            "arch": {"name": name.strip(), "arguments": arguments},
            "state_dict": build("vgg-dilated").state_dict(),
            "epoch": 1,
            "history": [],
            "classes": ["a"],
            "input_size": [3, 32, 32],
            "data": "folder",
        }
        yield f"arch-{number}.pt", lambda path, c=content: save_checkpoint(path, c)
        said = {"arch": name.strip(), "model_name": name.strip(), "hyper_parameters": arguments, "args": arguments}
        yield f"said-{number}.pt", lambda path, s=said: torch.save(s | {"state_dict": {"w": torch.ones(2, 2)}}, path)


def zipped(path: Path, entries: dict[str, bytes], attributes: int = 0) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = attributes << 16
            archive.writestr(entry, data)


def archives() -> Iterator[tuple[str, Write]]:
    plain = pickle.dumps({"a": 1}, 2)
    trap = pickle.dumps(Gadget(os.system, f"touch {CANARY}"), 2)
    yield "slip.pt", lambda path: zipped(path, {"a/data.pkl": plain, "../canary": b"", "/tmp/canary": b""})
    yield "twice.pt", lambda path: zipped(path, {"a/data.pkl": plain, "b/data.pkl": trap})
    yield "link.pt", lambda path: zipped(path, {"a/data.pkl": plain, "a/data/0": b"other.pt"}, stat.S_IFLNK | 0o777)
    yield (
        "constants.pt",
        lambda path: zipped(path, {"a/data.pkl": plain, "a/constants.pkl": trap, "a/code/x.py": code().encode()}),
    )
    yield (
        "model.pt2",
        lambda path: zipped(path, {"a/models/model.json": b"{}", "a/data/sample_inputs/m.pt": trap, "a/version": b"1"}),
    )
    yield (
        "model.keras",
        lambda path: zipped(path, {"config.json": LAMBDA, "metadata.json": b"{}", "model.weights.h5": b"\x89HDF"}),
    )
    yield "nested.npz", lambda path: zipped(path, {"x.npy": trap})
    yield "objects.npz", lambda path: np.savez(path, x=np.array([Gadget(os.system, f"touch {CANARY}")], object))
    yield "objects.npy", lambda path: np.save(path, np.array([Gadget(os.system, f"touch {CANARY}")], object))


LAMBDA = json.dumps(
    {
        "module": "keras",
        "class_name": "Functional",
        "config": {"layers": [{"module": "builtins", "class_name": "exec", "config": {"function": code()}}]},
    }
).encode()


def headers() -> Iterator[tuple[str, Write]]:
    def safetensors(path: Path, header: dict[str, Any]) -> None:
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))

    far = {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 16]}}
    yield "far.safetensors", lambda path: safetensors(path, far)
    yield "meta.safetensors", lambda path: safetensors(path, {"__metadata__": {"format": "pt", "code": code()}})
    yield "long.safetensors", lambda path: path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    index = {"weight_map": {"a": "../other.safetensors", "b": "/other.pt", "c": "http://localhost/a", "d": "evil.py"}}
    yield "model.safetensors.index.json", lambda path: path.write_text(json.dumps(index))


def graphs() -> Iterator[tuple[str, Write]]:
    """ONNX files whose weights lie where they must not be looked for."""
    places = (
        "../other.bin",
        "/other.bin",
        "evil.py",
        "link.bin",
        ".",
        "",
        "pipe",
        "a/../../other.bin",
        "http://localhost/a",
    )
    for number, place in enumerate(places):
        yield f"external-{number}.onnx", lambda path, p=place: external(path, p)
    yield "custom.onnx", lambda path: external(path, None, op="com.evil.Exec")
    yield "script.onnx", lambda path: external(path, None, op="PyOp")


def external(path: Path, place: str | None, op: str = "Conv") -> None:
    from onnx import TensorProto, helper

    domain, _, kind = op.rpartition(".")
    node = helper.make_node(kind, ["x", "w"], ["y"], domain=domain)
    if place is not None:
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3, 3, 3])
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", place), ("offset", "0"), ("length", "432")):
            weight.external_data.add(key=key, value=value)
    else:
        weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], [1.0] * 108)
    sizes = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph(
        [node], "net", [sizes], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [weight]
    )
    path.write_bytes(helper.make_model(graph).SerializeToString())


def folders() -> Iterator[tuple[str, Write]]:
    """Folders as model hubs have them, with code beside the weights."""
    configs = (
        {"architectures": ["Evil"], "auto_map": {"AutoModel": "evil.Evil"}, "trust_remote_code": True},
        {
            "architectures": ["ResNetForImageClassification"],
            "model_type": "resnet",
            "_name_or_path": "http://localhost",
        },
        {
            "architecture": "resnet18",
            "pretrained_cfg": {"url": "http://localhost/a", "hf_hub_id": "a/b"},
            "checkpoint_path": "x",
        },
        {"architecture": "hf-hub:someone/net", "model_args": {"pretrained": True, "checkpoint_path": "other.pt"}},
    )
    for number, config in enumerate(configs):
        yield f"hub-{number}", lambda path, c=config: hub(path, c)


def hub(path: Path, config: dict[str, Any]) -> None:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    (path / "evil.py").write_text(code())
    torch.save({"a": torch.ones(2), "x": Gadget(os.system, f"touch {CANARY}")}, path / "pytorch_model.bin")


def write_all(folder: Path) -> list[Path]:
    """Every hostile file in ``folder``; beside it lie those that they try to reach."""
    (folder.parent / "other.bin").write_bytes(np.ones(108, np.float32).tobytes())
    (folder / "evil.py").write_text(code() + "\ndef make(**_):\n    " + code() + "\n")
    torch.save({"a": torch.ones(1)}, folder / "other.pt")
    if os.name == "posix":
        (folder / "link.bin").symlink_to(folder.parent / "other.bin")
        os.mkfifo(folder / "pipe")
    made = []
    with_onnx = graphs() if "onnx" in sys.modules or _has("onnx") else iter(())
    for name, write in (*pickles(), *checkpoints(), *archives(), *headers(), *with_onnx, *folders()):
        write(folder / name)
        made.append(folder / name)
    return made


def _has(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def innocent(folder: Path) -> list[Path]:
    """A harmless file of every ending, so that the libraries that read them are imported before the watch begins."""
    made = []
    for ending in (".pt", ".bin", ".ckpt", ".pth"):
        torch.save({"state_dict": {"a.weight": torch.ones(4, 3, 3, 3)}, "x": Path("a")}, folder / f"a{ending}")
        made.append(folder / f"a{ending}")
    from safetensors.torch import save_file

    save_file({"a.weight": torch.ones(4, 3, 3, 3)}, folder / "a.safetensors")
    np.savez(folder / "a.npz", x=np.ones((1, 3, 12, 12), np.float32))
    np.save(folder / "a.npy", np.ones((1, 3, 12, 12), np.float32))
    if _has("onnx"):
        external(folder / "a.onnx", None)
        made.append(folder / "a.onnx")
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    for name in ("a.keras", "a.pt2", "a.h5"):
        (folder / name).write_bytes(buffer.getvalue())
    save_checkpoint_of = {"name": "vgg-dilated", "arguments": {}}
    content = {"arch": save_checkpoint_of, "state_dict": build("vgg-dilated").state_dict(), "epoch": 0, "history": []}
    save_checkpoint(folder / "ours.pt", content | {"classes": list("abcdefghij"), "input_size": [3, 32, 32]})
    hub(folder / "hub", {"architecture": "resnet18", "num_classes": 3})
    return [
        *made,
        *(folder / n for n in ("a.safetensors", "a.npz", "a.npy", "a.keras", "a.pt2", "a.h5", "ours.pt", "hub")),
    ]
