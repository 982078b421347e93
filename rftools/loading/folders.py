"""A folder as a spec: a run (its best checkpoint, or the newest epoch), or a net with its config.json."""

from __future__ import annotations

from pathlib import Path

from rftools.errors import RequestError
from rftools.loading.evidence import CONFIG
from rftools.loading.formats import readers

NAMED = 5  # files that a refusal names
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLE = ("model.safetensors", "pytorch_model.bin", "model.bin")  # in the order of Hugging Face's folders
LAID_OUT = "saved_model.pb"


def file_of(folder: Path) -> tuple[Path, str]:
    """The file that a folder stands for, and the words that say which it is.

    Raises:
        RequestError: neither a run nor a net; the line says which files lie there.
    """
    from rftools.models.training.runs import checkpoints

    epochs = checkpoints(folder)
    best = folder / "best.pt"
    if best.is_file():
        return best, f"{folder} is a run: its best.pt is taken"
    if epochs:
        return epochs[-1], f"{folder} is a run without a best.pt: its newest epoch, {epochs[-1].name}, is taken"
    if (folder / CONFIG).is_file():
        return _of_config(folder)
    if (folder / LAID_OUT).is_file() or any(folder.glob("*.ckpt.index")):
        raise RequestError(f"{folder} is a TensorFlow checkpoint, which is not read; convert it to ONNX or safetensors")
    raise RequestError(
        f"{folder} is a folder without a run: it holds no epoch-*.pt and no best.pt; {_what_lies_in(folder)}"
    )


def _of_config(folder: Path) -> tuple[Path, str]:
    names = [name for name in (WHOLE[0], INDEXES[0], WHOLE[1], INDEXES[1], WHOLE[2]) if (folder / name).is_file()]
    others = weights_in(folder)
    if not names and len(others) != 1:
        raise RequestError(f"{folder} has a {CONFIG} and no {WHOLE[0]}; {_what_lies_in(folder)}")
    name = names[0] if names else others[0]
    return folder / name, f"{folder} has a {CONFIG}: its {name} is taken"


def weights_in(folder: Path) -> list[str]:
    """The names of the files of weights in a folder."""
    endings = tuple(readers())
    return sorted(path.name for path in folder.iterdir() if path.name.lower().endswith(endings) and path.is_file())


def _what_lies_in(folder: Path) -> str:
    weights = weights_in(folder)
    found = weights or sorted(path.name for path in folder.iterdir())
    if not found:
        return "it is empty"
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"it holds {', '.join(found[:NAMED])}{more}" + ("; name one of them" if weights else "")
