"""What `info` says of files, against what was put into them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from torch.nn.utils import prune

import rftools as rf
from rftools.files import sha256_of
from rftools.models import build, save_checkpoint
from tests.cli.running import run


def test_a_checkpoint_of_ours(tmp_path: Path) -> None:
    net = build("vgg-dilated", classes=3)
    content = {
        "arch": {"name": "vgg-dilated", "arguments": {"classes": 3}},
        "state_dict": net.state_dict(),
        "epoch": 4,
        "classes": ["a", "b", "c"],
        "input_size": [3, 32, 32],
        "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
    }
    save_checkpoint(tmp_path / "best.pt", content)
    found = rf.info(tmp_path / "best.pt")
    assert (found.format, found.classes, found.epoch) == ("checkpoint of rftools train", 3, 4)
    assert (found.input_size, found.architecture.spec) == ((3, 32, 32), "rftools:vgg-dilated")  # type: ignore[union-attr]
    assert found.normalisation == rf.load(tmp_path / "best.pt").normalisation
    assert rf.info(tmp_path) == found


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_weights_of_a_known_net(tmp_path: Path, ending: str) -> None:
    models = pytest.importorskip("torchvision.models")
    from safetensors.torch import save_file

    net, path = models.squeezenet1_1(num_classes=7).half(), tmp_path / f"net{ending}"
    if ending == ".pt":
        torch.save({"state_dict": net.state_dict(), "args": argparse.Namespace(lr=0.1)}, path)
    else:
        save_file(net.state_dict(), path)
    found = json.loads(rf.info(path).to_json())
    wanted = {"spec": "torchvision:squeezenet1_1", "how": "by its tensors", "fits": 52, "of": 52}
    assert found["architecture"] == wanted
    assert (found["classes"], found["dtypes"]) == (7, {"float16": 52})
    assert found["parameters"] == sum(p.numel() for p in net.parameters())
    assert found["sha256"] == sha256_of(path)
    assert ("argparse.Namespace" in found["globals"]) == (ending == ".pt")


def test_masks_are_named(tmp_path: Path) -> None:
    net = build("vgg-dilated")
    layer = dict(net.named_modules())["features.block2.conv"]
    prune.random_unstructured(layer, "weight", 0.5)  # type: ignore[arg-type]
    torch.save(net.state_dict(), tmp_path / "net.pt")
    found = rf.info(tmp_path / "net.pt")
    assert found.masks == ("features.block2.conv",)
    assert found.parameters == rf.load("rftools:vgg-dilated").parameters
    assert found.architecture.spec is None  # type: ignore[union-attr]
    assert "which 4 nets have: rftools:vgg-dilated, rftools:vgg-strided" in found.architecture.how  # type: ignore[union-attr]


def test_names_and_refusals(tmp_path: Path) -> None:
    assert rf.info("rftools:wavenet").architecture.how == "by its name"  # type: ignore[union-attr]
    assert repr(rf.info("rftools:wavenet")).startswith("spec: rftools:wavenet\nformat: a name\n")
    for content, message in ((b"", "is empty"), (b"hello", "is no PyTorch file"), (b"PK\x03\x04", "is truncated")):
        (tmp_path / "net.pt").write_bytes(content)
        with pytest.raises(rf.RequestError, match=message):
            rf.info(tmp_path / "net.pt")


def test_numbers_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an archive only the pickle is."""
    import zipfile

    torch.save({"w.weight": torch.zeros(8, 8)}, tmp_path / "net.pt")
    read, opened = zipfile.ZipFile.read, []
    monkeypatch.setattr(
        zipfile.ZipFile, "read", lambda self, name, *rest: opened.append(name) or read(self, name, *rest)
    )
    assert rf.info(tmp_path / "net.pt").tensors == {"w.weight": (8, 8)}
    assert opened == ["net/data.pkl"]


def test_a_long_value_is_folded_unless_all_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    narrow = run(capsys, "info", "rftools:vgg-dilated")[1].splitlines()
    assert max(map(len, narrow)) <= 40
    assert any(line.startswith(" " * 12) for line in narrow)
    wide = run(capsys, "info", "rftools:vgg-dilated", "--wide")[1].splitlines()
    assert len(wide) < len(narrow)
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(wide).split())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", [["trf"], ["sparsity"], ["orientation", "--mass", "abs"]])
def test_a_command_says_first_what_file_it_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """On standard error, so that what a program reads on standard output is as before."""
    content = {"arch": {"name": "vgg-dilated", "arguments": {"classes": 3}}, "epoch": 4, "classes": ["a", "b", "c"]}
    content |= {"state_dict": build("vgg-dilated", classes=3).state_dict(), "input_size": [3, 32, 32]}
    save_checkpoint(tmp_path / "best.pt", content)
    _, out, err = run(capsys, *command, str(tmp_path / "best.pt"), "--json", "-")
    assert err.splitlines()[0] == "best.pt: rftools:vgg-dilated, epoch 4, 3 classes"
    assert json.loads(out)["model"]["fit"] is None
    pytest.importorskip("onnx")
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU())
    from tests.loading.saving import onnx_file

    path = onnx_file(net, torch.rand(1, 2, 8, 8), tmp_path / "net.onnx")
    assert run(capsys, *command, str(path))[2].splitlines()[0] == "net.onnx: ONNX file, 76 parameters, input 2x8x8"
    torch.save(net.state_dict(), tmp_path / "own.pt")
    if command != ["trf"]:
        words = "own.pt: weights without an architecture, of no one net that is known"
        assert run(capsys, *command, str(tmp_path / "own.pt"))[2].splitlines()[0] == words
