"""`explore`: a result as a cell of a notebook that answers to the mouse, the keyboard and touch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.reporting.drawing.backdrop import backdrop
from rftools.reporting.page.contents import alone
from rftools.reporting.page.notebook import PARTS, Page
from rftools.reporting.page.render import render
from rftools.reporting.sections import SECTIONS
from rftools.reporting.sources.results import from_results
from rftools.reporting.subject.subject import Subject
from rftools.results import Result

FIELDS = ("theoretical", "effective")  # what the explorer itself shows


def explore(results: Sequence[Result[Any]], picture: str | Path | None = None) -> Page:
    """The page's explorer of theoretical and effective fields, and what it shows of other results, without the rest.

    Args:
        results: what analyses of one model returned.
        picture: an image file to draw fields on.

    Raises:
        RequestError: results of several models, or nothing that can be explored.

    >>> import torch, rftools as rf
    >>> explore([rf.theoretical(torch.nn.Conv2d(3, 4, 3), input_size=(3, 8, 8))])
    <Page 'Conv2d', ...
    """
    if len({result.model for result in results}) > 1:
        raise RequestError("explore takes results of one model; rf.report([...]) compares several")
    subject = from_results(results)
    content = alone(subject, backdrop(subject, picture), _sections(subject))
    if content["explorer"] is None and not any(section["figures"] for section in content["sections"]):
        raise RequestError(f"there is nothing to explore: {_why(subject)}")
    return Page(render(content), content["heading"], PARTS)


def _sections(subject: Subject) -> list[str]:
    """The places of the sections that show a result beside the explorer."""
    return [each.place for each in SECTIONS if each.part not in FIELDS and subject.part(each.part) and each.shown]


def _why(subject: Subject) -> str:
    if subject.input_size is None:
        return "the result knows no input size; give the analysis input_size=(C, H, W)"
    return "no layer has a field that is known along the input's axes, nor anything that is drawn"
