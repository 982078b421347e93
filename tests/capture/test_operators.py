"""The one list of operators: it holds names that there are, and what reads it agrees."""

import torch

import rftools.erf.maps.cone.plan  # noqa: F401  (registers the cone's rules)
from rftools.capture import operators
from rftools.erf.maps.cone.base import BUILDERS
from rftools.trf.rules.registry import RULES


def kinds() -> dict[str, set[str]]:
    found = {name: value for name, value in vars(operators).items() if name.isupper() and name != "RANKS"}
    return {name: {item.rpartition(".")[2] for item in value} for name, value in found.items()}


def test_every_name_is_an_operator() -> None:
    """A name that no operator of torch has (``softsign`` is three others) does nothing."""
    known = {str(schema).partition("(")[0].partition(".")[0] for schema in torch._C._jit_get_all_schemas()}
    plain = {name.rpartition("::")[2] for name in known}
    elsewhere = {"nms", "getitem"}  # torchvision's, Python's
    listed = set().union(*kinds().values())
    assert listed - plain - elsewhere == set()


def test_an_operator_is_of_one_kind() -> None:
    apart = ("UNARY", "OTHER_UNARY", "COPIES", "OTHER_COPIES", "DROPOUTS", "ARITHMETIC", "JOINING", "SAME_ELEMENTS")
    every = [name for kind in (*apart, "SPLITS", "BATCH_NORMS", "SHAPE_ONLY") for name in sorted(kinds()[kind])]
    assert len(every) == len(set(every))


def test_whatever_the_cone_has_a_rule_for_has_a_field() -> None:
    assert set(BUILDERS) - set(RULES) == set()


def test_a_sigmoid_s_logarithm_has_a_field() -> None:
    assert "aten.log_sigmoid" in RULES
