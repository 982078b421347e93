"""The surviving field beside each layer's sparsity, against single pixels through the net made positive."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import rftools as rf
from rftools.cli import main
from rftools.weights import with_fields

SIZE = (2, 15, 15)


def pruned_net(amount: float, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(3, 4, 3, padding=2, dilation=2),
    )  # fmt: skip
    for layer in net[::2]:
        prune.random_unstructured(layer, "weight", amount)
        prune.remove(layer, "weight")
    return net


def reached(net: nn.Sequential, upto: int, *, dense: bool = False) -> np.ndarray:
    """Which pixels the central unit of layer ``upto`` answers to, one lit pixel an image: all weights are made positive
    (``dense``: one) and all biases zero, so that no two paths cancel.
    """
    positive = copy.deepcopy(nn.Sequential(*net[: upto + 1]))
    for layer in positive[::2]:
        nn.init.zeros_(layer.bias)
        layer.weight.data = torch.ones_like(layer.weight) if dense else layer.weight.abs()
    pixels = SIZE[1] * SIZE[2]
    images = torch.eye(pixels).reshape(pixels, 1, *SIZE[1:]).expand(-1, SIZE[0], -1, -1)
    with torch.no_grad():
        y = positive(images)
    seen: np.ndarray = (y[:, :, y.shape[2] // 2, y.shape[3] // 2] > 0).any(1).numpy().reshape(SIZE[1:])
    return seen


def sides(seen: np.ndarray) -> tuple[int, ...]:
    """The height and the width of the hull of what is seen."""
    profiles = [np.flatnonzero(seen.any(axis)) for axis in (1, 0)]
    return tuple(int(np.ptp(profile)) + 1 if len(profile) else 0 for profile in profiles)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("amount", [0.7, 0.9, 0.97])
def test_surviving_fields_by_single_pixels(amount: float, seed: int) -> None:
    net = pruned_net(amount, seed)
    result = with_fields(rf.sparsity(net), rf.theoretical(net, SIZE, surviving=True))
    for index in (0, 2, 4):
        seen, whole = reached(net, index), reached(net, index, dense=True)
        field = result[str(index)].surviving
        assert field is not None
        assert field.sizes == sides(seen)
        assert field.whole == sides(whole)
        assert field.share == pytest.approx(seen.sum() / whole.sum())


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    main(list(arguments))
    found = capsys.readouterr()
    return found.out, found.err


def test_the_command_shows_the_field_that_pruning_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows 0 and 2 of all kernels are gone: 1 x 31 of vgg-dilated's 31 x 31."""
    net = rf.load("rftools:vgg-dilated").module
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data[:, :, [0, 2]] = 0
    file = str(tmp_path / "bare.pt")
    torch.save(net.state_dict(), file)
    own = [file, "--model", "rftools:vgg-dilated"]
    lines = [line.split("\t") for line in printed(capsys, "sparsity", *own)[0].splitlines()]
    assert lines[0][-2:] == ["surviving field", "share left"]
    last = next(line for line in lines if line[0] == "features.block4.conv")
    assert last[-2:] == ["1x31", "0.03226"]
    body = json.loads(printed(capsys, "sparsity", *own, "--json", "-")[0])
    assert body["layers"][3]["surviving"] == {"sizes": [1, 31], "whole": [31, 31], "share": pytest.approx(1 / 31)}
    assert body["no_fields"] is None
    assert "surviving" not in printed(capsys, "sparsity", *own, "--no-surviving")[0]


def test_a_bare_state_dict_says_once_why_it_has_no_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "bare.pt")
    torch.save(pruned_net(0.9, 0).state_dict(), file)
    out, err = printed(capsys, "sparsity", file, file)
    assert "surviving" not in out
    assert err.count("No surviving fields: fields need the architecture: name it with --model SPEC") == 1
    body = json.loads(printed(capsys, "sparsity", file, "--json", "-")[0])
    assert [row["surviving"] for row in body["layers"]] == [None] * 3
    assert body["no_fields"].startswith("No surviving fields")
    with pytest.raises(SystemExit) as refused:
        main(["sparsity", file, "--surviving"])
    assert refused.value.code == 2
    assert "bare.pt is a bare state dict; fields need the architecture" in capsys.readouterr().err


def test_deep_nets_are_walked_on_request_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = rf.load("rftools:vgg-dilated")
    dense = printed(capsys, "sparsity", "rftools:vgg-dilated")
    assert "surviving" not in dense[0].lower() + dense[1].lower()  # nothing is zero: nothing to say
    net.module.head.weight.data[0] = 0
    torch.save(net.module.state_dict(), tmp_path / "a.pt")
    own = ["sparsity", str(tmp_path / "a.pt"), "--model", "rftools:vgg-dilated"]
    monkeypatch.setattr("rftools.weights.fields.MOST_WALKED", 4)
    out, err = printed(capsys, *own)
    assert "share left" not in out
    assert "Surviving fields were left out: 5 layers hold weights" in err
    assert "share left" in printed(capsys, *own, "--surviving")[0]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_kernels_by_brute_force(groups: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row a kernel: which filter reads which input channel with how many taps."""
    torch.manual_seed(groups)
    conv = nn.Conv2d(4, 8, 3, groups=groups, bias=False)
    prune.random_unstructured(conv, "weight", 0.7)
    prune.remove(conv, "weight")
    whole = torch.zeros(8, 4, 3, 3)  # the same as one kernel for every pair of channels
    for f in range(8):
        first = f // (8 // groups) * (4 // groups)
        whole[f, first : first + 4 // groups] = conv.weight.detach()[f]
    result = rf.sparsity(nn.Sequential(conv, nn.Flatten(), nn.Linear(4, 2)), kernels=True)
    records = result.by_kernel().records
    assert len(records) == 8 * 4 // groups
    for name, f, i, taps, left, sparsity in records:
        assert (name, taps, left) == ("0", 9, int((whole[f, i] != 0).sum()))
        assert sparsity == pytest.approx(1 - left / 9)
    assert "survivors" not in result.to_json()
    torch.save(conv.state_dict(), tmp_path / "a.pt")
    out, _ = printed(capsys, "sparsity", str(tmp_path / "a.pt"), "--group-by", "kernel")
    assert len(out.splitlines()) == 1 + len(records)
