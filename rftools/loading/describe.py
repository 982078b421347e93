"""`info`: what a file is, from its header where it has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.arguments import checked
from rftools.files import sha256_of
from rftools.loading.evidence import CONFIG, PREPROCESSOR, Config, config_beside, names_in
from rftools.loading.file_info import Architecture, FileInfo
from rftools.loading.folders import file_of
from rftools.loading.formats import Contents, read_header
from rftools.loading.load import is_weight_file, load
from rftools.loading.model import Model, Normalisation
from rftools.loading.recognition import Match, find
from rftools.loading.recognition.find import index, listed
from rftools.loading.recognition.parts import held_under, largest
from rftools.reading import nameable

if TYPE_CHECKING:
    import torch

NO_PARAMETERS = ("_mask", "num_batches_tracked", "running_mean", "running_var")  # endings of what nothing learns
PARAMETRISED = (".parametrizations.weight.original", ".weight_g")  # torch.nn.utils.parametrize, the old weight norm
WRITERS = {  # keys that a training library leaves in its files
    "pytorch-lightning_version": "PyTorch Lightning", "train_args": "Ultralytics", "arch": "a training script",
    "mmengine_version": "MMEngine",
}  # fmt: skip


@checked
def info(spec: str | Path) -> FileInfo:
    """What a file, a folder or a net's name stands for.

    Of PyTorch's files, safetensors, exported programs, Keras' and NumPy's only what describes the tensors is read, not
    their numbers.

    Raises:
        RequestError: no such file or net, or nothing that can be read.

    >>> info("rftools:vgg-dilated").parameters
    25474
    """
    text, path = str(spec), nameable(spec)
    if not is_weight_file(text):
        return _of_model(load(text), "a name", None)
    if path.is_dir():
        path = file_of(path)[0]
    found = read_header(path)
    if isinstance(found, Model):
        return _of_model(found, "ONNX file", path)
    return _of_checkpoint(path, found) if _is_ours(found) else _of_weights(path, found)


def _is_ours(found: Contents) -> bool:
    from rftools.models import is_checkpoint

    return is_checkpoint(found.content)


def _counted(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """What follows from the tensors alone."""
    masks = tuple(name.removesuffix(".weight_mask") for name in tensors if name.endswith(".weight_mask"))
    worked_out = {name.partition(part)[0] for name in tensors for part in PARAMETRISED if part in name}
    kept = {n: t for n, t in tensors.items() if not n.endswith(NO_PARAMETERS)}
    return {
        "parameters": sum(tensor.numel() for tensor in kept.values()),
        "dtypes": dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())),
        "masks": masks,
        "parametrised": tuple(sorted(worked_out)),
        "tensors": {name: tuple(tensor.shape) for name, tensor in tensors.items()},
    }


def _file(path: Path | None) -> dict[str, Any]:
    return {"sha256": path and sha256_of(path), "bytes": path and path.stat().st_size}


def _of_model(model: Model, words: str, path: Path | None) -> FileInfo:
    known = _counted(model.module.state_dict()) | {"parameters": model.parameters}
    how = "by its name" if path is None else "the file's own graph"
    return FileInfo(
        spec=str(path or model.spec), format=words,
        architecture=Architecture(model.spec, how), classes=None, input_size=model.input_size,
        normalisation=model.normalisation, globals=(), **known, **_file(path),
    )  # fmt: skip


def _of_checkpoint(path: Path, found: Contents) -> FileInfo:
    from rftools.models import check_checkpoint

    content = found.content
    check_checkpoint(content, path.name)
    name, norm = str(content["arch"]["name"]), content.get("normalisation")
    tensors, spec = content["state_dict"], name if ":" in name else f"rftools:{name}"
    versions = content.get("versions", {})
    return FileInfo(
        spec=str(path), format="checkpoint of rftools train",
        architecture=Architecture(spec, "the checkpoint names it", len(tensors), len(tensors)),
        classes=len(content["classes"]), input_size=tuple(content["input_size"]),
        normalisation=None if not norm else Normalisation(tuple(norm["mean"]), tuple(norm["std"])),
        globals=found.names, epoch=content["epoch"],
        writer=f"rftools {versions['rftools']}" if isinstance(versions, Mapping) and "rftools" in versions else None,
        sources={"input_size": "in the file"} | ({"normalisation": "in the file"} if norm else {}),
        **_counted(tensors), **_file(path),
    )  # fmt: skip


def _of_weights(path: Path, found: Contents) -> FileInfo:
    import torch

    config = config_beside(path, found.content)
    matches = listed(find(found.content), names_in(found.content))
    match = matches[0] if matches else None
    key = match.key if match else largest(found.content)
    tensors = {str(n): t for n, t in held_under(found.content, key).items() if isinstance(t, torch.Tensor)}
    epoch = found.content.get("epoch")
    return FileInfo(
        spec=str(path), format=found.format, architecture=_architecture(matches, config), globals=found.names,
        epoch=epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else None,
        writer=next((words for name, words in WRITERS.items() if name in found.content), None),
        **_of_net(match, config), **_counted(tensors), **_file(path),
    )  # fmt: skip


def _architecture(matches: list[Match], config: Config | None) -> Architecture | None:
    """The net as config.json says it, or the index; ``spec`` is None where several fit."""
    match = matches[0] if matches else None
    same = [each for each in matches if config is not None and each.spec == config.spec]
    if config is not None:
        fits = same[0] if same else None
        known = (fits.tensors, fits.of) if fits else (None, None)
        return Architecture(config.spec, f"{CONFIG} names it", *known)
    if match is None:
        return None
    if len(matches) > 1:
        words = f"by its tensors, which {len(matches)} nets have: {', '.join(each.spec for each in matches[:3])}"
        return Architecture(None, words, match.tensors, match.of)
    place = " ".join(part for part in (match.key, match.prefix) if part not in ("", "state_dict"))
    where = f" under {place}" if place else ""
    also = f"; the same tensors: {', '.join(match.same[:3])}" if match.same else ""
    return Architecture(match.spec, f"by its tensors{where}{also}", match.tensors, match.of)


def _of_net(match: Match | None, config: Config | None) -> dict[str, Any]:
    """Classes, input size and normalisation, and where they are from: config.json, the weights, the library's usual."""
    known = index()[match.spec] if match else {}
    counts = dict(match.arguments) if match else {}
    usual = tuple(known.get("input", ())) or None
    channels = next((counts[name] for name in ("in_chans", "channels", "num_channels") if name in counts), None)
    side = next((counts[name] for name in ("img_size", "image_size") if name in counts), None)
    size, source = usual, f"what {match.spec} usually takes" if match else ""
    if usual and len(usual) == 3 and side:
        size, source = (channels or usual[0], side, side), "its weights"
    elif usual and channels:
        size = (channels, *usual[1:])
    norm = known.get("norm")
    found = norm and len(norm[0]) == (size or (0,))[0] and Normalisation(tuple(norm[0]), tuple(norm[1]))
    sources = ({"input_size": source} if size else {}) | ({"normalisation": source} if found else {})
    if config and config.input_size:
        size, sources["input_size"] = config.input_size, f"{CONFIG} or {PREPROCESSOR}"
    if config and config.normalisation:
        found, sources["normalisation"] = config.normalisation, f"{CONFIG} or {PREPROCESSOR}"
    classes = next((counts[name] for name in ("num_classes", "classes", "num_labels") if name in counts), None)
    return {
        "classes": (len(config.classes) if config and config.classes else None) or classes,
        "input_size": size,
        "normalisation": found or None,
        "sources": sources,
    }
