"""A state dict is known by its tensors, wherever in a file it lies and whatever its head; and never wrongly."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.loading.recognition.find import find, index
from rftools.loading.recognition.make import shapes_of
from rftools.models import NETS

WRAPS: dict[str, Any] = {
    "bare": lambda state: state,
    "DataParallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "compiled": lambda state: {"model": {f"_orig_mod.{name}": value for name, value in state.items()}, "epoch": 3},
    "Lightning": lambda state: {
        "state_dict": {f"net.backbone.{name}": value for name, value in state.items()} | {"criterion.w": torch.ones(3)},
        "hyper_parameters": argparse.Namespace(lr=0.1),
    },
    "teacher": lambda state: {"nested": {"teacher": state}, "center": torch.zeros(2)},
}


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    found: nn.Module = models.resnet18(num_classes=8)
    return found


def same(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("named", [False, True])
def test_wherever_the_weights_lie(tmp_path: Path, resnet: nn.Module, wrap: str, named: bool) -> None:
    path = saved(tmp_path / "net.pt", WRAPS[wrap](resnet.state_dict()))
    loaded = rf.load(path, model="torchvision:resnet18" if named else None)
    assert same(loaded.module, resnet)
    assert "torchvision:resnet18, all 122 tensors fit, 8 classes" in loaded.metadata["chosen"]
    assert ("criterion.w" in loaded.metadata["fit"]) is False
    if wrap == "Lightning":
        assert "(under state_dict: net.backbone.)" in loaded.metadata["fit"]


def test_a_safetensors_file_and_a_whole_module(tmp_path: Path, resnet: nn.Module) -> None:
    from safetensors.torch import save_file

    save_file(resnet.state_dict(), tmp_path / "net.safetensors")
    assert same(rf.load(tmp_path / "net.safetensors").module, resnet)
    assert same(rf.load(saved(tmp_path / "whole.pt", resnet)).module, resnet)


def test_a_backbone_without_its_head(tmp_path: Path, resnet: nn.Module) -> None:
    state = {name: value for name, value in resnet.state_dict().items() if not name.startswith("fc.")}
    loaded = rf.load(saved(tmp_path / "net.pt", state))
    said = loaded.metadata["fit"]
    assert said.startswith("torchvision:resnet18, 120 of 122 tensors fit; timm:resnetblur18")
    assert said.endswith("the same tensors (--model); it lacks fc.weight and 1 more, random here")
    assert loaded.info().fit == said
    with pytest.raises(rf.RequestError, match=r"do not fit ResNet: the file lacks fc\.weight and 1 more"):
        rf.load(tmp_path / "net.pt", model="torchvision:resnet18", strict=True)


def test_pruning_masks_beside_the_weights(tmp_path: Path, resnet: nn.Module) -> None:
    state = dict(resnet.state_dict())
    weight = state.pop("conv1.weight")
    state |= {"conv1.weight_orig": weight, "conv1.weight_mask": (weight > 0).float()}
    loaded = rf.load(saved(tmp_path / "net.pt", state))
    assert torch.equal(loaded.module.conv1.weight, weight * (weight > 0))


def test_nets_of_one_set_of_tensors_are_listed(tmp_path: Path) -> None:
    """They differ in dilation and stride only, which no weight shows."""
    state = rf.load("rftools:vgg-dilated?classes=5&channels=1").module.state_dict()
    with pytest.raises(rf.RequestError, match=r": --model rftools:vgg-dilated, --model rftools"):
        rf.load(saved(tmp_path / "net.pt", state))
    loaded = rf.load(tmp_path / "net.pt", model="rftools:vgg-dilated")
    assert loaded.metadata["arch"]["arguments"] == {"classes": 5, "channels": 1}
    assert rf.theoretical(loaded, input_size=(1, 32, 32)).model.parameters == loaded.parameters


def test_nothing_fits(tmp_path: Path) -> None:
    state = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2)).state_dict()
    path = saved(tmp_path / "net.pt", {"state_dict": state, "epoch": 3})
    with pytest.raises(
        rf.RequestError, match=r"it holds state_dict, epoch; its first tensors are 0\.weight 4x3x3x3, 0"
    ):
        rf.load(path)


def test_arguments_are_typed_after_a_question_mark() -> None:
    net = rf.load("torchvision:squeezenet1_1?num_classes=7")
    assert net.spec == "torchvision:squeezenet1_1?num_classes=7"
    assert net.module(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(rf.RequestError, match=r"\?seven: arguments are given as NAME=VALUE, joined by &"):
        rf.load("torchvision:squeezenet1_1?seven")
    with pytest.raises(rf.RequestError, match=r"torchvision:squeezenet1_1 does not take sevens: "):
        rf.load("torchvision:squeezenet1_1?sevens=7")


OF_EVERY_FAMILY = ("resnet18", "vgg11_bn", "densenet121", "mobilenet_v3_small", "squeezenet1_0", "shufflenet_v2_x0_5")


@pytest.mark.parametrize(
    "spec", [f"torchvision:{n}" for n in OF_EVERY_FAMILY] + ["rftools:wavenet", "rftools:gap-plain"]
)
def test_the_index_is_that_of_the_libraries(spec: str) -> None:
    """Its entry is found by the shapes of a net that is built now, with another number of classes."""
    if spec.startswith("torchvision"):
        pytest.importorskip("torchvision")
    classes = {"classes": 3} if spec.startswith("rftools") else {"num_classes": 3}
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes_of(spec, **classes).items()}
    found = find(state)
    assert found[0].spec == spec
    assert found[0].arguments.items() >= classes.items()
    assert found[0].tensors == found[0].of == len(state)


def test_every_net_of_ours_is_in_the_index() -> None:
    assert {f"rftools:{name}" for name in NETS} <= set(index())


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_no_net_of_a_library_is_taken_for_another(library: str) -> None:
    """Each fits itself; what else fits has the same names and shapes throughout."""
    pytest.importorskip(library)
    specs = [spec for spec in index() if spec.startswith(library)]
    for spec in specs[:: max(1, len(specs) // 40)]:
        shapes = shapes_of(spec, num_classes=3)
        found = find({name: torch.empty(shape, device="meta") for name, shape in shapes.items()})
        assert spec in [match.spec for match in found], spec
        for match in found:
            assert shapes_of(match.spec, num_classes=3) == shapes, (spec, match.spec)
