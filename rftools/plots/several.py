"""What sheets over several models share: their labels, their common layers, and the choice that fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.plots.scene import Panel, Scene, even, of_all

if TYPE_CHECKING:
    from rftools.results import ModelInfo, Result

WIDE = 6  # panels side by side
HIGH = 8  # rows


def sheet(
    results: Sequence[Result[Any]],
    names: Sequence[str],
    panel: Callable[[str, Any], Panel],
    *,
    size: tuple[int, int],
    title: str,
    caption: str,
    alt: str,
) -> Scene:
    """One row a model, one column a layer; even choices of both where there are more than fit, which is said.

    Args:
        panel: draws a model's row of a layer, from the model's label and the row.
        alt: what the small drawings are, before "of n layers of these models".
    """
    shown, picked = even(results, HIGH), even(names, WIDE)
    whose = labels([result.model for result in shown])
    left = of_all(shown, results, "models") + of_all(picked, names)
    return Scene(
        panels=tuple(panel(label, result[name]) for label, result in zip(whose, shown) for name in picked),
        columns=len(picked),
        size=size,
        title=title,
        caption=f"{caption} One row a model, one column a layer.{left}",
        alt=f"{alt} of {len(picked)} layers of {', '.join(whose)}.",
    )


def labels(models: Sequence[ModelInfo]) -> list[str]:
    """What tells the models apart: their files' names, with folders where names repeat, else their own names.

    >>> from rftools.results import ModelInfo
    >>> labels([ModelInfo(spec, "vgg", None, 0) for spec in ("a/epoch-1.pt", "a/epoch-2.pt")])
    ['epoch-1', 'epoch-2']
    >>> labels([ModelInfo(spec, "vgg", None, 0) for spec in ("a/best.pt", "b/best.pt")])
    ['a/best', 'b/best']
    """
    for parts in range(1, 4):
        found = [_end(model, parts) for model in models]
        if len(set(found)) == len(found):
            return found
    return [f"{i + 1}: {_end(model, 1)}" for i, model in enumerate(models)]


def _end(model: ModelInfo, parts: int) -> str:
    path = PurePath(model.spec)
    file = path.suffix in {".pt", ".pth", ".ckpt", ".bin", ".safetensors"}
    return "/".join(path.with_suffix("").parts[-parts:]) if file else model.name


def shared_layers(names: Sequence[Sequence[str]], asked: Sequence[str] | None) -> list[str]:
    """The layers that all models have, in the first one's order, or those asked for."""
    both = [name for name in names[0] if all(name in own for own in names[1:])]
    for name in asked or ():
        if name not in both:
            raise RequestError(f"layer {name!r} is not in all {len(names)} models with kernels that can be drawn")
    found = list(asked) if asked else both
    if not found:
        raise RequestError("the models share no layer with kernels that can be drawn; give models of one architecture")
    return found
