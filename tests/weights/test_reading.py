"""One reading of weights: module, state dict, file and pruned net give the same figures; known figures by hand."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import rftools as rf
from rftools.weights.reading import BY_NAME

Net = Callable[[], nn.Module]
GONE = ("weight", "in_proj_weight", "q_proj_weight", "weight_ih_l0")


class Masked(nn.Module):
    """A parametrization with a mask of its own, as torch.ao.pruning has it."""

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask


def parametrized(layer: Any) -> Any:
    mask = (torch.rand_like(layer.weight) > 0.4).float()
    parametrize.register_parametrization(layer, "weight", Masked(mask))
    return layer


def tied() -> nn.Module:
    net = nn.ModuleDict({"a": nn.Linear(6, 6), "b": nn.Linear(6, 6), "c": nn.Conv2d(2, 2, 3)})
    net["b"].weight = net["a"].weight
    return net


def used_twice() -> nn.Module:
    conv = nn.Conv2d(3, 3, 3)
    return nn.Sequential(conv, nn.ReLU(), conv)


def cut_at_hidden_inputs(layer: Any) -> Any:
    with torch.no_grad():
        layer.weight[:, 0] = 0
    return layer


NETS: dict[str, Net] = {
    "conv1d": lambda: nn.Sequential(nn.Conv1d(3, 4, 5), nn.Linear(4, 2)),
    "conv2d": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, (3, 5), bias=False)),
    "conv3d": lambda: nn.Sequential(nn.Conv3d(2, 4, 3)),
    "norms": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm((4, 6, 6)), nn.GroupNorm(2, 4)),
    "named norm": lambda: nn.ModuleDict({"fc": nn.Linear(4, 4), "norm1": nn.LayerNorm((4, 6), bias=False)}),
    "rms norm": lambda: nn.ModuleDict({"fc": nn.Linear(4, 4), "rmsnorm": nn.RMSNorm((4, 6))}),
    "embedding": lambda: nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 2)),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "attention, other keys": lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4),
    "transformer": lambda: nn.TransformerEncoderLayer(8, 2, 16),
    "lstm": lambda: nn.LSTM(4, 6, 2, bidirectional=True),
    "gru": lambda: nn.GRU(4, 6),
    "bilinear": lambda: nn.Sequential(nn.Bilinear(3, 4, 5)),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3), nn.ConvTranspose2d(6, 3, 3)),
    "transposed and grouped": lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2)),
    "transposed, 1-D": lambda: nn.Sequential(nn.ConvTranspose1d(4, 6, 3)),
    "transposed, by name": lambda: nn.ModuleDict({"deconv": nn.ConvTranspose2d(4, 4, 3)}),
    "depthwise": lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4, bias=False)),
    "depthwise, last": lambda: nn.Sequential(nn.Linear(3, 4), nn.Conv1d(6, 6, 3, groups=6)),
    "one input channel": lambda: nn.Sequential(nn.Conv2d(1, 6, 3), nn.Conv2d(6, 2, 3)),
    "weight norm": lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3))),
    "weight norm of inputs": lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3), dim=1)),
    "weight norm of all": lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 4), dim=None)),
    "old spectral norm": lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 4, 3))),
    "spectral norm": lambda: nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))),
    "spectral norm, transposed": lambda: nn.Sequential(parametrizations.spectral_norm(nn.ConvTranspose2d(3, 5, 3))),
    "parametrized": lambda: nn.Sequential(parametrized(nn.Conv2d(3, 4, 3)), nn.Conv2d(4, 2, 3)),
    "parametrized and transposed": lambda: nn.Sequential(parametrized(nn.ConvTranspose2d(4, 6, 3))),
    "tied": tied,
    "used twice": used_twice,
    "double": lambda: nn.Sequential(nn.Conv2d(3, 4, 3)).double(),
    "half": lambda: nn.Sequential(nn.Conv2d(3, 4, 3)).half(),
    "bfloat16": lambda: nn.Sequential(nn.Conv2d(3, 4, 3)).bfloat16(),
    "dead inputs": lambda: nn.Sequential(cut_at_hidden_inputs(nn.Conv2d(3, 4, 3)), nn.Linear(4, 2)),
    "resnet18": lambda: rf.load("torchvision:resnet18").module,
    "resnext50": lambda: rf.load("torchvision:resnext50_32x4d").module,
    "mobilenet": lambda: rf.load("torchvision:mobilenet_v3_small").module,
    "vgg-dilated": lambda: rf.load("rftools:vgg-dilated").module,
    "fcn": lambda: rf.load("torchvision:fcn_resnet50").module,
    "vit": lambda: rf.load("torchvision:vit_b_32").module,
    "conv1d, dilated": lambda: nn.Sequential(nn.Conv1d(3, 4, 3, dilation=2), nn.Conv1d(4, 5, 4, stride=2)),
    "strides (2, 1)": lambda: nn.Sequential(nn.Conv2d(3, 6, 5, stride=(2, 1)), nn.Conv2d(6, 4, 3)),
    "3 x 7": lambda: nn.Sequential(nn.Conv2d(3, 6, (3, 7)), nn.Conv2d(6, 4, (7, 3))),
    "1 x k": lambda: nn.Sequential(nn.Conv2d(3, 6, (1, 5)), nn.Conv2d(6, 4, (5, 1))),
    "2 x 2": lambda: nn.Sequential(nn.Conv2d(3, 6, 2, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 2)),
    "five by five": lambda: nn.Sequential(nn.Conv2d(4, 8, 5), nn.Conv2d(8, 4, 3)),
    "bottleneck": lambda: nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 6, 1)),
    "conv3d, strides": lambda: nn.Sequential(nn.Conv3d(2, 4, (1, 3, 3), stride=(1, 2, 2)), nn.Conv3d(4, 2, 2)),
    "transposed, 3-D": lambda: nn.Sequential(nn.ConvTranspose3d(3, 4, 2)),
    "transposed, strides": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 5, (4, 2), stride=2)),
    "mirrored": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.Conv2d(4, 2, 3)),
    "perceptron": lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3, bias=False)),
    "old weight norm": lambda: nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 4, 3))),
    "squeezenet": lambda: rf.load("torchvision:squeezenet1_1").module,
    "shufflenet": lambda: rf.load("torchvision:shufflenet_v2_x0_5").module,
}  # fmt: skip
SLOW = ("resnext50", "fcn", "vit", "squeezenet", "shufflenet")


def lean(model: Any) -> list[dict[str, Any]]:
    """All that both verbs say of each layer, but for where the zeros are kept."""
    rows = [dataclasses.replace(row, zero_kind=None) for row in rf.sparsity(model).layers]
    found = [dataclasses.asdict(row) for row in rows]
    if any(len(row.shape) > 2 for row in rows):
        found += [dataclasses.asdict(row) for row in rf.orientation(model).layers]
    return [{**row, "note": None if row["note"] == BY_NAME else row["note"]} for row in found]


def assert_same(found: Any, wanted: Any) -> None:
    """All alike; numbers to rounding, since parts of a weight norm are put together in another order."""
    if isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted:
            assert_same(found[key], wanted[key])
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-9, nan_ok=True)
    else:
        assert found == wanted


def pruned(net: nn.Module) -> nn.Module:
    """Half of each weight gone by torch's own tool; what is in parts or parametrized stays."""
    for child in net.modules():
        for leaf in GONE:
            own = child._parameters.get(leaf)
            if own is not None and own.ndim > 1 and not isinstance(child, (nn.LSTM, nn.LayerNorm, nn.RMSNorm)):
                prune.random_unstructured(child, leaf, 0.5)
    return net


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NETS])
def test_module_state_dict_and_file_agree(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = NETS[name]().eval()
    own = lean(net)
    assert own
    assert_same(lean(net.state_dict()), own)
    torch.save(net.state_dict(), tmp_path / "a.pt")
    assert_same(lean(tmp_path / "a.pt"), own)
    if name in ("used twice", "tied"):
        return  # torch's tool gives each user of a weight a mask of its own
    own = lean(pruned(net))
    assert_same(lean(net.state_dict()), own)
    torch.save(net.state_dict(), tmp_path / "b.pt")
    assert_same(lean(tmp_path / "b.pt"), own)


def test_what_a_state_dict_guesses_it_says() -> None:
    net = NETS["transposed, by name"]()
    assert rf.sparsity(net.state_dict())["deconv"].note == BY_NAME
    assert rf.sparsity(net)["deconv"].note is None


def test_weights_that_are_shared_are_counted_once() -> None:
    net = tied()
    for model in (net, net.state_dict()):
        result = rf.sparsity(model)
        assert [(row.name, row.note) for row in result.layers] == [("a", "counted once, shared with b"), ("c", None)]
        assert result.total.weights == 36 + 36
    prune.random_unstructured(net["a"], "weight", 0.5)
    prune.random_unstructured(net["b"], "weight", 0.25)
    assert [row.zeros for row in rf.sparsity(net).layers] == [18, 9, 0]  # each mask has a row of its own


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_weight_norm_is_read_from_its_parts(dtype: torch.dtype) -> None:
    """After `load_state_dict` the old weight norm's ``weight`` is stale until a forward pass; its parts are not."""
    with pytest.warns(FutureWarning, match="deprecated"):
        net, other = (nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 4, 3))) for _ in range(2))
    with torch.no_grad():
        other[0].weight_g.mul_(5)
    net.load_state_dict(other.state_dict())
    stale = rf.sparsity({"0.weight": net[0].weight.detach()})["0"].near_zero.threshold
    net.to(dtype)
    found = rf.sparsity(net)["0"].near_zero.threshold
    g, v = other[0].weight_g.detach(), other[0].weight_v.detach()
    wanted = 0.01 * float((g * v / v.flatten(1).norm(dim=1)[:, None, None, None]).std(correction=0))
    assert found == pytest.approx(wanted, rel=2e-3 if dtype == torch.float16 else 1e-5)
    assert found > 2 * stale


def test_a_spectral_norm_does_not_go_on_by_being_read() -> None:
    net = nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))).train()
    before = copy.deepcopy(net.state_dict())
    rf.sparsity(net)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_parametrization_that_tensors_do_not_tell_is_said() -> None:
    class Square(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x

    net = nn.Sequential(nn.Linear(2, 2))
    parametrize.register_parametrization(net[0], "weight", Square())
    assert rf.sparsity(net)["0"].note is None
    assert str(rf.sparsity(net.state_dict())["0"].note).startswith("read as its parameter")


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-12, 1.0, 1e15, 1e36])
def test_near_zero_does_not_depend_on_the_scale(scale: float) -> None:
    """The threshold is a share of the layer's deviation: scaled weights have the same curve (at 1e-44 to 1 step)."""
    values = torch.from_numpy(np.random.default_rng(0).standard_normal((50, 40)))
    values[0, :7] = 0
    row = rf.sparsity({"a.weight": values * scale})["a"]
    assert row.zeros == 7
    size = np.abs(values.numpy())
    for level, share in row.curve:
        assert share == pytest.approx((size < level * values.numpy().std()).mean(), abs=1e-3)


@pytest.mark.parametrize(("value", "zeros"), [(1e-50, 3), (1e39, 3), (1e-320, 3), (1.0, 3)])
def test_float64_is_not_read_as_float32(value: float, zeros: int) -> None:
    weight = torch.full((2, 2, 3, 3), value, dtype=torch.float64)
    weight[0, 0, 0] = 0
    for model in ({"a.weight": weight}, {"a.weight": weight * 0.5}):
        assert rf.sparsity(model)["a"].zeros == zeros
        assert rf.orientation(model, mass="square")["a"].oriented == 1
        assert rf.orientation(model, signs=True)["a"].oriented == 1


def test_bad_weights_get_one_line() -> None:
    with pytest.raises(rf.RequestError, match=r"layer 'a' has complex weights"):
        rf.sparsity({"a.weight": torch.ones(2, 2, dtype=torch.complex64)})
    with pytest.raises(rf.RequestError, match=r"layer '0' has no weights before its first input: run the net once"):
        rf.sparsity(nn.Sequential(nn.LazyConv2d(4, 3)))
    with pytest.raises(rf.RequestError, match=r"are on the meta device"):
        rf.sparsity({"a.weight": torch.empty(1 << 15, 1 << 15, device="meta")})
    with pytest.raises(rf.RequestError, match=r"a is kept in parts of \(3,\) and \(2, 3\) that are no weight norm"):
        rf.sparsity({"a.weight_g": torch.ones(3), "a.weight_v": torch.ones(2, 3)})
    conv = nn.ConvTranspose2d(4, 4, 3, groups=2)
    conv.groups = 3
    with pytest.raises(rf.RequestError, match=r"layer '0' has 4 input channels, which are no 3 groups"):
        rf.sparsity(nn.Sequential(conv))
    conv = nn.Conv2d(4, 4, 3, groups=2)
    conv.groups = 3
    with pytest.raises(rf.RequestError, match=r"layer '0' has 4 output channels, which are no 3 groups"):
        rf.sparsity(nn.Sequential(conv))


def test_a_mask_of_ones_is_a_mask() -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 3))
    prune.custom_from_mask(net[0], "weight", torch.ones(2, 2, 3, 3))
    row = rf.sparsity(net)["0"]
    assert (row.zeros, row.zero_kind) == (0, "mask")
    assert rf.orientation(net)["0"].p_lattice is None


@pytest.mark.slow
def test_a_thousand_million_weights_that_share_their_memory() -> None:
    """Three taps of nine in each of 32,768 x 3,640 kernels, counted by hand."""
    kernel = torch.tensor([[0.0, 1, 0], [0, 2, 0], [0, 0, 3]])
    layer = {"layer.weight": kernel.expand(32768, 3640, 3, 3)}
    row = rf.sparsity(layer)["layer"]
    assert row.weights - row.zeros == 3 * 3640 * 32768
    assert set(row.filter_zeros) == {6 * 3640}
