"""Plans: the shipped ones hold, and what is wrong in a file is said with its line."""

from pathlib import Path

import pytest

from rftools.errors import RequestError
from rftools.models import build
from rftools.models.training.pruning import make_pruner
from rftools.study import read_plan
from rftools.study.plan import SHIPPED

GOOD = """
title = "Two nets"
data = "marks"

[scale.smoke]
seeds = 1
epochs = 1

[[row]]
name = "a"
net = "vgg-strided"

[[row]]
name = "b"
net = "vgg-dilated"
prune = "constant:0.5@begin=50%"
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_plans_name_nets_that_can_be_built_and_pruned(name):
    plan = read_plan(name)
    assert {"smoke", "small", "full"} <= set(plan.scales)
    for row in plan.rows:
        pruning = row.pruning(1000)
        if pruning is not None:
            make_pruner(build(row.net), pruning, per_epoch=100, total=1000)
        assert row.taps is None or 1 <= row.taps <= 9


def test_the_article_has_both_readings_and_both_begins():
    rows = {row.name: row for row in read_plan("article").rows}
    shares = {name: row.pruning(1600).schedule for name, row in rows.items() if row.prune and "constant" in row.prune}
    assert shares["cascade, 25 % zero"] == "constant:0.25@begin=320"
    assert shares["cascade, 75 % zero"] == "constant:0.75@begin=320"
    assert shares["large, 85 % zero, late"] == "constant:0.85@begin=500"  # 31.25 % of 1,600
    assert {row.taps for row in rows.values()} == {None, 2, 3, 4}


def test_the_full_article_is_the_articles_recipe():
    own = read_plan("article").scale("full")
    assert (own.epochs, own.steps, own.lr) == (80, 1000, 1e-3)


def test_a_plan_of_ones_own(tmp_path):
    plan = read_plan(written(tmp_path, GOOD))
    assert [row.net for row in plan.at("smoke")] == ["vgg-strided", "vgg-dilated"]
    assert plan.rows[1].pruning(30).schedule == "constant:0.5@begin=15"


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("epochs = 1", "epoch = 1", r"mine.toml, line 7: no key 'epoch' \(closest: epochs\)"),
        (
            'net = "vgg-dilated"',
            'net = "vgg-dilatd"',
            r"mine.toml, line 15: no net 'vgg-dilatd' \(closest: ",
        ),
        ("prune =", "prun =", r"mine.toml, line 16: no key 'prun' \(closest: prune\)"),
        ("constant:0.5", "konstant:0.5", r"mine.toml, line 16: no schedule 'konstant:0.5@begin=500000'"),
        ("constant:0.5", "constant:50", r"mine.toml, line 16: sparsity 50 is no share from 0 to 1; for 50 % write 0.5"),
        ('data = "marks"', "", r"mine.toml has no data; a plan has title, data"),
        ('name = "b"', 'name = "a"', r"mine.toml has two rows of the name 'a'"),
        ("seeds = 1", "seeds = 0", r"seeds of scale smoke is 0; it takes a whole number from 1"),
        ("epochs = 1", 'recipe = "artikle"', r"mine.toml, line 7: no recipe 'artikle'; there is article"),
        ("epochs = 1", "epochs = 1\nlr = 2", r"lr of scale smoke is 2; it takes a number from 0 to 1"),
        ("seeds = 1", 'seeds = "all"', r"seeds of scale smoke is 'all'; it takes a whole number from 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, line):
    with pytest.raises(RequestError, match=line):
        read_plan(written(tmp_path, GOOD.replace(old, new)))


def test_plans_and_scales_that_are_not_there(tmp_path):
    with pytest.raises(RequestError, match=r"no plan 'artikle' \(closest: article\); there are article"):
        read_plan("artikle")
    with pytest.raises(RequestError, match=r"mine has no scale 'smok' \(closest: smoke\): smoke"):
        read_plan(written(tmp_path, GOOD)).scale("smok")
    with pytest.raises(RequestError, match=r"mine.toml"):
        read_plan(written(tmp_path, "title = ["))
