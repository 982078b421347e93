"""What says which net weights belong to, beside their tensors: names inside the file, and a config.json beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rftools.errors import RequestError
from rftools.loading.arguments import TEXT, checked, of_config
from rftools.loading.model import Normalisation
from rftools.loading.recognition.parts import largest, sub_dicts
from rftools.loading.transformers_nets import input_size_of, of_kind
from rftools.reading import read_json

NAMES = ("arch", "architecture", "model_name", "model", "model_arch", "backbone", "encoder_name", "net", "name")
INSIDE = ("hyper_parameters", "hparams", "args", "config", "cfg", "opt", "model_args")
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"


@dataclass(frozen=True)
class Config:
    """A config.json of a Hugging Face folder: the net's spec and arguments, checked; input size and normalisation where
    it, or the preprocessor's beside it, says them.
    """

    spec: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    input_size: tuple[int, ...] | None = None
    normalisation: Normalisation | None = None
    classes: tuple[str, ...] = ()


def names_in(content: Mapping[str, Any]) -> tuple[str, ...]:
    """What a file calls its net: ``arch``, ``model_name`` and the like, in it or in its settings.

    >>> names_in({"arch": "resnet18", "hyper_parameters": {"model_name": "resnet50", "lr": 0.1}})
    ('resnet18', 'resnet50')
    """
    found = dict.fromkeys(_texts(content))
    for key in INSIDE:
        if isinstance(content.get(key), Mapping):
            found |= dict.fromkeys(_texts(content[key]))
    return tuple(found)


def _texts(part: Mapping[str, Any]) -> Iterator[str]:
    for key in NAMES:
        value = part.get(key)
        if isinstance(value, str) and 0 < len(value) <= TEXT:
            yield value.partition(".")[0] if ":" not in value else value


def config_beside(path: Path, content: Mapping[str, Any] | None = None) -> Config | None:
    """The net that a config.json in the file's folder describes, in timm's or transformers' way; None where there is
    none, or it describes something else. One that says its kind alone (``"model_type": "vit"``) is of the class
    that has most of the tensors in ``content``.

    Raises:
        RequestError: it is damaged, or a value in it is out of its range.
    """
    config = _read_json(path.parent / CONFIG)
    if config is None:
        return None
    where = f"{CONFIG} beside {path.name}"
    found = _of_timm(config, where) if "architecture" in config else _of_transformers(config, where, content)
    if found is None:
        return None
    size, norm = _preprocessing(_read_json(path.parent / PREPROCESSOR) or {})
    names = config.get("label_names", config.get("id2label"))
    return Config(*found[:2], size or found[2], found[3] or norm, _labels(names))


Found = tuple[str, dict[str, Any], tuple[int, ...] | None, Normalisation | None]


def _of_timm(config: Mapping[str, Any], where: str) -> Found | None:
    name = config["architecture"]
    if not isinstance(name, str) or len(name) > TEXT:
        raise RequestError(f"{where} does not say which net it is of; it is damaged")
    arguments = config.get("model_args", {})
    given = {"num_classes": config["num_classes"]} if "num_classes" in config else {}
    given |= arguments if isinstance(arguments, Mapping) else {}
    pretrained = config.get("pretrained_cfg", {})
    pretrained = pretrained if isinstance(pretrained, Mapping) else {}
    size = pretrained.get("input_size")
    valid = isinstance(size, list) and len(size) == 3 and all(isinstance(n, int) and 0 < n < 1 << 16 for n in size)
    norm = _normalisation(pretrained.get("mean"), pretrained.get("std"))
    found = tuple(int(n) for n in size) if valid and isinstance(size, list) else None
    return f"timm:{name.partition('.')[0]}", checked("timm", given, where), found, norm


def _of_transformers(config: Mapping[str, Any], where: str, content: Mapping[str, Any] | None) -> Found | None:
    kinds = config.get("architectures")
    if not isinstance(kinds, list) or not kinds or not isinstance(kinds[0], str) or len(kinds[0]) > TEXT:
        return _of_kind(config, where, content)
    arguments = of_config(config, where)
    return f"transformers:{kinds[0]}", arguments, input_size_of(SimpleNamespace(**arguments)), None


def _of_kind(config: Mapping[str, Any], where: str, content: Mapping[str, Any] | None) -> Found | None:
    kind = config.get("model_type")
    if not isinstance(kind, str) or len(kind) > TEXT or content is None:
        return None
    shapes = dict(sub_dicts(content)).get(largest(content), {})
    found = of_kind(kind, of_config(config, where), shapes)
    if found is None:
        return None
    name, arguments = found
    return f"transformers:{name}", arguments, input_size_of(SimpleNamespace(**arguments)), None


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    found = read_json(path)
    return found if isinstance(found, dict) else None


def _preprocessing(config: Mapping[str, Any]) -> tuple[tuple[int, ...] | None, Normalisation | None]:
    """Size and normalisation, as transformers' image processors name them."""
    size = config.get("crop_size", config.get("size"))
    if isinstance(size, Mapping):
        sides: Any = [size.get("height", size.get("shortest_edge")), size.get("width", size.get("shortest_edge"))]
    else:
        sides = [size, size]
    valid = all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1 << 16 for n in sides)
    norm = (
        _normalisation(config.get("image_mean"), config.get("image_std")) if config.get("do_normalize", True) else None
    )
    return ((3, *sides) if valid else None), norm


def _normalisation(mean: Any, std: Any) -> Normalisation | None:
    def numbers(part: Any) -> bool:
        return isinstance(part, list) and 0 < len(part) < 9 and all(isinstance(n, (int, float)) for n in part)

    if not numbers(mean) or not numbers(std) or len(mean) != len(std) or not all(0 < n < 1e6 for n in std):
        return None
    return Normalisation(tuple(map(float, mean)), tuple(map(float, std)))


def _labels(names: Any) -> tuple[str, ...]:
    """Names of classes, from a list or from ``{"0": "cat"}``."""
    if isinstance(names, Mapping) and all(str(key).isdecimal() for key in names):
        names = [names[key] for key in sorted(names, key=lambda key: int(str(key)))]
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
