"""`report`: from models or results to one HTML file."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from rftools._version import __version__
from rftools.arguments import checked
from rftools.erf.request import Options as EffectiveOptions
from rftools.errors import RequestError
from rftools.files import check_writable, write_text
from rftools.loading import load
from rftools.reading import door
from rftools.reporting.drawing.backdrop import backdrop
from rftools.reporting.findings import Finding, Thresholds, findings
from rftools.reporting.page.alignment import check_count
from rftools.reporting.page.comparison import comparison
from rftools.reporting.page.contents import contents
from rftools.reporting.page.markdown import markdown
from rftools.reporting.page.method import Provenance
from rftools.reporting.page.notebook import Page
from rftools.reporting.page.pdf import find_browser, write_pdf
from rftools.reporting.page.render import render
from rftools.reporting.sections import parts
from rftools.reporting.sources.models import from_models
from rftools.reporting.sources.results import from_results, from_saved
from rftools.reporting.sources.run import from_run, is_run
from rftools.reporting.sources.saved import is_saved, read_saved
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import spoken_of
from rftools.results import Result, plain
from rftools.runtime.listening import Listener

if TYPE_CHECKING:
    from typing import Unpack

SUFFIXES = (".html", ".htm")
#: the measures of effective fields that a page shows; its JSON holds all of them
SHOWN = ("radius_50", "relative_size", "ellipse_major", "ellipse_minor", "ellipse_angle")


class Options(EffectiveOptions, total=False):
    """What else a report takes: what it is written as beside the page, and the options of `rftools.effective`.

    ``effective=False`` leaves the effective field out, which takes most of the time. ``command`` is the command line
    that makes the page, shown under "Method". ``json_path``, ``markdown_path`` and ``pdf_path`` are files that hold the
    findings and results as JSON, findings, tables and method as Markdown, and the page printed by Chromium.
    ``listener`` is told of each part (`rftools.runtime.listening.Listener`).
    """

    effective: bool
    listener: Listener | None
    command: str | None
    json_path: str | Path | None
    markdown_path: str | Path | None
    pdf_path: str | Path | None
    layers: Sequence[str] | str | None
    unit: Any
    aggregation: str
    device: str


@dataclass(frozen=True)
class ReportDefaults:
    """The options of a report that are not of `rftools.effective`, with their defaults."""

    effective: bool = True
    command: str | None = None
    json_path: str | Path | None = None
    markdown_path: str | Path | None = None
    pdf_path: str | Path | None = None

    def check(self) -> None:
        """Raise `RequestError` where a file could not be written, before anything is analysed."""
        for beside in (self.json_path, self.markdown_path, self.pdf_path):
            if beside is not None:
                check_writable(beside)
        if self.pdf_path is not None:
            find_browser()


@overload
def report(
    models_or_results: Any,
    path: str | Path,
    *,
    images: Any = None,
    picture: str | Path | None = None,
    limits: Thresholds | None = None,
    **options: Unpack[Options],
) -> Path: ...
@overload
def report(
    models_or_results: Any,
    path: None = None,
    *,
    images: Any = None,
    picture: str | Path | None = None,
    limits: Thresholds | None = None,
    **options: Unpack[Options],
) -> Page: ...
@checked
def report(
    models_or_results: Any,
    path: str | Path | None = None,
    *,
    images: Any = None,
    picture: str | Path | None = None,
    limits: Thresholds | None = None,
    **options: Unpack[Options],
) -> Path | Page:
    """Write one self-contained HTML page about a model: findings, tables, drawings, an explorer, and how it was made.

    Several models, twelve at most, are compared: their layers aligned, with differences where there are two.

    Args:
        models_or_results: a loaded model or module, the folder of a run, a list of them, a list of results of their
            analyses, or of the files that ``--json`` and ``--npz`` wrote of one model. The folder of one run is shown
            with what changed from epoch to epoch.
        path: the page, ``.html``. Without one nothing is written: a notebook shows the page as the cell's output.
        images: what the effective field is measured on, as `rftools.effective` takes it: by default the held-out part
            of the data that a checkpoint was trained on, white noise where there is none. The page says which.
        picture: an image file to draw fields on; by default the first picture that the effective field is measured on,
            a neutral test picture where that is noise.
        limits: the thresholds of the findings.
        options: ``input_size`` ``(C, *spatial)`` where the model does not know its own, other files to write, and the
            options of `rftools.effective`: see `Options`.

    Returns:
        The path that was written; without one the page, which a notebook shows and ``save`` writes.

    Raises:
        RequestError: a path that is not HTML or can't be written, no model at all, too many, no browser for the PDF.

    >>> import torch, rftools as rf, tempfile, pathlib
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = rf.report(rf.sparsity(net), pathlib.Path(folder) / "report.html")
    ...     page.read_text()[:15]
    '<!doctype html>'
    """
    given: dict[str, Any] = dict(options)
    outputs = ReportDefaults(**{name: given.pop(name) for name in ReportDefaults.__dataclass_fields__ if name in given})
    if path is not None:
        check_page(path)
    outputs.check()
    begin = time.perf_counter()
    size, listener = given.pop("input_size", None), given.pop("listener", None) or Listener()
    if outputs.json_path is None:
        given.setdefault("measures", SHOWN)
    measured = {"images": images, **given} if outputs.effective else None
    subjects = _subjects(models_or_results, size, measured, listener)
    listener.begin("page")
    provenance = Provenance(outputs.command, time.perf_counter() - begin)
    asked = limits or Thresholds()
    with _of_files(models_or_results):
        if len(subjects) > 1:
            content = comparison(subjects, asked, provenance)
        else:
            content = contents(subjects[0], backdrop(subjects[0], picture), asked, provenance)
    text = _write(content, path, outputs)
    if outputs.json_path is not None:
        write_text(outputs.json_path, as_json(subjects, asked))
    return Page(text, content["heading"]) if path is None else Path(path)


def _of_files(given: Any) -> contextlib.AbstractContextManager[None]:
    """A door for what files of results say: each value is of its type, but they may contradict each other."""
    items = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    files = [Path(item).name for item in items if _is_file(item)]
    return door(", ".join(files), "can't be drawn: values in it contradict each other") if files else nullcontext()


def _write(content: dict[str, Any], path: str | Path | None, outputs: ReportDefaults) -> str:
    """The page's text, written where there is a path, and what was asked for beside it."""
    text = render(content)
    if path is not None:
        write_text(path, text)
    if outputs.markdown_path is not None:
        write_text(outputs.markdown_path, markdown(content))
    if outputs.pdf_path is not None:
        write_pdf(text, outputs.pdf_path)
    return text


def as_json(subjects: Sequence[Subject], limits: Thresholds) -> str:
    """What a report says, for programs: each model's findings and the results they rest on."""
    body = {
        "schema": {"name": "rftools.report", "version": 1},
        "rftools": __version__,
        "partial": any(subject.partial for subject in subjects),
        "models": [
            {
                "model": plain(subject.model),
                "findings": [plain(finding) for finding in _findings(subject, limits)],
                **{part: _part(subject, part) for part in (*parts().values(), "units", "directions")},
                "history": plain([dict(epoch) for epoch in subject.history]),
                "missing": plain(dict(subject.missing)),
            }
            for subject in subjects
        ],
    }
    return json.dumps(plain(body), indent=1, allow_nan=False) + "\n"


def _findings(subject: Subject, limits: Thresholds) -> list[Finding]:
    with spoken_of(subject.sequence):
        return findings(subject, limits)


def _part(subject: Subject, part: str) -> Any:
    result = subject.part(part)
    return None if result is None else result.to_dict()


def check_page(path: str | Path) -> None:
    """Raise `RequestError` unless ``path`` names an HTML file that can be written."""
    target = check_writable(path)
    if target.suffix.lower() not in SUFFIXES:
        raise RequestError(f"a report is one HTML page: {path} must end in {' or '.join(SUFFIXES)}")


def _subjects(
    given: Any, input_size: tuple[int, ...] | None, options: dict[str, Any] | None, listener: Listener
) -> list[Subject]:
    items = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not items:
        raise RequestError("a report needs a model or results, and none was given")
    if all(isinstance(item, Result) for item in items):
        models = list(dict.fromkeys(item.model for item in items))
        check_count(len(models))
        return [from_results([item for item in items if item.model == model]) for model in models]
    if any(isinstance(item, Result) for item in items):
        raise RequestError("a report takes models or results, not both at once")
    if any(_is_file(item) for item in items):
        if not all(_is_file(item) for item in items):
            raise RequestError("a report takes models or files of results, not both at once")
        return [from_saved(read_saved(items))]
    check_count(len(items))
    if len(items) == 1 and is_run(items[0]):
        return [from_run(items[0], options, input_size=input_size, listener=listener)]
    loaded = [load(item, input_size=input_size) if _is_folder(item) else item for item in items]
    return from_models(loaded, input_size, options, listener)


def _is_folder(item: Any) -> bool:
    return isinstance(item, (str, Path)) and Path(item).is_dir()


def _is_file(item: Any) -> bool:
    return isinstance(item, (str, Path)) and is_saved(item)
