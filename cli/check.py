"""``rftools check``: the gate for continuous integration. Exit status 1 when a limit is broken."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from rftools._version import __version__
from rftools.cli.options import load_model, model_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.checks import Limit, Outcome
    from rftools.loading import Model

FORMATS = ("text", "json", "github", "junit")


@click.command("check", short_help="Exit 1 when a net breaks a limit.")
@model_options
@click.option("--min-field", multiple=True, metavar="[LAYERS=]PX", help="Field no smaller (default: deepest conv).")
@click.option("--max-holes", multiple=True, metavar="[LAYERS=]PX", help="Unseen pixels inside a field, no more.")
@click.option("--no-unproductive", is_flag=True, help="No convolution that cannot add context.")
@click.option("--min-effective", multiple=True, metavar="[LAYERS=]SHARE", help="Effective over theoretical side.")
@click.option("--max-anisotropy", multiple=True, metavar="[LAYERS=]0..1", help="Pooled anisotropy of kernels.")
@click.option("--against", "base", metavar="BASE.json", help="Fields as in an earlier `rftools trf --json`.")
@click.option("--file", "limits_file", metavar="FILE.toml", help="Limits from a TOML file: min-field = 64, ...")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    no_unproductive: bool,
    base: str | None,
    limits_file: str | None,
    form: str,
    **given: tuple[str, ...],
) -> None:
    """Check SPEC against limits; one line for each that is broken. LAYERS is a name or a pattern.

    A limit that cannot be computed (an unknown field) counts as broken; one that no layer matches is a wrong request.

    \b
    Example:
      rftools check best.pt --min-field 24 --max-holes 0 --no-unproductive
    """
    from rftools import checks as gate

    limits = [gate.parse_limit(name.replace("_", "-"), text) for name, texts in given.items() for text in texts]
    limits += read_limits(limits_file) if limits_file else []
    limits += [gate.Limit("max-unproductive", 0.0)] if no_unproductive else []
    if not limits and base is None:
        raise RequestError("no limit was given; give one or more, such as --min-field 64 (see rftools check --help)")
    loaded = load_model(spec, model, weights, input_size, seed)
    outcomes, lines = run(loaded, limits, base)
    click.echo(FORMATTERS[form](loaded, outcomes, lines), nl=False)
    if lines or not all(outcome.ok for outcome in outcomes):
        sys.exit(1)


def run(model: Model, limits: list[Limit], base: str | None) -> tuple[list[Outcome], list[str]]:
    """The outcomes of the limits, and the lines of what differs from ``base``; only what is needed is analysed."""
    from rftools.checks import keep

    found = keep(model, limits, base)
    return list(found.outcomes), list(found.changes)


def read_limits(path: str) -> list[Limit]:
    """Limits of a TOML file: ``check = number``, or ``check = {"layers" = number, ...}``."""
    import tomllib

    from rftools.checks import CHECKS, parse_limit

    try:
        with open(path, "rb") as stream:
            content = tomllib.load(stream)
    except FileNotFoundError:
        raise RequestError(f"no such file: {path}") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{path} is no TOML file that can be read ({error})") from None
    limits = []
    for name, value in content.items():
        if name not in CHECKS:
            raise RequestError(f"{path}: no check {name!r}; there are {', '.join(CHECKS)}")
        pairs = value.items() if isinstance(value, dict) else [(None, value)]
        limits += [
            parse_limit(name, f"{number}" if layers is None else f"{layers}={number}") for layers, number in pairs
        ]
    return limits


def _broken(outcomes: list[Outcome], lines: list[str]) -> list[str]:
    return [outcome.line() for outcome in outcomes if not outcome.ok] + lines


def as_text(model: Model, outcomes: list[Outcome], lines: list[str]) -> str:
    """One line for each broken limit, then the count."""
    broken = _broken(outcomes, lines)
    last = (
        f"{len(broken)} broken" if broken else f"all {len(outcomes)} checks hold" if outcomes else "nothing has changed"
    )
    return "".join(f"{' '.join(line.split())}\n" for line in [*broken, last])


def as_json(model: Model, outcomes: list[Outcome], lines: list[str]) -> str:
    """One object with every outcome."""
    import dataclasses

    from rftools.results import plain

    content = {
        "schema": {"name": "rftools.check", "version": 1},
        "rftools": __version__,
        "model": dataclasses.asdict(model.info()),
        "ok": not _broken(outcomes, lines),
        "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
        "changes": lines,
    }
    return json.dumps(plain(content), indent=1) + "\n"


def as_github(model: Model, outcomes: list[Outcome], lines: list[str]) -> str:
    """Workflow commands that GitHub shows on the pull request."""
    escaped = (line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A") for line in _broken(outcomes, lines))
    return "".join(f"::error title=rftools check::{line}\n" for line in escaped)


def as_junit(model: Model, outcomes: list[Outcome], lines: list[str]) -> str:
    """JUnit XML: a test case for each limit and layer."""
    import xml.etree.ElementTree as ET

    cases = [(o.check, o.layer or "(model)", None if o.ok else o.line()) for o in outcomes]
    cases += [("against", line.split(": ")[1], line) for line in lines]
    failures = sum(message is not None for _, _, message in cases)
    suite = ET.Element("testsuite", name="rftools check", tests=str(len(cases)), failures=str(failures))
    for check, layer, message in cases:
        case = ET.SubElement(suite, "testcase", classname=check, name=_printable(layer))
        if message is not None:
            ET.SubElement(case, "failure", message=_printable(message))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


FORMATTERS = {"text": as_text, "json": as_json, "github": as_github, "junit": as_junit}
