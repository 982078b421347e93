"""`load`: one function for every kind of model spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.arguments import checked
from rftools.errors import RequestError
from rftools.loading import factories
from rftools.loading.checkpoint import from_checkpoint
from rftools.loading.fitting import PartOfFile, by_evidence, fitted
from rftools.loading.folders import file_of
from rftools.loading.foreign import ADDRESSES
from rftools.loading.formats import Contents, read_file, readers
from rftools.loading.model import Model, whole_size
from rftools.loading.own_code import defined_in
from rftools.loading.own_weights import with_own_weights
from rftools.loading.state_dict import check_finite
from rftools.reading import nameable

if TYPE_CHECKING:
    from torch import nn


@checked
def load(
    spec: str | Path,
    *,
    model: str | Path | None = None,
    weights: str | Path | None = None,
    input_size: tuple[int, ...] | None = None,
    seed: int = 0,
    strict: bool = False,
    key: str | None = None,
    prefix: str | None = None,
) -> Model:
    """Load a model from a spec: a file, a folder, the name of a library's net (``torchvision:NAME``), or a factory.

    Args:
        spec: a checkpoint that ``rftools train`` wrote, or the folder of its run (its ``best.pt``, otherwise the
            newest epoch; ``metadata["chosen"]`` says which); a folder with a config.json; a file that holds a state
            dict somewhere (``.pt .pth .ckpt .bin .safetensors``, TorchScript, ``.pt2``), whose net is recognised by
            its tensors, or is ``model``; or the spec of an architecture (``rftools:``, ``torchvision:``, ``timm:``,
            ``transformers:``), with arguments of its builder as in ``torchvision:resnet18?num_classes=10``.
        model: the architecture of a file that holds weights only: itself a spec, or another file.
        weights: a file of weights for a spec that has none of its own (its weights are random otherwise); or the name
            of a library's own weights, which it downloads: ``DEFAULT``, ``IMAGENET1K_V2``, a tag of timm's.
        input_size: ``(C, *spatial)``; goes before what the model says of itself.
        seed: of the weights of a spec that has none of its own; the random state is as before afterwards.
        strict: the weights have to fit the net as it is named: no number of classes or channels is read off them, and
            nothing may be missing or left over. Otherwise ``metadata["fit"]`` says what is.
        key: the key of the file's dict under which the weights lie (``teacher``, ``ema.state_dict``).
        prefix: what the names of the net's tensors begin with in the file (``backbone.``).

    Raises:
        RequestError: no such file, net or package; a file that is no weights; weights that do not fit.

    >>> load("rftools:vgg-dilated").parameters
    25474
    """
    from rftools.runtime.randomness import seeded

    with seeded(seed):
        loaded = _load(str(spec), _text(model), weights, seed, PartOfFile(key, prefix, strict))
    check_finite(loaded.module)
    if input_size is None:
        return loaded
    return dataclasses.replace(loaded, input_size=whole_size(input_size, loaded.module))


def _text(model: str | Path | None) -> str | None:
    return None if model is None else str(model)


def _load(text: str, model: str | None, weights: str | Path | None, seed: int, place: PartOfFile) -> Model:
    if text.startswith(ADDRESSES):
        raise RequestError(f"{text} is an address, and nothing is fetched; download the file and name that")
    for named in (text, *((weights,) if weights is not None else ())):
        nameable(named)
    if is_weight_file(text):
        if weights is not None:
            raise RequestError(f"{Path(text).name} holds weights itself; leave out --weights {weights}")
        return _from_place(Path(text), model, place)
    if model is not None:
        raise RequestError(f"{text} is an architecture itself; leave out --model {model}, or name a weight file")
    if weights is not None:
        if _is_name(text, str(weights)):
            return with_own_weights(text, str(weights))
        file = Path(weights)
        file = file_of(file)[0] if file.is_dir() else file
        return fitted(text, file, _weights_in(file), place)
    if place.named:
        raise RequestError(f"{text} is an architecture; --key and --prefix speak of a file of weights")
    loaded = factories.build(text)
    known = text.partition(":")[0] in {"rftools", *factories.LIBRARIES}
    return dataclasses.replace(loaded, weights=f"{'random' if known else 'as the factory makes them'}, seed {seed}")


def _is_name(spec: str, weights: str) -> bool:
    """Whether ``--weights`` is the name of a library's own weights, and no file."""
    return spec.startswith(("torchvision:", "timm:")) and not Path(weights).exists() and "." not in weights


def _from_place(path: Path, model: str | None, place: PartOfFile) -> Model:
    """What a file gives, or the one that a folder stands for."""
    if not path.is_dir():
        return _from_file(path, model, place)
    chosen, words = file_of(path)
    loaded = _from_file(chosen, model, place)
    inner = str(loaded.metadata.get("chosen", "")).removeprefix(f"{chosen.name}: ")
    said = "; ".join(text for text in (words, inner) if text)
    return dataclasses.replace(loaded, metadata={**loaded.metadata, "chosen": said})


def _from_file(path: Path, model: str | None, place: PartOfFile) -> Model:
    if path.suffix == ".py":
        raise RequestError(f"{path} is Python; name what makes the net: {path}:NAME{defined_in(path)}")
    if ":" not in path.name and path.suffix == "" and not path.exists():
        raise RequestError(
            f"no such file: {path} (nor a spec such as rftools:vgg-dilated, torchvision:resnet18, module:factory)"
        )
    found = read_file(path)
    if isinstance(found, Model):
        if model is not None:
            raise RequestError(f"{path.name} holds its own architecture; leave out --model {model}")
        return found
    if _is_checkpoint(found) and not place.named:
        return from_checkpoint(path, found.content, model)
    if model is not None:
        return fitted(_architecture(model, path), path, found.content, place)
    return by_evidence(path, found.content, place)


def _architecture(model: str, path: Path) -> str | Model:
    """The net that ``--model`` names, a spec; of another file its net, with that file's own arguments."""
    if not is_weight_file(model):
        return model
    other = _from_place(Path(model), None, PartOfFile())
    arch = other.metadata.get("arch")
    if arch is None:
        return other
    name = str(arch["name"])
    return name if ":" in name else f"rftools:{name}"


def _is_checkpoint(found: Contents) -> bool:
    from rftools.models import is_checkpoint

    return is_checkpoint(found.content)


def redrawn(model: Model, seed: int) -> nn.Module:
    """The architecture of a loaded model with new random weights, as its own constructor draws them.

    >>> import torch
    >>> net = load("rftools:vgg-dilated")
    >>> torch.equal(next(redrawn(net, 0).parameters()), next(net.module.parameters()))
    True

    Raises:
        RequestError: what was loaded does not name its architecture.
    """
    from rftools.runtime.randomness import seeded

    arch = model.metadata.get("arch")
    with seeded(seed):
        if model.weights is not None:
            arguments = arch["arguments"] if arch else {}
            return factories.build(model.spec, **arguments).module.eval()
        if arch is None:
            raise RequestError(f"{model.name} does not say how it was built; name its architecture instead of the file")
        name = str(arch["name"])
        spec = name if ":" in name else f"rftools:{name}"
        return factories.build(spec, **dict(arch.get("arguments", {}))).module.eval()


def is_weight_file(spec: str) -> bool:
    """Whether a spec names a file or a run's folder, and not an architecture."""
    path = nameable(spec)
    if path.name.lower().endswith(tuple(readers())) or path.is_file():
        return not (":" in path.name and path.suffix.partition(":")[0] == ".py")
    return ":" not in spec or path.is_dir()


def bare_weights(path: Path) -> Mapping[str, Any] | None:
    """What a file of weights without an architecture holds; None where the file (or the run) says what net it is of.

    Raises:
        RequestError: no such file, or nothing that can be read without running its code.
    """
    if nameable(path).is_dir():
        return None
    found = read_file(path)
    return None if isinstance(found, Model) or _is_checkpoint(found) else found.content


def _weights_in(path: Path) -> Mapping[str, Any]:
    found = read_file(path)
    if isinstance(found, Model):
        return found.module.state_dict()
    return found.content
