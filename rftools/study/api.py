"""`study`: a plan carried out in a folder, and its page; `rebuild`: the page again, from the results alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rftools.errors import RequestError, system_reason
from rftools.files import write_text
from rftools.models.data import load_data
from rftools.models.training.group import here
from rftools.models.training.lock import alone
from rftools.study import tables
from rftools.study.page import page
from rftools.study.plan import StudyPlan, plan_text, read_plan
from rftools.study.run import Record, Run
from rftools.study.schedule import Told, Workers, carry_out_all

PLAN = "plan.toml"


def study(
    plan: str | Path,
    output: str | Path,
    *,
    data: str | None = None,
    data_dir: str | Path | None = None,
    scale: str = "small",
    device: str = "auto",
    workers: Workers | None = None,
    told: Told | None = None,
) -> list[Record]:
    """Carry a plan out: ``results.csv``, ``epochs.csv``, ``layers.csv``, ``roses.csv``, ``report.html`` in the folder.

    Runs that are there already, of the same configuration, code and data, are not made again; one that was interrupted
    goes on after its last epoch.

    Args:
        plan: ``article``, ``segmentation``, ``sequence`` or a TOML file.
        data: a data set in place of the plan's.
        scale: how much of the plan: ``smoke``, ``small``, ``full``, or another that its file has.
        told: of every run that is done.

    Raises:
        RequestError: no such plan, scale or data; a folder that holds another study, or that another process fills.
    """
    if here().size > 1:
        raise RequestError(
            "torchrun splits one run (rftools train); a study's runs are spread by --workers or --cluster"
        )
    found = read_plan(plan)
    found = found if data is None else dataclasses.replace(found, data=data)
    own = found.scale(scale)
    _check_data(found, data_dir)
    folder = _prepared(Path(output), plan, found.title)
    root = None if data_dir is None else str(data_dir)
    runs = [Run(row, seed, found.data, own, root, device) for row in found.at(scale) for seed in range(own.seeds)]
    with alone(folder):
        records = carry_out_all(runs, folder, workers or Workers(), told)
        whole = tables.frames(records)
        tables.write(folder, whole)
        write_text(folder / "report.html", page(found, whole))
    return records


def rebuild(folder: str | Path) -> Path:
    """The page of a study, from its plan and its results alone; its path.

    Raises:
        RequestError: the folder holds no study, or one of another version.
    """
    place = Path(folder)
    if not (place / PLAN).is_file():
        raise RequestError(f"{place} holds no study (no {PLAN}); `rftools study PLAN -o {place}` makes one")
    found = tables.read(place)
    write_text(place / "report.html", page(read_plan(place / PLAN), found))
    return place / "report.html"


def _check_data(plan: StudyPlan, root: str | Path | None) -> None:
    """Raise `RequestError` now for data that are not there, or of another kind than the plan's."""
    held_out = load_data(plan.data, "test", root=root)
    dense = {row.net for row in plan.rows if row.net.startswith(("fcn", "wavenet", "sequence"))}
    if bool(dense) != (held_out.labels.dim() > 1):
        takes = "a label a place (discs, recall)" if dense else "a label a picture (patches, mnist5k, cifar10, ...)"
        raise RequestError(f"the nets of {plan.name} take data with {takes}; {plan.data} has others")


def _prepared(folder: Path, plan: str | Path, title: str) -> Path:
    """The folder with the plan of that title in it.

    Raises:
        RequestError: it holds another study, or can't be written.
    """
    text, _ = plan_text(plan)
    kept = folder / PLAN
    if kept.is_file() and (there := read_plan(kept).title) != title:
        raise RequestError(f"{folder} holds another study ({there!r}); name another folder with -o")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot write {folder}: {system_reason(error)}") from error
    write_text(kept, text)
    return folder
