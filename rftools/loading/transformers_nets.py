"""Nets of the transformers library: ``transformers:CLASS``, built from a configuration, never fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError, closest, missing_package
from rftools.loading.model import Model

if TYPE_CHECKING:
    from torch import nn

TASKS = (  # of the library's tables of nets by kind, those of pictures first; the net without a head last
    "MODEL_FOR_IMAGE_CLASSIFICATION", "MODEL_FOR_SEMANTIC_SEGMENTATION", "MODEL_FOR_OBJECT_DETECTION",
    "MODEL_FOR_DEPTH_ESTIMATION", "MODEL_FOR_MASKED_IMAGE_MODELING", "MODEL_FOR_AUDIO_CLASSIFICATION",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION", "MODEL_FOR_TOKEN_CLASSIFICATION", "MODEL_FOR_MASKED_LM",
    "MODEL_FOR_CAUSAL_LM", "MODEL",
)  # fmt: skip
Shapes = Mapping[str, tuple[int, ...]]


def from_transformers(name: str, **arguments: Any) -> Model:
    """The net of a class such as ``ViTForImageClassification``; ``arguments`` are those of its configuration.

    Raises:
        RequestError: transformers is missing, has no such net, or its configuration does not take an argument.
    """
    kind = net_class(name)
    config = kind.config_class()
    unknown = [each for each in arguments if not hasattr(config, each)]
    if unknown:
        raise RequestError(f"transformers:{name} does not take {', '.join(unknown)}{closest(unknown[0], vars(config))}")
    try:
        config = kind.config_class(**arguments)
        module = kind(config).eval()
    except Exception as error:  # the library checks its configurations in ways of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise RequestError(f"transformers:{name} can't be built so: {reason}") from error
    return Model(module, f"transformers:{name}", name, input_size_of(config))


def net_class(name: str) -> Any:
    """The class of that name, one of the library's nets."""
    try:
        import transformers
    except ImportError:
        raise missing_package("transformers", "transformers", "transformers: nets") from None
    kind = getattr(transformers, name, None) if name.isidentifier() else None
    base = transformers.PreTrainedModel
    if not isinstance(kind, type) or not issubclass(kind, base) or getattr(kind, "config_class", None) is None:
        known = [each for each in dir(transformers) if each.endswith("Model") or "For" in each]
        raise RequestError(f"transformers has no net {name!r}{closest(name, known)}")
    return kind


def input_size_of(config: Any) -> tuple[int, ...] | None:
    """``(C, H, W)`` of a net that sees images; None for others."""
    channels, side = getattr(config, "num_channels", None), getattr(config, "image_size", None)
    if not isinstance(channels, int) or channels < 1:
        return None
    if isinstance(side, Sequence) and len(side) == 2 and all(isinstance(n, int) and n > 0 for n in side):
        return (channels, *side)
    return (channels, side, side) if isinstance(side, int) and side > 0 else (channels, 224, 224)


def of_kind(kind: str, arguments: Mapping[str, Any], shapes: Shapes) -> tuple[str, dict[str, Any]] | None:
    """The class of a kind of net (``vit``) that has most of a file's tensors, and its arguments with as many labels as
    the file's head has; None where the library is missing, or has no such kind.
    """
    try:
        from transformers.models.auto import modeling_auto
    except ImportError:
        return None
    tables = [getattr(modeling_auto, f"{task}_MAPPING_NAMES", {}).get(kind) for task in TASKS]
    found: tuple[str, dict[str, Any]] | None = None
    best = (0, 0)
    for name in dict.fromkeys(each for each in tables if isinstance(each, str)):
        own = _shapes_of(name, arguments)
        fits = (sum(each in shapes for each in own), -len(own))
        if fits > best:
            found, best = (name, {**_labels(own, shapes), **arguments}), fits
    return found


def _shapes_of(name: str, arguments: Mapping[str, Any]) -> Shapes:
    """The tensors of a net, of which no number is made; none where it can't be built so."""
    import torch

    try:
        with torch.device("meta"):
            module = from_transformers(name, **arguments).module
    except (RequestError, RuntimeError, NotImplementedError):
        return {}
    state = module.state_dict()
    return {file: tuple(state[mine].shape) for file, mine in names_in_files(module).items()}


def _labels(own: Shapes, shapes: Shapes) -> dict[str, Any]:
    """``num_labels``, where the file's head has another number of rows than the net's."""
    other = [(own[name], shapes[name]) for name in own if name in shapes and own[name] != shapes[name]]
    rows = {given[0] for mine, given in other if given and mine[1:] == given[1:]}
    return {"num_labels": rows.pop()} if len(rows) == 1 else {}


def names_in_files(module: nn.Module) -> dict[str, str]:
    """The names that files have of a net's tensors, and its own: releases from 5 on name some of them anew in memory.

    Of other libraries' nets, and of tensors that the library merges from several, the names are the same.
    """
    own = module.state_dict(keep_vars=True)
    same = {name: name for name in own}
    if not type(module).__module__.startswith("transformers."):
        return same
    try:
        from transformers.core_model_loading import revert_weight_conversion
    except ImportError:  # before 5.0
        return same
    places = {id(tensor): name for name, tensor in own.items()}
    found = {}
    for name, tensor in revert_weight_conversion(module, dict(own)).items():
        if id(tensor) not in places:
            return same
        found[name] = places[id(tensor)]
    return found if len(found) == len(own) == len(places) else same
