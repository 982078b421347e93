"""From a checkpoint of ours to a `Model`."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.files import Hashed
from rftools.loading import factories
from rftools.loading.arguments import checked
from rftools.loading.model import Model, Normalisation
from rftools.loading.state_dict import fit
from rftools.reading.limits import check

if TYPE_CHECKING:
    from torch import nn


def from_checkpoint(path: Path, content: Mapping[str, Any], model: str | None) -> Model:
    """The net that a checkpoint of ours holds, with what it says of itself.

    Raises:
        RequestError: a part is missing or is not what it should be; the weights do not fit.
    """
    from rftools.models import build, check_checkpoint
    from rftools.models.training.pruning import without_masks

    check_checkpoint(content, path.name)
    size = tuple(content["input_size"])
    check("input", prod(size), path.name)
    arch = content["arch"]
    module = _build_arch(arch, path.name, model, build)
    fit(module, content["state_dict"], path.name)
    norm = content.get("normalisation")
    return Model(
        module=module.eval(),
        spec=str(path),
        name=f"{arch['name']} ({path.name})",
        input_size=size,
        file=Hashed.of(path),
        normalisation=None if not norm else Normalisation(tuple(norm["mean"]), tuple(norm["std"])),
        classes=tuple(content["classes"]),
        metadata={
            **{key: content[key] for key in ("epoch", "history", "data", "arch", "versions") if key in content},
            "masked": tuple(sorted(without_masks(content["state_dict"])[1])),
            "chosen": f"{path.name}: {_words(content)}",
        },
    )


def _words(content: Mapping[str, Any]) -> str:
    """In one line: ``rftools:vgg-dilated, epoch 4, 3 classes``."""
    name, classes = str(content["arch"]["name"]), len(content["classes"])
    spec = name if ":" in name else f"rftools:{name}"
    return f"{spec}, epoch {content['epoch']}" + (f", {classes} classes" if classes else "")


def _build_arch(arch: Mapping[str, Any], where: str, model: str | None, build: Any) -> nn.Module:
    """The module that a checkpoint names. A name that is somebody's own code is imported only if the user says it."""
    name = str(arch["name"])
    source, colon, _ = name.partition(":")
    if "?" in name:
        raise RequestError(f"{where}: the name of its architecture holds arguments, which are not taken from a file")
    arguments = checked(source if colon else "rftools", arch.get("arguments", {}), where)
    if not colon:
        if model not in (None, f"rftools:{name}"):
            raise RequestError(f"{where} names its own architecture, rftools:{name}; leave out --model {model}")
        module: nn.Module = build(name, **arguments)
        return module
    if source not in factories.LIBRARIES and model != name:
        raise RequestError(f"{where} was trained from your own code; to have it imported, say --model {name}")
    return factories.build(name, **arguments).module
