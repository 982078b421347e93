"""``rftools check``: the gate for continuous integration. Exit status 1 when a limit is broken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import check_targets, force_word, json_word, write_json
from rftools.cli.subject import Specs
from rftools.cli.talk import talk_options
from rftools.errors import RequestError, one_line

if TYPE_CHECKING:
    from rftools.checks import CheckResult, Limit

FORMATS = ("text", "json", "github", "junit")


@dataclass(frozen=True)
class Asked:
    """The limits as they were given."""

    layers: tuple[str, ...]
    min_field: tuple[str, ...]
    max_holes: tuple[str, ...]
    no_unproductive: bool
    min_effective: tuple[str, ...]
    max_anisotropy: tuple[str, ...]
    base: str | None
    limits_file: str | None
    form: str

    def limits(self) -> list[Limit]:
        """All of them, for the layers of ``--layers`` where they name none of their own."""
        from rftools.checks import Limit, for_layers, parse_limit, read_limits

        own = ("min_field", "max_holes", "min_effective", "max_anisotropy")
        found = [parse_limit(name.replace("_", "-"), text) for name in own for text in getattr(self, name)]
        found += read_limits(self.limits_file) if self.limits_file else []
        found += [Limit("max-unproductive", 0.0)] if self.no_unproductive else []
        if not found and self.base is None:
            raise RequestError(
                "no limit was given; give one or more, such as --min-field 64 (see rftools check --help)"
            )
        return for_layers(found, self.layers)


#: What runs through the net where a limit asks for effective fields.
RUNNING = (options.images, options.count(None), options.batch_size(8), options.device)
WORDS = (
    options.layers,
    click.option("--min-field", multiple=True, metavar="[LAYERS=]PX", help="Field no smaller (default: deepest conv)."),
    click.option("--max-holes", multiple=True, metavar="[LAYERS=]PX", help="Unseen pixels inside a field, no more."),
    click.option("--no-unproductive", is_flag=True, help="No convolution that cannot add context."),
    click.option("--min-effective", multiple=True, metavar="[LAYERS=]SHARE", help="Effective over theoretical side."),
    click.option("--max-anisotropy", multiple=True, metavar="[LAYERS=]0..1", help="Pooled anisotropy of kernels."),
    click.option("--against", "base", metavar="BASE.json", help="Fields as in an earlier `rftools trf --json`."),
    click.option("--file", "limits_file", metavar="FILE.toml", help="Limits from a TOML file: min-field = 64, ..."),
    click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True),
)


@click.command("check", short_help="Exit 1 when a net breaks a limit.")
@subject.one
@options.packed(Asked, "asked", *WORDS)
@options.packed(dict, "running", *RUNNING)
@json_word
@force_word
@talk_options
def command(subject: Specs, asked: Asked, running: dict[str, Any], json: str | None, force: bool) -> None:
    """Check SPEC against limits; one line for each that is broken. LAYERS is a name or a pattern, as in --layers, which
    is for the limits that name none.

    A limit that cannot be computed (an unknown field) counts as broken; one that no layer matches is a wrong request.

    \b
    Example:
      rftools check best.pt --min-field 24 --max-holes 0 --no-unproductive
    """
    reads = [path for path in (*subject.files, asked.base, asked.limits_file, running["images"]) if path is not None]
    check_targets([json] if json not in (None, "-") and json else [], reads, force=force)
    limits = asked.limits()
    from rftools.checks import keep

    found = keep(subject.load(), limits, asked.base, seed=subject.seed, **running)
    if write_json(found.to_json, json):
        click.echo(FORMATTERS[asked.form](found), nl=False)
    if not found.ok:
        sys.exit(1)


def as_text(found: CheckResult) -> str:
    """One line for each broken limit, then the count."""
    return "".join(f"{one_line(line)}\n" for line in [*found.broken, found.verdict])


def as_github(found: CheckResult) -> str:
    """Workflow commands that GitHub shows on the pull request."""
    escaped = (one_line(line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")) for line in found.broken)
    return "".join(f"::error title=rftools check::{line}\n" for line in escaped)


def as_junit(found: CheckResult) -> str:
    """JUnit XML: a test case for each limit and layer."""
    import xml.etree.ElementTree as ET

    cases = [(o.check, o.layer or "(model)", None if o.ok else o.line()) for o in found.outcomes]
    cases += [("against", line.split(": ")[1], line) for line in found.changes]
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


FORMATTERS: dict[str, Callable[[CheckResult], str]] = {
    "text": as_text,
    "json": lambda found: found.to_json(),
    "github": as_github,
    "junit": as_junit,
}
