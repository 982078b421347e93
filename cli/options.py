"""Words that commands share, each stated once: everywhere they are spelt, mean and say the same.

The parsed values of a command's own words come as one frozen object, see `packed`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

FILE = click.Path()  # so that shells complete file names
MOST = 2**31 - 1  # of whole numbers that are counted with


def whole(least: int, most: int = MOST) -> click.IntRange:
    """The type of a whole number within ``least`` and ``most``."""
    return click.IntRange(least, most)


class Finite(click.types.FloatParamType):
    """The type of a number that is neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return found


FINITE = Finite()


def packed(kind: type[Any], name: str, *options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Add options to a command, which gets their values as one ``kind`` under ``name``: a dataclass with their names,
    or a dict where they only go on.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Size:
    ...     width: int
    >>> @click.command()
    ... @packed(Size, "size", click.option("--width", default=3))
    ... def command(size):
    ...     print(size)
    >>> command.main([], standalone_mode=False)
    Size(width=3)
    """
    names = _named(options)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            own = kind(**{each: given.pop(each) for each in names})
            return function(**given, **{name: own})

        wrapped: Any = command
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def _named(options: Sequence[Callable[[Any], Any]]) -> list[str]:
    """What parameters call the values of options."""

    def bare() -> None: ...

    for option in options:
        option(bare)
    given: list[click.Parameter] = bare.__click_params__  # type: ignore[attr-defined]
    return [parameter.name for parameter in given if parameter.name and parameter.expose_value]


def by_commas(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values of a repeatable option, each of which may hold several between commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def layers_with(metavar: str, more: str = "") -> Callable[[F], F]:
    """``--layers``; patterns may carry something of the command's own."""
    says = "Only layers of that name or pattern (layer4.*, *.conv?); several by commas, or repeated."
    return click.option(
        "--layers", "--layer", "layers", metavar=metavar, multiple=True, callback=by_commas, help=says + more
    )


layers = layers_with("PATTERN")
objects = click.option(
    "--objects", "--object", "objects", metavar="WxH", multiple=True, callback=by_commas,
    help="An object of so many pixels that a unit should see whole; several by commas, or repeated.",
)  # fmt: skip
device = click.option(
    "--device", metavar="NAME", default="auto", show_default=True, help="Where nets run: auto, cpu or cuda."
)
seed = click.option(
    "--seed",
    metavar="N",
    default=0,
    show_default=True,
    type=whole(0, 2**32 - 1),
    help="Of all that is random, weights too.",
)
images = click.option(
    "--images", metavar="SOURCE", type=FILE,
    help="Pictures: a FOLDER, a FILE (picture, NPY or NPZ), patches, cifar10, ..., or white or pink noise. Default: "
    "the held-out part of a checkpoint's own data.",
)  # fmt: skip
unit = click.option(
    "--unit", metavar="i,j", help="The output unit: by default the centre of each layer's map; or class (the token)."
)
picture = click.option(
    "--picture", metavar="FILE", type=FILE, help="An image to draw fields on, instead of a neutral one."
)
data_dir = click.option(
    "--data-dir", metavar="DIR", type=FILE, help="Where the files of cifar or the pictures of folder are."
)


def _lifted(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    """Limits hold for the command and no longer."""
    from rftools.cli.parsing import parse_limits
    from rftools.reading.limits import limits

    ctx.with_resource(limits(**parse_limits(values)))


limit = click.option(
    "--limit", metavar="NAME=N", multiple=True, expose_value=False, is_eager=True, callback=_lifted,
    help="How much a file may ask for, where a refusal names it: input=1000000000; may be repeated.",
)  # fmt: skip


def data(more: str = "", *, required: bool = False) -> Callable[[F], F]:
    """``--data``."""
    says = "What is trained on: patches, mnist5k, cifar10, cifar100, folder, or a task by rule: marks, discs, recall."
    return click.option("--data", "data_name", metavar="NAME", required=required, help=says + more)


def of_input(default: int | str) -> Callable[[F], F]:
    """``--of-input``; a name where the default is text."""
    says = "Which of several inputs is meant, from 0."
    kind: Any = str if isinstance(default, str) else whole(0)
    return click.option("--of-input", "of", metavar="N", type=kind, default=default, help=says)


def count(default: int | None, says: str = "How many images at most.") -> Callable[[F], F]:
    """``--count``."""
    return click.option("--count", metavar="N", type=whole(1), default=default, show_default=True, help=says)


def batch_size(default: int) -> Callable[[F], F]:
    """``--batch-size``; the default is the command's own."""
    return click.option(
        "--batch-size", metavar="N", default=default, show_default=True, type=whole(1),
        help="How many images go through the net at a time.",
    )  # fmt: skip


def group_by(*groups: str) -> Callable[[F], F]:
    """``--group-by``; the first group is the default."""
    return click.option(
        "--group-by", type=click.Choice(groups), default=groups[0], show_default=True, help="What a row is."
    )
