"""A run's folder as a spec: its best checkpoint, or the newest epoch."""

from __future__ import annotations

from pathlib import Path

from rftools.errors import RequestError
from rftools.loading.formats import readers

NAMED = 5  # files that a refusal names


def checkpoint_of(folder: Path) -> tuple[Path, str]:
    """The checkpoint that a run's folder stands for, and the words that say which it is.

    Raises:
        RequestError: no run; the line says which files lie there.
    """
    from rftools.models.training.runs import checkpoints

    epochs = checkpoints(folder)
    best = folder / "best.pt"
    if best.is_file():
        return best, f"{folder} is a run: its best.pt is taken"
    if epochs:
        return epochs[-1], f"{folder} is a run without a best.pt: its newest epoch, {epochs[-1].name}, is taken"
    raise RequestError(
        f"{folder} is a folder without a run: it holds no epoch-*.pt and no best.pt; {_what_lies_in(folder)}"
    )


def _what_lies_in(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    weights = [name for name in names if Path(name).suffix.lower() in readers()]
    found = weights or names
    if not found:
        return "it is empty"
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"it holds {', '.join(found[:NAMED])}{more}" + ("; name one of them" if weights else "")
