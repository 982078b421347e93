"""A subject from results that are there already, in memory or from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rftools.errors import RequestError
from rftools.reporting.sections import SECTIONS, parts
from rftools.reporting.sources.saved import Saved
from rftools.reporting.subject.subject import OWN, Subject
from rftools.reporting.texts import say
from rftools.results import Result


def from_results(results: Sequence[Result[Any]]) -> Subject:
    """A subject from results of one model that are there already.

    Raises:
        RequestError: two results of one kind, or one of a kind that no report shows.
    """
    known = parts()
    given: dict[str, Any] = {}
    for result in results:
        part = known.get(result.SCHEMA[0])
        if part is None:
            raise RequestError(f"a report has no place for a {type(result).__name__}; it shows {', '.join(known)}")
        if part in given:
            raise RequestError(f"two {part} results of {result.model.name}; a report shows one of each")
        given[part] = result
    sizes = [result.input_size for result in results if result.input_size is not None]
    missing = {each.part: say("missing.not_given") for each in SECTIONS if each.part not in given}
    return Subject(model=results[0].model, input_size=sizes[0] if sizes else None, missing=missing, **placed(given))


def placed(results: dict[str, Any]) -> dict[str, Any]:
    """Results by part as a subject's fields."""
    own = {part: result for part, result in results.items() if part in OWN}
    return own | {"more": {part: result for part, result in results.items() if part not in OWN}}


def from_saved(saved: Saved) -> Subject:
    """A subject from files of results: nothing is analysed again, and no model is needed."""
    subject = from_results(saved.results)
    missing = dict(subject.missing)
    if subject.effective is not None and not any(row.map.size for row in subject.effective):
        missing["maps"] = say("missing.maps")
    return replace(subject, sources=saved.sources, missing=missing)
