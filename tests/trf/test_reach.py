"""Input ranges, the changes that reach a field, the smallest mask, and rows chosen by what they hold."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.models import build
from rftools.trf.whatif import parse_setting, with_settings


def stack(*strides: int) -> nn.Sequential:
    return nn.Sequential(*[nn.Conv2d(1 if i == 0 else 4, 4, 3, s, 1) for i, s in enumerate(strides)])


def sees_all(net: nn.Module, layer: str, n: int) -> bool:
    """Whether some unit of the layer sees every pixel of an n x n input, unit by unit."""
    row = rf.theoretical(net, (1, n, n))[layer]
    units = range(row.output_shape[-1])
    windows = [rf.theoretical(net, (1, n, n), unit={layer: (u, u)})[layer].axes[0].clipped for u in units]
    return (0, n - 1) in windows


@pytest.mark.parametrize("strides", [(1, 2, 2), (2, 1, 2, 1), (1, 1, 1)])
def test_the_largest_input_that_a_unit_sees_whole(strides: tuple[int, ...]) -> None:
    net = stack(*strides)
    found = rf.theoretical(net, (1, 64, 64)).input_range
    assert found is not None
    assert found.largest is not None
    largest = found.largest[0]
    layer = found.largest_layer or ""
    assert largest is not None
    assert sees_all(net, layer, largest)
    assert not sees_all(net, layer, largest + 1)


def test_the_smallest_input_at_which_all_layers_are_productive() -> None:
    """Strides 2, 2, 2, 1 of 3x3: the last layer's inputs see 3 + 2*2 + 2*4 = 15 pixels."""
    net = stack(2, 2, 2, 1)
    found = rf.theoretical(net, (1, 64, 64)).input_range
    assert found is not None
    assert (found.smallest, found.smallest_layer) == ((15, 15), "3")
    for side, productive in ((15, True), (14, False)):
        assert rf.theoretical(net, (1, side, side))["3"].productive is productive


@pytest.mark.parametrize("name", ["vgg-dilated", "vgg-strided"])
def test_changes_that_reach_a_field(name: str) -> None:
    """Each listed change does when made by hand, and no smaller one of the same setting does."""
    model = rf.load(f"rftools:{name}")
    found = rf.reach(model, 41)
    assert {c.name.split(" ")[1] for c in found} >= {"dilation", "kernel"}
    for change in found:
        settings = [parse_setting(text) for text in change.settings]
        made = with_settings(model, settings)
        row = rf.theoretical(made)[found.layer]
        assert tuple(axis.size for axis in row.axes) == change.size
        assert min(change.size) >= 41
        assert change.parameters == sum(p.numel() for p in made.module.parameters())
        first = settings[0]
        step = 2 if first.attribute == "kernel_size" else 1
        before = dict(model.module.named_modules())[first.pattern]
        assert first.value > getattr(before, first.attribute)[0]
        if first.value - step > getattr(before, first.attribute)[0]:
            less = with_settings(model, [parse_setting(f"{first.pattern}.{first.attribute}={first.value - step}")])
            assert min(axis.size or 0 for axis in rf.theoretical(less)[found.layer].axes) < 41


def test_operations_are_counted_by_hand() -> None:
    """3x3 from 1 to 4 and from 4 to 4 channels on 16x16: 256*(9*4 + 9*16) multiply-adds."""
    assert rf.reach(stack(1, 1), 7, (1, 16, 16)).operations == 256 * (9 * 4 + 9 * 16)


def test_reaching_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["trf", "rftools:vgg-dilated", "--target-field", "20", "--json", "-"])
    captured = capsys.readouterr()
    assert json.loads(captured.out)["changes"] == []
    main(["trf", "rftools:vgg-dilated", "--target-field", "20"])
    assert "the field of features is 31 now" not in (err := capsys.readouterr().err)
    assert "the field of features is 31 already" in err
    with pytest.raises(SystemExit):
        main(["trf", "rftools:vgg-dilated", "--target-field", "20", "-o", "x.png"])
    assert "no picture" in capsys.readouterr().err


def test_the_smallest_mask_keeps_the_extent() -> None:
    """With nothing left but two opposite corners of each kernel the extent is whole; with one of them it is not."""
    torch.manual_seed(0)
    net = build("vgg-cascade")
    convs = {name: m for name, m in net.named_modules() if isinstance(m, nn.Conv2d)}
    whole = rf.theoretical(net, (3, 32, 32), surviving=True)
    for name, conv in convs.items():
        left = whole[name].surviving
        assert left is not None
        assert left.smallest_mask == ((0, 0), (2, 2))
        mask = torch.zeros_like(conv.weight)
        for place in left.smallest_mask:
            mask[(..., *place)] = 1
        conv.weight.data *= mask
    corners = rf.theoretical(net, (3, 32, 32), surviving=True)
    last = list(convs)[-1]
    assert corners[last].surviving.sizes == whole[last].surviving.sizes == (21, 21)  # type: ignore[union-attr]
    convs[last].weight.data[..., 2, 2] = 0
    assert rf.theoretical(net, (3, 32, 32), surviving=True)[last].surviving.sizes == (19, 19)  # type: ignore[union-attr]


def rows_of(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()[1:]]


def test_rows_chosen_and_ordered(capsys: pytest.CaptureFixture[str]) -> None:
    main(["trf", "rftools:vgg-strided", "--where", "size>=5", "--where", "operator=conv2d", "--sort", "size"])
    rows = rows_of(capsys.readouterr().out)
    assert [row[3] for row in rows] == ["17", "9", "5"]
    main(["trf", "rftools:vgg-strided", "--where", "stride=1", "--where", "operator=conv2d"])
    assert [row[4] for row in rows_of(capsys.readouterr().out)] == ["1"]
    for bad, message in (
        (["--where", "size~3"], "is not COLUMN<N"),
        (["--where", "sise<3"], "closest: size"),
        (["--where", "size<many"], "is not a number"),
        (["--where", "size>999"], "no layer has size>999"),
        (["--sort", "sise"], "closest: size"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["trf", "rftools:vgg-strided", *bad])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
