"""Real nets against poisoned pixels: the smallest of each torchvision family, and nets of other packages.

For several layers and two units each, single rows of the input are set to NaN: just outside and at the ends of the
field, and at random. The unit turns NaN where, and only where, the engine says that the row reaches it.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.trf import LayerField

FAMILIES = {
    "alexnet": 96, "convnext_tiny": 64, "densenet121": 64, "efficientnet_b0": 64, "efficientnet_v2_s": 64,
    "googlenet": 64, "inception_v3": 96, "maxvit_t": 224, "mnasnet0_5": 64, "mobilenet_v2": 64,
    "mobilenet_v3_small": 64, "regnet_y_400mf": 64, "resnet18": 96, "resnext50_32x4d": 64, "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64, "swin_t": 64, "swin_v2_t": 64, "vgg11": 64, "vit_b_32": 224, "wide_resnet50_2": 64,
    "lraspp_mobilenet_v3_large": 64, "fcn_resnet50": 64, "deeplabv3_mobilenet_v3_large": 64,
}  # fmt: skip
QUICK = {"resnet18", "squeezenet1_1"}


def check_against_poison(net: nn.Module, size: tuple[int, ...], layers: int = 5) -> int:
    """How many (layer, unit, axis, row) were compared."""
    net = net.double().eval()
    centre = rf.theoretical(net, size)
    corner = {r.name: tuple(0 for _ in r.unit) for r in centre if r.unit}
    modules = dict(net.named_modules())
    rows = [r for r in centre if r.name in modules and r.name and r.unit and r.status != "unknown"]
    local = [r for r in rows if not all(a.global_ for a in r.axes)]
    chosen = [r.name for r in local[:: max(1, len(local) // layers)]]
    first = rf.theoretical(net, size, unit={name: corner[name] for name in chosen})
    asked = [result[name] for result in (centre, first) for name in chosen]
    wanted = {(axis, row) for field in asked for axis in range(len(field.axes)) for row in rows_of(field, axis, size)}
    base = torch.rand((1, *size), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    compared = 0
    before = torch.backends.mkldnn.enabled  # type: ignore[attr-defined]
    torch.backends.mkldnn.enabled = False  # type: ignore[attr-defined]
    try:
        for axis, row in sorted(wanted):
            outputs = poisoned(net, base, axis, row, chosen)
            for field in (f for f in asked if f.name in outputs):
                reached = row in set(field.axes[axis].support or ())
                place = [slice(None)] * outputs[field.name].ndim
                for dim, index in zip(field.unit_dims, field.place, strict=True):
                    place[dim] = index  # type: ignore[call-overload]
                seen = bool(outputs[field.name][tuple(place)].isnan().any())
                assert seen == reached or (field.status == "bound" and reached), (field.name, field.unit, axis, row)
                compared += 1
    finally:
        torch.backends.mkldnn.enabled = before  # type: ignore[attr-defined]
    return compared


def rows_of(field: LayerField, axis: int, size: tuple[int, ...]) -> list[int]:
    """The field's ends, their neighbours outside, and three rows at random."""
    length = size[1 + axis]
    ends = field.axes[axis].clipped or (0, length - 1)
    draw = random.Random(f"{field.name} {axis}")
    picked = {ends[0] - 1, ends[0], ends[1], ends[1] + 1, *(draw.randrange(length) for _ in range(2))}
    return [row for row in picked if 0 <= row < length]


def poisoned(net: nn.Module, base: torch.Tensor, axis: int, row: int, names: list[str]) -> dict[str, torch.Tensor]:
    x = base.clone()
    x[(slice(None),) * (2 + axis) + (row,)] = float("nan")
    found: dict[str, torch.Tensor] = {}
    modules = dict(net.named_modules())

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _arguments: Any, out: Any) -> None:
            if isinstance(out, torch.Tensor):  # of several outputs each has a row of its own
                found.setdefault(name, out)

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        with torch.no_grad():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FAMILIES]
)
def test_torchvision_families(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    options: dict[str, Any] = {"weights": None}
    if name in {"fcn_resnet50", "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"}:
        options["weights_backbone"] = None
    if name in {"googlenet", "inception_v3"}:
        options["init_weights"] = False
    net = models.get_model(name, **options)
    side = FAMILIES[name]
    assert check_against_poison(net, (3, side, side)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r3d_18", "mc3_18"])
def test_torchvision_video(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    net = models.get_model(name, weights=None)
    assert check_against_poison(net, (3, 8, 32, 32), layers=4) > 50


OTHERS = {
    "smp-unet": ("segmentation_models_pytorch", lambda m: m.Unet("resnet18", encoder_weights=None), (3, 64, 64)),
    "smp-deeplab": (
        "segmentation_models_pytorch",
        lambda m: m.DeepLabV3("resnet18", encoder_weights=None),
        (3, 64, 64),
    ),
    "monai-unet": ("monai.networks.nets", lambda m: m.UNet(3, 1, 2, (4, 8, 16), (2, 2), norm="batch"), (1, 16, 16, 16)),
    "tcn": ("pytorch_tcn", lambda m: m.TCN(2, [4, 4, 4], kernel_size=3), (2, 64)),
    "yolo": ("ultralytics.nn.tasks", lambda m: m.DetectionModel("yolov8n.yaml", verbose=False), (3, 128, 128)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_nets_of_other_packages(name: str) -> None:
    module, make, size = OTHERS[name]
    try:
        package = importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{module.partition('.')[0]} is not installed (pip install 'rftools[zoo]')")
    torch.manual_seed(0)
    net = make(package)
    result = rf.theoretical(net, size)
    assert {row.status for row in result} <= {"exact", "unit"}
    assert check_against_poison(net, size, layers=6) > 50
