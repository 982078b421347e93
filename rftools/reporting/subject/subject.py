"""What a report speaks of: one model's results, and for each that is missing the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rftools.plots.sparsity.taps import PRUNED
from rftools.reporting.subject.architecture import Wiring
from rftools.reporting.subject.supports import Supports
from rftools.results import ModelInfo, Result

if TYPE_CHECKING:
    from rftools.erf.intervals import Difference
    from rftools.erf.result import EffectiveResult
    from rftools.trf.result import TheoreticalResult
    from rftools.weights.results import OrientationResult, SparsityResult

#: the parts that the subject has a field for; results of further sections are in `Subject.more`
OWN = ("theoretical", "effective", "sparsity", "orientation", "history")


@dataclass(frozen=True)
class MeasuredEpoch:
    """What was measured on one epoch's checkpoint."""

    number: int
    sparsity: SparsityResult
    orientation: OrientationResult | None = field(repr=False)
    effective: EffectiveResult | None = field(repr=False)
    theoretical: TheoreticalResult | None = field(repr=False)
    history: Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """One model's results. ``missing`` says why a part is None, ``seconds`` what each took."""

    model: ModelInfo
    input_size: tuple[int, ...] | None = None
    theoretical: TheoreticalResult | None = None
    effective: EffectiveResult | None = None
    sparsity: SparsityResult | None = None
    orientation: OrientationResult | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    supports: Supports | None = field(default=None, repr=False)
    epochs: tuple[MeasuredEpoch, ...] = field(default=(), repr=False)  # where a run's folder was given
    followed: tuple[str, ...] = ()  # the layers whose course the epochs show
    architecture: Wiring | None = field(default=None, repr=False)
    #: layer -> measure -> how it differs from the first of several models, measured on the same images
    paired: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict, repr=False)
    more: Mapping[str, Result[Any]] = field(default_factory=dict, repr=False)  # results of further sections, by part
    missing: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    partial: bool = False  # whether the analyses were interrupted
    sources: tuple[str, ...] = ()  # the files that the results were read from, where they were

    def part(self, name: str) -> Any:
        """The result or history that a section or a finding is about, None where it is missing."""
        return getattr(self, name) if name in OWN else self.more.get(name)

    @property
    def random(self) -> bool:
        """Whether the weights are known to be random: from no file, and drawn for this analysis."""
        drawn = self.effective is not None and bool(self.effective.draws)
        return drawn or (self.model.weights or "").startswith("random")

    @property
    def sequence(self) -> bool:
        """Whether the input has one axis: what is said then speaks of samples."""
        return self.input_size is not None and len(self.input_size) == 2

    @property
    def pruned(self) -> bool | None:
        """Whether more than a stray weight is zero; None where it was not looked at."""
        return None if self.sparsity is None else self.sparsity.total.sparsity > PRUNED

    @property
    def file(self) -> str:
        """The model's spec without any folder: a report does not tell where on a disk files were."""
        return file_name(self.model.spec)


def file_name(spec: str) -> str:
    """A model spec with the folders of its file left out.

    >>> file_name("/home/me/runs/a/best.pt"), file_name("torchvision:resnet18"), file_name("nets/mine.py:build")
    ('best.pt', 'torchvision:resnet18', 'mine.py:build')
    """
    return PurePath(spec.replace("\\", "/")).name or spec
