"""What is asked of a pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from rftools.errors import RequestError, closest
from rftools.models.training.schedules import parse_pattern, parse_share

# method: the weights that it compares with each other where nothing else is asked
METHODS = {"magnitude": "layer", "random": "layer", "per-kernel": "kernel", "gradient": "layer", "wanda": "filter"}
NEED_PICTURES = ("gradient", "wanda")
SCOPES = ("kernel", "filter", "layer", "global")
FIELDS = ("kernel", "layer")


class Options(TypedDict, total=False):
    """The fields of a `Request`, which says what each means and what it is where it is not given."""

    sparsity: float | None
    taps: int | None
    method: str
    scope: str | None
    layers: tuple[str, ...]
    depthwise: bool
    keep_field: str | None
    balance: bool
    near: float
    allow_dead_layers: bool
    seed: int


@dataclass(frozen=True)
class Request:
    """How to prune: to a ``sparsity`` (the share set to zero), to at most ``taps`` in each kernel, or both.

    ``method`` scores weights (`METHODS`), ``scope`` says which of them are compared with each other. ``layers`` are
    patterns (``PATTERN`` or ``PATTERN=SPARSITY``); depthwise kernels only if ``depthwise``. ``keep_field``: each
    ``kernel`` that keeps a tap, or each ``layer``, still spans its box. ``balance``: taps are exchanged for others,
    within the share ``near`` of each kernel's best score, to make each filter's pooled inertia isotropic.
    """

    sparsity: float | None = None
    taps: int | None = None
    method: str = "magnitude"
    scope: str | None = None
    layers: tuple[str, ...] = ()
    depthwise: bool = False
    keep_field: str | None = None
    balance: bool = False
    near: float = 0.8
    allow_dead_layers: bool = False
    seed: int = 0

    @property
    def compared(self) -> str:
        """The scope, the method's own where none is given."""
        return self.scope or METHODS[self.method]

    def check(self) -> None:
        """Raise `RequestError` for what can't be asked, or asked together."""
        if self.method not in METHODS:
            raise RequestError(
                f"no method {self.method!r}{closest(self.method, METHODS)}; there are {', '.join(METHODS)}"
            )
        for name, value, known in (("scope", self.scope, SCOPES), ("keep-field", self.keep_field, FIELDS)):
            if value is not None and value not in known:
                raise RequestError(f"no {name} {value!r}; there are {', '.join(known)}")
        if self.sparsity is None and self.taps is None:
            raise RequestError("nothing says how much to prune; give --sparsity 0.9, --keep 0.1 or --taps 2")
        if self.sparsity is not None:
            parse_share(self.sparsity)
        parse_share(self.near, "near")
        if self.taps is not None and self.taps < 1:
            raise RequestError(f"--taps is {self.taps}; it takes a whole number from 1")
        if self.method == "per-kernel" and self.compared != "kernel":
            raise RequestError(f"method per-kernel compares within a kernel, not within --scope {self.scope}")
        if self.keep_field == "kernel" and self.taps == 1:
            raise RequestError("one tap spans no box: with --keep-field take --taps from 2, or --keep-field layer")
        self._check_own_sparsities()

    def _check_own_sparsities(self) -> None:
        own = [share for _, share in map(parse_pattern, self.layers) if share is not None]
        if own and self.compared == "global":
            raise RequestError("a global threshold has one sparsity for all; leave out =SPARSITY, or take scope layer")
        if own and self.sparsity is None:
            raise RequestError("layers have a sparsity of their own but the others none; give --sparsity or --keep too")
