"""A file's weights put into a net: which part of the file, under which prefix, with how many classes and channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.files import sha256_of
from rftools.loading import factories
from rftools.loading.model import Model
from rftools.loading.recognition import Match, find
from rftools.loading.recognition.find import prefixes, sub_dicts, unmasked
from rftools.loading.state_dict import fit, state_dict_of

if TYPE_CHECKING:
    from torch import nn

NAMED = 3  # nets, keys or tensors that a line names


def recognised(content: Mapping[str, Any], where: str) -> Match:
    """The net that a file's tensors are of, by its index.

    Raises:
        RequestError: none fits, or several do that differ in what has no weights; the line says what to type.
    """
    found = find(content)
    specs = list(dict.fromkeys(match.spec for match in found))
    asked = f"{where} holds weights and no architecture; name it with --model SPEC (model=SPEC)"
    if not found:
        raise RequestError(f"{asked}; {_what_is_held(content)}")
    same = {_bare(spec) for spec in specs}
    if len(same) > 1:
        more = f" and {len(specs) - NAMED} more" if len(specs) > NAMED else ""
        raise RequestError(f"{asked}: its tensors fit {', '.join(specs[:NAMED])}{more}")
    return found[0]


def _bare(spec: str) -> str:
    """A net's name; torchvision's and timm's of one name and the same tensors are the same net."""
    source, _, name = spec.partition(":")
    return spec if source == "rftools" else name.removeprefix("tv_")


def _what_is_held(content: Mapping[str, Any]) -> str:
    keys = [str(key) for key in content][:NAMED]
    first = [
        f"{name} {'x'.join(map(str, shape))}" for _, shapes in sub_dicts(content) for name, shape in shapes.items()
    ]
    return f"it holds {', '.join(keys)}{', ...' if len(content) > NAMED else ''}" + (
        f"; its first tensors are {', '.join(first[:NAMED])}" if first else "; no tensor is in it"
    )


def fitted(spec: str | Match, path: Path, content: Mapping[str, Any], strict: bool) -> Model:
    """The net that ``spec`` names, with the weights of a file.

    Unless ``strict``, the numbers of classes and channels are read off the weights, a head that the file lacks is left
    as it was drawn, and what the net has no place for is left out; ``metadata["fit"]`` says all of it.

    Raises:
        RequestError: the weights do not fit.
    """
    match = spec if isinstance(spec, Match) else None if strict else _match_of(spec, content)
    name = match.spec if match else str(spec)
    model = factories.build(name, **(match.arguments if match and "?" not in name else {}))
    part, words = (_at(content, match.key, match.prefix), match.words) if match else (None, "")
    if part is None:
        part, words = (
            (state_dict_of(content, path.name), "") if strict else _best_part(model.module, content, path.name)
        )
    left = fit(model.module, part, path.name, strict=strict, spare=match is not None)
    said = "; ".join(
        text for text in (words if isinstance(spec, Match) or not match or _is_news(match) else "", left) if text
    )
    arch = {"arch": {"name": match.spec, "arguments": dict(match.arguments)}} if match else {}
    metadata = {**model.metadata, **arch, **({"fit": said, "chosen": f"{path.name}: {said}"} if said else {})}
    return dataclasses.replace(
        model, spec=str(path) if isinstance(spec, Match) else model.spec, sha256=sha256_of(path),
        name=f"{model.name} ({path.name})", metadata=metadata,
    )  # fmt: skip


def _is_news(match: Match) -> bool:
    """Whether a match of the net that was named says more than that it fits."""
    counts = match.arguments.items() - match.usual.items()
    return bool(match.prefix or counts or match.tensors < match.of)


def _match_of(spec: str, content: Mapping[str, Any]) -> Match | None:
    """The match of a net that the user names; None where the index does not have it."""
    return next((match for match in find(content) if match.spec == spec), None)


def _at(content: Mapping[str, Any], key: str, prefix: str) -> dict[str, Any]:
    """The tensors under ``key`` (a path of keys) whose names begin with ``prefix``, without it."""
    import torch

    for part in key.split(".") if key else []:
        content = content[part]
    return {
        name.removeprefix(prefix): value
        for name, value in content.items()
        if isinstance(value, torch.Tensor) and str(name).startswith(prefix)
    }


def _best_part(module: nn.Module, content: Mapping[str, Any], where: str) -> tuple[dict[str, Any], str]:
    """The sub-dict and the prefix under which most of the module's tensors are found; the usual ones where none is."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    usual = state_dict_of(content, where) if any(True for _ in sub_dicts(content)) else {}
    shapes = unmasked({name: tuple(tensor.shape) for name, tensor in usual.items()})
    best, most = None, sum(shapes.get(name) == shape for name, shape in own.items())
    for key, held in sub_dicts(content):
        for prefix in prefixes(held):
            fits = sum(held.get(prefix + name) == shape for name, shape in own.items())
            if fits > most:
                best, most = (key, prefix), fits
    if best is None:
        return usual or state_dict_of(content, where), ""
    return _at(content, *best), f"weights from {best[0] or 'the file'}, prefix {best[1] or 'none'}"
