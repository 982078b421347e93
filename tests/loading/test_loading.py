"""Every kind of model spec, and what is answered to a bad one; nothing in a file is ever run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.models import build, save_checkpoint


def small() -> nn.Module:
    torch.manual_seed(0)
    return build("vgg-dilated", classes=3)


def checkpoint(path: Path, **changes: object) -> Path:
    content = {
        "arch": {"name": "vgg-dilated", "arguments": {"classes": 3, "channels": 3}},
        "state_dict": small().state_dict(),
        "epoch": 2,
        "history": [],
        "classes": ["a", "b", "c"],
        "input_size": [3, 32, 32],
        "normalisation": {"mean": [0.0] * 3, "std": [1.0] * 3},
        "data": "patches",
    }
    save_checkpoint(path, content | changes)
    return path


def same(model: rf.Model) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(model.module.state_dict().values(), small().state_dict().values(), strict=True)
    )


def test_our_checkpoint(tmp_path: Path) -> None:
    model = rf.load(checkpoint(tmp_path / "a.pt"))
    assert same(model)
    assert model.input_size == (3, 32, 32)
    assert model.classes == ("a", "b", "c")
    assert model.metadata["epoch"] == 2
    assert model.sha256 is not None
    assert len(model.sha256) == 64


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt", ".bin", ".safetensors"])
@pytest.mark.parametrize("wrap", ["", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_plain_state_dicts(tmp_path: Path, ending: str, wrap: str, prefix: str) -> None:
    from safetensors.torch import save_file

    state = {prefix + name: value for name, value in small().state_dict().items()}
    path = tmp_path / f"weights{ending}"
    if ending == ".safetensors":
        save_file(state, path)
    else:
        torch.save({wrap: state, "epoch": 3} if wrap else state, path)
    (tmp_path / "arch.py").write_text(
        "from rftools.models import build\ndef make():\n    return build('vgg-dilated', classes=3)\n"
    )
    assert same(rf.load(path, model=f"{tmp_path}/arch.py:make"))
    assert same(rf.load(f"{tmp_path}/arch.py:make", weights=path))


def test_pruning_masks_are_applied(tmp_path: Path) -> None:
    from torch.nn.utils import prune

    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    prune.random_unstructured(net[0], "weight", 0.5)
    torch.save(net.state_dict(), tmp_path / "pruned.pt")
    (tmp_path / "own.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3))\n"
    )
    loaded = rf.load(tmp_path / "pruned.pt", model=f"{tmp_path}/own.py:make")
    assert torch.equal(loaded.module[0].weight, net[0].weight)  # type: ignore[index]


def test_factories_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynet_for_test.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(1, 2, 3))\n\nnumber = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert rf.load("mynet_for_test:make", input_size=(1, 8, 8)).parameters == 20
    with pytest.raises(rf.RequestError, match=r"mynet_for_test has no 'mak' \(closest: make\)"):
        rf.load("mynet_for_test:mak")
    with pytest.raises(rf.RequestError, match=r"mynet_for_test:number is a int, neither a module"):
        rf.load("mynet_for_test:number")


def test_a_wrong_name_in_a_file_lists_what_the_file_defines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name the file is not even run."""
    file = tmp_path / "net_for_test.py"
    file.write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Net: ...\ndef build(width): ...\ndef _hidden(): ...\n"
        "def broken():\n    raise OSError('no weights\\nhere')\n"
    )
    monkeypatch.chdir(tmp_path)
    for spec in ("net_for_test.py:", "net_for_test:"):
        with pytest.raises(rf.RequestError, match=r"names nothing in net_for_test.*; it defines Net, build, broken$"):
            rf.load(spec)
    with pytest.raises(rf.RequestError, match=r"is Python; name what makes the net: .*py:NAME; it defines Net, build"):
        rf.load("net_for_test.py")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(rf.RequestError, match=r"has no 'bild' \(closest: build\); it defines Net, build, broken$"):
        rf.load("net_for_test.py:bild")
    with pytest.raises(rf.RequestError, match=r"build could not be called without arguments: missing a"):
        rf.load("net_for_test.py:build")
    with pytest.raises(rf.RequestError, match=r"net_for_test.py:broken raised OSError: no weights$"):
        rf.load("net_for_test.py:broken")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def make(:", r"bad_for_test.* can't be imported: SyntaxError: "),
        ("1 / 0", r"bad_for_test.* can't be imported: ZeroDivisionError: division by zero"),
        ("import no_such_package_here", r"bad_for_test.* needs the package no_such_package_here"),
    ],
)
def test_code_that_fails_is_one_line(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "bad_for_test.py").write_text(source)
    with pytest.raises(rf.RequestError, match=message) as caught:
        rf.load(f"{tmp_path}/bad_for_test.py:make")
    assert "\n" not in str(caught.value)


def test_a_runs_folder_is_its_best_or_its_newest_checkpoint(tmp_path: Path) -> None:
    for epoch in (2, 10):
        checkpoint(tmp_path / f"epoch-{epoch:04d}.pt", epoch=epoch)
    newest = rf.load(tmp_path)
    assert newest.metadata["epoch"] == 10
    words = "is a run without a best.pt: its newest epoch, epoch-0010.pt, is taken; rftools:vgg-dilated, epoch 10,"
    assert words in newest.metadata["chosen"]
    checkpoint(tmp_path / "best.pt", epoch=7)
    best = rf.load(tmp_path)
    assert (best.metadata["epoch"], best.spec) == (7, str(tmp_path / "best.pt"))
    assert "is a run: its best.pt is taken; rftools:vgg-dilated, epoch 7, " in best.metadata["chosen"]
    assert rf.sparsity(tmp_path).model.name == "vgg-dilated (best.pt)"


@pytest.mark.parametrize("command", ["trf", "sparsity"])
def test_a_command_says_which_checkpoint_of_a_run_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    from rftools.cli import main

    checkpoint(tmp_path / "epoch-0002.pt")
    main([command, str(tmp_path)])
    words = f"{tmp_path} is a run without a best.pt: its newest epoch, epoch-0002.pt, is taken; rftools:vgg-dilated, "
    assert capsys.readouterr().err.startswith(words)


def test_a_folder_without_a_run_says_what_lies_in_it(tmp_path: Path) -> None:
    with pytest.raises(rf.RequestError, match=r"is a folder without a run: .* no best\.pt; it is empty$"):
        rf.load(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(rf.RequestError, match=r"no best\.pt; it holds notes\.txt$"):
        rf.load(tmp_path)
    for name in "abcdefg":
        checkpoint(tmp_path / f"{name}.pt")
    with pytest.raises(rf.RequestError, match=r"it holds a\.pt, b\.pt, c\.pt, d\.pt, e\.pt and 2 more; name one of"):
        rf.load(tmp_path)


def test_libraries() -> None:
    assert rf.load("torchvision:resnet18").input_size == (3, 224, 224)
    pytest.importorskip("timm")
    assert rf.load("timm:resnet10t").normalisation is not None


class Evil:
    """Unpickling this makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_does_not(tmp_path: Path, how: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "evil.pt"
    if how == "torch":
        torch.save({"state_dict": Evil(canary)}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": Evil(canary)}))
    with pytest.raises(rf.RequestError, match=r"evil\.pt holds more than tensors.* would run code"):
        rf.load(path, model="rftools:vgg-dilated")
    assert not canary.exists()


def test_a_checkpoint_does_not_have_a_module_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its architecture's name is data: only the user's own word has somebody's code imported."""
    (tmp_path / "trap_for_test.py").write_text(
        f"open({str(tmp_path / 'canary')!r}, 'w').close()\nfrom rftools.models import build\n"
        "def make(**_):\n    return build('vgg-dilated', classes=3)\n"
    )
    monkeypatch.chdir(tmp_path)
    path = checkpoint(tmp_path / "a.pt", arch={"name": "trap_for_test:make", "arguments": {}})
    with pytest.raises(rf.RequestError, match=r"to have it imported, say --model trap_for_test:make"):
        rf.load(path)
    assert not (tmp_path / "canary").exists()
    assert same(rf.load(path, model="trap_for_test:make"))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path / "whole.pt").read_bytes()
    cases = {
        tmp_path / "absent.pt": r"no such file: .*absent\.pt",
        write(tmp_path / "empty.pt", b""): r"empty\.pt is empty",
        write(tmp_path / "text.pt", b"hello, I am text"): r"text\.pt is no PyTorch file",
        write(tmp_path / "short.pt", whole[: len(whole) // 2]): r"short\.pt is truncated",
        write(tmp_path / "bad.safetensors", b"12345"): r"bad\.safetensors is not a whole safetensors file",
        write(tmp_path / "net.pt2", b"x"): r"net\.pt2 is truncated or damaged: File is not a zip",
    }
    for path, message in cases.items():
        with pytest.raises(rf.RequestError, match=message) as caught:
            rf.load(path, model="rftools:vgg-dilated")
        assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    torch.save(small().state_dict(), tmp_path / "a.pt")
    with pytest.raises(rf.RequestError, match=r"a\.pt holds weights and no architecture; name it with --model"):
        rf.load(tmp_path / "a.pt")
    with pytest.raises(rf.RequestError, match=r"do not fit: head\.weight is 3x48, the model's is 10x48"):
        rf.load(tmp_path / "a.pt", model="rftools:vgg-dilated", strict=True)
    assert same(rf.load(tmp_path / "a.pt", model="rftools:vgg-dilated"))
    with pytest.raises(rf.RequestError, match=r"do not fit ResNet: the file lacks stem.conv.weight and \d+ more"):
        rf.load(tmp_path / "a.pt", model="rftools:resnet-strided")


def test_nan_weights_are_named_by_layer(tmp_path: Path) -> None:
    state = small().state_dict()
    state["features.block2.conv.weight"][0, 0, 0, 0] = torch.nan
    with pytest.raises(rf.RequestError, match=r"layer .features\.block2\.conv. has NaN values in its weight"):
        rf.load(checkpoint(tmp_path / "a.pt", state_dict=state))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rftools:vgg-dilatd", r"no net 'vgg-dilatd' \(closest: vgg-dilated"),
        ("torchvision:resnet19", r"torchvision has no model 'resnet19' \(closest: resnet1"),
        ("torchvision:quantized_resnet18", r"quantized_resnet18|quantised"),
        ("timm:resnet5", r"timm has no model 'resnet5'"),
        ("no_such_package_here:make", r"no module 'no_such_package_here' for the spec"),
        ("nowhere.py:make", r"no such file: nowhere\.py"),
        ("resnet18", r"no such file: resnet18 \(nor a spec such as"),
    ],
)
def test_unknown_specs(spec: str, message: str) -> None:
    with pytest.raises(rf.RequestError, match=message):
        rf.load(spec)


@pytest.mark.parametrize("spec", ["rftools:vgg-dilated", "torchvision:squeezenet1_1", "timm:test_resnet"])
def test_random_weights_follow_the_seed(spec: str) -> None:
    """The same seed gives the same weights, another gives others; the callers' random state is as before."""
    import numpy as np

    def first(seed: int) -> torch.Tensor:
        return torch.cat([p.detach().reshape(-1) for p in rf.load(spec, seed=seed).module.parameters() if p.ndim > 1])

    torch.manual_seed(5)
    before, numpys = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = first(0)
    torch.rand(3)
    assert torch.equal(again, first(0))
    assert not torch.equal(again, first(1))
    torch.random.set_rng_state(before)
    rf.load(spec)
    assert torch.equal(before, torch.random.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()  # noqa: NPY002
    assert rf.load(spec, seed=3).info().weights == "random, seed 3"


def test_weights_of_a_file_are_not_said_to_be_random(tmp_path: Path) -> None:
    model = rf.load("rftools:vgg-dilated")
    torch.save(model.module.state_dict(), tmp_path / "plain.pt")
    assert rf.load(tmp_path / "plain.pt", model="rftools:vgg-dilated").info().weights is None
    assert rf.load("rftools:vgg-dilated", weights=tmp_path / "plain.pt").info().weights is None
