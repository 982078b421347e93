"""``rftools sparsity``: what pruning left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit_all, outputs
from rftools.cli.subject import Specs
from rftools.cli.talk import talk_options

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.weights import SparsityResult


@dataclass(frozen=True)
class Asked:
    """What is counted, and what a row is."""

    layers: tuple[str, ...]
    threshold: float | None
    relative: float
    surviving: bool | None
    group_by: str

    def counted(self, found: Model | Path) -> SparsityResult:
        """What is left of one model."""
        from rftools.weights import sparsity, surviving_beside

        single = self.group_by == "kernel"
        result = sparsity(found, threshold=self.threshold, relative=self.relative, kernels=single)
        return surviving_beside(result, found, self.surviving).only(*self.layers)


WORDS = (
    options.layers,
    click.option("--threshold", type=options.FINITE, help="Near zero is |w| below this (absolute)."),
    click.option(
        "--relative",
        type=options.FINITE,
        default=0.01,
        show_default=True,
        help="Near zero in standard deviations of the layer.",
    ),
    click.option(
        "--surviving/--no-surviving",
        default=None,
        help="The field that pruning left beside each layer (default: where weights are zero, if that takes seconds).",
    ),
    options.group_by("layer", "filter", "kernel", "input", "tap", "threshold", "storage"),
)


@click.command("sparsity", short_help="What pruning left: zeros, taps, shapes of kernels.")
@subject.several
@options.packed(Asked, "asked", *WORDS)
@outputs("taps, layers or survival")
@talk_options
def command(subject: Specs, asked: Asked, outputs: Outputs) -> None:
    """What pruning left of SPEC: zeros, taps a kernel, shapes, dead filters. A bare state dict will do.

    Where SPEC has an architecture, the field that is left stands beside each layer.

    Of several SPECs, -o draws where their taps survive, one row a model: before and after pruning.

    \b
    Example:
      rftools sparsity runs/dilated/best.pt -o sparsity.png
    """
    subject = subject.expanded()
    outputs.check(subject.files)
    outputs.check_drawing("rftools.sparsity", "rftools.sparsity, several", models=len(subject.specs))
    results = [asked.counted(subject.weights_of(spec)) for spec in subject.specs]
    tables = [None if asked.group_by == "layer" else getattr(result, f"by_{asked.group_by}")() for result in results]
    emit_all(results, outputs, tables)
