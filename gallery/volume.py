"""Is the field of my 3-D net isotropic in millimetres? Voxels are not cubes, and kernels need not be.

A scan has 2.5 mm between slices and 0.8 mm in the plane. Kernels that start flat and become cubes bring the three
sides of the field together; cubes from the start do not.

Run: python gallery/volume.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure
from torch import nn

import rftools as rf

SPACING = (2.5, 0.8, 0.8)  # mm a voxel: depth, height, width
AXES = ("depth", "height", "width")
NETS = {
    "cubes": [(3, 3, 3)] * 6,
    "flat first": [(1, 3, 3)] * 2 + [(3, 3, 3)] * 4,
}


def net(kernels: list[tuple[int, int, int]]) -> nn.Module:
    layers: list[nn.Module] = []
    for index, kernel in enumerate(kernels):
        stride = (1, 2, 2) if index in (1, 3) else 1
        layers.append(nn.Conv3d(1, 1, kernel, stride=stride, padding=tuple(k // 2 for k in kernel)))
    return nn.Sequential(*layers)


def draw(path: Path) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for panel, (title, kernels) in zip(figure.subplots(1, 2, sharey=True), NETS.items(), strict=True):
        rows = list(rf.theoretical(net(kernels), input_size=(1, 32, 96, 96)))[: len(kernels)]
        for axis in (0, 1):
            sides = [row.axes[axis].size * SPACING[axis] for row in rows]
            label = AXES[0] if axis == 0 else "height and width"
            panel.plot(
                range(1, len(rows) + 1), sides, "os"[axis] + "-", color=("#d55e00", "#0072b2")[axis], label=label
            )
            print(f"{title}, {label}: {sides[-1]:.1f} mm")
        panel.set(title=title, xlabel="convolutions")
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    figure.axes[0].set_ylabel("field (mm)")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "volume.png")
