"""Layers of tokens: the grid behind them against where single pixels move, maps against plain autograd."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

import rftools as rf
from rftools.plots import describe
from rftools.plots.scene import Points
from rftools.trf import LayerField
from rftools.units import choose
from tests.cli.test_cli import run
from tests.erf.test_targets import Maps, by_hand

SIZE = (3, 32, 32)


def vit() -> nn.Module:
    """Tokens 8 px wide: a grid of 4x4 after the class token."""
    net = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
    )
    nn.init.normal_(net.heads.head.weight)
    return net


def swin() -> nn.Module:
    return SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=5)


def timm_net(name: str, **options: Any) -> nn.Module:
    import timm

    return timm.create_model(name, img_size=32, **options)  # type: ignore[no-any-return]


def timm_vit() -> nn.Module:
    return timm_net("vit_tiny_patch16_224", patch_size=8, depth=2)


def registers() -> nn.Module:
    """The class token and four registers stand before the patches."""
    return timm_net("vit_small_patch14_reg4_dinov2", patch_size=8, depth=2)


def only_registers() -> nn.Module:
    return timm_net("vit_medium_patch16_reg4_gap_256", patch_size=8, depth=2, embed_dim=32, num_heads=2)


def timm_swin() -> nn.Module:
    """Attention folds windows of 4x4 tokens into the batch; every second block shifts them by two."""
    return timm_net(
        "swin_tiny_patch4_window7_224", patch_size=2, window_size=4, depths=(2, 2), num_heads=(2, 2), embed_dim=8
    )


def mixer() -> nn.Module:
    return timm_net("mixer_s16_224")


def built(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make().double().eval()


@pytest.mark.parametrize(("make", "before"), [(vit, 1), (timm_vit, 1), (registers, 5), (only_registers, 4)])
@pytest.mark.parametrize("unit", [None, (1, 3), "class"])
def test_units_of_vision_transformers(make: Callable[[], nn.Module], before: int, unit: Any) -> None:
    """Patch (i, j) is token ``before + 4 i + j``; the class token comes first. Of four patches the centre is 2."""
    net, x = built(make), torch.rand(2, *SIZE)
    name = "encoder.layers.encoder_layer_1" if make is vit else "blocks.1"
    if unit == "class" and make is only_registers:
        with pytest.raises(rf.RequestError, match=r"no layer has a class token; give a unit by its index"):
            rf.effective(net, x, layers=[name], unit=unit)
        return
    row = rf.effective(net, x, layers=[name], unit=unit)[name]
    i, j = (2, 2) if unit is None else (0, 0) if unit == "class" else unit
    token = 0 if unit == "class" else before + 4 * i + j
    expected = by_hand(net, x, name, (slice(None), token))
    assert row.map == pytest.approx(expected, rel=1e-9, abs=1e-12 * expected.max())
    assert row.grid == (4, 4)
    assert (row.unit, row.token) == (((), "class") if unit == "class" else ((i, j), None))
    own = [axis["unit_centre"] for axis in row.theoretical["axes"]]
    assert own == ([None, None] if unit == "class" else [8 * i + 3.5, 8 * j + 3.5])


def units_of(row: LayerField) -> tuple[int, ...]:
    """How many units a layer has along each axis: tokens of a grid, or a map with its channels last."""
    return row.grid or tuple(row.output_shape[dim - 1] for dim in row.unit_dims)


@pytest.mark.parametrize("make", [vit, timm_vit, registers, swin, timm_swin, mixer])
def test_a_token_sits_where_its_own_patch_moves_it_most(make: Callable[[], nn.Module]) -> None:
    """Without what mixes tokens, a patch moves its own token alone: that is the one at the patch's place."""
    net = built(make)
    for module in net.modules():
        if isinstance(module, nn.MultiheadAttention):
            nn.init.zeros_(module.out_proj.weight)
        if type(module).__name__ in {"WindowAttention", "Attention", "ShiftedWindowAttention"}:
            nn.init.zeros_(module.qkv.weight)  # type: ignore[arg-type,union-attr]
        if hasattr(module, "mlp_tokens"):
            nn.init.zeros_(module.mlp_tokens.fc2.weight)  # type: ignore[arg-type,union-attr]
    rows = choose(rf.theoretical(net, SIZE), net, None)
    residual = [row for row in rows if ".mlp" in row.name and "mlp_tokens" not in row.name]
    assert residual
    grid = units_of(residual[-1])
    assert len(grid) == 2
    x = torch.rand(1, *SIZE, dtype=torch.float64)
    for place in [(0, 0), (1, grid[1] - 1), (grid[0] // 2, 0)]:
        for row in rf.effective(net, x, layers=[row.name for row in residual if units_of(row) == grid], unit=place):
            step = [32 // n for n in grid]
            box = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, step, strict=True))
            outside = row.map.copy()
            outside[box] = 0
            assert row.map[box].max() > 0, (row.name, place)
            assert outside.max() <= 1e-12 * row.map[box].max(), (row.name, place)


def window_token(i: int, j: int, shift: int, grid: int) -> tuple[int, int]:
    """Where the token at place (i, j) lies after a roll by ``-shift`` and a cut into windows of 4x4."""
    r, c = (i - shift) % grid, (j - shift) % grid
    return (r // 4) * (grid // 4) + c // 4, (r % 4) * 4 + c % 4


@pytest.mark.parametrize("unit", [None, (0, 5), (13, 2)])
def test_units_inside_shifted_windows(unit: tuple[int, int] | None) -> None:
    net, x = built(timm_swin), torch.rand(2, *SIZE)
    i, j = unit or (8, 8)
    names = ["layers.0.blocks.0.attn.qkv", "layers.0.blocks.1.attn.proj", "layers.0.blocks.1.mlp.fc2"]
    result = rf.effective(net, x, layers=names, unit=unit)
    picks = [
        window_token(i, j, 0, 16),
        window_token(i, j, 2, 16),
        (slice(None), 16 * i + j),
    ]
    for name, pick in zip(names, picks, strict=True):
        images = [by_hand(net, x[k : k + 1], name, pick) for k in range(2)]
        expected: Maps = np.mean(images, axis=0)
        assert result[name].unit == (i, j)
        assert result[name].map == pytest.approx(expected, rel=1e-9, abs=1e-12 * expected.max()), name


def test_units_of_a_map_whose_channels_come_last() -> None:
    net, x = built(swin), torch.rand(2, *SIZE)
    nn.init.uniform_(net.get_submodule("features.2.norm").weight, 0.5, 1.5)  # with equal ones a sum is constant
    names = ["features.1.1", "features.2.norm", "features.3.0.mlp.3"]
    for row in rf.effective(net, x, layers=names, unit=(3, 6)):
        expected = by_hand(net, x, row.name, (slice(None), 3, 6))
        assert row.map == pytest.approx(expected, rel=1e-9, abs=1e-12 * expected.max()), row.name


def test_a_channel_of_a_token() -> None:
    net, x = built(vit), torch.rand(2, *SIZE)
    name = "encoder.layers.encoder_layer_1.mlp.3"
    row = rf.effective(net, x, layers=[name], unit=(1, 2), channel=7)[name]
    assert row.map == pytest.approx(by_hand(net, x, name, (slice(None), 1 + 6, 7)), rel=1e-9)


def test_a_pool_after_attention_keeps_the_grid() -> None:
    """Windows of 2x2 tokens become one, which lies between them; a pool over 3 with padding lies on every second."""

    class Net(nn.Module):
        def __init__(self, pool: nn.Module) -> None:
            super().__init__()
            self.patch, self.pool = nn.Conv2d(3, 8, 4, stride=4), pool
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.patch(x).flatten(2).transpose(1, 2)
            tokens = tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]
            return self.pool(tokens.transpose(1, 2).unflatten(2, (8, 8)))  # type: ignore[no-any-return]

    for pool, lines in [(nn.MaxPool2d(2), (3.5, 11.5, 19.5, 27.5)), (nn.AvgPool2d(3, 2, 1), (1.5, 9.5, 17.5, 25.5))]:
        net = built(lambda pool=pool: Net(pool))  # type: ignore[misc]
        row = rf.theoretical(net, SIZE, unit=(1, 2))["pool"]
        assert [axis.unit_centre for axis in row.axes] == [lines[1], lines[2]]
        assert row.grid is None


def test_the_picture_of_a_class_token_marks_no_place() -> None:
    net, x, name = built(vit), torch.rand(1, *SIZE), "encoder.layers.encoder_layer_1.mlp.3"
    scene = describe(rf.effective(net, x, layers=[name], unit="class"), "map")
    assert scene.title.startswith(f"{name}: class token: half of the gradient lies within ")
    assert not list(scene.marks(Points))
    placed = describe(rf.effective(net, x, layers=[name], unit=(0, 3)), "map")
    assert {(mark.x, mark.y) for mark in placed.marks(Points)} == {((27.5,), (3.5,))}


def test_tokens_that_a_norm_takes_as_a_batch() -> None:
    """(N, T, C) flattened to (N T, C), as LeViT does for its batch norms: the first dimension is the grid."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.norm = nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm1d(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.patch(x).flatten(2).transpose(1, 2)
            return self.norm(tokens.flatten(0, 1)).reshape_as(tokens)  # type: ignore[no-any-return]

    net, x = built(Net), torch.rand(1, *SIZE)
    row = rf.effective(net, x, layers=["norm"], unit=(2, 5))["norm"]
    assert row.grid == (8, 8)
    assert row.map == pytest.approx(by_hand(net, x, "norm", (8 * 2 + 5,)), rel=1e-9)


def test_maps_after_a_norm_over_space_have_a_centre() -> None:
    """A group norm lets every unit see the whole image; where it stands stays known."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    net, x = net.double(), torch.rand(2, 3, 17, 17)
    row = rf.effective(net, x, layers=["2"])["2"]
    assert (row.unit, row.grid) == ((4, 4), None)
    assert row.map == pytest.approx(by_hand(net, x, "2", (slice(None), slice(None), 4, 4)), rel=1e-9)
    assert [axis["unit_centre"] for axis in row.theoretical["axes"]] == [8, 8]


def test_windows_of_a_token_hold_all_that_it_sees() -> None:
    """The theoretical window of a unit of a Swin's second, shifted block, against where plain gradients are."""
    net, x = built(timm_swin), torch.rand(1, *SIZE)
    name = "layers.0.blocks.1.mlp.fc2"
    row = rf.theoretical(net, SIZE, unit=(5, 9))[name]
    seen = by_hand(net, x, name, (slice(None), 16 * 5 + 9)) > 0
    for axis, field in enumerate(row.axes):
        assert field.support == tuple(np.flatnonzero(seen.any(1 - axis)).tolist())


def test_units_that_a_token_layer_does_not_have() -> None:
    net = built(vit)
    x = torch.rand(1, *SIZE)
    name = "encoder.layers.encoder_layer_1"
    message = r"unit 4,0 lies outside the map of .*, whose tokens are a grid of 4x4; count from 0"
    with pytest.raises(rf.RequestError, match=message):
        rf.effective(net, x, layers=[name], unit={name: (4, 0)})
    with pytest.raises(rf.RequestError, match=r"unit 7 lies outside the map of .*, whose tokens are a grid of 4x4"):
        rf.effective(net, x, layers=[name], unit=(7,))
    with pytest.raises(rf.RequestError, match=r"unit 'clas' is neither an index such as 3,4 nor 'class'"):
        rf.effective(net, x, unit="clas")
    first = rf.effective(net, x, layers=["encoder.layers.encoder_layer_0.ln_1"], unit="class")
    assert next(iter(first)).note == "nothing of the input reaches this unit"


def test_the_class_token_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    (tmp_path / "small.py").write_text(
        "from torchvision.models.vision_transformer import VisionTransformer\n"
        "def net():\n"
        "    return VisionTransformer(32, 8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8)\n"
    )
    spec = [f"{tmp_path / 'small.py'}:net", "--input-size", "3x32x32", "--count", "1", "--measure", "radius_50"]
    status, out, _ = run(capsys, "erf", *spec, "--unit", "class", "--json", "-")
    assert status == 0
    rows = json.loads(out)["layers"]
    assert {row["unit"] for row in rows} == {"class"}
    assert rows[-1]["token_grid"] == [4, 4]
    status, out, _ = run(capsys, "trf", *spec[:3], "--unit", "1,2", "--json", "-")
    units = {row["name"]: row["unit"] for row in json.loads(out)["layers"]}
    assert units["encoder.ln"] == [1, 2]
