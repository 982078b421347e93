"""A file's weights put into a net: which part of the file, under which prefix, with how many classes and channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.files import Hashed
from rftools.loading import factories
from rftools.loading.evidence import CONFIG, Config, config_beside, names_in
from rftools.loading.lean import without_numbers
from rftools.loading.model import Model
from rftools.loading.recognition import Match, find
from rftools.loading.recognition.find import all_matches, listed
from rftools.loading.recognition.parts import held_under, parts, sub_dicts
from rftools.loading.state_dict import WeightFit, applied_masks, fit, state_dict_of
from rftools.loading.tensors import dense
from rftools.loading.transformers_nets import names_in_files

if TYPE_CHECKING:
    from torch import nn

NAMED = 3  # nets, keys or tensors that a line names


@dataclass(frozen=True)
class PartOfFile:
    """Where in a file the weights are, as the user names it, and whether all has to fit."""

    key: str | None = None
    prefix: str | None = None
    strict: bool = False

    @property
    def named(self) -> bool:
        return self.key is not None or self.prefix is not None


def recognised(
    content: Mapping[str, Any], where: str, place: PartOfFile = PartOfFile(), names: tuple[str, ...] = ()
) -> Match:
    """The net that a file's tensors are of, by its index; ``names`` are what the file calls it.

    Raises:
        RequestError: none fits, or several do that differ in what has no weights; the line says what to type.
    """
    found = find(content, place.key, place.prefix)
    asked = f"{where} holds weights and no architecture; name it with --model SPEC (model=SPEC)"
    if not found:
        _check_place(content, where, place)
        raise RequestError(f"{asked}; {_what_is_held(content)}")
    best = listed(found, names)
    if len(best) > 1:
        more = f" and {len(best) - NAMED} more" if len(best) > NAMED else ""
        typed = ", ".join(f"--model {match.spec}" for match in best[:NAMED])
        raise RequestError(
            f"{asked}: its tensors fit {len(best)} nets that differ in what has no weights: {typed}{more}"
        )
    return best[0]


def _check_place(content: Mapping[str, Any], where: str, place: PartOfFile) -> None:
    """Whether there are tensors under the key and the prefix that were named."""
    if place.named and not any(True for _ in parts(content, place.key, place.prefix)):
        keys = [key or "the file itself" for key, _ in sub_dicts(content)]
        held = f"tensors lie under {', '.join(keys[:NAMED])}" if keys else "no tensor is in it"
        said = [f"{option} {given}" for option, given in (("--key", place.key), ("--prefix", place.prefix)) if given]
        raise RequestError(
            f"{where} has no tensors under {' '.join(said)}; {held}; rftools info {where} --keys lists them"
        )


def _what_is_held(content: Mapping[str, Any]) -> str:
    keys = [str(key) for key in content][:NAMED]
    first = [
        f"{name} {'x'.join(map(str, shape))}" for _, shapes in sub_dicts(content) for name, shape in shapes.items()
    ]
    return f"it holds {', '.join(keys)}{', ...' if len(content) > NAMED else ''}" + (
        f"; its first tensors are {', '.join(first[:NAMED])}" if first else "; no tensor is in it"
    )


def by_evidence(path: Path, content: Mapping[str, Any], place: PartOfFile) -> Model:
    """The net of a file: as a config.json beside it says, otherwise by its tensors and by what the file calls it.

    Raises:
        RequestError: neither says which net it is, or the config's does not fit.
    """
    config = config_beside(path, content)
    if config is not None:
        try:
            return _as_configured(config, path, content, place)
        except RequestError:
            if not find(content, place.key, place.prefix):  # the file may be of another net than the config
                raise
    return fitted(recognised(content, path.name, place, names_in(content)), path, content, place)


def _as_configured(config: Config, path: Path, content: Mapping[str, Any], place: PartOfFile) -> Model:
    model = factories.build(config.spec, **config.arguments)
    arch = {"name": config.spec, "arguments": dict(config.arguments)}
    model = dataclasses.replace(
        model, input_size=config.input_size or model.input_size, classes=config.classes,
        normalisation=config.normalisation or model.normalisation, metadata={**model.metadata, "arch": arch},
    )  # fmt: skip
    found = fitted(model, path, content, place)
    said = f"{config.spec}, as {CONFIG} says; {found.metadata.get('fit', 'all tensors fit')}"
    return dataclasses.replace(
        found, spec=str(path), metadata={**found.metadata, "fit": said, "chosen": f"{path.name}: {said}"}
    )


def fitted(
    spec: str | Match | Model, path: Path, content: Mapping[str, Any], place: PartOfFile = PartOfFile()
) -> Model:
    """The net that ``spec`` names or is, with the weights of a file.

    Unless ``place.strict``, the numbers of classes and channels are read off the weights, a head that the file lacks is
    left as it was drawn, and what the net has no place for is left out; ``metadata["fit"]`` says all of it.

    Raises:
        RequestError: the weights do not fit.
    """
    match = spec if isinstance(spec, Match) else _match_of(spec, content, place) if isinstance(spec, str) else None
    if match:
        part, words = _at(content, match.key, match.prefix), match.words
        build = partial(factories.build, match.spec, **match.arguments)
        model = without_numbers(build, applied_masks(dense(part, path.name), path.name)) or build()
    else:
        model = spec if isinstance(spec, Model) else factories.build(str(spec))
        _check_place(content, path.name, place)
        part, words = _best_part(model.module, content, path.name, place)
    names = names_in_files(model.module)
    part = {names.get(name, name): tensor for name, tensor in part.items()}
    found = fit(model.module, part, path.name, strict=place.strict)
    if not isinstance(spec, Match) and match and not _is_news(match):
        words = ""
    return _described(model, path, match, isinstance(spec, Match), (words, found))


def _described(model: Model, path: Path, match: Match | None, found: bool, how: tuple[str, WeightFit]) -> Model:
    """The model with where it is from; ``found``: its architecture is from the file."""
    words, fits = how
    said = "; ".join(text for text in (words, fits.words) if text)
    metadata = dict(model.metadata)
    if match:
        name, _, typed = match.spec.partition("?")
        metadata["arch"] = {"name": name, "arguments": {**match.arguments, **factories.typed_arguments(typed)}}
    if said:
        metadata |= {"fit": said, "chosen": f"{path.name}: {said}"}
    return dataclasses.replace(
        model, spec=str(path) if found else model.spec, file=Hashed.of(path), name=f"{model.name} ({path.name})",
        metadata=metadata, weights=None,
    )  # fmt: skip


def _is_news(match: Match) -> bool:
    """Whether a match of the net that was named says more than that it fits."""
    counts = match.arguments.items() - match.usual.items()
    return bool(match.key not in ("", "state_dict") or match.prefix or counts or match.tensors < match.of)


def _match_of(spec: str, content: Mapping[str, Any], place: PartOfFile) -> Match | None:
    """The match of a net that the user names; None where the index does not have it, or nothing may be read off."""
    if place.strict:
        return None
    named = (spec, spec.partition("?")[0])
    found = [match for match in all_matches(content, place.key, place.prefix) if match.spec in named]
    best = max(found, key=lambda match: (match.spec == spec, match.tensors), default=None)
    return best and dataclasses.replace(best, spec=spec)


def _at(content: Mapping[str, Any], key: str, prefix: str) -> dict[str, Any]:
    """The tensors under ``key`` (a path of keys) whose names begin with ``prefix``, without it."""
    import torch

    return {
        str(name).removeprefix(prefix): value
        for name, value in held_under(content, key).items()
        if isinstance(value, torch.Tensor) and str(name).startswith(prefix)
    }


def _best_part(
    module: nn.Module, content: Mapping[str, Any], where: str, place: PartOfFile
) -> tuple[dict[str, Any], str]:
    """The sub-dict and the prefix under which most of the module's tensors are found; the usual ones where none is."""
    state = module.state_dict()
    own = {name: tuple(state[mine].shape) for name, mine in names_in_files(module).items()}
    best, most = None, 0
    for part in parts(content, place.key, place.prefix, least=1):
        fits = sum(part.shapes.get(name) == shape for name, shape in own.items())
        if fits > most:
            best, most = (part.key, part.prefix), fits
    if best is None:
        return state_dict_of(content, where), ""
    said = best[0] not in ("", "state_dict") or best[1]
    return _at(content, *best), f"weights from {best[0] or 'the file'}, prefix {best[1] or 'none'}" if said else ""
