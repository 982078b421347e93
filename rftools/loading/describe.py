"""`info`: what a file is, from its header where it has one."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools._version import __version__
from rftools.arguments import checked
from rftools.errors import RequestError
from rftools.files import sha256_of, write_text
from rftools.loading.foreign import refuse_foreign
from rftools.loading.formats import Contents, read_file
from rftools.loading.load import is_weight_file, load
from rftools.loading.model import Model, Normalisation
from rftools.loading.recognition import find
from rftools.loading.recognition.find import sub_dicts
from rftools.loading.runs import checkpoint_of
from rftools.reading import nameable
from rftools.results import plain

if TYPE_CHECKING:
    import torch

TORCH = (".pt", ".pth", ".ckpt", ".bin")
NO_PARAMETERS = ("_mask", "num_batches_tracked", "running_mean", "running_var")  # endings of what nothing learns


@dataclass(frozen=True)
class Architecture:
    """Which net it is, how that is known, and how many of its tensors are in the file; ``spec`` is None where several
    fit.
    """

    spec: str | None
    how: str
    fits: int | None = None
    of: int | None = None


@dataclass(frozen=True, repr=False)
class FileInfo:
    """What a file says of itself. ``dtypes`` counts tensors; ``globals`` are the names in its pickle, none of which is
    imported; ``masks`` the layers that have a pruning mask; ``tensors`` maps names to shapes.
    """

    spec: str
    format: str
    architecture: Architecture | None
    parameters: int
    dtypes: Mapping[str, int]
    classes: int | None
    input_size: tuple[int, ...] | None
    normalisation: Normalisation | None
    masks: tuple[str, ...]
    globals: tuple[str, ...]
    sha256: str | None
    bytes: int | None = None
    epoch: int | None = None
    tensors: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: everything but the list of tensors."""
        body = {name: value for name, value in dataclasses.asdict(self).items() if name != "tensors"}
        return {"schema": {"name": "rftools.info", "version": 1}, "rftools": __version__} | body

    def to_json(self, path: str | Path | None = None) -> str:
        """The same as text; written to ``path`` too where one is given."""
        text = json.dumps(plain(self.to_dict()), indent=1, allow_nan=False) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def rows(self) -> list[tuple[str, str]]:
        """What is known, in words."""
        found = self.architecture
        fits = f", {found.fits} of {found.of} tensors fit" if found and found.of else ""
        norm = self.normalisation
        given = {
            "format": self.format,
            "architecture": found and f"{found.spec or 'several'} ({found.how}{fits})",
            "parameters": f"{self.parameters:,}",
            "dtypes": ", ".join(f"{name} ({count})" for name, count in self.dtypes.items()),
            "classes": self.classes,
            "input size": self.input_size and "x".join(map(str, self.input_size)),
            "normalisation": norm and f"mean {_listed(norm.mean)}, standard deviation {_listed(norm.std)}",
            "masks": ", ".join(self.masks),
            "epoch": self.epoch,
            "names in the pickle": ", ".join(self.globals),
            "bytes": self.bytes and f"{self.bytes:,}",
            "sha256": self.sha256,
        }
        return [(name, str(value)) for name, value in given.items() if value not in (None, "")]

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in [("spec", self.spec), *self.rows()])


def _listed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


@checked
def info(spec: str | Path) -> FileInfo:
    """What a file, a run's folder or a net's name stands for.

    Of PyTorch's files and of safetensors only what describes the tensors is read, not their numbers.

    Raises:
        RequestError: no such file or net, or nothing that can be read.

    >>> info("rftools:vgg-dilated").parameters
    25474
    """
    text, path = str(spec), nameable(spec)
    if not is_weight_file(text):
        return _of_model(load(text), "a name", None)
    if path.is_dir():
        path = checkpoint_of(path)[0]
    found = _described(path)
    if isinstance(found, Model):
        return _of_model(found, "ONNX file", path)
    return _of_checkpoint(path, found) if _is_ours(found) else _of_weights(path, found)


def _is_ours(found: Contents) -> bool:
    from rftools.models import is_checkpoint

    return is_checkpoint(found.content)


def _described(path: Path) -> Contents | Model:
    """As `read_file`, with tensors that have no numbers where the format allows it."""
    from rftools.loading.formats.safetensors_file import read_header
    from rftools.loading.formats.torch_file import check_readable
    from rftools.loading.stub import read_stub

    if not path.exists():
        raise RequestError(f"no such file: {path}")
    refuse_foreign(path)
    if path.suffix.lower() == ".safetensors":
        return read_header(path)
    if path.suffix.lower() not in TORCH:
        return read_file(path)
    check_readable(path)
    found = read_stub(path, values=False)
    if not isinstance(found.content, dict):
        raise RequestError(f"{path.name} holds a {type(found.content).__name__}, not a state dict or a checkpoint")
    return Contents(found.content, found.kind, found.names)


def _counted(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """What follows from the tensors alone."""
    masks = tuple(name.removesuffix(".weight_mask") for name in tensors if name.endswith(".weight_mask"))
    kept = {n: t for n, t in tensors.items() if not n.endswith(NO_PARAMETERS)}
    return {
        "parameters": sum(tensor.numel() for tensor in kept.values()),
        "dtypes": dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())),
        "masks": masks,
        "tensors": {name: tuple(tensor.shape) for name, tensor in tensors.items()},
    }


def _file(path: Path | None) -> dict[str, Any]:
    return {"sha256": path and sha256_of(path), "bytes": path and path.stat().st_size}


def _of_model(model: Model, words: str, path: Path | None) -> FileInfo:
    known = _counted(model.module.state_dict()) | {"parameters": model.parameters}
    how = "by its name" if path is None else "in the file"
    return FileInfo(
        spec=str(path or model.spec), format=words,
        architecture=Architecture(model.spec if path is None else None, how), classes=None, input_size=model.input_size,
        normalisation=model.normalisation, globals=(), **known, **_file(path),
    )  # fmt: skip


def _of_checkpoint(path: Path, found: Contents) -> FileInfo:
    from rftools.models import check_checkpoint

    content = found.content
    check_checkpoint(content, path.name)
    name, norm = str(content["arch"]["name"]), content.get("normalisation")
    tensors, spec = content["state_dict"], name if ":" in name else f"rftools:{name}"
    return FileInfo(
        spec=str(path), format="checkpoint of rftools train",
        architecture=Architecture(spec, "the checkpoint names it", len(tensors), len(tensors)),
        classes=len(content["classes"]), input_size=tuple(content["input_size"]),
        normalisation=None if not norm else Normalisation(tuple(norm["mean"]), tuple(norm["std"])),
        globals=found.names, epoch=content["epoch"], **_counted(tensors), **_file(path),
    )  # fmt: skip


def _of_weights(path: Path, found: Contents) -> FileInfo:
    import torch

    matches = find(found.content)
    match = matches[0] if matches else None
    part: Any = found.content
    keys = (match.key if match else next((key for key, _ in sub_dicts(part)), "")).split(".")
    for key in filter(None, keys):
        part = part[key]
    tensors = {str(name): value for name, value in part.items() if isinstance(value, torch.Tensor)}
    specs = list(dict.fromkeys(each.spec for each in matches))
    architecture = None
    if match:
        others = f"; the same tensors: {', '.join(specs[1:4])}" if len(specs) > 1 else ""
        architecture = Architecture(match.spec, f"by its tensors{others}", match.tensors, match.of)
    counts = match.arguments if match else {}
    return FileInfo(
        spec=str(path), format=found.format, architecture=architecture,
        classes=counts.get("num_classes", counts.get("classes")), input_size=None, normalisation=None,
        globals=found.names, **_counted(tensors), **_file(path),
    )  # fmt: skip
