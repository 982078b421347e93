"""Training and pruning from Python: the same grammar as the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.models.data import Dataset
from rftools.pruning import Request


def pictures(count: int, seed: int) -> Dataset:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=draw)
    return Dataset("noise", images, torch.arange(count) % 2, ("a", "b"))


def test_train_gives_what_loading_its_file_gives(tmp_path: Path) -> None:
    model = rf.train("rftools:gap-plain", (pictures(8, 0), pictures(4, 1)), tmp_path / "run", epochs=1, batch_size=4)
    again = rf.load(tmp_path / "run" / "best.pt")
    assert model.info() == again.info()
    assert model.input_size == again.input_size
    own, other = model.module.state_dict(), again.module.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)


def test_an_unknown_option_of_training_names_the_closest(tmp_path: Path) -> None:
    with pytest.raises(rf.RequestError, match=r"train takes no option 'epoch' \(closest: epochs\)"):
        rf.train("rftools:gap-plain", (pictures(8, 0), pictures(4, 1)), tmp_path / "run", epoch=1)  # type: ignore[call-arg]
    assert not (tmp_path / "run").exists()


def test_prune_takes_the_request_or_its_fields() -> None:
    nets = [nn.Sequential(nn.Conv2d(1, 8, 3)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    one, other = rf.prune(nets[0], sparsity=0.75), rf.prune(nets[1], Request(sparsity=0.75))
    assert torch.equal(one.masks["0"], other.masks["0"])
    assert int((nets[0][0].weight != 0).sum()) == 18  # a quarter of 72
    with pytest.raises(rf.RequestError, match="put all of it into the Request"):
        rf.prune(nets[0], Request(sparsity=0.9), method="random")
    with pytest.raises(rf.RequestError, match=r"prune takes no option 'sparsty' \(closest: sparsity\)"):
        rf.prune(nets[0], sparsty=0.9)  # type: ignore[call-arg]


def test_gratings_have_their_options_in_one_place() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 5, padding=2))
    found = rf.tuning(net, input_size=(1, 15, 15), orientations=4, phases=3)
    assert found.phases == 3
    with pytest.raises(rf.RequestError, match=r"tuning takes no option 'phase' \(closest: phases\)"):
        rf.tuning(net, input_size=(1, 15, 15), phase=3)  # type: ignore[call-arg]
