"""What commands say on standard error beside their answer, and how far they are."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from rftools.errors import one_line

F = TypeVar("F", bound=Callable[..., Any])
Progress = Callable[[int, int], None]
FIRST = "rftools.first"


def talk_options(function: F) -> F:
    """``--quiet`` and ``--no-progress``; `say` and `progress_bar` heed them, the command gets neither."""
    for decorate in (
        click.option(
            "--no-progress", is_flag=True, expose_value=False, callback=_kept, help="No bar that shows how far it is."
        ),
        click.option("--quiet", is_flag=True, expose_value=False, callback=_kept, help="No notes: answer and errors."),
    ):
        function = decorate(function)
    return function


def _kept(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta[f"rftools.{parameter.name}"] = value


def _asked(word: str) -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(f"rftools.{word}"))


def quiet() -> bool:
    """Whether ``--quiet`` was asked for, or another process of torchrun speaks for this one."""
    return _asked("quiet") or os.environ.get("RANK", "0") != "0"


def say_first(line: str) -> None:
    """A note that stands before all others and the answer; where there is none, the line of what was wrong is alone."""
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        say(line)
    else:
        ctx.meta.setdefault(FIRST, []).append(line)


def begin_answer() -> None:
    """What was to be said first is said now."""
    ctx = click.get_current_context(silent=True)
    for line in ctx.meta.pop(FIRST, ()) if ctx is not None else ():
        say(line)


def say(line: str) -> None:
    """A note on standard error, unless ``--quiet``; on a terminal in lines that fit, words whole."""
    begin_answer()
    if quiet():
        return
    text = one_line(line)
    if sys.stderr.isatty() and (width := shutil.get_terminal_size().columns) > 20:
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False) or text
    print(text, file=sys.stderr, flush=True)


def shows_progress() -> bool:
    """Whether a bar is wanted, and standard error is a terminal that can show one."""
    return sys.stderr.isatty() and not quiet() and not _asked("no_progress")


@contextmanager
def progress_bar(what: str) -> Iterator[Progress | None]:
    """A bar on a terminal's standard error, to be told (done, total); None where none is shown."""
    if not shows_progress():
        yield None
        return
    begin_answer()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{what}, {(task.completed / task.elapsed) if task.elapsed else 0:.1f}/s")

    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
