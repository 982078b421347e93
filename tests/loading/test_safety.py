"""A file is data: nothing that it says is imported, run, opened, or made room for beyond what it holds."""

from __future__ import annotations

import argparse
import enum
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.loading.stub import read_stub
from rftools.models import build, save_checkpoint


class Kind(enum.Enum):
    A = 1


class Gadget:
    """Unpickling this calls ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def net() -> nn.Module:
    torch.manual_seed(1)
    return build("vgg-dilated", classes=3)


def saved(path: Path, **changes: Any) -> Path:
    content = {
        "arch": {"name": "vgg-dilated", "arguments": {"classes": 3}},
        "state_dict": net().state_dict(),
        "epoch": 2,
        "history": [],
        "classes": ["a", "b", "c"],
        "input_size": [3, 32, 32],
    }
    save_checkpoint(path, content | changes)
    return path


def equal(found: dict[str, torch.Tensor]) -> bool:
    wanted = net().state_dict()
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def factory(tmp_path: Path) -> str:
    source = "from rftools.models import build\ndef make():\n    return build('vgg-dilated', classes=3)\n"
    (tmp_path / "own_net.py").write_text(source)
    return f"{tmp_path}/own_net.py:make"


@pytest.mark.parametrize("old", [False, True])
def test_what_surrounds_the_weights_becomes_data(tmp_path: Path, old: bool) -> None:
    """Namespaces, NumPy scalars and arrays, paths, enums and optimisers; PyTorch refuses the file as a whole."""
    content = {
        "state_dict": net().state_dict(),
        "args": argparse.Namespace(arch="vgg", width=8, place=Path("a")),
        "best": np.float64(0.25),
        "mean": np.arange(6.0, dtype=">f4").reshape(2, 3),
        "kind": Kind.A,
        "order": OrderedDict(a=1),
        "optimizer": torch.optim.SGD(net().parameters(), lr=0.1, momentum=0.9).state_dict(),
    }
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=not old)
    found = read_stub(tmp_path / "a.pt")
    assert equal(found.content["state_dict"])
    assert found.content["args"] == {"arch": "vgg", "width": 8, "place": "a"}
    assert (found.content["best"], found.content["kind"], found.content["order"]) == (0.25, 1, {"a": 1})
    assert found.content["mean"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found.content["optimizer"]["param_groups"][0]["lr"] == 0.1
    assert {"argparse.Namespace", f"{Kind.__module__}.Kind"} <= set(found.names)
    assert equal(dict(rf.load(tmp_path / "a.pt", model=factory(tmp_path)).module.state_dict()))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["pickled", "pickled of old", "scripted", "traced"])
def test_a_whole_module_gives_its_weights(tmp_path: Path, how: str) -> None:
    path, module = tmp_path / "whole.pt", net().eval()
    if how.startswith("pickled"):
        torch.save(module, path, _use_new_zipfile_serialization=how == "pickled")
    else:
        whole = torch.jit.script(module) if how == "scripted" else torch.jit.trace(module, torch.zeros(1, 3, 32, 32))
        torch.jit.save(whole, path)
    assert equal(dict(rf.load(path, model=factory(tmp_path)).module.state_dict()))
    described = read_stub(path, values=False).content
    assert all(value.is_meta for value in described.values())
    assert {name: value.shape for name, value in described.items()} == {
        name: value.shape for name, value in net().state_dict().items()
    }


TRAPS: dict[str, tuple[Any, ...]] = {
    "system": (os.system, "touch {canary}"),
    "eval": (eval, "open({canary!r}, 'w').close()"),
    "exec": (exec, "open({canary!r}, 'w').close()"),
    "__import__": (__import__, "antigravity"),
    "open": (open, "{canary}", "w"),
    "getattr": (getattr, "text", "upper"),
    "array": (bytearray, 1 << 40),
}


def trap(name: str, canary: Path) -> Gadget:
    function, *arguments = TRAPS[name]
    return Gadget(function, *(a.format(canary=str(canary)) if isinstance(a, str) else a for a in arguments))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", TRAPS)
def test_no_gadget_is_called(tmp_path: Path, protocol: int, name: str) -> None:
    """Beside weights, in every protocol: what stands for the call is inert, the weights are read."""
    path, canary = tmp_path / "evil.pt", tmp_path / "canary"
    content = {"weight": np.ones((4, 3, 3, 3), np.float32), "trap": trap(name, canary)}
    path.write_bytes(pickle.dumps(content, protocol))
    found = read_stub(path)
    assert found.content["weight"].sum() == 4 * 27
    assert any(each.endswith(TRAPS[name][0].__name__) for each in found.names)
    assert not canary.exists()


WATCHED = """
import sys
import rftools as rf
from pathlib import Path
rf.load(sys.argv[2], model=sys.argv[3])
seen, on = [], True
WATCHED = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "webbrowser.open", "exec",
           "os.mkdir", "os.remove")
def hook(event, arguments):
    if on and event in WATCHED:
        seen.append((event, arguments))
    if on and event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append((event, arguments))
sys.addaudithook(hook)
for path in sorted(Path(sys.argv[1]).glob("*.pt")):
    for model in (None, "rftools:vgg-dilated"):
        try:
            rf.load(path, model=model)
        except rf.RequestError:
            pass
on = False
print(seen)
"""


def test_an_audit_of_hostile_files_sees_nothing(tmp_path: Path) -> None:
    """No code is run, no process started, no address asked for, no file opened for writing."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in TRAPS:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            bare = trap(name, tmp_path / "canary")
            (hostile / f"{name}-{protocol}.pt").write_bytes(pickle.dumps(bare, protocol))
            content = {"state_dict": {"weight": torch.ones(2)}, "trap": bare}
            torch.save(content, hostile / f"{name}-{protocol}-archive.pt", pickle_protocol=max(protocol, 2))
    (tmp_path / "watched.py").write_text(WATCHED)
    torch.save({"state_dict": net().state_dict(), "kind": argparse.Namespace()}, tmp_path / "warm.pt")
    command = [sys.executable, "watched.py", "hostile", "warm.pt", factory(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout == "[]\n", done.stderr
    assert len(list(hostile.iterdir())) == 2 * 6 * len(TRAPS)
    assert not (tmp_path / "canary").exists()


GADGETS: list[tuple[str, dict[str, Any], str]] = [
    ("timm:resnet10t", {"checkpoint_path": "b.pt"}, r"'checkpoint_path' is not taken from a file"),
    ("timm:resnet10t", {"pretrained": True}, r"'pretrained' is not taken from a file"),
    ("timm:resnet10t", {"pretrained_cfg": {"url": "http://localhost"}}, r"'pretrained_cfg' is not taken from a file"),
    ("torchvision:resnet18", {"weights": "DEFAULT"}, r"'weights' is not taken from a file"),
    ("torchvision:resnet18", {"num_classes": 1 << 40}, r"num_classes = 1099511627776 is out of range"),
    ("torchvision:resnet18", {"num_classes": True}, r"num_classes = True is out of range"),
    ("torchvision:resnet18", {"num_classes": "5"}, r"num_classes = '5' is out of range"),
    ("vgg-dilated", {"classes": 10**9}, r"classes = 1000000000 is out of range"),
    ("vgg-dilated", {"nonsense": 1}, r"'nonsense' is not taken from a file \(rftools: classes, channels\)"),
    ("timm:resnet10t?checkpoint_path=b.pt", {}, r"arguments, which are not taken from a file"),
    ("timm:hf-hub:someone/net", {}, r"timm has no model 'hf-hub:someone/net'"),
    ("timm:local-dir:/tmp", {}, r"timm has no model 'local-dir:/tmp'"),
    ("own_net:make", {"path": "x" * 1000}, r"path = 'xxx.* is out of range"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), GADGETS)
def test_the_arguments_of_a_file_are_data(tmp_path: Path, name: str, arguments: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "a.pt", arch={"name": name, "arguments": arguments})
    with pytest.raises(rf.RequestError, match=message):
        rf.load(path, model=name if name.startswith("own") else None)


@pytest.mark.parametrize(
    "changes",
    [
        {"arch": {"name": 3}}, {"arch": {"name": "vgg-dilated", "arguments": [1]}}, {"state_dict": [1]},
        {"state_dict": {"a": 1}}, {"epoch": "2"}, {"epoch": -1}, {"classes": 5}, {"classes": [1]}, {"input_size": 3},
        {"input_size": [3, 0, 1]}, {"input_size": [3, "a"]}, {"input_size": [3]}, {"normalisation": {"mean": [0.0]}},
        {"normalisation": {"mean": [0.0], "std": [0.0]}}, {"normalisation": {"mean": [float("nan")], "std": [1.0]}},
        {"history": [1]}, {"history": 3}, {"version": "a"}, {"version": 99},
    ],
)  # fmt: skip
def test_a_checkpoint_with_an_odd_part_is_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    from rftools.models import read_checkpoint

    path = saved(tmp_path / "a.pt", **changes)
    for read in (rf.load, read_checkpoint):
        with pytest.raises(rf.RequestError, match=r"a\.pt .*(damaged|version|which net)") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_an_input_of_terabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rf.RequestError, match=r"asks for 3298534883328 numbers of one input; at most 268435456"):
        rf.load(saved(tmp_path / "a.pt", input_size=[3, 1 << 20, 1 << 20]))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        with archive.open("a/data/0", "w", force_zip64=True) as stream:
            for _ in range(1100):
                stream.write(bytes(1 << 20))
    with pytest.raises(rf.RequestError, match=r"bytes that an archive's packed entries expand to; at most 1073741824"):
        rf.load(tmp_path / "bomb.pt", model="rftools:vgg-dilated")


def test_an_archive_of_several_parts(tmp_path: Path) -> None:
    """zipfile raises of its own already when it is asked whether this is an archive."""
    data = saved(tmp_path / "whole.pt").read_bytes()
    end = data.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 2)
    (tmp_path / "part.pt").write_bytes(data[:end] + locator + data[end:])
    with pytest.raises(rf.RequestError, match=r"part\.pt is truncated"):
        rf.load(tmp_path / "part.pt")


def test_a_pickle_that_numbers_objects_far_out_takes_no_memory(tmp_path: Path) -> None:
    """An index of 2^31 would make the C unpickler fill 16 GiB of table."""
    path = tmp_path / "memo.pt"
    path.write_bytes(b"\x80\x02}r" + struct.pack("<I", (1 << 31) - 1) + b".")
    with pytest.raises(rf.RequestError, match="numbers more objects than it has bytes"):
        read_stub(path)


def test_a_tensor_that_reaches_out_of_its_numbers(tmp_path: Path) -> None:
    """And one whose few numbers stand for very many."""
    for shape, message in (((1 << 40,), "reaches out of its"), ((-1,), "no valid shape"), ((2,) * 20, "20 dimensions")):
        table = {"x": Gadget(torch._utils._rebuild_tensor_v2, Pointer(), 0, shape, (1,) * len(shape), False, {})}
        with pytest.raises(rf.RequestError, match=message):
            read_stub(archived(tmp_path / "a.pt", table))
    wide = {"x": Gadget(torch._utils._rebuild_tensor_v2, Pointer(), 0, (1 << 20, 1 << 20), (0, 0), False, {})}
    with pytest.raises(rf.RequestError, match="numbers that one stored number stands for"):
        read_stub(archived(tmp_path / "a.pt", wide))


class Pointer:
    """Stands for the storage ``0`` of an archive."""


class Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(value, Pointer) else None


def archived(path: Path, content: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("a/data.pkl", "w") as stream:
            Pickler(stream, 2).dump(content)
        archive.writestr("a/data/0", np.arange(4, dtype=np.float32).tobytes())
    return path


def test_the_archive_of_these_tests_is_read_as_pytorchs(tmp_path: Path) -> None:
    table = {"x": Gadget(torch._utils._rebuild_tensor_v2, Pointer(), 1, (2,), (2,), False, {})}
    assert read_stub(archived(tmp_path / "a.pt", table)).content["x"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer.* git lfs pull"),
        (b"<!DOCTYPE html><html>", "is a web page, not weights"),
        (b"\n<html>", "is a web page, not weights"),
        (b"GGUF\x03\x00", "is a GGUF file"),
        (b"\x89HDF\r\n\x1a\n", "is no whole Keras file"),
        (b"\x1f\x8b\x08", "is packed by gzip"),
    ],
)
@pytest.mark.parametrize("ending", [".pt", ".safetensors", ".onnx"])
def test_what_a_file_is_instead(tmp_path: Path, content: bytes, message: str, ending: str) -> None:
    (tmp_path / f"a{ending}").write_bytes(content)
    with pytest.raises(rf.RequestError, match=rf"a{re.escape(ending)} {message}"):
        rf.load(tmp_path / f"a{ending}", model="rftools:vgg-dilated")


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pt")
    with pytest.raises(rf.RequestError, match="is no regular file; name a file"):
        rf.load(tmp_path / "a.pt", model="rftools:vgg-dilated")


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(rf.RequestError, match="is an address, and nothing is fetched; download the file"):
        rf.load("https://example.org/net.pt")


def test_names_out_of_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    state = {f"features\n\x1b[2Jblock{n}": torch.zeros(2, 2) for n in range(3)}
    torch.save(state, tmp_path / "a.pt")
    for model in (None, "rftools:vgg-dilated"):
        with pytest.raises(rf.RequestError) as caught:
            rf.load(tmp_path / "a.pt", model=model)
        assert str(caught.value).isprintable()
