"""The nets: exact counts and fields of the study's table, any number of classes and channels."""

import json

import pytest
import torch
from click.testing import CliRunner

import rftools as rf
from rftools.cli.models import command
from rftools.errors import RequestError
from rftools.models import NETS, build, names


def chain_count(widths, kernels, inputs=3, classes=10, norms=True):
    """Weights, biases and norms of a plain chain, summed by hand."""
    total = 0
    for width, kernel in zip(widths, kernels, strict=True):
        total += inputs * width * kernel**2 + width + (2 * width if norms else 0)
        inputs = width
    return total + inputs * classes + classes


@pytest.mark.parametrize(
    "name, parameters",
    [("vgg-dilated", 25_474), ("vgg-large", 172_930), ("vgg-strided", 25_474), ("vgg-cascade", 86_404)],
)
def test_parameters_of_the_study(name, parameters):
    assert sum(p.numel() for p in build(name).parameters() if p.requires_grad) == parameters


def test_counts_follow_from_the_layers():
    count = {name: sum(p.numel() for p in build(name).parameters()) for name in names()}
    narrow, wide = (16, 24, 32, 48), (64, 128, 256, 512)
    assert count["vgg-dilated"] == chain_count(narrow, [3] * 4)
    assert count["vgg-dilated-wide"] == chain_count(wide, [3] * 4)
    assert count["vgg-large-wide"] == chain_count(wide, [3, 5, 7, 9])
    cascade = (16, 20, 24, 28, 30, 32, 36, 38, 42, 48)
    assert count["vgg-cascade"] == chain_count(cascade, [3] * 10) - 2 * 48  # no norm after the last
    thin = {16: 1, 24: 2, 32: 3}
    depthwise = sum(n * (width * 9 + width + 2 * width) for width, n in thin.items())
    assert count["vgg-depthwise"] == chain_count(narrow, [3] * 4) + depthwise - 2 * 48
    assert count["vgg-strided-31"] == chain_count(narrow, [3, 5, 5, 5])
    wavenet = (16 + 16) + 10 * (2 * (16 * 16 * 2 + 16) + 2 * (16 * 16 + 16)) + (16 * 16 + 16) + (16 * 10 + 10)
    assert count["wavenet"] == wavenet


@pytest.mark.parametrize(
    "name, size, stride",
    [
        ("vgg-dilated", 31, 1),
        ("vgg-large", 21, 1),
        ("vgg-strided", 17, 8),
        ("vgg-cascade", 21, 1),
        ("vgg-depthwise", 21, 1),
        ("vgg-dilated-wide", 31, 1),
        ("vgg-cascade-wide", 21, 1),
        ("vgg-dilated-21", 21, 1),
        ("vgg-dilated-17", 17, 1),
        ("vgg-strided-31", 31, 8),
        ("resnet-dilated", 437, 1),
        ("fcn-dilated", 127, 1),
        ("wavenet", 1024, 1),
        ("wavenet-short", 63, 1),
        ("gap-plain", 22, 8),
    ],
)
def test_fields_of_the_study(name, size, stride):
    rows = rf.theoretical(rf.load(f"rftools:{name}"))
    axis = [row for row in rows if row.axes and row.axes[0].size is not None][-1].axes[0]
    assert (axis.size, axis.stride) == (size, stride)


def test_longest_path_of_the_residual_net():
    convs = [m for m in build("resnet-dilated").modules() if isinstance(m, torch.nn.Conv2d)]
    shortcuts = [m for n, m in build("resnet-dilated").named_modules() if n.endswith("shortcut.conv")]
    assert (len(convs), len(shortcuts)) == (37 + 2, 2)
    assert not any(max(m.stride) > 1 for m in convs)


@pytest.mark.parametrize("name", names())
def test_any_number_of_classes_and_channels(name):
    size = NETS[name].input_size
    net = build(name, classes=7, channels=2).eval()
    with torch.no_grad():
        scores = net(torch.zeros(2, 2, *size[1:]))
    assert scores.shape[:2] == (2, 7)
    assert scores.shape[2:] == (size[1:] if name.startswith(("fcn", "wavenet", "sequence")) else ())


@pytest.mark.parametrize("name", ["vgg-cascade", "vgg-depthwise", "resnet-strided", "wavenet", "fcn-strided"])
def test_nets_export(name):
    net = build(name).eval()
    x = torch.randn(1, *NETS[name].input_size)
    exported = torch.export.export(net, (x,)).module()
    assert torch.equal(exported(x), net(x))


def test_segmenters_give_shares():
    with torch.no_grad():
        shares = build("fcn-dilated").eval()(torch.rand(1, 3, 32, 32))
    assert torch.allclose(shares.sum(1), torch.ones(1, 32, 32))


def test_nets_over_sequences_have_the_parameters_of_wavenet():
    count = {n: sum(p.numel() for p in build(n, classes=4).parameters()) for n in names()}
    for name in ("wavenet-short", "sequence-strided", "sequence-recurrent"):
        assert abs(count[name] / count["wavenet"] - 1) < 0.021


def test_the_strided_sequence_sees_94_samples():
    """1 + 3 (1 + 2 + 4 + 8 + 16), by kernels of 4 and strides of 2."""
    row = rf.theoretical(rf.load("rftools:sequence-strided"))["down.4.0"]
    assert (row.axes[0].size, row.axes[0].stride) == (94, 32)


def test_the_waves_do_not_see_the_future():
    net = build("wavenet").eval()
    x = torch.randn(1, 1, 64, requires_grad=True)
    net(x)[0, :, 40].sum().backward()
    reach = x.grad[0, 0].nonzero().flatten()
    assert reach.max() == 40
    assert reach.min() == 0


def test_unknown_net():
    with pytest.raises(RequestError, match=r"no net 'vgg-dilatd' \(closest: vgg-dilated, .*\); `rftools models` lists"):
        build("vgg-dilatd")
    with pytest.raises(RequestError, match="vgg-large needs at least one class and one channel, not 0 and 3"):
        build("vgg-large", classes=0)


def test_command_lists_them_all():
    answer = CliRunner().invoke(command, ["--json", "-"], catch_exceptions=False)
    listed = json.loads(answer.stdout)["models"]
    assert [entry["name"] for entry in listed] == names()
    assert listed[0] == {
        "name": "vgg-dilated",
        "parameters": 25474,
        "field": 31,
        "stride": 1,
        "input": "3x32x32",
        "about": "4 convs 3x3, dilation 1, 2, 4, 8",
    }
    plain = CliRunner().invoke(command, [], catch_exceptions=False).stdout.splitlines()
    assert plain[0] == "name\tparameters\tfield\tstride\tinput\tabout"
    assert plain[1] == "vgg-dilated\t25474\t31\t1\t3x32x32\t4 convs 3x3, dilation 1, 2, 4, 8"
