"""`load`: one function for every kind of model spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.files import sha256_of
from rftools.loading import factories
from rftools.loading.model import Model, Normalisation

if TYPE_CHECKING:
    import torch
    from torch import nn

FILE_ENDINGS = frozenset({".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pt2", ".onnx"})
NOT_YET = {".pt2": "exported programs"}
PACKED = "_packed_params._packed_params"
WRAPPERS = ("state_dict", "model_state_dict", "model", "weights", "net", "network", "ema", "module")


def load(
    spec: str | Path,
    *,
    model: str | None = None,
    weights: str | Path | None = None,
    input_size: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Model:
    """Load a model from a spec: a file, ``rftools:NAME``, ``torchvision:NAME``, ``timm:NAME`` or a factory.

    Args:
        spec: a checkpoint that ``rftools train`` wrote; a plain state dict (``.pt .pth .ckpt .bin .safetensors``),
            which needs ``model``; or the spec of an architecture.
        model: the architecture, itself a spec, of a file that holds weights only.
        weights: a file of weights for a spec that has none of its own (its weights are random otherwise).
        input_size: ``(C, *spatial)``; goes before what the model says of itself.
        seed: of the weights of a spec that has none of its own; the random state is as before afterwards.

    Raises:
        RequestError: no such file, net or package; a file that is no weights; weights that do not fit.

    >>> load("rftools:vgg-dilated").parameters
    25474
    """
    from rftools.runtime.randomness import seeded

    with seeded(seed):
        loaded = _load(str(spec), model, weights, seed)
    check_finite(loaded.module)
    return loaded if input_size is None else dataclasses.replace(loaded, input_size=tuple(input_size))


def _load(text: str, model: str | None, weights: str | Path | None, seed: int) -> Model:
    if is_weight_file(text):
        loaded = _from_file(Path(text), model)
        if weights is not None:
            raise RequestError(f"{Path(text).name} holds weights itself; leave out --weights {weights}")
        return loaded
    if model is not None:
        raise RequestError(f"{text} is an architecture itself; leave out --model {model}, or name a weight file")
    loaded = factories.build(text)
    if weights is not None:
        return with_weights(loaded, Path(weights))
    known = text.partition(":")[0] in {"rftools", *factories.LIBRARIES}
    return dataclasses.replace(loaded, weights=f"{'random' if known else 'as the factory makes them'}, seed {seed}")


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
    """Whether a spec names a file, and not an architecture."""
    path = Path(spec)
    if path.suffix.lower() in FILE_ENDINGS or path.is_file():
        return not (":" in path.name and path.suffix.partition(":")[0] == ".py")
    return ":" not in spec or path.is_dir()


def _from_file(path: Path, model: str | None) -> Model:
    if path.suffix in NOT_YET:
        raise RequestError(
            f"{path.name}: {NOT_YET[path.suffix]} can't be read; give an ONNX file, or a state dict and --model SPEC"
        )
    if path.suffix == ".onnx":
        return _from_onnx(path, model)
    if ":" not in path.name and path.suffix == "" and not path.exists():
        raise RequestError(
            f"no such file: {path} (nor a spec such as rftools:vgg-dilated, torchvision:resnet18, module:factory)"
        )
    content = read_weight_file(path)
    from rftools.models import is_checkpoint

    if is_checkpoint(content):
        return _from_checkpoint(path, content, model)
    if model is None:
        raise RequestError(f"{path.name} holds weights and no architecture; name it with --model SPEC (model=SPEC)")
    return with_weights(factories.build(model), path, content)


def _from_onnx(path: Path, model: str | None) -> Model:
    from rftools.loading.formats.onnx import read_onnx

    if model is not None:
        raise RequestError(f"{path.name} holds its own architecture; leave out --model {model}")
    return read_onnx(path)


def bare_weights(path: Path) -> dict[str, Any] | None:
    """What a file of weights without an architecture holds; None where the file says what net it is of.

    Raises:
        RequestError: as `read_weight_file`.
    """
    from rftools.models import is_checkpoint

    if path.suffix == ".onnx":
        return None
    content = read_weight_file(path)
    return None if is_checkpoint(content) else content


def read_weight_file(path: Path) -> dict[str, Any]:
    """What a weight file holds: our checkpoint, or a dict that holds a state dict.

    Raises:
        RequestError: no such file, or nothing that can be read without running its code.
    """
    if not path.exists():
        raise RequestError(f"no such file: {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    from rftools.models import read_torch_file

    content = read_torch_file(path)
    if not isinstance(content, dict):
        raise RequestError(f"{path.name} holds a {type(content).__name__}, not a state dict or a checkpoint")
    return content


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except Exception as error:  # safetensors raises a class of its own for every kind of damage
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{path.name} is not a whole safetensors file: {reason}") from error


def _from_checkpoint(path: Path, content: Mapping[str, Any], model: str | None) -> Model:
    from rftools.models import build
    from rftools.models.training.pruning import without_masks

    arch = content["arch"]
    module = _build_arch(arch, path.name, model, build)
    fit(module, content["state_dict"], path.name)
    norm = content.get("normalisation")
    return Model(
        module=module.eval(),
        spec=str(path),
        name=f"{arch['name']} ({path.name})",
        input_size=tuple(int(n) for n in content["input_size"]),
        sha256=sha256_of(path),
        normalisation=None if not norm else Normalisation(tuple(norm["mean"]), tuple(norm["std"])),
        classes=tuple(content.get("classes", ())),
        metadata={
            **{key: content[key] for key in ("epoch", "history", "data", "arch", "versions") if key in content},
            "masked": tuple(sorted(without_masks(content["state_dict"])[1])),
        },
    )


def _build_arch(arch: Mapping[str, Any], where: str, model: str | None, build: Any) -> nn.Module:
    """The module that a checkpoint names. A name that is somebody's own code is imported only if the user says it."""
    name, arguments = str(arch["name"]), dict(arch.get("arguments", {}))
    source, colon, _ = name.partition(":")
    if not colon:
        if model not in (None, f"rftools:{name}"):
            raise RequestError(f"{where} names its own architecture, rftools:{name}; leave out --model {model}")
        module: nn.Module = build(name, **arguments)
        return module
    if source not in factories.LIBRARIES and model != name:
        raise RequestError(f"{where} was trained from your own code; to have it imported, say --model {name}")
    return factories.build(name, **arguments).module


def state_dict_of(content: Mapping[str, Any], where: str) -> dict[str, torch.Tensor]:
    """The state dict inside what a file holds, with wrappers' prefixes taken off.

    Raises:
        RequestError: there is none.
    """
    import torch

    for key in WRAPPERS:
        inner = content.get(key)
        if isinstance(inner, Mapping) and any(isinstance(value, torch.Tensor) for value in inner.values()):
            return state_dict_of(inner, where)
    named = (_unpacked(str(name), value) for name, value in content.items())
    state = {name: value for name, value in named if isinstance(value, torch.Tensor)}
    if not state:
        raise RequestError(f"{where} holds no tensors by name; a state dict maps names to tensors")
    for prefix in ("module.", "_orig_mod.", "model."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _unpacked(name: str, value: Any) -> tuple[str, Any]:
    """An entry of a state dict; torch's quantised linear layers keep their weight and bias in one, as a tuple."""
    if name.endswith(PACKED) and isinstance(value, tuple) and value:
        return name.removesuffix(PACKED) + "weight", value[0]
    return name, value


def with_weights(model: Model, path: Path, content: Mapping[str, Any] | None = None) -> Model:
    """``model`` with the weights of a file."""
    state = state_dict_of(read_weight_file(path) if content is None else content, path.name)
    fit(model.module, state, path.name)
    return dataclasses.replace(model, sha256=sha256_of(path), name=f"{model.name} ({path.name})")


def fit(module: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Put a state dict into a module, pruning masks applied, or say in one line what does not fit."""
    plain = applied_masks(state, where)
    own = module.state_dict()
    missing = [name for name in own if name not in plain and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in plain if name not in own]
    if missing or unexpected:
        parts = [f"lacks {missing[0]}" + _more(missing)] if missing else []
        parts += [f"has {unexpected[0]} too many" + _more(unexpected)] if unexpected else []
        raise RequestError(f"the weights in {where} do not fit {type(module).__name__}: the file {' and '.join(parts)}")
    for name, tensor in plain.items():
        if tensor.shape != own[name].shape:
            given, wanted = ("x".join(map(str, t.shape)) for t in (tensor, own[name]))
            raise RequestError(f"the weights in {where} do not fit: {name} is {given}, the model's is {wanted}")
    module.load_state_dict(plain, strict=False)


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def applied_masks(state: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """``weight_orig`` times ``weight_mask`` (torch.nn.utils.prune) as ``weight``."""
    plain: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if name.endswith("_mask") and f"{name[:-5]}_orig" in state:
            continue
        if name.endswith("_orig") and f"{name[:-5]}_mask" in state:
            plain[name[:-5]] = masked(tensor, state[f"{name[:-5]}_mask"], name[:-5], where)
        else:
            plain[name] = tensor
    return plain


def masked(weight: torch.Tensor, mask: torch.Tensor, name: str, where: str) -> torch.Tensor:
    """A weight with its pruning mask applied, or the line that says that the two do not fit."""
    if mask.shape != weight.shape:
        given, wanted = ("x".join(map(str, t.shape)) for t in (mask, weight))
        raise RequestError(f"{where}: the mask of {name} is {given}, its weight {wanted}")
    return weight * mask


def check_finite(module: nn.Module) -> None:
    """Refuse NaN and infinite weights, by the name of the layer that holds them (a buffer may be infinite: a limit)."""
    parameters = dict(module.named_parameters())
    for name, tensor in module.state_dict().items():
        if tensor.is_meta or not tensor.is_floating_point() or bool(tensor.isfinite().all()):
            continue
        if name not in parameters and not bool(tensor.isnan().any()):
            continue
        layer, _, kind = name.rpartition(".")
        bad = "NaN" if bool(tensor.isnan().any()) else "infinite"
        raise RequestError(
            f"layer {layer or name!r} has {bad} values in its {kind}; the training diverged or the file is damaged"
        )
