"""A run's folder: what lies in it, whether it can be written, and what follows from its checkpoints."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.files import atomic_write, write_text
from rftools.models.checkpoint import read_checkpoint
from rftools.models.training.group import here
from rftools.models.training.lock import alone


def prepare_run(run: str | Path, *, resume: bool) -> Path:
    """The run's folder, made if need be, before any work is done.

    Raises:
        RequestError: it can't be written; it holds a run and ``resume`` is not asked, or the other way round.
    """
    folder = Path(run)
    if not here().first:  # of several processes the first looks, and writes
        return folder
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"cannot write {folder}: it is a file; name a folder for the run")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RequestError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
    with alone(folder):
        pass
    has_run = bool(checkpoints(folder))
    if has_run and not resume:
        raise RequestError(f"{folder} holds a run already; go on with --resume, or name another folder with -o")
    if resume and not has_run:
        raise RequestError(f"nothing to resume in {folder}: it holds no epoch-*.pt; leave out --resume")
    return folder


def checkpoint_path(folder: Path, epoch: int) -> Path:
    """Where an epoch's checkpoint lies."""
    return folder / f"epoch-{epoch:04d}.pt"


def checkpoints(folder: Path) -> list[Path]:
    """The epochs' checkpoints of a run, in order of epochs."""
    found = [(re.fullmatch(r"epoch-([0-9]{1,9})\.pt", path.name), path) for path in folder.glob("epoch-*.pt")]
    return [path for _, path in sorted((int(name[1]), path) for name, path in found if name)]


def last_checkpoint(folder: Path, arch: Mapping[str, Any], data: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint that a run goes on from, after what a killed process left half-written is cleared away.

    Raises:
        RequestError: the run was begun with another net, other data or other options, so that what follows would
            be neither the old run nor a new one.
    """
    if here().first:
        for left in folder.glob(".*.pt.*.tmp"):
            left.unlink(missing_ok=True)
    content = read_checkpoint(checkpoints(folder)[-1])
    _same_request(folder, content, {"SPEC": arch["name"], "--data": data})
    begun = content.get("options", {})
    for name, value in options.items():
        if name in begun and begun[name] != value:
            how = _difference("--" + name.replace("_", "-"), begun[name], value)
            raise RequestError(f"{folder} was begun {how}; resume with the same, or start another run")
    return content


def _difference(flag: str, begun: Any, value: Any) -> str:
    """How an option was given at first, and how it is now.

    >>> _difference("--prune", None, "constant:0.5@begin=200")
    'without --prune, not with --prune constant:0.5@begin=200'
    >>> _difference("--prune-layers", ("head", "features.*"), ("head",))
    'with --prune-layers head features.*, not head'
    """
    first, now = (" ".join(given) if isinstance(given, (tuple, list)) else given for given in (begun, value))
    absent = (None, False, "")
    if first in absent:
        return f"without {flag}, not with {flag}" + ("" if now is True else f" {now}")
    return f"with {flag}{'' if first is True else f' {first}'}, not " + ("without it" if now in absent else str(now))


def _same_request(folder: Path, content: Mapping[str, Any], asked: Mapping[str, str]) -> None:
    begun = {"SPEC": content["arch"]["name"], "--data": content.get("data")}
    for what, value in asked.items():
        if begun[what] != value:
            raise RequestError(
                f"{folder} was begun with {what} {begun[what]}, not {value}; resume with the same, or start another run"
            )


def merit(entry: Mapping[str, Any]) -> tuple[float, float, int]:
    """What an epoch is chosen by: held-out accuracy among those that are pruned furthest, then the earliest."""
    return (entry.get("sparsity") or 0.0, entry["val_accuracy"], -entry["epoch"])


def publish(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Bring what follows from the checkpoints up to date: ``metrics.jsonl`` and ``best.pt`` (see `merit`)."""
    write_text(folder / "metrics.jsonl", "".join(json.dumps(dict(entry)) + "\n" for entry in history))
    if not history:
        return
    best = max(history, key=merit)
    source = checkpoint_path(folder, best["epoch"])
    newest = best["epoch"] == history[-1]["epoch"]
    if source.exists() and (newest or not (folder / "best.pt").exists()):
        with atomic_write(folder / "best.pt") as stream:
            stream.write(source.read_bytes())
