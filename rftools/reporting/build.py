"""`report`: from models or results to one HTML file."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools._version import __version__
from rftools.errors import RequestError
from rftools.files import check_writable, write_text
from rftools.loading import load
from rftools.plots.picture import load_picture, neutral_picture
from rftools.reporting.compare import check_count
from rftools.reporting.drawing.pictures import plane
from rftools.reporting.findings import Limits, findings
from rftools.reporting.page.comparison import comparison
from rftools.reporting.page.contents import Provenance, contents, render
from rftools.reporting.page.markdown import markdown
from rftools.reporting.page.pdf import find_browser, write_pdf
from rftools.reporting.subject.run import from_run, is_run, newest
from rftools.reporting.subject.saved import is_saved, read_saved
from rftools.reporting.subject.subject import PARTS, Subject, from_models, from_results, from_saved
from rftools.results import Result, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".html", ".htm")


def report(
    models_or_results: Any,
    path: str | Path,
    *,
    input_size: tuple[int, ...] | None = None,
    images: Any = None,
    effective: bool = True,
    picture: str | Path | None = None,
    limits: Limits | None = None,
    command: str | None = None,
    json_path: str | Path | None = None,
    markdown_path: str | Path | None = None,
    pdf_path: str | Path | None = None,
    **effective_options: Any,
) -> Path:
    """Write one self-contained HTML page about a model: findings, tables, drawings, an explorer, and how it was made.

    Several models, twelve at most, are compared: their layers aligned, with differences where there are two.

    Args:
        models_or_results: a loaded model or module, the folder of a run, a list of them, a list of results of their
            analyses, or of the files that ``--json`` and ``--npz`` wrote of one model. The folder of one run is shown
            with what changed from epoch to epoch.
        path: the page, ``.html``.
        input_size: ``(C, *spatial)``, where the model does not know its own.
        images: what the effective field is measured on, as `rftools.effective` takes it.
        effective: whether to measure the effective field, which takes most of the time.
        picture: an image file to draw fields on; a neutral test picture otherwise.
        limits: the thresholds of the findings.
        command: the command line that makes this page, shown under "Method".
        json_path: where to write the findings and the results behind the page as JSON too.
        markdown_path: where to write findings, tables and method as Markdown too.
        pdf_path: where to print the page as PDF too, by the Chromium that is installed.
        effective_options: passed to `rftools.effective`.

    Returns:
        The path that was written.

    Raises:
        RequestError: a path that is not HTML or can't be written, no model at all, too many, no browser for the PDF.

    >>> import torch, rftools as rf, tempfile, pathlib
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = rf.report(rf.sparsity(net), pathlib.Path(folder) / "report.html")
    ...     page.read_text()[:15]
    '<!doctype html>'
    """
    check_page(path)
    for beside in (json_path, markdown_path, pdf_path):
        if beside is not None:
            check_writable(beside)
    if pdf_path is not None:
        find_browser()
    begin = time.perf_counter()
    options = {"images": images, **effective_options} if effective else None
    subjects = _subjects(models_or_results, input_size, options)
    provenance = Provenance(command, time.perf_counter() - begin)
    asked = limits or Limits()
    if len(subjects) > 1:
        content = comparison(subjects, asked, provenance)
    else:
        content = contents(subjects[0], _picture(subjects[0], picture), asked, provenance)
    text = render(content)
    write_text(path, text)
    if markdown_path is not None:
        write_text(markdown_path, markdown(content))
    if pdf_path is not None:
        write_pdf(text, pdf_path)
    if json_path is not None:
        write_text(json_path, as_json(subjects, asked))
    return Path(path)


def as_json(subjects: Sequence[Subject], limits: Limits) -> str:
    """What a report says, for programs: each model's findings and the results they rest on."""
    body = {
        "schema": {"name": "rftools.report", "version": 1},
        "rftools": __version__,
        "models": [
            {
                "model": plain(subject.model),
                "findings": [plain(finding) for finding in findings(subject, limits)],
                **{part: _part(subject, part) for part in PARTS.values()},
                "history": plain([dict(epoch) for epoch in subject.history]),
                "missing": plain(dict(subject.missing)),
            }
            for subject in subjects
        ],
    }
    return json.dumps(plain(body), indent=1, allow_nan=False) + "\n"


def _part(subject: Subject, part: str) -> Any:
    result = getattr(subject, part)
    return None if result is None else result.to_dict()


def check_page(path: str | Path) -> None:
    """Raise `RequestError` unless ``path`` names an HTML file that can be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES and not Path(path).is_dir():
        raise RequestError(f"a report is one HTML page: {path} must end in {' or '.join(SUFFIXES)}")
    check_writable(path)


def _subjects(given: Any, input_size: tuple[int, ...] | None, options: dict[str, Any] | None) -> list[Subject]:
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
    if len(items) == 1 and _is_folder(items[0]):
        return [from_run(items[0], options, input_size=input_size)]
    loaded = [load(newest(item), input_size=input_size) if _is_folder(item) else item for item in items]
    return from_models(loaded, input_size, options)


def _is_folder(item: Any) -> bool:
    return isinstance(item, (str, Path)) and is_run(item)


def _is_file(item: Any) -> bool:
    return isinstance(item, (str, Path)) and is_saved(item)


def _picture(subject: Subject, path: str | Path | None) -> NDArray[np.uint8] | None:
    if subject.input_size is None or len(subject.input_size) < 2:
        return None
    height, width = plane(subject.input_size)
    return neutral_picture(height, width) if path is None else load_picture(path, height, width)
