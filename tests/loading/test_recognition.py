"""A state dict is known by its tensors, wherever in a file it lies and whatever its head; and never wrongly."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.loading.recognition.find import find, index, listed
from rftools.loading.recognition.make import shapes_of
from rftools.loading.recognition.names import WORDS
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
    with pytest.raises(rf.RequestError, match=r"torchvision:squeezenet1_1 does not take sevens so: "):
        rf.load("torchvision:squeezenet1_1?sevens=7")


OF_EVERY_FAMILY = ("resnet18", "vgg11_bn", "densenet121", "mobilenet_v3_small", "squeezenet1_0", "shufflenet_v2_x0_5")
OF_TRANSFORMERS = """
    Beit BertModel BitFor CLIPVisionModel ConvNext ConvNextV2 Cvt DeiT Dinov2 EfficientNet FocalNet GLPN HGNetV2 Hiera
    Levit MobileNetV1 MobileNetV2 MobileViTFor PoolFormer PvtV2 RegNet ResNet SegformerFor SwiftFormer Swin ViTFor
    Wav2Vec2Model
"""


def described(spec: str, **arguments: Any) -> dict[str, torch.Tensor]:
    """The tensors of a net that is built now, without numbers."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes_of(spec, **arguments).items()}


def changed_head(spec: str, classes: int = 3) -> dict[str, int]:
    word = WORDS[spec.partition(":")[0]][0]
    return {word: classes}


QUICK = [f"torchvision:{n}" for n in OF_EVERY_FAMILY] + ["rftools:vgg-large", "rftools:gap-plain", "timm:test_vit"]


@pytest.mark.parametrize("spec", QUICK)
def test_the_index_is_that_of_the_libraries(spec: str) -> None:
    """Its entry is found by the shapes of a net that is built now, with another number of classes."""
    if not spec.startswith("rftools"):
        pytest.importorskip(spec.partition(":")[0])
    found = listed(find(described(spec, **changed_head(spec))))
    assert [match.spec for match in found] == [spec]
    assert found[0].arguments.items() >= changed_head(spec).items()
    assert found[0].tensors == found[0].of


def test_every_net_of_ours_is_in_the_index() -> None:
    assert {f"rftools:{name}" for name in NETS} <= set(index())


def test_classes_channels_and_image_size_together() -> None:
    pytest.importorskip("timm")
    found = listed(find(described("timm:vit_tiny_patch16_224", num_classes=5, in_chans=4, img_size=96)))
    assert found[0].spec == "timm:vit_tiny_patch16_224"
    assert found[0].arguments == {"num_classes": 5, "in_chans": 4, "img_size": 96}
    torchvisions = listed(find(described("torchvision:resnet18", num_classes=5, in_chans=1)))[0]
    assert torchvisions.words.startswith("torchvision:resnet18, all 122 tensors fit, 5 classes, 1 channel")


def test_another_head_in_place_of_the_net_s_own(tmp_path: Path, resnet: nn.Module) -> None:
    state = {name: value for name, value in resnet.state_dict().items() if not name.startswith("fc.")}
    state |= {"fc.0.weight": torch.ones(16, 512), "fc.0.bias": torch.ones(16), "fc.2.weight": torch.ones(4, 16)}
    loaded = rf.load(saved(tmp_path / "net.pt", state))
    assert loaded.metadata["fit"].endswith(
        "it lacks fc.weight and 1 more, random here, and it has fc.0.weight and 2 more too many, left out"
    )
    assert torch.equal(loaded.module.conv1.weight, resnet.state_dict()["conv1.weight"])


def test_nothing_else_is_recognised(resnet: nn.Module) -> None:
    """One shape or one name changed, a layer more or less, or a net of nobody's: no net is named."""
    shapes = {name: value.to("meta") for name, value in resnet.state_dict().items()}
    assert find(shapes)
    for name in ("layer3.1.conv2.weight", "bn1.weight", "layer4.0.downsample.0.weight"):
        assert not find({**shapes, name: torch.empty(7, device="meta")})
        assert not find({key: value for key, value in shapes.items() if key != name})
        assert not find({f"{key}x" if key == name else key: value for key, value in shapes.items()})
    assert not find({**shapes, "layer4.2.conv1.weight": torch.empty(512, 512, 3, 3, device="meta")})
    assert not find({**shapes, "fc.weight": torch.empty(8, 500, device="meta")})
    for net in (nn.Sequential(*(nn.Linear(4, 4) for _ in range(6))), nn.TransformerEncoderLayer(32, 4), nn.LSTM(3, 4)):
        assert not find(net.state_dict())


def test_what_the_file_calls_itself_decides(tmp_path: Path) -> None:
    state = rf.load("rftools:vgg-dilated?classes=5").module.state_dict()
    path = saved(tmp_path / "net.pt", {"state_dict": state, "hyper_parameters": {"model_name": "vgg-dilated-17"}})
    assert rf.load(path).metadata["arch"]["name"] == "rftools:vgg-dilated-17"
    saved(path, {"state_dict": state, "arch": "resnet50"})  # no net that the tensors fit
    with pytest.raises(rf.RequestError, match="fit 4 nets"):
        rf.load(path)


def test_key_prefix_and_another_files_net(tmp_path: Path) -> None:
    """The teacher and the student differ; one is named, and the net is that of another file."""
    nets = {part: rf.load("rftools:vgg-dilated", seed=k).module for k, part in enumerate(("student", "teacher"))}
    other = saved(tmp_path / "other.pt", {"arch": "vgg-dilated", "state_dict": nets["student"].state_dict()})
    content = {part: {f"net.{name}": v for name, v in net.state_dict().items()} for part, net in nets.items()}
    path = saved(tmp_path / "both.pt", content)
    for part, net in nets.items():
        assert same(rf.load(path, model=str(other), key=part).module, net)
        assert same(rf.load(path, model="rftools:vgg-dilated", key=part, prefix="net.").module, net)
    with pytest.raises(
        rf.RequestError, match=r"no tensors under --key ema; tensors lie under student, teacher; rftools"
    ):
        rf.load(path, model="rftools:vgg-dilated", key="ema")
    with pytest.raises(rf.RequestError, match=r"no tensors under --prefix module\."):
        rf.load(path, prefix="module.")


def test_what_a_folder_s_config_says(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    net = timm.create_model("test_resnet", num_classes=4)
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "test_resnet", "num_classes": 4, "label_names": ["a", "b", "c", "d"]}
    config["pretrained_cfg"] = {"input_size": [3, 96, 96], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded, facts = rf.load(tmp_path), rf.info(tmp_path)
    assert same(loaded.module, net)
    assert (loaded.classes, loaded.input_size) == (("a", "b", "c", "d"), (3, 96, 96))
    assert (facts.input_size, facts.normalisation, facts.classes) == ((3, 96, 96), loaded.normalisation, 4)
    assert facts.architecture.how == "config.json names it"  # type: ignore[union-attr]
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_args": {"checkpoint_path": "evil.pt"}}))
    with pytest.raises(rf.RequestError, match="'checkpoint_path' is not taken from a file"):
        rf.load(tmp_path)


def test_a_configuration_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic", "num_labels": 3}
    net = transformers.ResNetForImageClassification(transformers.ResNetConfig(**sizes)).eval()
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    net.config.architectures = ["ResNetForImageClassification"]
    net.config.save_pretrained(tmp_path)
    assert same(rf.load(tmp_path).module, net)
    assert rf.theoretical(rf.load(tmp_path))["resnet.embedder.pooler"].axes[0].size == 11
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"depths": [10**9, 1]}))
    with pytest.raises(rf.RequestError, match=r"depths = \[1000000000, 1\] is out of range"):
        rf.load(tmp_path)


def test_a_configuration_that_says_its_kind_alone(tmp_path: Path) -> None:
    """The class is told by the tensors, the number of labels by the head; sizes are the kind's usual ones."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"}
    for config in (small, {}):
        net = transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=5, **config)).eval()
        torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "resnet", **config}))
        loaded = rf.load(tmp_path)
        assert same(loaded.module, net)
        assert "transformers:ResNetForImageClassification, as config.json says" in loaded.metadata["chosen"]
        assert rf.info(tmp_path).architecture.spec == "transformers:ResNetForImageClassification"  # type: ignore[union-attr]
    torch.save(net.resnet.state_dict(), tmp_path / "pytorch_model.bin")
    assert type(rf.load(tmp_path).module).__name__ == "ResNetModel"
    (tmp_path / "config.json").write_text('{"model_type": "nothing-known"}')
    assert type(rf.load(tmp_path).module).__name__.startswith("ResNet")  # by its tensors


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torchvision", "timm", "transformers"])
def test_nets_of_a_library_with_changed_heads(library: str) -> None:
    """Each of torchvision's, one of each file of timm's, 20 and more of transformers: none is taken for another, and
    torchvision's and transformers' are all recognised; of timm's files, one net.
    """
    pytest.importorskip(library)
    missed: dict[str, list[str]] = {}
    for family, specs in families(library).items():
        for spec in specs:
            found = listed(find(described(spec, **changed_head(spec))))
            right = [match for match in found if one_net(match.spec, spec)]
            assert right or len(found) != 1 or spec in found[0].same, (spec, found)
            if len(found) == 1 and right:
                missed.pop(family, None)
                break
            missed.setdefault(family, []).append(spec)
    assert set(missed) <= NOT_TOLD_APART


#: Families whose nets come in kinds that differ in padding or in windows alone, which no weight shows: they are listed.
NOT_TOLD_APART = {"nest", "swin_transformer_v2"}


def one_net(found: str, spec: str) -> bool:
    """Whether two specs are the same net: built alike, or of one name in two libraries, which share its weights."""
    return index()[found]["build"] == index()[spec]["build"] or found.partition(":")[2] == spec.partition(":")[2]


def families(library: str) -> dict[str, list[str]]:
    """Specs by family; a family is recognised where one of its first nets is."""
    known = [spec for spec in index() if spec.startswith(f"{library}:") and "?" not in spec]
    if library == "torchvision":
        return {spec: [spec] for spec in known if not any(word in spec for word in NOT_ASKED)}
    if library == "transformers":
        wanted = tuple(f"transformers:{name}" for name in OF_TRANSFORMERS.split())
        return {name: [spec for spec in known if spec.startswith(name)][:3] for name in wanted}
    import timm

    modules = {name: [f"timm:{each}" for each in timm.list_models(module=name)] for name in timm.list_modules()}
    return {name: [spec for spec in sorted(specs, key=len) if spec in index()][:12] for name, specs in modules.items()}


NOT_ASKED = (
    "rcnn",
    "ssd",
    "retinanet",
    "fcos",
    "raft",
    "3d",
    "mc3",
    "s3d",
    "r2plus1d",
    "mvit",
)  # detection, video, flow
