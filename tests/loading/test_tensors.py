"""Tensors of every kind in a state dict: the same numbers, or a line that says what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import rftools as rf
from rftools.models import build

NAME = "features.block1.conv.weight"
pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize", "ignore:Sparse", "ignore:.*TypedStorage")


def saved(path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state = build("vgg-dilated").state_dict()
    torch.save(state | {NAME: change(state[NAME])}, path)
    return state


def loaded(path: Path) -> torch.Tensor:
    return rf.load(path, model="rftools:vgg-dilated").module.state_dict()[NAME]


def test_sparse_tensors_are_unfolded(tmp_path: Path) -> None:
    state = saved(tmp_path / "a.pt", lambda t: t.to_sparse())
    assert torch.equal(loaded(tmp_path / "a.pt"), state[NAME])


def test_quantised_tensors_are_the_values_that_they_stand_for(tmp_path: Path) -> None:
    state = saved(tmp_path / "a.pt", lambda t: torch.quantize_per_tensor(t, 0.01, 0, torch.qint8))
    assert (loaded(tmp_path / "a.pt") - state[NAME]).abs().max() <= 0.0051


REFUSED: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "complex": (lambda t: t.to(torch.complex64), "is complex, the model's is real"),
    "whole": (lambda t: (t * 100).to(torch.int8), "is int8, the model's is of fractions: quantised"),
    "true or false": (lambda t: t > 0, "is bool, the model's is of fractions"),
    "meta": (lambda t: t.to("meta"), "is on the meta device: it has a shape and no values"),
    "NaN": (lambda t: t * torch.nan, "has NaN values in its weight"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_kinds_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    change, message = REFUSED[kind]
    saved(tmp_path / "a.pt", change)
    with pytest.raises(rf.RequestError, match=message):
        loaded(tmp_path / "a.pt")


def test_a_sparse_tensor_does_not_unfold_without_limit(tmp_path: Path) -> None:
    wide = torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (1 << 20, 1 << 20))
    torch.save({"weight": wide}, tmp_path / "a.pt")
    for read in (rf.sparsity, lambda path: rf.load(path, model="rftools:vgg-dilated")):
        with pytest.raises(rf.RequestError, match=r"numbers that a graph's constants unfold to|do not fit"):
            read(tmp_path / "a.pt")


@pytest.mark.parametrize("counter", [torch.zeros(0), torch.ones(3, 3), torch.ones(1000, 1000)])
def test_a_counter_of_another_shape_is_one_line(tmp_path: Path, counter: torch.Tensor) -> None:
    state = build("vgg-dilated").state_dict() | {"features.block1.bn.num_batches_tracked": counter}
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(rf.RequestError, match=r"a\.pt holds weights that do not fit: "):
        rf.load(tmp_path / "a.pt", model="rftools:vgg-dilated")
