"""The same net saved in every way is the same net: its tensors, fields, sparsity and effective map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import rftools as rf
from rftools.loading import as_model
from tests.loading.saving import SAVERS, keras_file, onnx_file

SOURCE = """
from torch import nn

def volume():
    return nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 3, 3, stride=2, bias=False))
"""
Made = tuple[nn.Module, tuple[int, ...], str | None]


def _library(spec: str, size: tuple[int, ...], *, named: bool = False) -> Callable[[Path], Made]:
    """A library's net; ``named`` where others have the same tensors, and differ in dilation."""

    def make(folder: Path) -> Made:
        pytest.importorskip(spec.partition(":")[0])
        return rf.load(spec, seed=1).module, size, spec.partition("?")[0] if named else None

    return make


def _volume(folder: Path) -> Made:
    (folder / "own.py").write_text(SOURCE)
    spec = f"{folder / 'own.py'}:volume"
    return rf.load(spec, seed=1).module, (2, 9, 9, 9), spec


def _pruned(folder: Path) -> Made:
    pytest.importorskip("torchvision")
    net = rf.load("torchvision:squeezenet1_1?num_classes=5", seed=1).module
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            prune.l1_unstructured(module, "weight", 0.7)  # type: ignore[arg-type]
    return net, (3, 64, 64), None


NETS: dict[str, Callable[[Path], Made]] = {
    "VGG-like": _library("torchvision:squeezenet1_1?num_classes=7", (3, 64, 64)),
    "transformer": _library("timm:test_vit?num_classes=4", (3, 160, 160)),
    "pruned with masks": _pruned,
    "ResNet, one channel": _library("torchvision:resnet18?num_classes=3&in_chans=1", (1, 64, 64)),
    "depthwise": _library("torchvision:mobilenet_v3_small?num_classes=9", (3, 64, 64)),
    "1-D": _library("rftools:wavenet?classes=3", (1, 256), named=True),
    "3-D": _volume,
}
QUICK = ("3-D",)
TRACED = ("TorchScript", "exported program")
PAIRS = [(net, saver) for net in NETS for saver in SAVERS if (net, saver) != ("pruned with masks", "exported program")]


def pairs(*quick: tuple[str, str]) -> list[Any]:
    """Every net saved in every way (torch exports no pruning hooks); what is not named is of the long suite."""
    return [pytest.param(*pair, marks=[] if pair in quick else [pytest.mark.slow]) for pair in PAIRS]


def reloaded(net: str, saver: str, folder: Path) -> tuple[nn.Module, rf.Model, tuple[int, ...], Path]:
    """A net, and what is read of its file: without ``model=`` where it is a library's."""
    torch.manual_seed(3)
    module, size, spec = NETS[net](folder)
    path = SAVERS[saver](module, torch.rand(1, *size), folder)
    loaded = rf.load(path, model=spec, input_size=size)
    for child in module.modules():
        if prune.is_pruned(child) and isinstance(child, nn.Conv2d):
            prune.remove(child, "weight")  # type: ignore[arg-type]
    return module, loaded, size, path


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("net", "saver"),
    pairs(
        *((n, s) for n in QUICK for s in SAVERS if s not in TRACED or n == "3-D"),
        ("pruned with masks", "Lightning"),
        ("VGG-like", "compiled, in an EMA"),
    ),
)
def test_the_same_tensors_however_they_were_saved(tmp_path: Path, net: str, saver: str) -> None:
    module, loaded, _, path = reloaded(net, saver, tmp_path)
    assert "lacks" not in loaded.metadata.get("fit", "")
    state = loaded.module.state_dict()
    assert state.keys() == module.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    ours, theirs = rf.sparsity(path).total, rf.sparsity(module).total
    assert (ours.weights, ours.zeros) == (theirs.weights, theirs.zeros)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("net", "saver"), pairs(("3-D", "exported program")))
def test_the_same_fields_sparsity_and_map(tmp_path: Path, net: str, saver: str) -> None:
    module, loaded, size, _ = reloaded(net, saver, tmp_path)
    own = as_model(module, size)
    assert rf.theoretical(loaded).layers == rf.theoretical(own).layers
    assert rf.sparsity(loaded).layers == rf.sparsity(own).layers
    images = torch.rand(2, *size)
    layer = [row.name for row in rf.sparsity(loaded) if len(row.shape) > 2][-1]
    ours, theirs = (torch.as_tensor(rf.effective(each, images, layers=[layer])[layer].map) for each in (loaded, own))
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=0)
    assert bool((theirs > 0).any())


def quick(name: str) -> Any:
    return pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])


def as_saved(net: str, folder: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """The net with its masks made permanent, as these formats have none."""
    torch.manual_seed(3)
    module, size, _ = NETS[net](folder)
    for child in module.modules():
        if prune.is_pruned(child) and isinstance(child, nn.Conv2d):
            prune.remove(child, "weight")  # type: ignore[arg-type]
    return module.eval(), size


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", [quick(name) for name in NETS])
def test_an_onnx_file_is_the_same_net(tmp_path: Path, net: str) -> None:
    """Its layers have other names and the same order: the fields of every convolution, its zeros, the output's map."""
    pytest.importorskip("onnx")
    module, size = as_saved(net, tmp_path)
    own = as_model(module, size)
    loaded = rf.load(onnx_file(module, torch.rand(1, *size), tmp_path / "net.onnx"))
    assert loaded.input_size == size
    module(torch.rand(1, *size)).sum().backward()
    used = {name for name, child in module.named_modules() if getattr(child, "weight", torch.ones(1)).grad is not None}
    theirs, ours = [row for row in kernels_of(own) if row.name in used], kernels_of(loaded)
    assert [row.shape for row in theirs] == [row.shape for row in ours]
    assert [(row.zeros, row.taps, row.shapes) for row in theirs] == [(row.zeros, row.taps, row.shapes) for row in ours]
    fields, read = rf.theoretical(own), rf.theoretical(loaded)
    for a, b in zip(theirs, ours, strict=True):
        assert (fields[a.name].axes, fields[a.name].status) == (read[b.name].axes, read[b.name].status), a.name
    images = torch.rand(2, *size)
    maps = [
        torch.as_tensor(rf.effective(each, images, layers=[rows[-1].name])[rows[-1].name].map)
        for each, rows in ((own, theirs), (loaded, ours))
    ]
    assert torch.allclose(maps[1], maps[0], rtol=1e-5, atol=1e-5 * float(maps[0].max()))
    assert bool((maps[0] > 0).any())


def kernels_of(model: rf.Model) -> list[Any]:
    """The rows of convolutions, in the order of the net."""
    return [row for row in rf.sparsity(model) if len(row.shape) > 2]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("net", [quick(name) for name in NETS])
def test_the_same_kernels_from_keras(tmp_path: Path, net: str, version: int) -> None:
    """Zeros, and where kernels point: of ``(y, x, in, out)`` each is turned to its place."""
    pytest.importorskip("h5py")
    module, size = as_saved(net, tmp_path)
    path = keras_file(module, tmp_path / "net.weights.h5", version)
    model = as_model(module, size)
    ours = {row.name.replace(".", "-"): row for row in rf.sparsity(model)}
    read = {row.name.removesuffix("-depthwise"): row for row in rf.sparsity(path)}
    ours = {name: row for name, row in ours.items() if name in read}
    assert len(ours) == len(read) == sum(isinstance(m, (nn.Linear, nn.modules.conv._ConvNd)) for m in module.modules())
    facts = ("shape", "weights", "zeros", "taps", "shapes", "full_box", "dead_filters", "dead_inputs")
    for name, row in ours.items():
        assert all(getattr(row, fact) == getattr(read[name], fact) for fact in facts), name
    if any(len(row.shape) > 3 and min(row.shape[2:]) > 1 for row in ours.values()):
        angles = {row.name.replace(".", "-"): row for row in rf.orientation(model, mass="abs")}
        for row in rf.orientation(path, mass="abs"):
            own = angles[row.name.removesuffix("-depthwise")]
            assert row.kernels == own.kernels
            assert row.mean_angle == (None if own.mean_angle is None else pytest.approx(own.mean_angle, rel=1e-9))
            assert row.resultant == (None if own.resultant is None else pytest.approx(own.resultant, rel=1e-9))
