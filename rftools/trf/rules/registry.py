"""The registry of operator rules: how the field of an operator's output follows from those of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import fx

from rftools.capture.shapes import shape_of as shape_of  # read from here before; callers take it from its home
from rftools.errors import RequestError, closest
from rftools.trf.carrier import Carrier
from rftools.trf.constants import Known
from rftools.trf.field import Field
from rftools.trf.offsets import attended, closed_weights, zeros_of_attention

Answer = Field | Sequence[Field | None] | None
Rule = Callable[["Call"], Answer]
R = TypeVar("R", bound=Rule)
RULES: dict[str, Rule] = {}


class NoRule(Exception):
    """No exact answer for this call; the message says why, and ends up in the layer's ``cause``."""


@dataclass(frozen=True)
class Call:
    """One call of an operator: its arguments by the names of its schema, and the fields of its tensors."""

    node: fx.Node
    arguments: Mapping[str, Any]
    fields: Mapping[fx.Node, Answer]
    evaluate: Callable[[Any], Any]
    carrier: type[Carrier] = Field

    def __getitem__(self, name: str) -> Any:
        """An argument as the graph has it; the schema's default where it was left out."""
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        value = self.arguments.get(name, default)
        return default if value is None else value

    def field(self, name: str) -> Field | None:
        """The field of a tensor argument; None where no input reaches it."""
        return self.field_of(self.arguments[name])

    def field_of(self, value: Any) -> Field | None:
        answer = self.fields.get(value) if isinstance(value, fx.Node) else None
        return answer if isinstance(answer, self.carrier) else None

    def main(self, name: str) -> Field:
        """The field of the tensor that the operator works on; a constant there is not handled by most rules."""
        field = self.field(name)
        if field is None:
            raise NoRule(f"{name} does not depend on the input, another argument does")
        return field

    def only(self, name: str) -> Field:
        """The field of ``name``, refused where another tensor argument (data-dependent weights) has one too."""
        for other, value in self.arguments.items():
            if other != name and self.field_of(value) is not None:
                raise NoRule(f"{other} depends on the input")
        return self.main(name)

    def constant(self, name: str) -> torch.Tensor:
        """The value of a tensor argument that does not depend on the input."""
        if self.field(name) is not None:
            raise NoRule(f"{name} depends on the data")
        value = self.evaluate(self.arguments[name])
        if not isinstance(value, torch.Tensor):
            raise NoRule(f"{name} is not known")
        return value

    def fixed(self, value: Any) -> torch.Tensor | None:
        """The value of a tensor that is part of the architecture: neither data nor learned; None for others."""
        asked = getattr(self.evaluate, "fixed", None)
        return None if asked is None else asked(value)

    def choice(self, value: Any) -> torch.Tensor | None:
        """The value of a condition that is no data; None for others."""
        asked = getattr(self.evaluate, "choice", None)
        return None if asked is None else asked(value)

    def zeros(self, value: Any) -> torch.Tensor | None:
        """Which elements of a tensor are zero whatever the data are; None for none."""
        asked = getattr(self.evaluate, "zeros", None)
        return None if asked is None else asked(value)

    def closed_weights(self) -> torch.Tensor | None:
        """Which weights of the softmax that is called masks make zero."""
        return closed_weights(self.evaluate, self.node) if isinstance(self.evaluate, Known) else None

    def attended(self) -> torch.Tensor | None:
        """Which key each query of the attention that is called reads; None for all."""
        return attended(self.evaluate, self.arguments) if isinstance(self.evaluate, Known) else None

    def zeros_of_attention(self) -> torch.Tensor | None:
        """Which elements of the attention that is called are zero, since all values that are read are."""
        return zeros_of_attention(self.evaluate, self.node) if isinstance(self.evaluate, Known) else None

    def shape_of(self, name: str) -> tuple[int, ...]:
        return shape_of(self.arguments[name])

    def every(self, field: Field | None) -> Answer:
        """The operator's answer where all of its outputs have this field."""
        value = self.node.meta["val"]
        return [field] * len(value) if isinstance(value, (list, tuple)) else field

    def first(self, field: Field | None) -> Answer:
        """The operator's answer where this is its first output's field, and the others say nothing of the input."""
        value = self.node.meta["val"]
        return [field, *[None] * (len(value) - 1)] if isinstance(value, (list, tuple)) else field

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the output (of its first tensor where there are several)."""
        return shape_of(self.node)


def rule(*names: str) -> Callable[[R], R]:
    """Register the function that follows as the rule of the operators ``names``.

    The function takes a `Call` and returns the `Field` of the operator's output. For a custom operator
    ``mylib::blur(Tensor x) -> Tensor`` that blurs the last axis over five pixels:

    >>> from rftools.trf import Taps, rule
    >>> @rule("mylib.blur")
    ... def blur(call):
    ...     size = call.shape[-1]
    ...     return call.main("x").window(-1, Taps.window(5, size, size, padding=2))

    Raises:
        RequestError: an operator of that name has a rule already.
    """

    def register(function: R) -> R:
        for name in names:
            key = name.replace("::", ".")
            if key in RULES:
                raise RequestError(f"the operator {key} has a rule already; pass rules={{{key!r}: ...}} to replace it")
            RULES[key] = function
        return function

    return register


def like(name: str) -> Callable[[R], R]:
    """Mark a rule that reads the same elements as the registered operator ``name``, whose short step back it keeps.

    >>> from rftools.trf import Call, like
    >>> from rftools.trf.rules import RULES
    >>> @like("aten.relu")
    ... def watched(call: Call):
    ...     print(call.shape)
    ...     return RULES["aten.relu"](call)

    Raises:
        RequestError: no such operator has a rule.
    """
    if name not in RULES:
        raise RequestError(f"no rule for {name!r} is registered{closest(name, RULES)}")

    def mark(function: R) -> R:
        function.stands_for = RULES[name]  # type: ignore[attr-defined]
        return function

    return mark


def make_call(
    node: fx.Node, fields: Mapping[fx.Node, Answer], evaluate: Callable[[Any], Any], carrier: type[Carrier] = Field
) -> Call:
    """The call of ``node`` with its arguments by name; ``carrier`` is what its rule is worked out on."""
    return Call(node, _by_name(node), fields, evaluate, carrier)


def _by_name(node: fx.Node) -> dict[str, Any]:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {**{str(i): a for i, a in enumerate(node.args)}, **node.kwargs}
    named: dict[str, Any] = {}
    for position, argument in enumerate(schema.arguments):
        if position < len(node.args):
            named[argument.name] = node.args[position]
        elif argument.name in node.kwargs:
            named[argument.name] = node.kwargs[argument.name]
        else:
            named[argument.name] = argument.default_value if argument.has_default_value() else None
    return named
