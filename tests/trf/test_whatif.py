"""What-if settings and object sizes: against nets built that way."""

from __future__ import annotations

import json

import pytest
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.trf.whatif import differences, parse_setting, with_settings


def net(stride: int, dilation: int, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=stride, padding=1),
        nn.Sequential(nn.Conv2d(2, 2, 3, dilation=dilation, padding=padding), nn.Conv2d(2, 2, 3, dilation=dilation)),
    )


def test_settings_give_the_fields_of_a_net_built_that_way() -> None:
    model = rf.Model(net(2, 1), "net", "net", (1, 33, 33))
    changed = with_settings(model, [parse_setting("0.stride=1"), parse_setting("1.*.dilation=2")])
    built = rf.theoretical(net(1, 2, padding=2), (1, 33, 33))  # the padding that kept the size goes along
    assert [row.axes for row in rf.theoretical(changed)] == [row.axes for row in built]
    assert model.module[0].stride == (2, 2)  # type: ignore[index,union-attr]
    rows = differences(rf.theoretical(model), rf.theoretical(changed))
    assert rows[-1][3:5] == (11, 11)


def test_a_padding_that_is_set_stays() -> None:
    model = rf.Model(net(2, 1), "net", "net", (1, 33, 33))
    changed = with_settings(model, [parse_setting("1.*.dilation=2"), parse_setting("1.0.padding=1")])
    assert [row.axes for row in rf.theoretical(changed)] == [row.axes for row in rf.theoretical(net(2, 2), (1, 33, 33))]


def test_a_larger_kernel_takes_fresh_weights() -> None:
    model = rf.Model(nn.Sequential(nn.Conv2d(1, 1, 3)), "net", "net", (1, 9, 9))
    assert rf.theoretical(with_settings(model, [parse_setting("0.kernel_size=7")]))["0"].axes[0].size == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stride", r"'stride' is not PATH.ATTRIBUTE=NUMBER"),
        ("a.strid=1", r"'strid' can't be set \(closest: stride\)"),
        ("zzz.stride=1", r"no module matches 'zzz' and has a stride"),
    ],
)
def test_bad_settings(text: str, message: str) -> None:
    model = rf.Model(nn.Sequential(nn.Conv2d(1, 1, 3)), "net", "net", (1, 9, 9))
    with pytest.raises(rf.RequestError, match=message):
        with_settings(model, [parse_setting(text)])


def test_objects_mark_the_layers_that_see_them_whole(capsys: pytest.CaptureFixture[str]) -> None:
    main(["trf", "rftools:vgg-dilated", "--objects", "20x12", "--layers", "*.conv", "--json", "-"])
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer["sees_object"] for layer in layers] == [False, False, False, True]
    main(["trf", "rftools:vgg-dilated", "--set", "features.block1.conv.dilation=2", "--layers", "*.conv"])
    assert "size then" in capsys.readouterr().out
