"""Known answers of the theoretical engine, one test a documented convention."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from rftools.trf import Field, LayerField, Taps
from rftools.trf.engine import walk
from rftools.trf.rules import RULES
from rftools.trf.rules.padding import resample
from tests.oracle import Oracle
from tests.trf.test_standing import moved_by

DATA = Path(__file__).parents[1] / "data"


class Functional(nn.Module):
    """A net that is one function."""

    def __init__(self, function: object, *modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.m = nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)  # type: ignore[operator,no-any-return]


def last(net: nn.Module, size: tuple[int, ...], **options: object) -> LayerField:
    return rf.theoretical(net, size, **options)[""]  # type: ignore[arg-type]


def conv(*args: int, **options: int) -> nn.Conv2d:
    return nn.Conv2d(1, 1, *args, **options)  # type: ignore[arg-type]


def test_dilations_1_2_4_8_see_31() -> None:
    net = nn.Sequential(*[conv(3, padding=d, dilation=d) for d in (1, 2, 4, 8)])
    axis = last(net, (1, 64, 64)).axes[0]
    assert (axis.size, axis.stride, axis.start, axis.centre, axis.holes) == (31, 1.0, -15, 0.0, ())


def test_rectangles_keep_their_axes() -> None:
    """3x7 with stride (1, 2), then 1x5: rows see 3, columns 7 + 4*2 = 15."""
    net = nn.Sequential(nn.Conv2d(1, 1, (3, 7), (1, 2)), nn.Conv2d(1, 1, (1, 5)))
    rows, columns = last(net, (1, 40, 40)).axes
    assert (rows.size, columns.size) == (3, 15)
    assert (rows.stride, columns.stride) == (1.0, 2.0)


@pytest.mark.parametrize(("mode", "size"), [("nearest", 12), ("bilinear", 14)])
def test_functional_calls_and_branches(mode: str, size: int) -> None:
    """conv 3 twice, pool 2, conv 3, interpolate by 2, add and concatenate with the skip, conv 3."""

    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        a, b, c = self.m
        x = a(a(x))
        y = F.interpolate(b(F.max_pool2d(x, 2)), scale_factor=2, mode=mode)
        return c(torch.cat([x + y, y], 1))  # type: ignore[no-any-return]

    net = Functional(forward, conv(3, padding=1), conv(3, padding=1), nn.Conv2d(2, 1, 3, padding=1))
    row = last(net, (1, 32, 32))
    assert row.status == "exact"
    assert row.axes[0].phases is not None
    assert max(p.size for p in row.axes[0].phases) == row.axes[0].size == size


def test_transposed_decoder_has_two_phases() -> None:
    net = nn.Sequential(
        conv(3, stride=2, padding=1), conv(3, stride=2, padding=1),
        nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1),
    )  # fmt: skip
    axis = last(net, (1, 32, 32)).axes[0]
    assert axis.phases is not None
    assert sorted(p.size for p in axis.phases) == [7, 11]
    assert axis.stride == 2.0


def test_causal_stack_1d() -> None:
    net = nn.Sequential(
        *[
            nn.Sequential(nn.ConstantPad1d((d, 0), 0.0), nn.Conv1d(1, 1, 2, dilation=d))
            for d in [2**i for i in range(8)]
        ]
    )
    axis = last(net, (1, 300)).axes[0]
    assert (axis.size, axis.start, axis.window) == (256, -255, (150 - 255, 150))


def test_anisotropic_3d() -> None:
    net = nn.Sequential(nn.Conv3d(1, 1, (3, 5, 7)), nn.MaxPool3d(2), nn.Conv3d(1, 1, 3))
    assert [axis.size for axis in last(net, (1, 24, 24, 24)).axes] == [8, 10, 12]


def test_holes_of_a_dilated_kernel() -> None:
    axis = last(nn.Sequential(conv(3, padding=4, dilation=4)), (1, 33, 33), unit=(16, 16)).axes[0]
    assert axis.holes == ((1, 3), (5, 3))
    assert axis.support == (12, 16, 20)


def test_border_on_the_way_is_respected() -> None:
    """Unit 0 after a dilated and a dense convolution: its padded neighbour does not lend it pixel 3."""
    net = nn.Sequential(conv(3, padding=4, dilation=4), conv(3, padding=1))
    row = last(net, (1, 12, 12), unit=(0, 0))
    assert row.axes[0].support == (0, 1, 4, 5)
    assert row.axes[0].window == (-5, 5)
    assert row.axes[0].clipped == (0, 5)


def test_upsampling_halves_the_stride() -> None:
    axis = last(nn.Sequential(nn.Upsample(scale_factor=2)), (1, 8, 8)).axes[0]
    assert axis.stride == 0.5
    assert axis.phases is not None
    assert [p.start for p in axis.phases] == [0, 0]


def test_global_pooling() -> None:
    net = nn.Sequential(conv(3, padding=1), nn.AdaptiveAvgPool2d(1))
    row = last(net, (1, 9, 9))
    assert row.axes[0].global_
    assert row.axes[0].size is None
    assert row.axes[0].window == (0, 8)


def test_gate_keeps_the_local_field() -> None:
    """Squeeze-and-excite: every unit sees all of the image, most of it through the gate only."""

    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        y = self.m[0](x)
        return y * torch.sigmoid(y.mean((2, 3), keepdim=True))  # type: ignore[no-any-return]

    axis = last(Functional(forward, conv(5, stride=2)), (1, 33, 33)).axes[0]
    assert axis.global_
    assert axis.size is None
    assert (axis.local_size, axis.stride, axis.centre) == (5, 2.0, 2.0)


def test_misaligned_branches_are_said() -> None:
    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        return self.m[0](x)[..., :14, :14] + self.m[1](x)  # type: ignore[no-any-return]

    row = last(Functional(forward, conv(3, padding=1), conv(3)), (1, 16, 16))
    assert not row.aligned
    assert (row.axes[0].size, row.axes[0].start) == (4, -1)
    aligned = last(Functional(forward, conv(3, padding=1), conv(3)), (1, 16, 16))
    assert aligned.status == "exact"


def test_productive_layers() -> None:
    """Richter et al.: a layer is unproductive once the smallest field of its inputs exceeds the image."""
    net = nn.Sequential(*[conv(5, padding=2) for _ in range(5)])
    rows = rf.theoretical(net, (1, 12, 12))
    assert [rows[str(i)].productive for i in range(5)] == [True, True, True, False, False]


def test_concatenated_channels_keep_their_own_fields() -> None:
    """Taking the first half of a concatenation gives the first branch's field, not the union."""

    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.m[0](x), self.m[1](x)], 1).chunk(2, 1)[0]

    assert last(Functional(forward, conv(3, padding=1), conv(7, padding=3)), (1, 16, 16)).axes[0].size == 3


def test_in_place_change_of_a_view() -> None:
    """Writing to a slice changes what later operators see of the whole."""

    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y[:, :, 3:] = self.m[0](x)[:, :, 3:]
        return y + 0

    net = Functional(forward, conv(3, padding=1))
    row = last(net, (1, 8, 8), unit=(5, 5))
    assert row.axes[0].support == (4, 5, 6)
    assert last(net, (1, 8, 8), unit=(1, 5)).axes[0].support == (1,)


def test_second_call_and_operators_between_modules_have_names() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(self.conv(self.conv(x)) + x)

    names = [row.name for row in rf.theoretical(nn.Sequential(Block()), (1, 8, 8))]
    assert names == ["0.conv", "0.conv#1", "0/add", "0/relu", "0", ""]


def test_unknown_operator_is_named_and_a_rule_settles_it() -> None:
    @torch.library.custom_op("rftools_test::blur5", mutates_args=())
    def blur5(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    blur5.register_fake(lambda x: torch.empty_like(x))
    net = Functional(lambda self, x: torch.ops.rftools_test.blur5(self.m[0](x)), conv(3, padding=1))
    row = last(net, (1, 16, 16))
    assert row.status == "unknown"
    assert row.axes[0].size is None
    assert row.cause == "no rule for rftools_test.blur5 in the model"
    own = {"rftools_test::blur5": lambda call: call.main("x").window(-1, Taps.window(5, 16, 16, padding=2))}
    rows, columns = last(net, (1, 16, 16), rules=own).axes
    assert (rows.size, columns.size) == (3, 7)


def test_a_rule_is_registered_once() -> None:
    with pytest.raises(rf.RequestError, match=r"the operator aten.conv2d has a rule already"):
        rf.rule("aten::conv2d")(RULES["aten.conv2d"])


def test_no_underflow_in_a_thousand_layers() -> None:
    net = nn.Sequential(*[nn.Conv1d(1, 1, 3, padding=1) for _ in range(1000)])
    assert last(net, (1, 8)).axes[0].size == 2001


def test_weights_do_not_matter() -> None:
    plain, meta = conv(3, padding=1), nn.Conv2d(1, 1, 3, padding=1, device="meta")
    assert last(nn.Sequential(plain), (1, 8, 8)).axes == last(nn.Sequential(meta), (1, 8, 8)).axes


def test_the_module_is_left_as_it_was() -> None:
    net = nn.Sequential(conv(3), nn.BatchNorm2d(1), nn.Dropout())
    net[1].eval()
    rf.theoretical(net, (1, 9, 9))
    assert [m.training for m in net.modules()] == [True, True, False, True]
    assert not net[0]._forward_hooks


def test_recorded_where_export_refuses() -> None:
    """A branch on a value: the operators of one real pass are recorded instead."""

    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        y = self.m[0](x)
        return F.relu(self.m[1](y)) if bool(y.sum() < 1e9) else y

    result = rf.theoretical(Functional(forward, conv(3, padding=1), conv(3, stride=2)), (1, 17, 17))
    assert result.capture == "record"
    assert (result[""].axes[0].size, result[""].axes[0].stride) == (5, 2.0)


@pytest.mark.parametrize(
    ("size", "unit", "message"),
    [
        ((3, 8, 8), None, r"does not take an input of 3x8x8: .*; give one that fits with --input-size"),
        ((1, 2, 2), None, r"does not take an input of 1x2x2"),
        ((1, 8, 8), (9, 9), r"unit 9,9 lies outside the map of .*, whose output is 1x6x6; count from 0"),
        ((1, 8, 8), {"1": (0, 0)}, r"no layer '1'"),
    ],
)
def test_bad_requests(size: tuple[int, ...], unit: object, message: str) -> None:
    with pytest.raises(rf.RequestError, match=message):
        rf.theoretical(nn.Sequential(conv(3)), size, unit=unit)  # type: ignore[arg-type]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "length"), [(8, 16), (9, 5), (6, 9), (12, 4), (7, 21), (1, 3)])
def test_resampling_taps_are_the_coefficients_that_are_not_zero(
    mode: str, align_corners: bool, size: int, length: int
) -> None:
    taps = resample(mode, size, length, factor=None, align_corners=align_corners)
    for o in range(length):
        seen = []
        for i in range(size):
            x = torch.zeros(1, 1, 1, size, dtype=torch.float64)
            x[..., i] = 1
            if (
                float(F.interpolate(x, size=(1, length), mode=mode, align_corners=align_corners)[0, 0, 0, o].abs())
                > 1e-9
            ):
                seen.append(i)
        assert sorted({int(i) for i in taps.table[:, o] if i >= 0}) == seen


SMALL = ["alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_large", "convnext_tiny", "densenet121"]


def reference() -> list[dict[str, str]]:
    with open(DATA / "torchvision_rf.csv", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row["model"], marks=() if row["model"] in SMALL else pytest.mark.slow)
        for row in reference()
    ],
)
def test_published_torchvision_fields(row: dict[str, str]) -> None:
    """Size, stride and padding at the last map; nets with gates are published without their global part."""
    net = rf.load(f"torchvision:{row['model']}", input_size=(3, 299, 299) if "inception" in row["model"] else None)
    maps = [layer for layer in rf.theoretical(net) if len(layer.output_shape) == 3 and layer.output_shape[1] > 1]
    axis = maps[-1].axes[0]
    assert maps[-1].status == "exact"
    assert axis.local_size == int(row["rf_h"])
    assert axis.stride == int(row["eff_stride"])
    if not axis.global_:
        assert axis.start == -int(row["eff_pad_h"])


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_token_nets_agree_with_poisoned_pixels(name: str) -> None:
    """A small vision and a small window transformer: what a token sees, by experiment."""
    models = pytest.importorskip("torchvision.models")
    if name == "vit":
        net = models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)
    else:
        net = models.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=3)
    size = (3, 32, 32)
    oracle = Oracle(net, size)
    result = rf.theoretical(net, size)
    assert {row.status for row in result} <= {"exact", "unit"}
    nodes = {layer.name: layer.node for layer in oracle.graph.layers}
    fields = walk(oracle.graph, {})
    checked = 0
    for row in list(result)[:: 7 if name == "swin" else 3]:
        node = nodes[row.name]
        field = fields[node]
        assert isinstance(field, Field)
        place: list[int | slice] = [slice(None)] * len(field.shape)
        for dim, index in zip(row.unit_dims, row.place, strict=True):
            place[dim] = index
        for number, axis in enumerate(row.axes):
            assert list(axis.support or ()) == oracle.upper(node, number, tuple(place)), row.name  # type: ignore[arg-type]
            checked += 1
    assert checked > 10


def test_a_mean_over_a_part_is_not_global() -> None:
    """Two rows cut out and averaged: a fixed field of rows 1 to 4, not the whole image."""
    row = last(
        Functional(lambda self, x: self.m[0](x)[:, :, 2:4].mean(2, keepdim=True), conv(3, padding=1)), (1, 12, 12)
    )
    assert not row.axes[0].global_
    assert row.axes[0].support == (1, 2, 3, 4)
    assert row.axes[1].size == 3


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: self.m[0](x) * self.mask,
        lambda self, x: torch.tril(self.m[0](x)),
        lambda self, x: F.scaled_dot_product_attention(self.m[0](x), x, x, attn_mask=self.mask.bool()),
        lambda self, x: self.m[0](x).masked_fill(self.mask.bool(), float("-inf")).softmax(-1),
        lambda self, x: (self.m[0](x) + self.mask.log()).softmax(-1),
    ],
)
@pytest.mark.parametrize("unit", [(0, 0), (4, 2), (2, 4)])
def test_a_constant_that_closes_paths_is_worked_out(function: object, unit: tuple[int, int]) -> None:
    """What a zero factor or a mask shuts out, for units under the mask and beside it."""
    net = Functional(function, conv(3, padding=1)).double()
    net.register_buffer("mask", torch.ones(9, 9, dtype=torch.float64).tril())
    row = rf.theoretical(net, (1, 9, 9), unit=unit)[""]
    assert row.status == "unit"
    assert [list(axis.support or ()) for axis in row.axes] == [moved_by(net, (1, 9, 9), unit, a) for a in range(2)]


def test_a_learned_zero_says_nothing_of_the_architecture() -> None:
    """Layer scales that begin at zero leave the field exact."""
    net = Functional(lambda self, x: self.m[0](x) * self.scale, conv(3, padding=1))
    net.scale = nn.Parameter(torch.zeros(1, 1, 1))
    assert last(net, (1, 9, 9)).status == "exact"


def test_parts_that_change_along_space_are_told_apart() -> None:
    """Two branches as the phases of a pixel shuffle: even rows see the first branch's field, odd rows the second's."""

    def forward(self: Functional, x: torch.Tensor) -> torch.Tensor:
        a, b = self.m[0](x), self.m[1](x)
        return F.pixel_shuffle(torch.cat([a, a, b, b], 1), 2)

    net = Functional(forward, conv(1), conv(5, padding=2))
    assert last(net, (1, 9, 9), unit=(8, 8)).axes[0].support == (4,)
    assert last(net, (1, 9, 9), unit=(9, 8)).axes[0].support == (2, 3, 4, 5, 6)
    pooled = Functional(lambda self, x: forward(self, x)[:, :, :2].amax(2), conv(1), conv(5, padding=2))
    assert last(pooled, (1, 9, 9), unit=(8,)).axes[0].support == (0, 1, 2)


def test_padding_by_hand_keeps_the_law() -> None:
    """`F.pad` before a convolution is the convolution's own padding, axis by axis."""

    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(F.pad(x, (1, 1, 1, 1)))

    theirs = rf.theoretical(nn.Sequential(nn.Conv2d(1, 1, 3, 2, padding=1)), (1, 16, 16))["0"]
    ours = rf.theoretical(ByHand(), (1, 16, 16))["conv"]
    assert (ours.status, ours.axes) == ("exact", theirs.axes)


def test_a_net_over_no_axis_has_rows_without_axes() -> None:
    rows = rf.theoretical(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), input_size=(8,))
    assert [(row.axes, row.unit) for row in rows] == [((), ())] * 3
