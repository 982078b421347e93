"""What is said of effective fields beside their table: the images, the order of a series, how precision ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rftools.erf.comparison import EffectiveComparison
    from rftools.erf.result import EffectiveResult
    from rftools.loading import Model

NAMED = 3  # skipped files that are named


def in_order(models: Sequence[Model]) -> tuple[list[Model], list[str]]:
    """The models with their labels: different epochs of one run by epoch, else as given, by their names."""
    epochs = {int(model.metadata["epoch"]): model for model in models if "epoch" in model.metadata}
    if len(epochs) == len(models) and _one_run(models):
        return [epochs[epoch] for epoch in sorted(epochs)], [f"epoch {epoch}" for epoch in sorted(epochs)]
    return list(models), [model.name for model in models]


def _one_run(models: Sequence[Model]) -> bool:
    """Whether the files lie in one folder, each one's history goes on from another's, and none was pruned since."""
    told = sorted((list(model.metadata.get("history", ())) for model in models), key=len)
    nested = all(later[: len(earlier)] == earlier for earlier, later in pairwise(told))
    return nested and len({PurePath(model.spec).parent for model in models}) == 1 and not any(map(_pruned, models))


def _pruned(model: Model) -> bool:
    """Whether a file has masks that its training knows nothing of, or is trained on beyond its history."""
    history = model.metadata.get("history", ())
    if not history:
        return bool(model.metadata.get("masked"))
    masks = bool(model.metadata.get("masked")) and history[-1].get("sparsity") is None
    return masks or int(history[-1].get("epoch", model.metadata["epoch"])) != int(model.metadata["epoch"])


def notes_of(result: EffectiveResult) -> list[str]:
    """What a table does not show: the images, what was skipped, what happened on the way."""
    lines = [f"images: {result.source}, normalisation: {normalisation_in_words(result.normalisation)}"]
    if result.skipped:
        names = ", ".join(result.skipped[:NAMED]) + (" and so on" if len(result.skipped) > NAMED else "")
        lines.append(f"skipped {len(result.skipped)} files that can't be read: {names}")
    if result.draws is not None:
        lines.append("random weights: {draws} draws, {init}, {images_per_draw} images each".format(**result.draws))
    if result.precision is not None:
        lines.append(precision_line(result.precision))
    if result.partial:
        lines.append("interrupted: this is what was done until then")
    return [*lines, *result.events]


def notes_of_comparison(result: EffectiveComparison, models: int) -> list[str]:
    """As `notes_of`, for several models on the same images, of which ``models`` were asked for."""
    lines = notes_of(result.results[0])
    if result.partial:
        lines.append(f"interrupted: {len(result.labels)} of {models} models are done")
    if result.left_out:
        lines.append(f"left out, since not all have them: {', '.join(result.left_out)}")
    return lines


def normalisation_in_words(norm: object) -> str:
    """How images were scaled.

    >>> normalisation_in_words({"mean": [0.485, 0.456], "std": [0.229, 0.224]})
    'mean 0.485, 0.456 and deviation 0.229, 0.224 a channel'
    >>> normalisation_in_words({"mean": [0.5, 0.5], "std": [0.25, 0.25]}), normalisation_in_words(None)
    ('mean 0.5 and deviation 0.25', 'unknown (inputs as they are)')
    """
    if norm is None:
        return "unknown (inputs as they are)"
    if not isinstance(norm, Mapping):
        return str(norm)
    mean, std = tuple(norm["mean"]), tuple(norm["std"])
    if set(mean) == {0.0} and set(std) == {1.0}:
        return "none (values from 0 to 1)"
    if len(set(mean)) == len(set(std)) == 1:
        return f"mean {mean[0]:.4g} and deviation {std[0]:.4g}"
    return f"mean {_listed(mean)} and deviation {_listed(std)} a channel"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def precision_line(stated: Mapping[str, Any]) -> str:
    """How a search for a precision ended."""
    asked = f"{', '.join(stated['measures'])} within {100 * stated['asked']:g} %"
    if "by_layer" in stated:
        return _enough_line(asked, stated)
    if stated["reached"]:
        return f"precision: {asked} after {stated['images']} images"
    worst = max(stated["missed"], key=lambda miss: miss["half_width"] or float("inf"))
    width = "undefined" if worst["half_width"] is None else f"{100 * worst['half_width']:.2g} %"
    where = f"{worst['measure']} of {worst['layer'] or 'the model'} is {width}"
    return f"precision: {asked} was not reached with {stated['images']} images; {where}"


def _enough_line(asked: str, stated: Mapping[str, Any]) -> str:
    """How many images were enough, where it was for rftools to say."""
    each = " a layer" if stated["by_layer"] else ""
    line = f"images{each}: as many as it took for {asked}, at most {stated['images']} were needed"
    wide = [miss["layer"] or "the model" for miss in stated["missed"]]
    if not wide:
        return line
    more = f" and {len(wide) - NAMED} more" if len(wide) > NAMED else ""
    return f"{line}; not so well known: {', '.join(wide[:NAMED])}{more} (--count or --precision takes more)"
