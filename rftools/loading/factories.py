"""Architectures by name: ours, torchvision's, timm's (transformers': `transformers_nets`; a user's own: `own_code`)."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError, closest, missing_package, reason
from rftools.loading.model import Model, Normalisation
from rftools.loading.own_code import from_own_code
from rftools.loading.transformers_nets import from_transformers
from rftools.reading import check

if TYPE_CHECKING:
    from torch import nn

LARGE = 10_000  # of an argument: the net may then be too large to build
LIBRARIES = ("torchvision", "timm", "transformers")
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def build(spec: str, **arguments: Any) -> Model:
    """The architecture that ``spec`` names, with random weights; ``?NAME=VALUE&...`` are arguments of its builder.

    Raises:
        RequestError: no such net, package or argument.
    """
    whole, (spec, _, typed) = spec, spec.partition("?")
    arguments = {**arguments, **typed_arguments(typed)}
    source, colon, name = spec.partition(":")
    known: dict[str, Callable[..., Model]] = {
        "rftools": _ours, "torchvision": _torchvision, "timm": _timm, "transformers": from_transformers,
    }  # fmt: skip
    if not colon or (source in known and not name):
        raise RequestError(
            f"{spec!r} is no model spec: give a file, rftools:NAME, torchvision:NAME, timm:NAME or module:factory"
        )
    if source not in known:
        return from_own_code(spec, **arguments)
    large = any(isinstance(value, int) and abs(value) > LARGE for value in arguments.values())
    if large or (source == "transformers" and arguments):
        _check_parameters(known[source], name, arguments, whole)
    made = _made(known[source], name, arguments, spec)
    return dataclasses.replace(made, spec=whole) if typed else made


def _made(make: Callable[..., Model], name: str, arguments: dict[str, Any], spec: str) -> Model:
    """The model; what a library's builder raises at its arguments is one line."""
    try:
        return make(name, **arguments)
    except RequestError:
        raise
    except Exception as error:
        if not arguments:
            raise
        raise RequestError(f"{spec} does not take {', '.join(arguments)} so: {reason(error)}") from error


def _check_parameters(make: Callable[..., Model], name: str, arguments: dict[str, Any], spec: str) -> None:
    """The limit of parameters, counted without room for them; of a builder that looks at values it is not known."""
    import torch

    try:
        with torch.device("meta"):
            module = make(name, **arguments).module
    except RequestError:
        raise
    except Exception:  # said when it is built in earnest
        return
    check("parameters", sum(parameter.numel() for parameter in module.parameters()), spec)


def typed_arguments(text: str) -> dict[str, Any]:
    """Arguments as they are typed after a question mark.

    >>> typed_arguments("num_classes=10&drop_rate=0.5&global_pool=avg&aux_logits=False")
    {'num_classes': 10, 'drop_rate': 0.5, 'global_pool': 'avg', 'aux_logits': False}
    """
    found: dict[str, Any] = {}
    for part in text.split("&") if text else []:
        name, equals, value = part.partition("=")
        if not equals or not name.isidentifier():
            raise RequestError(f"?{text}: arguments are given as NAME=VALUE, joined by &")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def _ours(name: str, **arguments: Any) -> Model:
    from rftools.models import NETS, build

    module = build(name, **arguments)
    size = tuple(NETS[name].input_size)
    if "channels" in arguments:
        size = (arguments["channels"], *size[1:])
    metadata = {"arch": {"name": name, "arguments": arguments}}
    return Model(module.eval(), f"rftools:{name}", name, size, metadata=metadata)


def _torchvision(name: str, **arguments: Any) -> Model:
    try:
        from torchvision import models
    except ImportError:
        raise missing_package("torchvision", "vision", "torchvision: models") from None
    names = models.list_models()
    if name not in names:
        raise RequestError(f"torchvision has no model {name!r}{closest(name, names)}")
    if name.startswith("quantized_"):
        raise RequestError(
            f"torchvision:{name} is quantised, which can't be analysed; take {name.removeprefix('quantized_')}"
        )
    size = (3, 224, 224)
    entry = models.get_model_weights(name)
    weight = next(iter(entry), None)
    crop = getattr(getattr(weight, "transforms", None), "keywords", {}).get("crop_size") if weight is not None else None
    if isinstance(crop, int) or (isinstance(crop, (list, tuple)) and len(crop) == 1):
        side = crop if isinstance(crop, int) else crop[0]
        size = (3, side, side)
    elif isinstance(crop, (list, tuple)) and len(crop) == 2:
        size = (3, 16, *crop)
    options: dict[str, Any] = {"weights": None, **arguments}
    channels = options.pop("in_chans", 3)
    if _takes(models.get_model_builder(name), "weights_backbone"):
        options.setdefault("weights_backbone", None)
    if name in {"googlenet", "inception_v3"}:
        options.setdefault("init_weights", False)  # its truncated normal takes half a minute
    module = with_channels(models.get_model(name, **options), channels).eval()
    if isinstance(own := getattr(module, "image_size", None), int):  # built for one size, whatever its weights take
        size = (3, own, own)
    norm = IMAGENET if channels == 3 else None
    return Model(module, f"torchvision:{name}", name, (channels, *size[1:]), normalisation=norm)


def with_channels(module: nn.Module, channels: int) -> nn.Module:
    """The net with a first convolution of so many input channels, as one makes it by hand where the builder can't."""
    import torch
    from torch import nn
    from torch.nn.modules.conv import _ConvNd

    first = next((child for child in module.modules() if isinstance(child, _ConvNd)), None)
    if channels == 3 or first is None or first.in_channels == channels:
        return module
    if first.groups != 1:
        raise RequestError(f"the first convolution has groups, so its channels can't become {channels}")
    first.in_channels = channels
    first.weight = nn.Parameter(torch.empty(first.weight.shape[0], channels, *first.kernel_size))
    first.reset_parameters()
    return module


def _takes(function: Callable[..., Any], argument: str) -> bool:
    import inspect

    return argument in inspect.signature(function).parameters


def _timm(name: str, **arguments: Any) -> Model:
    try:
        import timm
    except ImportError:
        raise missing_package("timm", "timm", "timm: models") from None
    if not timm.is_model(name):
        raise RequestError(f"timm has no model {name!r}{closest(name, timm.list_models())}")
    module = timm.create_model(name, pretrained=False, **arguments).eval()
    config = module.pretrained_cfg or {}
    norm = Normalisation(tuple(config["mean"]), tuple(config["std"])) if "mean" in config else None
    return Model(module, f"timm:{name}", name, tuple(config.get("input_size", (3, 224, 224))), normalisation=norm)
