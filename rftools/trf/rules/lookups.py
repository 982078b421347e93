"""Values that are looked up: among boundaries, in a table, as classes."""

from __future__ import annotations

from rftools.trf.rules.registry import Answer, Call, NoRule, rule


@rule("aten.bucketize", "aten.searchsorted")
def searched(call: Call) -> Answer:
    """A value's place among boundaries that are constants: element by element."""
    boundaries = "boundaries" if "boundaries" in call.arguments else "sorted_sequence"
    if call.field(boundaries) is not None:
        raise NoRule(f"{boundaries} depends on the input")
    return call.main("self")


@rule("aten.embedding")
def embedding(call: Call) -> Answer:
    """Each index is replaced by a row of the table: all of the row sees what the index sees."""
    if call.field("weight") is not None:
        raise NoRule("the table depends on the input")
    field = call.main("indices")
    return field.reshape((*field.shape, 1)).expand(call.shape)


@rule("aten.one_hot")
def one_hot(call: Call) -> Answer:
    field = call.main("self")
    return field.reshape((*field.shape, 1)).expand(call.shape)
