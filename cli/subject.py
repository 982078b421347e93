"""SPEC and what goes with it: which model a command speaks of."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rftools.cli.options import FILE, limit, packed, seed
from rftools.cli.parsing import parse_size
from rftools.cli.talk import say_first
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model

F = TypeVar("F", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Specs:
    """One SPEC or several, as given, and what was said about them."""

    specs: tuple[str, ...]
    model: str | None
    weights: str | None
    input_size: str | None
    seed: int
    key: str | None = None
    prefix: str | None = None
    strict: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """What is read."""
        return tuple(word for word in (*self.specs, self.model, self.weights) if word is not None)

    def expanded(self) -> Specs:
        """With patterns of file names that no shell has expanded.

        Raises:
            RequestError: a pattern that no file matches.
        """
        found: list[str] = []
        for spec in self.specs:
            pattern = any(sign in spec for sign in "*?[") and ":" not in spec
            files = sorted(glob.glob(spec)) if pattern else [spec]
            if not files:
                raise RequestError(f"no file matches {spec}")
            found += files
        return dataclasses.replace(self, specs=tuple(found))

    def load(self) -> Model:
        """The model, where there is one SPEC."""
        return self.load_one(self.specs[0])

    def load_one(self, spec: str) -> Model:
        """The model that one of the SPECs names; of a run's folder the line that says which checkpoint it is."""
        from rftools.loading import load

        sizes = [] if self.input_size is None else [parse_size(part) for part in self.input_size.split(",")]
        size = sizes[0] if sizes else None
        place: dict[str, Any] = {"key": self.key, "prefix": self.prefix, "strict": self.strict}
        loaded = load(spec, model=self.model, weights=self.weights, input_size=size, seed=self.seed, **place)
        if chosen := loaded.metadata.get("chosen"):
            say_first(chosen)
        return dataclasses.replace(loaded, other_inputs=tuple(sizes[1:])) if sizes[1:] else loaded

    def weights_of(self, spec: str) -> Model | Path:
        """What has the weights: a loaded model, or the path of a file that holds no architecture."""
        from rftools.loading.fitting import recognised
        from rftools.loading.load import bare_weights, is_weight_file

        named = (self.model, self.weights, self.key, self.prefix)
        bare = all(word is None for word in named) and not self.strict and is_weight_file(spec)
        content = bare_weights(Path(spec)) if bare else None
        if content is None:
            return self.load_one(spec)
        try:
            words = recognised(content, spec).words
        except RequestError:  # weights of nobody's net are counted all the same
            words = "weights without an architecture, of no one net that is known"
        say_first(f"{Path(spec).name}: {words}")
        return Path(spec)


def _specs(ctx: click.Context, parameter: click.Parameter, value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


WORDS = (
    click.option(
        "--model",
        metavar="SPEC",
        type=FILE,
        help="Architecture for a SPEC that holds weights only; a file's is taken too.",
    ),
    click.option(
        "--weights",
        metavar="FILE|NAME",
        type=FILE,
        help="Weights for a SPEC that has none of its own: a file, or the library's own by name (DEFAULT, "
        "IMAGENET1K_V2, a tag of timm's), which it downloads.",
    ),
    click.option("--key", metavar="NAME", help="Where in the file the weights lie: teacher, ema.state_dict."),
    click.option("--prefix", metavar="TEXT", help="What the names of the net's tensors begin with: backbone."),
    click.option("--strict", is_flag=True, help="Refuse weights that do not all fit and pictures that can't be read."),
    click.option(
        "--input-size",
        metavar="CxHxW",
        help="Input size without the batch (CxL, CxHxW, CxDxHxW); several inputs by commas.",
    ),
    seed,
    limit,
)


def one(function: F) -> F:
    """SPEC and what goes with it; the command gets ``subject``, a `Specs`."""
    return packed(Specs, "subject", click.argument("specs", metavar="SPEC", type=FILE, callback=_specs), *WORDS)(
        function
    )


def several(function: F) -> F:
    """As `one`, for one SPEC or several."""
    specs = click.argument("specs", metavar="SPEC [SPEC ...]", type=FILE, nargs=-1, required=True)
    return packed(Specs, "subject", specs, *WORDS)(function)
