"""Is the receptive field of "the" ResNet-50 427 or 483 pixels? Both are in circulation, for two different nets.

The bottleneck's stride sits on its first 1x1 kernel in the first paper and on its 3x3 kernel in most code since. The
place of the stride changes what each layer behind it adds; a number copied from one does not hold for the other.

Run: python gallery/published_constants.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck

import rftools as rf

STAGES = ("layer1", "layer2", "layer3", "layer4")


def with_stride_first() -> object:
    """The same net with each block's stride moved from its 3x3 to its first 1x1 convolution."""
    net = resnet50()
    for block in net.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    return net


def draw(path: Path) -> None:
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for place, (label, net) in enumerate({"stride on 3x3": resnet50(), "stride on 1x1": with_stride_first()}.items()):
        result = rf.theoretical(net, input_size=(3, 224, 224))
        sizes = [result[stage].axes[0].size for stage in STAGES]
        print(f"{label}: {', '.join(f'{stage} {size} px' for stage, size in zip(STAGES, sizes, strict=True))}")
        bars = axes.bar([i + 0.4 * place - 0.2 for i in range(4)], sizes, 0.38, color=("#0072b2", "#d55e00")[place])
        axes.bar_label(bars, padding=2, fontsize=9)
        bars.set_label(label)
    axes.set_xticks(range(4), STAGES)
    axes.set(ylabel="field (px)", title="Two nets called ResNet-50")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "published_constants.png")
