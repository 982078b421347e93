"""``rftools orientation``: which way kernels point."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit_all, outputs
from rftools.cli.subject import Specs
from rftools.cli.talk import progress_bar, talk_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.weights import OrientationResult

EXAMPLES = 100  # kernels of a layer that are drawn


@dataclasses.dataclass(frozen=True)
class Asked:
    """Of what the directions are, and what a row is."""

    layers: tuple[str, ...]
    of: str
    images: str | None
    count: int
    batch_size: int
    device: str
    mass: str
    independent: str
    signs: bool
    group_by: str

    def check(self) -> None:
        """Raise `RequestError` for words that speak of the other kind of field."""
        if self.of == "effective" and (self.signs or self.mass != "survivors" or self.independent != "auto"):
            raise RequestError("--signs, --mass and --independent speak of weights; leave them out with --of effective")
        if self.of == "weights" and self.images is not None:
            raise RequestError("--images speaks of effective fields; add --of effective")

    def directed(self, subject: Specs, spec: str, kinds: Sequence[str]) -> OrientationResult:
        """Which way one model's kernels point, or the effective fields of its channels."""
        if self.of == "effective":
            return self._of_effective_fields(subject.load_one(spec), subject.seed)
        from rftools.weights import orientation

        examples = EXAMPLES if "kernels" in kinds else 0
        found = subject.weights_of(spec)
        how = {
            "mass": self.mass,
            "seed": subject.seed,
            "independent": self.independent,
            "signs": self.signs,
            "examples": examples,
        }
        return orientation(found, layers=self.layers or None, **how)  # type: ignore[arg-type]

    def _of_effective_fields(self, model: Model, seed: int) -> OrientationResult:
        from rftools.erf import effective_orientation

        how = {"count": self.count, "batch_size": self.batch_size, "device": self.device, "seed": seed}
        with progress_bar("layers") as progress:
            return effective_orientation(model, self.images, list(self.layers) or None, progress=progress, **how)  # type: ignore[arg-type]


WORDS = (
    options.layers,
    click.option(
        "--of", type=click.Choice(["weights", "effective"]), default="weights", show_default=True,
        help="Of kernels, or of the effective fields of each layer's channels (needs the architecture).",
    ),
    options.images,
    options.count(8),
    options.batch_size(8),
    options.device,
    click.option(
        "--mass", type=click.Choice(["survivors", "abs", "square"]), default="survivors", show_default=True,
        help="What a tap weighs: 1 where it is not zero, |w| or w^2.",
    ),
    click.option(
        "--independent", type=click.Choice(["auto", "kernels", "filters"]), default="auto", show_default=True,
        help="What the test and the intervals take for independent; auto: filters where their kernels share masks.",
    ),
    click.option(
        "--signs", is_flag=True, help="What the signs say: blobs, edges or lines, and which way kernels rise."
    ),
    options.group_by("layer", "filter"),
)  # fmt: skip


@click.command("orientation", short_help="Which way the surviving taps of each kernel point.")
@subject.several
@options.packed(Asked, "asked", *WORDS)
@outputs("polar, depth or kernels; of several SPECs course or sheet")
@talk_options
def command(subject: Specs, asked: Asked, outputs: Outputs) -> None:
    """Which way the kernels of SPEC point, tested against random taps on the same lattice.

    With --of effective it is which way the effective fields of channels point; --images, --count, --batch-size and
    --device speak of those.

    Of several SPECs (a run's RUN/epoch-*.pt, one net at several sparsities), -o draws the course of anisotropy and
    resultant, or with --kind sheet the roses of each.

    \b
    Example:
      rftools orientation runs/dilated/best.pt -o polar.png
    """
    subject = subject.expanded()
    outputs.check([*subject.files, asked.images])
    outputs.check_drawing("rftools.orientation", "rftools.orientation, several", models=len(subject.specs))
    asked.check()
    if len(subject.specs) > 1:
        outputs = dataclasses.replace(outputs, kind=outputs.kind or "course")
    results = [asked.directed(subject, spec, outputs.kinds) for spec in subject.specs]
    by_filter = asked.group_by == "filter"
    tables = [r.by_filter() if by_filter else r.by_sign() if asked.signs else None for r in results]
    emit_all(results, outputs, tables)
