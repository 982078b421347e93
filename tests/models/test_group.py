"""One run over two processes: the numbers of one, its folder written once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from rftools.models.checkpoint import read_checkpoint
from rftools.models.training.group import Processes, SharedNorm, here

WORDS = ["-m", "rftools", "train", "--data", "marks", "--epochs", "2", "--steps-per-epoch", "3", "--device", "cpu"]


def trained(folder: Path, net: str, *more: str, processes: int = 1) -> str:
    """What ``rftools train`` prints, by itself or under torchrun."""
    run = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    words = [sys.executable, *(["-m", *run] if processes > 1 else []), *WORDS[:3], net, *WORDS[3:]]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*words, *more, "-o", str(folder)], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun's own processes talk by gloo, which Windows lacks")
@pytest.mark.parametrize("more", [(), ("--prune", "rigl:0.5@0..4", "--prune-every", "2")])
def test_two_processes_give_the_numbers_of_one(more, tmp_path):
    one = trained(tmp_path / "one", "rftools:vgg-strided", *more)
    two = trained(tmp_path / "two", "rftools:vgg-strided", *more, processes=2)
    assert two.count("best held-out accuracy") == one.count("best held-out accuracy") == 1
    first, second = (read_checkpoint(tmp_path / name / "epoch-0002.pt") for name in ("one", "two"))
    for name, value in first["state_dict"].items():
        if name.startswith("head") or name.endswith(
            "running_var"
        ):  # biases before a norm have no gradient but rounding
            assert torch.allclose(value, second["state_dict"][name], atol=1e-3), name
    for a, b in zip(first["history"], second["history"], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=2e-4)
        assert a["accuracy"] == pytest.approx(b["accuracy"], abs=0.02)
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in (tmp_path / "two").iterdir()}
    trained(tmp_path / "two", "rftools:vgg-strided", *more, "--epochs", "3", "--resume", processes=2)
    assert read_checkpoint(tmp_path / "two" / "epoch-0003.pt")["epoch"] == 3


def test_parts_of_a_batch_are_all_of_it():
    batch = torch.arange(7)
    parts = [Processes(rank, 3).part(batch) for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()
    assert Processes().part(batch).tolist() == batch.tolist()
    assert [len(Processes(rank, 3).part(batch[:1])) for rank in range(3)] == [1, 0, 0]


def test_processes_are_those_of_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert here() == Processes()
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert here() == Processes(3, 4, 1)
    assert not here().first
    assert here().device(torch.device("cuda")) == torch.device("cuda:1")
    assert here().device(torch.device("cpu")) == torch.device("cpu")


def test_a_shared_norm_is_torchs_where_there_is_one_process(tmp_path):
    torch.manual_seed(0)
    own = nn.BatchNorm2d(3)
    nn.init.normal_(own.weight)
    nn.init.normal_(own.bias)
    other = nn.BatchNorm2d(3)
    other.load_state_dict(own.state_dict())
    shared = SharedNorm.of(other)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        x = torch.randn(5, 3, 4, 4)
        grads = []
        for norm in (own, shared):
            y = x.clone().requires_grad_()
            out = norm(y)
            (out**3).sum().backward()
            grads.append((out.detach(), y.grad, norm.weight.grad, norm.bias.grad))
        for a, b in zip(*grads, strict=True):
            assert torch.allclose(a, b, atol=2e-4)
    finally:
        torch.distributed.destroy_process_group()
    for name, value in own.state_dict().items():
        assert torch.allclose(value, shared.state_dict()[name]), name
    assert torch.equal(own.eval()(x), shared.eval()(x))
