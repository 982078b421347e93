"""One net saved in every way that files of weights come in."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Saver = Callable[[nn.Module, torch.Tensor, Path], Path]
SAVERS: dict[str, Saver] = {}


def saver(name: str) -> Callable[[Saver], Saver]:
    def enter(function: Saver) -> Saver:
        SAVERS[name] = function
        return function

    return enter


def saved(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@saver("state dict")
def _plain(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    return saved(net.state_dict(), folder / "net.pt")


@saver("before 1.6")
def _old(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    return saved(net.state_dict(), folder / "net.pth", _use_new_zipfile_serialization=False)


@saver("training script, DataParallel")
def _parallel(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    adam = torch.optim.Adam(net.parameters())
    sum(p.square().sum() for p in net.parameters()).backward()  # type: ignore[union-attr]
    content = {"state_dict": state, "optimizer": adam.state_dict(), "args": argparse.Namespace(lr=0.1), "epoch": 3}
    return saved(content, folder / "net.pth.tar")


@saver("Lightning")
def _lightning(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    state = {f"net.backbone.{name}": value for name, value in net.state_dict().items()}
    content = {"state_dict": {**state, "criterion.weight": torch.ones(7)}, "pytorch-lightning_version": "2.4.0"}
    return saved(content | {"hyper_parameters": {"lr": 1e-3}, "epoch": 3}, folder / "net.ckpt")


@saver("compiled, in an EMA")
def _compiled(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    state = {f"_orig_mod.{name}": value for name, value in net.state_dict().items()}
    return saved({"ema": {"net": state, "decay": 0.99}}, folder / "net.bin")


@saver("whole module")
def _module(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    return saved(net, folder / "net.pt")


@saver("TorchScript")
def _scripted(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    torch.jit.save(torch.jit.trace(net, x, check_trace=False), str(folder / "net.pt"))
    return folder / "net.pt"


@saver("exported program")
def _exported(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    torch.export.save(torch.export.export(net, (x,)), folder / "net.pt2")
    return folder / "net.pt2"


@saver("safetensors")
def _safetensors(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, folder / "net.safetensors")
    return folder / "net.safetensors"


@saver("safetensors in two files")
def _sharded(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    from safetensors.torch import save_file

    state = net.state_dict()
    places = {name: f"model-{k % 2}.safetensors" for k, name in enumerate(state)}
    for file in set(places.values()):
        save_file({n: state[n].contiguous() for n, place in places.items() if place == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder / "model.safetensors.index.json"


KERAS_KINDS = {"weight": "kernel", "bias": "bias", "running_mean": "moving_mean", "running_var": "moving_variance"}


def keras_places(net: nn.Module, version: int) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of a net in Keras' order, under the paths of its files; layers are called as torch calls them."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name, module in net.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or not isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
            continue
        depthwise = isinstance(module, nn.modules.conv._ConvNd) and module.groups == module.in_channels > 1
        layer = name.replace(".", "-") + ("-depthwise" if depthwise else "")
        kernel = weight.detach().numpy()
        for part in ("weight", "bias"):
            value = getattr(module, part)
            kind = "depthwise_kernel" if depthwise and part == "weight" else KERAS_KINDS[part]
            number = "01"[part == "bias"]
            place = f"layers/{layer}/vars/{number}" if version == 3 else f"model_weights/{layer}/{layer}/{kind}:0"
            if value is not None:
                found[place] = in_keras_order(kernel, depthwise) if part == "weight" else value.detach().numpy()
    return found


def in_keras_order(kernel: np.ndarray[Any, Any], depthwise: bool) -> np.ndarray[Any, Any]:
    """``(out, in, *kernel)`` as ``(*kernel, in, out)``; of a depthwise one ``(*kernel, in, multiplier)``."""
    last = np.moveaxis(kernel, (0, 1), (-1, -2))
    return last.reshape(*last.shape[:-2], last.shape[-1], 1) if depthwise else last


def keras_file(net: nn.Module, path: Path, version: int) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for place, value in keras_places(net, version).items():
            file[place] = value
    return path


def onnx_file(net: nn.Module, x: torch.Tensor, path: Path) -> Path:
    """With batch norms left as they are, so that weights are the module's own."""
    torch.onnx.export(
        net.eval(), (x,), str(path), dynamo=False, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    return path


@saver("NumPy")
def _numpy(net: nn.Module, x: torch.Tensor, folder: Path) -> Path:
    np.savez(folder / "net.npz", **{name: value.numpy() for name, value in net.state_dict().items()})  # type: ignore[arg-type]
    return folder / "net.npz"
