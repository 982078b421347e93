"""Comparing models: alignment, differences, and the page."""

from __future__ import annotations

import copy
import dataclasses
import html
import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.checks.layers import weighted
from rftools.checks.sizes import effective_size
from rftools.erf import compare as compare_effective
from rftools.loading import as_model
from rftools.reporting.findings import Thresholds
from rftools.reporting.page.alignment import align, columns, difference, labels, records
from rftools.reporting.page.comparison import comparison
from rftools.reporting.page.contents import contents
from rftools.reporting.page.facts import banners
from rftools.reporting.page.method import Provenance
from rftools.reporting.sections import Value, quantities
from rftools.reporting.sources.models import from_model, from_models
from rftools.reporting.sources.results import from_results
from rftools.reporting.subject.subject import Subject
from tests import drawn

FIELD, EFFECTIVE = (next(q for q in quantities() if q.key == key) for key in ("theoretical-size", "effective-size"))


def subject(name: str, spec: str = "a.pt", first: str = "conv1", **changes: object) -> Subject:
    model = dataclasses.replace(drawn.MODEL, name=name, spec=spec)
    results = [drawn.theoretical(first), drawn.effective(first), drawn.sparsity(first), drawn.orientation(first)]
    made = from_results([dataclasses.replace(result, model=model) for result in results])
    return dataclasses.replace(made, history=drawn.HISTORY, **changes)  # type: ignore[arg-type]


def test_layers_of_the_same_names_are_aligned_by_name() -> None:
    found = align(FIELD, [subject("a"), subject("b")])
    assert found is not None
    assert (found.by, found.layers) == ("name", ("conv1", "conv2"))
    assert found.values == ((Value(3.0), Value(3.0)), (Value(9.0), Value(9.0)))


def test_a_layer_that_one_model_lacks_leaves_a_gap() -> None:
    short = drawn.theoretical()
    short = dataclasses.replace(short, layers=short.layers[:1])
    found = align(FIELD, [subject("a"), subject("b", theoretical=short)])
    assert found is not None
    assert found.by.startswith("relative depth") or found.values[1][1] is None


def test_a_figure_that_one_model_does_not_define_leaves_a_gap_at_its_own_layer() -> None:
    """Not a reason to match other layers: three of four sizes are undefined in the second model."""
    whole = drawn.effective()
    row = whole.layers[0]
    undefined = dataclasses.replace(row.measures["radius_50"], value=None, low=None, high=None)
    names = ["a", "b", "c", "d"]
    full = dataclasses.replace(whole, layers=tuple(dataclasses.replace(row, name=name) for name in names))
    gaps = [
        dataclasses.replace(r, measures={**r.measures, "radius_50": undefined} if r.name != "c" else r.measures)
        for r in full.layers
    ]
    pair = [subject("x", effective=full), subject("y", effective=dataclasses.replace(full, layers=tuple(gaps)))]
    found = align(EFFECTIVE, pair)
    assert found is not None
    assert (found.by, found.layers) == ("name", ("a", "b", "c", "d"))
    assert [second is None for _, second in found.values] == [True, True, False, True]


def test_other_architectures_are_aligned_by_relative_depth() -> None:
    def chain(depth: int, kernel: int, prefix: str) -> Subject:
        net = nn.Sequential()
        for i in range(depth):
            net.add_module(f"{prefix}{i}", nn.Conv2d(1, 1, kernel, padding=kernel // 2))
        return from_results([rf.theoretical(net, input_size=(1, 64, 64))])

    found = align(FIELD, [chain(5, 3, "a"), chain(3, 5, "b")])
    assert found is not None
    assert found.by == "the share of their depth, from the first at 0 % to the last at 100 %"
    assert found.layers == ("0.0 %", "25.0 %", "50.0 %", "75.0 %", "100.0 %")
    assert columns(found, ["a", "b"])[0] == "depth"
    assert [row[0] for row in found.values] == [Value(float(s)) for s in (3, 5, 7, 9, 11)]
    # relative depths 0, 1/4, 1/2, 3/4, 1 of three layers: 0, 0.5, 1, 1.5, 2, halves to the even one
    assert [row[1] for row in found.values] == [Value(float(s)) for s in (5, 5, 9, 13, 13)]


def test_containers_are_not_counted_as_convolutions() -> None:
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Sequential(nn.Conv2d(1, 1, 3))))
    rows = weighted(rf.theoretical(net, input_size=(1, 9, 9)))
    assert [row.name for row in rows] == ["0.0", "0.1.0"]
    alone = weighted(rf.theoretical(nn.Conv2d(1, 1, 3), input_size=(1, 9, 9)))
    assert [row.name for row in alone] == ["/conv2d"]


def test_the_interval_of_a_difference_has_its_coverage() -> None:
    """Two normal measurements with known intervals: their difference's interval holds the truth in 95 %."""
    generator = torch.Generator().manual_seed(0)
    first = 3 + 0.5 * torch.randn(4000, generator=generator, dtype=torch.float64)
    second = 5 + 1.2 * torch.randn(4000, generator=generator, dtype=torch.float64)
    held = 0
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        gap = difference(Value(a, a - 1.96 * 0.5, a + 1.96 * 0.5), Value(b, b - 1.96 * 1.2, b + 1.96 * 1.2))
        assert gap is not None
        assert gap.low is not None
        assert gap.high is not None
        held += gap.low <= 2 <= gap.high
    assert held / 4000 == pytest.approx(0.95, abs=0.01)


def test_a_difference_needs_both() -> None:
    assert difference(None, Value(1.0)) is None
    assert difference(Value(1.0), Value(3.0, 2.0, 4.0)) == Value(2.0)


def test_every_model_gets_a_name_of_its_own() -> None:
    assert labels([subject("a"), subject("b")]) == ["a", "b"]
    assert labels([subject("a", "x/1.pt"), subject("a", "x/2.pt")]) == ["1.pt", "2.pt"]
    assert labels([subject("a", "x/1.pt"), subject("a", "y/1.pt")]) == ["1.pt (1)", "1.pt (2)"]


def test_the_page_compares(tmp_path: Path) -> None:
    results = []
    for name, dead in (("before", 0), ("<b>after", 2)):
        model = dataclasses.replace(drawn.MODEL, name=name)
        effective = drawn.effective()
        radius = effective.layers[1].measures["radius_50"]
        wider = {**effective.layers[1].measures, "radius_50": dataclasses.replace(radius, value=2.5 + 0.1 * dead)}
        rows = (effective.layers[0], dataclasses.replace(effective.layers[1], measures=wider))
        effective = dataclasses.replace(effective, layers=rows)
        made = [drawn.theoretical(), effective, drawn.sparsity(dead=dead), drawn.orientation()]
        results += [dataclasses.replace(result, model=model) for result in made]
    raw = rf.report(results, tmp_path / "r.html").read_text()
    text = html.unescape(raw)
    assert "<b>after" not in raw
    assert "<b>after: 2 filters in 1 layer lost all weights and give a constant (conv1)." in text
    assert 'id="effective-size"' in raw
    for key in ("theoretical-size", "sparsity-share"):  # the same in both: said, not drawn
        assert f'id="{key}"' not in raw
    assert "Theoretical field size of convolutions: the same in both models, layer by layer" in text
    assert "Fewer than two of these models have this result." in text  # no training history here
    assert "layers are aligned by name" in text
    levels = re.findall(r'<li class="(\w+)">', raw)
    assert levels == sorted(levels, key=["problem", "notice", "fine"].index)


def test_effective_sizes_are_compared_on_the_same_images() -> None:
    """The page's difference is the paired one, and narrower than that of independent measurements."""
    torch.manual_seed(1)
    nets = [nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2)) for _ in range(2)]
    nets[1].load_state_dict({k: v + 0.02 * torch.randn_like(v) for k, v in nets[0].state_dict().items()})
    options = {"count": 24, "images": "white"}
    subjects = from_models(nets, (1, 24, 24), options)
    together = compare_effective(nets, input_size=(1, 24, 24), **options)  # type: ignore[arg-type]
    found = align(EFFECTIVE, subjects)
    assert found is not None
    place = found.layers.index("2")
    expected = together["2"].differences[0]["radius_50"]
    change = found.changes[place]
    assert change == Value(2 * expected.value, 2 * expected.low, 2 * expected.high)  # type: ignore[arg-type]
    alone = difference(*found.values[place])
    assert alone is not None
    assert change is not None
    assert change.value == pytest.approx(alone.value)
    widths = [value.high - value.low for value in (change, alone)]  # type: ignore[operator]
    assert widths[0] < widths[1]
    assert records(found)[place][3:] == (change.value, change.low, change.high)


def test_other_input_sizes_are_measured_apart() -> None:
    nets = [as_model(nn.Conv2d(1, 2, 3, padding=1), (1, side, side)) for side in (12, 16)]
    subjects = from_models(nets, None, {"count": 2})
    assert [subject.effective is not None for subject in subjects] == [True, True]
    assert subjects[1].paired == {}


def test_modules_are_compared(tmp_path: Path) -> None:
    nets = [nn.Sequential(nn.Conv2d(1, 2, k, padding=k // 2)) for k in (3, 5)]
    text = rf.report(nets, tmp_path / "r.html", input_size=(1, 12, 12), effective=False).read_text()
    assert "Sequential (1)" in text
    assert "Sequential (2)" in text


def test_what_pruning_left_is_compared_with_the_net_before(tmp_path: Path) -> None:
    """A net without a zero has its whole field; the pruned one's shares are those of its own analysis."""
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Conv2d(1, 2, 5, padding=2), nn.Conv2d(2, 2, 5, padding=2))
    pruned = copy.deepcopy(dense)
    pruned[1].weight.data[:, :, :2] = 0
    subjects = [from_model(net, (1, 24, 24), None) for net in (dense, pruned)]
    quantity = next(quantity for quantity in quantities() if quantity.key == "surviving-share")
    found = align(quantity, subjects)
    assert found is not None
    left = rf.theoretical(pruned, input_size=(1, 24, 24), surviving=True)["1"].surviving
    assert left is not None
    assert left.share == pytest.approx(7 / 9)  # two of the nine rows went
    assert found.values == ((Value(100.0), Value(100.0)), (Value(100.0), Value(100 * left.share)))
    assert found.changes[1] == Value(100 * left.share - 100)
    assert align(quantity, [subjects[0], subjects[0]]) is None  # nothing was pruned
    rf.report([dense, pruned], tmp_path / "r.html", input_size=(1, 24, 24), effective=False)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="surviving-share-table"' in page
    assert 'id="surviving-share"' in page


def test_a_comparison_says_which_models_surviving_field_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1))
    pruned = copy.deepcopy(dense)
    pruned[1].weight.data[:, :, :2] = 0
    monkeypatch.setattr("rftools.reporting.sections.theoretical.MOST_WALKED", 1)
    rf.report([dense, pruned], tmp_path / "r.html", input_size=(1, 12, 12), effective=False)
    page = html.unescape((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.count("Surviving fields were left out: 2 layers hold kernels") == 1
    assert "Sequential (2): Surviving fields were left out" in page


def test_nets_without_a_common_layer_are_compared_by_what_their_deepest_see() -> None:
    nets = [
        nn.Sequential(OrderedDict([(name, nn.Conv2d(3, 4, size, padding=size // 2))]))
        for name, size in (("a", 3), ("b", 7))
    ]
    subjects = from_models(nets, (3, 16, 16), {"images": "white", "count": 2})
    text = comparison(subjects, Thresholds(), Provenance(None, 0.0))["opening"]["sentence"]
    assert text.startswith("The deepest layer that was measured can see 3 px in ")
    sizes = [effective_size(subject.effective.layers[0])[0] for subject in subjects]  # type: ignore[union-attr,index]
    assert re.findall(r"lies within (\d+) px in .*?, (\d+) px", text) == [(f"{sizes[0]:.0f}", f"{sizes[1]:.0f}")]


def test_many_models_are_said_by_their_ends() -> None:
    nets = [nn.Sequential(nn.Conv2d(3, 4, size, padding=size // 2)) for size in (3, 3, 5, 7)]
    text = comparison(from_models(nets, (3, 16, 16), {"count": 2}), Thresholds(), Provenance(None, 0.0))
    assert text["opening"]["sentence"].startswith(
        "The deepest layer that was measured can see 3 px to 7 px in the 4 models;"
    )
    same = comparison(from_models(nets[:1] * 4, (3, 16, 16), {"count": 2}), Thresholds(), Provenance(None, 0.0))
    assert "can see 3 px in all 4 models; half of what moves it lies within " in same["opening"]["sentence"]


def test_long_names_are_short_in_sentences() -> None:
    net = nn.Sequential(OrderedDict([("x" * 10_000, nn.Conv2d(3, 4, 31, padding=15))]))
    (subject,) = from_models([net], (3, 16, 16), {"count": 2})
    content = contents(subject, None, Thresholds(), Provenance(None, 0.0))
    assert len(content["opening"]["sentence"]) < 300
    assert max(len(item.sentence) for item in content["findings"]) < 400


def test_comparisons_of_sequences_are_drawn_in_samples() -> None:
    nets = [nn.Sequential(nn.Conv1d(1, 2, size, padding=size // 2)) for size in (3, 5)]
    content = comparison(from_models(nets, (1, 32), {"count": 2}), Thresholds(), Provenance(None, 0.0))
    figures = [figure.markup for section in content["sections"] for figure in section["figures"]]
    assert any("samples" in markup for markup in figures)
    assert not any("px)" in markup for markup in figures)


def test_a_net_without_places_says_that_it_sees_all() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 10), nn.ReLU(), nn.Linear(10, 2))
    (subject,) = from_models([net], (3, 4, 4), None)
    text = contents(subject, None, Thresholds(), Provenance(None, 0.0))["opening"]["sentence"]
    assert text.startswith("No layer has a place of its own in the image: each unit of the model sees all of it")


def test_what_is_said_of_several_models_alike_is_said_once() -> None:
    """Random weights of two nets are one banner with both names; of other seeds they are two."""

    def random(seed: int) -> Subject:
        net = rf.load("rftools:vgg-strided", seed=seed)
        return from_results([rf.sparsity(net)])

    (said,) = banners([random(0), random(0)], ["a", "b"])
    assert said.startswith("a, b: ")
    assert [text[:3] for text in banners([random(0), random(1)], ["a", "b"])] == ["a: ", "b: "]
    assert not banners([random(0)])[0].startswith(": ")
