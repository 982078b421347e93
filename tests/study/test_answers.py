"""What a study answers, on tables whose truth is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rftools.study.answers import difference, doubts, explained, ranking, spanning_pairs, standing, surely
from rftools.study.page import page, summary
from rftools.study.plan import read_plan
from rftools.study.sheets import _range
from rftools.study.tables import frames


def made(rows: dict[str, list[float]], **more: object) -> pd.DataFrame:
    """A table of accuracies, a seed each."""
    records = [
        {"net": "n", "row": row, "seed": seed, "accuracy": value, "epochs": [], "layers": [], "key": "k"} | more
        for row, values in rows.items()
        for seed, value in enumerate(values)
    ]
    return frames(records)["results"]


def test_difference_is_welchs():
    a, b = [0.81, 0.85, 0.80], [0.70, 0.78, 0.71]
    ends = stats.ttest_ind(100 * np.array(a), 100 * np.array(b), equal_var=False).confidence_interval()
    said = difference(made({"a": a, "b": b}), "a", "b")
    assert said == f"a 82.0 %, b 73.0 %: +9.0 points (95 % interval {ends.low:+.1f} to {ends.high:+.1f})"
    assert "seeds differ by as much" in (difference(made({"a": a, "b": [0.6, 0.95, 0.8]}), "a", "b") or "")
    assert difference(made({"a": a}), "a", "b") is None
    assert "one seed" in (difference(made({"a": [0.5], "b": [0.6]}), "a", "b") or "")


def test_ranking_is_by_means():
    own = made({"a": [0.5, 0.6], "b": [0.9, 0.1], "c": [0.7, 0.7]})
    assert ranking(own, ("a", "b", "c")) == "c (70.0 %) > a (55.0 %) > b (50.0 %)"
    assert ranking(own, ("a", "x")) is None


def test_standing_says_which_pairs_seeds_tell_apart():
    own = made({"a": [0.5, 0.51, 0.52], "b": [0.9, 0.91, 0.92], "c": [0.88, 0.92, 0.93]})
    assert standing(own) == (
        "b (91.0 %) = c (91.0 %) > a (51.0 %). Of the 3 pairs 2 differ by more than their seeds do (95 % interval "
        "above nothing)."
    )
    assert surely(own, "b", "a")
    assert not surely(own, "a", "b")
    assert standing(made({"a": [0.5]})) is None


def nets(field_effect: float, size_effect: float, noise: float) -> pd.DataFrame:
    """Twelve nets, three seeds each: accuracy in points is 50 + effects times log2."""
    draw = np.random.default_rng(3)
    records = []
    for k, (field, size) in enumerate(itertools.product((15, 31, 63, 127), (10_000, 40_000, 160_000))):
        for seed in range(3):
            points = 50 + field_effect * np.log2(field) + size_effect * np.log2(size) + noise * draw.normal()
            records.append(
                {"net": f"n{k}", "row": f"r{k}", "seed": seed, "key": "k", "accuracy": points / 100}
                | {"theoretical": field, "parameters": size, "sparsity": 0.0, "epochs": [], "layers": []}
            )
    return frames(records)["results"]


def test_effects_are_found_with_their_intervals():
    field, size = explained(nets(2.0, 0.5, noise=0.0), "theoretical") or (None, None)
    assert field is not None
    assert size is not None
    assert (field.points, size.points) == pytest.approx((2.0, 0.5), abs=1e-9)
    field, size = explained(nets(0.0, 1.0, noise=1.0), "theoretical") or (None, None)
    assert field is not None
    assert field.low < 0 < field.high
    assert size is not None
    assert size.low > 0


def test_a_mixed_model_finds_the_same_effects():
    """With a random intercept a net and equal seeds, REML's fixed effects are those of least squares; statsmodels'
    intervals meet the bootstrap's."""
    smf = pytest.importorskip("statsmodels.formula.api")
    own = nets(2.0, 0.5, noise=1.0)
    own = own.assign(points=100 * own["accuracy"] + own["row"].map(lambda row: 0.8 * ((int(row[1:]) * 5) % 7 - 3)))
    own = own.assign(accuracy=own["points"] / 100, field=np.log2(own["theoretical"]), size=np.log2(own["parameters"]))
    other = smf.mixedlm("points ~ field + size", own, groups=own["row"]).fit()
    ends = other.conf_int()
    for effect, name in zip(explained(own, "theoretical") or (), ("field", "size"), strict=True):
        assert effect.points == pytest.approx(other.fe_params[name], abs=1e-5)
        low, high = ends.loc[name]
        assert effect.low < other.fe_params[name] < effect.high
        assert 0.5 < (effect.high - effect.low) / (high - low) < 2


def test_ranges_of_random_taps_add_up_in_squares():
    """Of two layers whose counts are normal: the 95 % range of the sum of independent draws has 1.96 times the root of
    the variances' sum."""
    ends = {"from": 0.0, "to": 15.0, "kernels": 1}
    layers = [(100.0, 3.0), (50.0, 4.0)]  # mean and standard deviation: 3, 4 and 5
    rows = [ends | {"chance": m, "chance_low": m - 1.96 * s, "chance_high": m + 1.96 * s} for m, s in layers]
    low, high = _range(pd.DataFrame(rows), pd.DataFrame([ends | {"chance": 150.0}]))
    assert (low[0], high[0]) == pytest.approx((150 - 9.8, 150 + 9.8))


def test_few_nets_explain_nothing():
    own = nets(2.0, 0.5, noise=0.0)
    assert explained(own[own["row"].isin(["r0", "r1", "r2", "r3"])], "theoretical") is None
    assert explained(own[own["theoretical"] == 15], "theoretical") is None


def test_two_taps_that_span_a_kernel_are_its_diagonals():
    assert spanning_pairs(3) == (2, 36)
    assert spanning_pairs(5) == (2, 300)


def test_readings_say_which_gives_the_articles_ranking():
    rows = {
        "dilated": [0.70], "large": [0.71], "cascade": [0.72],
        "cascade, 25 % zero": [0.75], "large, 15 % zero": [0.73],
        "cascade, 75 % zero": [0.60], "large, 85 % zero": [0.73],
    }  # fmt: skip
    tables = {"results": made(rows), "layers": pd.DataFrame(), "epochs": pd.DataFrame()}
    answer = doubts(tables)[1]
    assert answer.text is not None
    assert answer.text.endswith(
        "The article's ranking follows from: set to zero; but no two neighbours differ by more than their seeds do."
    )
    assert doubts(tables)[2].told.startswith("Left open")


def test_a_page_of_failures_and_hostile_names_is_whole():
    hostile = "<script>alert(1)</script>"
    names = dict.fromkeys(("net", "row", "error"), hostile)
    records = [names | {"seed": 0, "key": "k", "data": "marks", "rftools": "0", "epochs": [], "layers": []}]
    text = page(read_plan("article"), frames(records))
    assert "<script>" not in text
    assert "1 of them failed" in text
    assert summary(frames(records)["results"]) == []


def test_studies_of_sequences_count_in_samples() -> None:
    pd = pytest.importorskip("pandas")
    from rftools.study.tables import unit_of

    units = [
        unit_of(pd.DataFrame({"data": names})) for names in (["recall", "recall"], ["patches"], ["recall", "marks"])
    ]
    assert units == ["samples", "px", "px"]
