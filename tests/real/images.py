"""The oddest nets of timm, YOLOs, a masked convolution's autoregressive net and a graph convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.real.base import net

TIMM: dict[str, tuple[int, dict[str, Any]]] = {
    "xcit_nano_12_p16_224": (64, {"img_size": 64, "depth": 2, "embed_dim": 16, "num_heads": 2}),
    "coat_tiny": (64, {"img_size": 64}),
    "levit_128s": (224, {}),
    "volo_d1_224": (64, {"img_size": 64}),
    "gcvit_xxtiny": (64, {"img_size": 64}),
    "maxvit_rmlp_pico_rw_256": (64, {"img_size": 64}),
    "poolformer_s12": (64, {}),
    "edgenext_xx_small": (64, {}),
    "sequencer2d_s": (64, {"img_size": 64}),
    "nest_tiny": (64, {"img_size": 64}),
    "mobilevitv2_050": (64, {}),
    "lambda_resnet26t": (64, {}),
    "botnet26t_256": (64, {"img_size": 64}),
    "dla34": (64, {}),
    "hrnet_w18_small": (64, {}),
    "res2net50_14w_8s": (64, {}),
    "selecsls42b": (64, {}),
    "gmixer_12_224": (64, {"img_size": 64}),
    "ghostnetv2_100": (64, {}),
    "fastvit_t8": (64, {}),
}


def _timm(name: str, options: dict[str, Any]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import timm

        return timm.create_model(name, num_classes=5, **options)

    return make


for _name, (_side, _options) in TIMM.items():
    net(f"timm {_name}", (3, _side, _side), "timm")(_timm(_name, _options))

YOLOS = ("yolov3-tiny", "yolov5n", "yolov6n", "yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n")


def _yolo(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from ultralytics.nn.tasks import DetectionModel

        return DetectionModel(f"{name}.yaml", nc=3, verbose=False)

    return make


for _name in YOLOS:
    net(_name, (3, 64, 64), "ultralytics")(_yolo(_name))


class MaskedConv(nn.Conv2d):
    """Type A hides the pixel itself, type B shows it (van den Oord et al., arXiv:1601.06759)."""

    def __init__(self, kind: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        mask = torch.ones_like(self.weight)
        middle = self.kernel_size[0] // 2
        mask[:, :, middle, middle + (kind == "B") :] = 0
        mask[:, :, middle + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.weight * self.mask, self.bias)


@net("pixelcnn", (1, 16, 16), quick=True)
def pixelcnn() -> nn.Module:
    layers: list[nn.Module] = [MaskedConv("A", 1, 8, 7, padding=3), nn.ReLU()]
    for _ in range(3):
        layers += [MaskedConv("B", 8, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(8, 4, 1))


class GraphConv(nn.Module):
    """``relu(A X W)`` with a constant normalised adjacency (Kipf & Welling, arXiv:1609.02907)."""

    def __init__(self, adjacency: torch.Tensor, channels: int, features: int) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.weight = nn.Linear(channels, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.adjacency @ self.weight(x))


class GraphNet(nn.Module):
    """Features ``(N, C, nodes)`` on a ring with chords."""

    def __init__(self, nodes: int = 20) -> None:
        super().__init__()
        links = torch.eye(nodes)
        for i in range(nodes):
            links[i, (i + 1) % nodes] = links[(i + 1) % nodes, i] = 1
        links[3, 11] = links[11, 3] = 1
        degree = links.sum(1).rsqrt()
        self.layers = nn.Sequential(*[GraphConv(degree[:, None] * links * degree, 4, 4) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x.transpose(1, 2)).transpose(1, 2)


@net("graph convolution", (4, 20), quick=True)
def graph_convolution() -> nn.Module:
    return GraphNet()
