"""When pruning leaves a kernel two taps it becomes a line. Does the layer still look every way, and does it matter?

vgg-cascade and vgg-large learn crops of eight photographs. Their convolutions are pruned by size, to 50, 75 and 90 %
zeros and to 4, 3 and 2 taps a kernel, each once as it comes and once with directions balanced over every filter, and
trained on for a moment. What is left of accuracy, of the fields and of the directions goes into two tables.

Run: python gallery/pruning_orientation.py [FOLDER]          a small run, and the picture from the tables in FOLDER
     python gallery/pruning_orientation.py --full [FOLDER]   the tables too (25 minutes on one core)
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import rftools as rf
from rftools.models import build
from rftools.models.data import load_data
from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import finetune, train
from rftools.models.training.options import Options
from rftools.pruning import Request, prune

NETS = ("vgg-cascade", "vgg-large")
TARGETS: dict[str, Request] = {
    "50 %": Request(sparsity=0.5),
    "75 %": Request(sparsity=0.75),
    "90 %": Request(sparsity=0.9),
    "4 taps": Request(taps=4),
    "3 taps": Request(taps=3),
    "2 taps": Request(taps=2),
}
NAME = "pruning_orientation"
COLOURS, MARKS = {"as it comes": "#0072b2", "balanced": "#d55e00"}, {"as it comes": "o", "balanced": "s"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is done."""

    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    epochs: int
    steps: int | None  # an epoch of the first training; None: one pass over the data
    steps_after: int
    pictures: int


FULL = Size((0, 1, 2), tuple(TARGETS), epochs=2, steps=None, steps_after=40, pictures=32)
QUICK = Size((0,), ("2 taps",), epochs=1, steps=3, steps_after=2, pictures=4)


def experiment(size: Size, scratch: Path) -> Iterator[tuple[Row, list[Row]]]:
    """One row a pruned net, and with it one row for each of its layers."""
    for seed in size.seeds:
        for net in NETS:
            whole, right = trained(net, seed, size, scratch / f"{net}-{seed}")
            what = {"net": net, "seed": seed, "target": "whole", "balanced": "as it comes", "sparsity": 0.0}
            yield described(rf.load(whole), what | {"accuracy_cut": None, "accuracy": right}, size)
            for target in size.targets:
                for balanced in COLOURS:
                    yield one(whole, {"net": net, "seed": seed, "target": target, "balanced": balanced}, size)


def trained(net: str, seed: int, size: Size, run: Path) -> tuple[Path, float]:
    """The checkpoint after the last epoch (not the best: held-out crops would have chosen it), and its accuracy."""
    crops = load_data("patches", "train")
    arguments = {"classes": len(crops.classes), "channels": 3}
    recipe = Recipe({"name": net, "arguments": arguments}, lambda: build(net, **arguments))
    options = Options(epochs=size.epochs, steps_per_epoch=size.steps, seed=seed, channels_last=True, device="cpu")
    history = train(recipe, crops, load_data("patches", "test"), run, options)
    return run / f"epoch-{size.epochs:04d}.pt", history[-1].val_accuracy


def one(whole: Path, what: Row, size: Size) -> tuple[Row, list[Row]]:
    """Prune, train on with the masks as they are, describe."""
    request = dataclasses.replace(
        TARGETS[what["target"]], layers=("features.*",), balance=what["balanced"] == "balanced"
    )
    cut = prune(rf.load(whole), request)
    what |= {"sparsity": cut.result.sparsity, "accuracy_cut": accuracy(cut.model)}
    options = Options(epochs=1, steps_per_epoch=size.steps_after, seed=what["seed"], channels_last=True, device="cpu")
    both = load_data("patches", "train"), load_data("patches", "test")
    (after,) = finetune(cut.model.module, cut.masks, *both, options)
    return described(cut.model, what | {"accuracy": after.val_accuracy}, size)


@torch.no_grad()
def accuracy(model: rf.Model) -> float:
    """The share of every fourth held-out crop that is told right."""
    crops = load_data("patches", "test")
    answers = model.module(crops.images[::4].float() / 255).argmax(1)
    return float((answers == crops.labels[::4]).float().mean())


def described(model: rf.Model, what: Row, size: Size) -> tuple[Row, list[Row]]:
    """The row of a net and those of its layers."""
    layers = [name for name, _ in model.module.named_modules() if name.endswith(".conv")]
    pictures = load_data("patches", "test").images[:: 800 // size.pictures].float() / 255
    field = rf.theoretical(model, surviving=True)[layers[-1]].surviving
    assert field is not None
    seen = rf.effective(model, pictures, layers=[layers[-1]], seed=what["seed"])[layers[-1]].measures
    shapes = {row.name: row for row in rf.sparsity(model)}
    named = {key: what[key] for key in ("net", "seed", "target", "balanced")}
    rows = [named | of_layer(row, shapes[row.name]) for row in rf.orientation(model, seed=what["seed"])]
    return (
        {
            **what,
            "surviving_field": "x".join(map(str, field.sizes)),
            "surviving_share": field.share,
            **{f"ellipse_{m}": seen[f"ellipse_{m}"].value for m in ("major", "minor", "anisotropy")},
            "ellipse_anisotropy_low": seen["ellipse_anisotropy"].low,
            "ellipse_anisotropy_high": seen["ellipse_anisotropy"].high,
        },
        rows,
    )


def of_layer(row: Any, shape: Any) -> Row:
    return {
        "layer": row.name,
        "kernels": row.kernels,
        "lines": shape.shapes.line / row.kernels,
        "pooled_anisotropy": row.pooled.anisotropy,
        "pooled_low": row.pooled.low,
        "pooled_high": row.pooled.high,
        "pooled_rank": row.pooled.rank,
        "resultant": row.resultant,
        "p_lattice": row.p_lattice,
        "q": row.q,
        "filter_anisotropy": row.filter_anisotropy,
        "spanning_filters": None if not row.filters else row.spanning_filters / len(row.filters),
    }


def write(path: Path, rows: list[Row]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows
        )


def read(path: Path) -> list[Row]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def values(rows: Iterable[Row], key: str, **wanted: str) -> list[float]:
    """A column, of the rows that have what is wanted."""
    return [float(row[key]) for row in rows if row[key] != "" and all(row[k] == v for k, v in wanted.items())]


def summary(nets: list[Row], layers: list[Row]) -> str:
    """Means over seeds (and layers), and ranges; every figure that the page quotes is one of these."""
    lines = [
        f"{'':12}{'target':8}{'':12} {'zeros':>6} {'accuracy (seeds)':>22} {'cut':>5} {'field':>7} "
        f"{'lines':>6} {'layer A':>8} {'filter A':>9} {'span':>5} {'q<.05':>7} {'ellipse A (seeds)':>22}"
    ]
    for net in NETS:
        for target in ("whole", *TARGETS):
            for balanced in COLOURS if target != "whole" else ("as it comes",):
                own = {"net": net, "target": target, "balanced": balanced}
                lines.append(f"{net:12}{target:8}{balanced:12} " + figures(nets, layers, own))
    return "\n".join([*lines, *extremes(layers), *differences(nets)])


def figures(nets: list[Row], layers: list[Row], own: dict[str, str]) -> str:
    def mean(rows: list[Row], key: str, style: str) -> str:
        found = values(rows, key, **own)
        return format(statistics.fmean(found), style) if found else format("-", f">{style.partition('.')[0]}")

    right, shape = values(nets, "accuracy", **own), values(nets, "ellipse_anisotropy", **own)
    fields = sorted({row["surviving_field"] for row in nets if all(row[k] == v for k, v in own.items())})
    q = values(layers, "q", **own)
    return (
        f"{mean(nets, 'sparsity', '6.1%')} {mean(nets, 'accuracy', '6.1%')} ({min(right):6.1%} to {max(right):6.1%}) "
        f"{mean(nets, 'accuracy_cut', '5.0%')} {'|'.join(fields):>7} {mean(layers, 'lines', '6.1%')} "
        f"{mean(layers, 'pooled_anisotropy', '8.3f')} {mean(layers, 'filter_anisotropy', '9.3f')} "
        f"{mean(layers, 'spanning_filters', '5.0%')} {sum(p < 0.05 for p in q):3d}/{len(q):<3d} "
        f"{mean(nets, 'ellipse_anisotropy', '6.3f')} ({min(shape):.3f} to {max(shape):.3f})"
    )


def extremes(layers: list[Row]) -> list[str]:
    """What the layers whose kernels are all lines come to, and how many layers point somewhere beyond chance."""
    lines = []
    for balanced in COLOURS:
        own = [row for row in layers if row["target"] == "2 taps" and row["balanced"] == balanced]
        later = [row for row in own if "block1." not in row["layer"]]
        ranks = " and ".join(sorted({row["pooled_rank"] for row in own}))
        lines.append(
            f"2 taps, {balanced}: {len(own)} layers, pooled rank {ranks}; beyond the first layer A "
            f"is at most {max(values(later, 'pooled_anisotropy')):.3f}, the upper end of its "
            f"interval at most {max(values(later, 'pooled_high')):.3f}, "
            f"and {min(values(later, 'spanning_filters')):.0%} of filters or more span the plane"
        )
    for balanced in COLOURS:
        p, q = (values(layers, key, balanced=balanced) for key in ("p_lattice", "q"))
        lines.append(
            f"tested against random taps, {balanced}: {len(p)} layers, p < 0.05 in {sum(x < 0.05 for x in p)} "
            f"({sum(x < 0.05 for x in p) / len(p):.1%}), q < 0.05 in {sum(x < 0.05 for x in q)}"
        )
    return lines


def differences(nets: list[Row]) -> list[str]:
    """Accuracy with directions balanced, less that without, pair by pair."""
    lines = []
    for net in (*NETS, ""):
        own = [row for row in nets if row["target"] != "whole" and net in row["net"]]
        found = {(r["net"], r["seed"], r["target"], r["balanced"]): 100 * float(r["accuracy"]) for r in own}
        pairs = [found[(*key, "balanced")] - found[(*key, "as it comes")] for *key, how in found if how == "balanced"]
        error = statistics.stdev(pairs) / len(pairs) ** 0.5
        lines.append(
            f"accuracy, balanced less as it comes, {net or 'both nets'}: {statistics.fmean(pairs):+.1f} points "
            f"(standard error {error:.1f}; {min(pairs):+.1f} to {max(pairs):+.1f}), better in "
            f"{sum(d > 0 for d in pairs)} of {len(pairs)} pairs"
        )
    return lines


PANELS = (
    ("accuracy", "held-out accuracy", "nets"),
    ("pooled_anisotropy", "anisotropy of a layer\n(pooled inertia)", "layers"),
    ("filter_anisotropy", "anisotropy of a filter\n(pooled, mean a layer)", "layers"),
    ("ellipse_anisotropy", "anisotropy of the\neffective field, last layer", "nets"),
)


def draw(nets: list[Row], layers: list[Row], path: Path) -> None:
    figure = Figure(figsize=(9.5, 10), layout="constrained")
    grid = figure.subplots(len(PANELS), len(NETS), sharex=True, sharey="row")
    for line, (key, label, table) in zip(grid, PANELS, strict=True):
        for axes, net in zip(line, NETS, strict=True):
            panel(axes, [row for row in (nets if table == "nets" else layers) if row["net"] == net], key)
        line[0].set_ylabel(label)
        line[0].set_ylim(bottom=0)
    for axes, net in zip(grid[0], NETS, strict=True):
        axes.set_title(net)
    for axes in grid[-1]:
        axes.set_xlabel("zeros in the convolutions, or taps a kernel")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
    figure.suptitle(
        "Pruned by size: small marks are seeds or layers, lines their means", x=0.01, ha="left", fontsize=11
    )
    figure.savefig(path, dpi=100)


def panel(axes: Axes, rows: list[Row], key: str) -> None:
    names = ("whole", *TARGETS)
    whole = values(rows, key, target="whole")
    axes.scatter([0] * len(whole), whole, s=9, alpha=0.45, lw=0, color="0.3")
    axes.plot([0], [statistics.fmean(whole)], "D", ms=6, color="0.3", label="whole")
    for shift, balanced in zip((-0.13, 0.13), COLOURS, strict=True):
        found = [values(rows, key, target=target, balanced=balanced) for target in TARGETS]
        look: dict[str, Any] = {"color": COLOURS[balanced], "marker": MARKS[balanced]}
        places = [place + shift for place, own in enumerate(found, start=1) for _ in own]
        axes.scatter(places, [value for own in found for value in own], s=9, alpha=0.45, lw=0, **look)
        for first in (0, 3):  # sparsities, then taps
            means = [statistics.fmean(own) for own in found[first : first + 3]]
            axes.plot([first + 1 + shift + k for k in range(3)], means, ms=6, label=balanced if first else None, **look)
    if key == "accuracy":
        axes.axhline(1 / 8, color="0.5", lw=1, ls=":")
        axes.annotate("chance", (0.55, 1 / 8), xytext=(0, 3), textcoords="offset points", fontsize=8, color="0.35")
    for edge in (0.5, 3.5):
        axes.axvline(edge, color="0.8", lw=1)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "docs" / "gallery")
    parser.add_argument("--full", action="store_true", help="work out the tables again")
    parser.add_argument("--quick", action="store_true", help="the small run (what is done without --full)")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    tables = [given.folder / f"{NAME}.csv", given.folder / f"{NAME}_layers.csv"]
    nets: list[Row] = []
    layers: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for row, own in experiment(FULL if given.full else QUICK, Path(scratch)):
            nets.append(row)
            layers += own
            print(
                f"{row['net']} seed {row['seed']} {row['target']} {row['balanced']}: {row['accuracy']:.1%}", flush=True
            )
            if given.full:
                write(tables[0], nets)
                write(tables[1], layers)
    if all(table.exists() for table in tables):
        nets, layers = map(read, tables)
        print(summary(nets, layers))
        draw(nets, layers, given.folder / f"{NAME}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
