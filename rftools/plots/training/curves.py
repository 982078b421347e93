"""Training curves from a run's history: one dict an epoch, as the checkpoint's metadata has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import Line, Mark, Panel, PlotAxis, ReferenceLine, Scene, numbers

History = Sequence[Mapping[str, Any]]


@kind("history", "curves", place=1)
def curves(history: History, chance: float | None = None) -> Scene:
    """Loss and accuracy by epoch, training and held-out; ``chance`` is the accuracy of guessing.

    Raises:
        RequestError: the history is empty.
    """
    if not history:
        raise RequestError("the history holds no epoch; nothing to draw")
    epochs = numbers(entry.get("epoch", i + 1) for i, entry in enumerate(history))
    loss = _pair(history, epochs, "loss", 1)
    accuracy = _pair(history, epochs, "accuracy", 100)
    if chance is not None:
        accuracy.append(
            ReferenceLine(colour="muted", label=f"guessing ({100 * chance:.0f} %)", value=100 * chance, dash="dot")
        )
    epoch = PlotAxis("epoch", integer=True)
    last = history[-1]
    return Scene(
        panels=(
            Panel(title="Loss", x=epoch, y=PlotAxis("cross-entropy", "nats"), marks=tuple(loss)),
            Panel(title="Accuracy", x=epoch, y=PlotAxis("accuracy", "%"), marks=tuple(accuracy)),
        ),
        columns=2,
        size=(430, 320),
        caption="Loss and accuracy after each epoch, on the training data and on held-out data.",
        alt=f"Training curves over {len(history)} epochs; held-out accuracy ends at {_percent(last)}.",
    )


def _pair(history: History, epochs: tuple[float, ...], key: str, scale: float) -> list[Mark]:
    marks: list[Mark] = []
    for name, label, colour, dash in (
        (key, "training", "series-1", "dash"),
        (f"val_{key}", "held out", "series-2", "solid"),
    ):
        values = numbers(None if entry.get(name) is None else scale * entry[name] for entry in history)
        if any(value == value for value in values):
            marks.append(
                Line(
                    colour=colour,
                    label=label,
                    x=epochs,
                    y=values,
                    dash="dash" if dash == "dash" else "solid",
                    markers=len(values) < 40,
                )
            )
    return marks


def _percent(entry: Mapping[str, Any]) -> str:
    value = entry.get("val_accuracy")
    return "an unknown value" if value is None else f"{100 * value:.1f} %"
