"""A study's page: its title, answers, figures and table, in one file that needs no network."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rftools.study.answers import Effect, doubts, explained, standing
from rftools.study.figures import figures
from rftools.study.plan import StudyPlan
from rftools.study.tables import unit_of

if TYPE_CHECKING:
    import pandas as pd

FIELDS = {"theoretical": "can see", "effective": "does see", "behavioural": "uses"}


def page(plan: StudyPlan, tables: dict[str, Any]) -> str:
    """The page as HTML text."""
    from jinja2 import Environment

    home = files("rftools.study").joinpath("page.html.j2")
    template = Environment(autoescape=True).from_string(home.read_text(encoding="utf-8"))
    results = tables["results"]
    failed = results[results["error"].notna()]
    return template.render(
        plan=plan,
        unit=unit_of(results),
        borders=results["border_accuracy"].notna().any(),
        article={row.name: row.article for row in plan.rows},
        told=any(row.article for row in plan.rows if row.name in set(results["row"])),
        rows=summary(results),
        standing=standing(results),
        failed=failed[["row", "seed", "error"]].to_dict("records"),
        runs=len(results),
        effects=[sentence(field, found) for field in FIELDS if (found := explained(results, field)) is not None],
        doubts=doubts(tables) if {"dilated", "large", "cascade"} <= set(results["row"]) else [],
        figures=figures(tables),
        data=sorted(set(results["data"])),
        versions=sorted(set(results["rftools"].astype(str))),
    )


def sentence(field: str, effects: tuple[Effect, Effect]) -> str:
    """What a doubling of a field, and of parameters, goes with."""
    first, second = (f"{one.points:+.1f} points ({one.low:+.1f} to {one.high:+.1f})" for one in effects)
    clear = "more than chance" if effects[0].low > 0 or effects[0].high < 0 else "no more than chance may give"
    return (
        f"Twice what a unit {FIELDS[field]}, at equal parameters, goes with {first} of accuracy: {clear}. Twice the "
        f"parameters, at the same {field} field, go with {second}."
    )


def summary(results: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a net: mean and spread over seeds."""
    done = results[results["error"].isna()]
    found = []
    for row, own in done.groupby("row", sort=False):
        accuracy = 100 * own["accuracy"]
        line: dict[str, Any] = {"row": row, "net": own["net"].iloc[0], "seeds": len(own), "accuracy": accuracy.mean()}
        line |= {"least": accuracy.min(), "most": accuracy.max()}
        for name in (
            "parameters",
            "nonzero",
            "macs",
            "theoretical",
            "effective",
            "surviving",
            "behavioural",
            "sparsity",
            "border_accuracy",
        ):
            values = own[name].dropna() if name in own else own["accuracy"][:0]
            line[name] = float(values.mean()) if len(values) else None
        found.append(line)
    return found
