"""``rftools study``: a declared grid of runs, its tables and its page."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rftools.cli import options
from rftools.cli.options import FILE
from rftools.cli.talk import say, talk_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.study.schedule import Stage


@dataclass(frozen=True)
class Asked:
    """What is carried out, and by whom."""

    data_name: str | None
    data_dir: str | None
    scale: str
    device: str
    workers: int
    cluster: str | None
    per_device: int


WORDS = (
    options.data(" Default: the plan's own."),
    options.data_dir,
    click.option("--scale", metavar="NAME", default="small", show_default=True, help="How much: smoke, small or full."),
    options.device,
    click.option("--workers", type=options.whole(1, 4096), default=1, show_default=True, help="Processes here."),
    click.option("--cluster", metavar="ADDRESS", help="The scheduler of dask.distributed, such as tcp://host:8786."),
    click.option(
        "--per-device", type=options.whole(1, 64), default=1, show_default=True, help="Runs that share a GPU at a time."
    ),
)


@click.command("study", short_help="A grid of runs, its tables and its page.")
@click.argument("words", metavar="PLAN | report FOLDER", nargs=-1, required=True, type=FILE)
@click.option("-o", "--output", "folder", metavar="DIR", type=FILE, help="Folder of runs, tables and page.")
@options.packed(Asked, "asked", *WORDS)
@talk_options
def command(words: tuple[str, ...], folder: str | None, asked: Asked) -> None:
    """Carry out PLAN (article, segmentation, sequence or a TOML file), or make the page of FOLDER's results anew.

    Runs that are there are not made again; an interrupted study goes on with the same command. Exit status 1 where a
    run failed.

    A plan of your own: the folder of a study holds its plan.toml; copy that, change a line and its title, and name the
    copy.

    \b
    Example:
      rftools study article --scale smoke -o study
      cp study/plan.toml mine.toml
      rftools study mine.toml -o mine
    """
    if words[0] == "report" and len(words) == 2:
        from rftools.study import rebuild

        print(f"wrote {rebuild(words[1])}")
        return
    if len(words) != 1 or folder is None:
        raise RequestError(
            "name one plan and a folder (rftools study article -o study), or: rftools study report study"
        )
    from rftools.study import study
    from rftools.study.schedule import Workers

    records = study(
        words[0],
        folder,
        data=asked.data_name,
        data_dir=asked.data_dir,
        scale=asked.scale,
        device=asked.device,
        workers=Workers(asked.workers, asked.cluster, asked.per_device),
        told=_tell,
    )
    failed = sum("error" in record for record in records)
    print(f"{len(records)} runs{f', {failed} of them failed' if failed else ''}: {folder}/report.html")
    if failed:
        sys.exit(1)


def _tell(stage: Stage) -> None:
    last = stage.last
    how = f"failed: {last['error']}" if "error" in last else f"{last['accuracy']:.1%}"
    left = f", about {stage.left / 60:.0f} min left" if stage.left > 90 else ""
    say(f"{stage.done}/{stage.total} {last['row']}, seed {last['seed']}: {how}{left}")
