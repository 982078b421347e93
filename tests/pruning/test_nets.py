"""Pruning of nets of every kind reaches what was asked of what it says it prunes; what it leaves alone is named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils import prune as torch_prune

import rftools as rf
from rftools.errors import RequestError
from rftools.models.training.masks import kept
from rftools.pruning import Request, prune, save_pruned
from rftools.pruning.layout import steps_of
from tests.weights.test_reading import Masked

DEPTHWISE = "depthwise kernels are pruned only if asked"
SHARES = (0.3, 0.75, 0.9)


def masked(layer: Any, amount: float = 0.31) -> Any:
    torch_prune.random_unstructured(layer, "weight", amount)
    return layer


def with_mask_of_its_own(layer: Any) -> Any:
    parametrize.register_parametrization(layer, "weight", Masked((torch.rand_like(layer.weight) > 0.3).float()))
    return layer


def tied(other: Callable[[], Any] = lambda: nn.Linear(6, 6)) -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 6), other(), nn.Linear(6, 2))
    net[1].weight = net[0].weight
    return net


def called_twice() -> nn.Module:
    conv = nn.Conv2d(4, 4, 3)
    return nn.Sequential(conv, nn.ReLU(), conv)


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 5), nn.Linear(4, 3)), ()),
    "conv2d": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, (3, 5))), ()),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(2, 4, 3)), ()),
    "pointwise": (lambda: nn.Sequential(nn.Conv2d(4, 8, 1)), ()),
    "grouped": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2)), ()),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3)), ()),
    "transposed, grouped": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2)), ()),
    "transposed, 1-D": (lambda: nn.Sequential(nn.ConvTranspose1d(4, 6, 5)), ()),
    "transposed, 3-D": (lambda: nn.Sequential(nn.ConvTranspose3d(2, 3, 3)), ()),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1)), ("0",)),
    "depthwise, transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 4, 3, groups=4), nn.Linear(4, 8)), ("0",)),
    "masked": (lambda: nn.Sequential(masked(nn.Conv2d(4, 8, 3))), ()),
    "masked, transposed": (lambda: nn.Sequential(masked(nn.ConvTranspose2d(4, 6, 3)), nn.Linear(3, 3)), ()),
    "masked twice": (lambda: nn.Sequential(masked(masked(nn.Conv2d(4, 8, 3)), 0.1), nn.Linear(4, 3)), ()),
    "masked, linear": (lambda: nn.Sequential(masked(nn.Linear(8, 8))), ()),
    "masked, depthwise": (lambda: nn.Sequential(masked(nn.Conv2d(4, 4, 3, groups=4)), nn.Linear(4, 4)), ("0",)),
    "masked filters": (lambda: nn.Sequential(torch_prune.ln_structured(nn.Conv2d(4, 8, 3), "weight", 0.25, 2, 0)), ()),
    "parametrized": (lambda: nn.Sequential(with_mask_of_its_own(nn.Conv2d(4, 8, 3)), nn.Conv2d(8, 4, 3)), ("0",)),
    "weight norm": (lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 8)), nn.Linear(8, 4)), ("0",)),
    "spectral": (lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 8)), nn.Linear(8, 4)), ("0",)),
    "old spectral": (lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(4, 8, 3)), nn.Conv2d(8, 4, 3)), ("0",)),
    "tied": (tied, ()),
    "called twice": (called_twice, ()),
    "embedding": (lambda: nn.Sequential(nn.Embedding(10, 6), nn.Linear(6, 2)), ("0",)),
    "tied to an embedding": (lambda: tied(lambda: nn.Embedding(6, 6)), ()),
    "attention": (lambda: nn.ModuleDict({"a": nn.MultiheadAttention(8, 2), "b": nn.Linear(8, 4)}), ("a.in_proj",)),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16), ("self_attn.in_proj",)),
    "lstm": (lambda: nn.Sequential(nn.LSTM(4, 4), nn.Linear(4, 4)), ("0.weight_ih_l0", "0.weight_hh_l0")),
    "bilinear": (lambda: nn.ModuleDict({"a": nn.Bilinear(3, 4, 5), "b": nn.Linear(8, 4)}), ("a",)),
    "norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm((4, 6, 6))), ()),
    "mobilenet": (lambda: rf.load("torchvision:mobilenet_v3_small").module, ("features.1.block.0.0",)),
    "vit": (lambda: rf.load("timm:vit_tiny_patch16_224").module, ()),
}


def zeros(net: nn.Module) -> dict[int, tuple[int, int]]:
    """Of every parameter with two axes or more its zeros and its size."""
    own = {id(p): p for p in net.parameters() if p.ndim > 1}
    return {key: (int((p == 0).sum()), p.numel()) for key, p in own.items()}


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", NETS)
def test_the_share_is_reached_to_one_weight(name: str, share: float) -> None:
    torch.manual_seed(0)
    build, left = NETS[name]
    net = build()
    result = prune(net, sparsity=share).result
    for row in result.layers:
        weight = net.get_submodule(row.name).weight
        assert row.kept == int((weight != 0).sum()) <= kept(row.weights, share)
        assert row.kept == kept(row.weights, share) or int(row.weights * 0.31) > share * row.weights - 1
    rows = {id(net.get_submodule(row.name).weight) for row in result.layers}
    assert len(rows) == len(result.layers)  # no weight twice
    found = zeros(net)
    assert result.weights == sum(found[key][1] for key in rows)
    assert result.weights - result.kept == sum(found[key][0] for key in rows)
    assert tuple(own.name for own in result.left)[: len(left)] == left
    assert bool(left) == bool(result.left)
    named = sum(own.weights for own in result.left)
    assert result.weights + named == sum(row.weights for row in rf.sparsity(net).layers)


def test_what_is_left_alone_says_why() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 4))
    result = prune(net, sparsity=0.5).result
    why = [own.why for own in result.left]
    assert why[0] == DEPTHWISE
    assert why[1].startswith("its weight is parametrized (_WeightNorm); torch.nn.utils.parametrize.remove")
    assert result.remarks()[0] == f"left alone: 0, 36 weights ({DEPTHWISE})"
    assert '"left_alone": [' in result.to_json()
    assert prune(copy.deepcopy(net), sparsity=0.5, depthwise=True).result.left[0].name == "1"


def test_masks_that_differ_on_one_weight_are_refused() -> None:
    net = tied()
    torch_prune.random_unstructured(net[0], "weight", 0.5)
    torch_prune.random_unstructured(net[1], "weight", 0.25)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(RequestError, match=r"layers '0' and '1' share a weight and not its mask"):
        prune(net, sparsity=0.5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_net_that_was_masked_answers_as_before_where_nothing_more_goes() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(masked(nn.Conv2d(3, 4, 3)), nn.ReLU(), masked(nn.Linear(6, 4)))
    images = torch.rand(2, 3, 8, 8)
    before = net(images)
    prune(net, sparsity=0.1)
    assert torch.equal(net(images), before)
    assert not any(hasattr(layer, "weight_mask") for layer in net)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (1, 3)])
def test_directions_are_balanced_in_input_pixels(stride: tuple[int, int]) -> None:
    """The anisotropy that pruning balances and reports is that which `orientation` finds of the net that is left."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=stride), nn.Conv2d(4, 8, 3, dilation=(1, 2)), nn.ConvTranspose2d(8, 4, 3)
    )
    model = rf.Model(net, "net", "net", (2, 64, 64))
    assert steps_of(model, ["1"])["1"] == (stride[0], 2 * stride[1])
    plain = prune(rf.Model(copy.deepcopy(net), "net", "net", (2, 64, 64)), taps=3).result
    result = prune(model, taps=3, balance=True).result
    for row, loose in zip(result.layers, plain.layers, strict=True):
        found = rf.orientation(model)[row.name]
        assert row.anisotropy == pytest.approx(found.filter_anisotropy)
        assert row.anisotropy < 0.8 * loose.anisotropy  # type: ignore[operator]


def test_a_masked_net_is_written_and_read_back(tmp_path: Any) -> None:
    model = rf.load("rftools:vgg-dilated")
    masked(model.module.get_submodule("features.block1.conv"))
    cut = prune(model, sparsity=0.9)
    save_pruned(tmp_path / "a.pt", cut, Request(sparsity=0.9))
    again = rf.load(tmp_path / "a.pt")
    images = torch.rand(1, *model.require_input_size())
    assert torch.equal(again.module.eval()(images), model.module.eval()(images))
