"""A second ground truth beside poisoned pixels: change one input row, by little and by much, and see what moves.

NaN also passes a product with zero and a closed mask (0 * NaN is NaN), so `tests.oracle` says more than a net does.

Convention: a row reaches an element where some finite change of that row, at some input, changes the element's value
in float64 with oneDNN off. A softmax weight that underflows to zero is a closed path, and so is a factor of zero.
Values that are not finite say nothing. Where the two oracles disagree, this one decides; a row that a field claims
and that has not moved yet is tried again at many more inputs before the field is called too large.

The module itself is run, hooks read what its modules return: nothing of the capture's is trusted, but for operators
between modules, which only the captured graph can name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from rftools.capture import Graph
from tests.oracle import run_graph

Place = tuple[str, tuple[Any, ...]]
SIZES = (1e-4, 1.0, 50.0)  # of a change, beside inputs of size 1
RETRIED = (1.0, 1e-3, 20.0, 1e3)  # of a change that a field claims; larger ones open masks of -1e9
RETRIES = 300
REDRAWN = 60  # of these with other parameters: a field holds for any
ROUNDING = 1e-11  # of a change, which weights that are rounding let through


@contextlib.contextmanager
def one_dnn_off() -> Iterator[None]:
    """Without oneDNN, whose kernels mix places by rounding."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def named_tensors(path: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """What a module returned, by position and key: ``heads[seg]``, ``backbone[0]``."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() or value.is_complex():
            yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from named_tensors(f"{path}[{key}]", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from named_tensors(f"{path}[{index}]", item)


def module_values(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The outputs of all modules in one forward pass, by the names that a result's rows should have."""
    found: dict[str, torch.Tensor] = {}
    calls: dict[str, int] = {}

    def hook(path: str) -> Any:
        def keep(_: nn.Module, __: Any, output: Any) -> None:
            count = calls.get(path, 0)
            calls[path] = count + 1
            own = dict(named_tensors(f"{path}#{count}" if count else path, output))
            # a write in place, later on, is not the module's output any more
            found.update({name: value.clone() for name, value in (_only(path, own) if path == "" else own).items()})

        return keep

    handles = [child.register_forward_hook(hook(path)) for path, child in module.named_modules()]
    try:
        with torch.set_grad_enabled(x.requires_grad):
            module(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _only(path: str, own: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The model's own output is named ``""`` where it is the only one, however deep it lies in tuples."""
    return {path: next(iter(own.values()))} if len(own) == 1 else dict(own)


class Perturbation:
    """Which input rows move the values at some places, by experiment.

    ``places`` are pairs of a layer's name and an index into its output tensor; ``graph`` serves those layers that are
    operators between modules.
    """

    def __init__(
        self,
        module: nn.Module,
        input_size: tuple[int, ...],
        places: Sequence[Place],
        graph: Graph | None = None,
        *,
        bases: int = 2,
        rounds: bool = False,
        faint: bool = False,
        weights_stay: bool = False,
    ) -> None:
        """``rounds``: weights that are zero but for rounding (of an interpolation) move a place, and are no path.

        ``faint``: weights of exp(-100) (a mask that closes nothing; hundreds of steps of a state that forgets) are
        paths, which get lost in a sum of others: what a field claims is asked of gradients too.

        ``weights_stay``: the field asked for is that of these weights (the surviving one), not of any.
        """
        self.module = module
        self.size = input_size
        self.places = list(places)
        self.graph = graph
        self.generator = torch.Generator().manual_seed(0)
        self.bases = [self._base(scale) for scale in (1.0, 0.3, 3.0)[:bases]]
        self.nodes = {layer.name: layer.node for layer in graph.layers} if graph is not None else {}
        self.clean = [self.run(base) for base in self.bases]
        self.least = ROUNDING if rounds else 0.0
        self.faint = faint
        self.weights = [] if weights_stay else [own for own in module.parameters() if own.is_floating_point()]
        self.gradients: dict[int, torch.Tensor] = {}
        self.followed: tuple[torch.Tensor, list[torch.Tensor | None]] | None = None
        self.known: dict[tuple[int, int], set[int]] = {}
        self.claimed: dict[tuple[int, int], set[int]] = {}
        self.tries: dict[tuple[int, int], int] = {}
        self.others: list[tuple[torch.Tensor, list[torch.Tensor | None]]] = []

    def _base(self, scale: float) -> torch.Tensor:
        return torch.randn((1, *self.size), generator=self.generator, dtype=torch.float64) * scale

    def run(self, x: torch.Tensor) -> list[torch.Tensor | None]:
        """The values at all places; None where a layer isn't found."""
        with one_dnn_off():
            own: Mapping[str, Any] = module_values(self.module, x.clone())  # some write into their input
            between = {name for name, _ in self.places if name not in own and name in self.nodes}
            values = run_graph(self.graph, x.clone()) if between and self.graph is not None else {}
        own = {**{name: values[self.nodes[name]] for name in between if self.nodes[name] in values}, **own}
        return [own[name][index].clone() if name in own else None for name, index in self.places]

    def missing(self) -> list[str]:
        """Layers that neither the module nor the graph has."""
        found = {name for (name, _), value in zip(self.places, self.clean[0], strict=True) if value is None}
        return sorted(found)

    def moved(self, axis: int, row: int) -> set[int]:
        """The places (by number) that a change of one input row moves."""
        if (axis, row) not in self.known:
            found: set[int] = set()
            for base, clean in zip(self.bases, self.clean, strict=True):
                for size in SIZES:
                    found |= self._moved(base, clean, axis, row, size, self.least * size)
            self.known[axis, row] = found
        return self.known[axis, row]

    def reaches(self, number: int, axis: int, row: int, *, claimed: bool = False) -> bool:
        """Whether a row moves a place; one that a field claims is tried again before the answer is no."""
        if number in self.moved(axis, row) or not claimed:
            return number in self.known[axis, row]
        if self.faint and bool(self._gradient(number).select(2 + axis, row).any()):
            return True
        found = self.claimed.setdefault((axis, row), set())
        tried = self.tries.setdefault((axis, row), 0)
        while number not in found and tried < RETRIES:
            base, clean = self._other(tried)
            found |= self._moved(base, clean, axis, row, RETRIED[tried % len(RETRIED)])
            tried += 1
            self.tries[axis, row] = tried
        if number not in found and tried == RETRIES and self.weights:
            self.tries[axis, row] = RETRIES + 1
            found |= self._redrawn(number, axis, row)
        if not self.least:
            self.known[axis, row] |= found
        return number in found

    def _redrawn(self, number: int, axis: int, row: int) -> set[int]:
        """What a row moves under other parameters, until it moves the place: these may happen to close its path."""
        kept, found = [own.detach().clone() for own in self.weights], set[int]()
        try:
            for n in range(REDRAWN):
                with torch.no_grad():
                    for own, value in zip(self.weights, kept, strict=True):
                        drawn = torch.randn(value.shape, generator=self.generator, dtype=torch.float64)
                        own.copy_(value + drawn * max(float(value.abs().mean()), 0.1))
                base = self._base((1.0, 3.0, 0.1)[n % 3])
                found |= self._moved(base, self.run(base), axis, row, RETRIED[n % len(RETRIED)])
                if number in found:
                    break
        finally:
            with torch.no_grad():
                for own, value in zip(self.weights, kept, strict=True):
                    own.copy_(value)
        return found

    def _gradient(self, number: int) -> torch.Tensor:
        """The gradient of a place's values at the first input: of a weight of exp(-100) it is small, not zero."""
        if self.followed is None:
            x = self.bases[0].clone().requires_grad_()
            self.followed = x, self.run(x)
        x, values = self.followed
        if number not in self.gradients:
            value = values[number]
            assert value is not None
            if not value.requires_grad:
                return torch.zeros_like(x)
            weights = torch.randn(value.shape, generator=self.generator, dtype=torch.float64)
            (own,) = torch.autograd.grad((value * weights).sum(), x, retain_graph=True, materialize_grads=True)
            self.gradients[number] = own
        return self.gradients[number]

    def _other(self, number: int) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """One more input and the values there."""
        if number == len(self.others):
            scale = (1.0, 3.0, 0.1, 10.0)[number % 4]
            base = self._base(scale) + (0.0, -2.0, 2.0)[number % 3] * scale  # of one sign: other sides of kinks
            self.others.append((base, self.run(base)))
        return self.others[number]

    def rows(self, number: int, axis: int, claimed: Sequence[int] = ()) -> list[int]:
        """All rows of an axis that move a place."""
        wanted = set(claimed)
        return [row for row in range(self.size[1 + axis]) if self.reaches(number, axis, row, claimed=row in wanted)]

    def _moved(
        self,
        base: torch.Tensor,
        clean: Sequence[torch.Tensor | None],
        axis: int,
        row: int,
        size: float,
        least: float = 0.0,
    ) -> set[int]:
        x = base.clone()
        place = (slice(None), slice(None), *[slice(None)] * axis, row)
        x[place] += size * torch.randn(x[place].shape, generator=self.generator, dtype=torch.float64)
        pairs = enumerate(zip(clean, self.run(x), strict=True))
        both = [(n, a, b) for n, (a, b) in pairs if a is not None and b is not None]
        found = {n for n, a, b in both if a.shape != b.shape}
        return found | _differ([item for item in both if item[0] not in found], least)


def _differ(pairs: Sequence[tuple[int, torch.Tensor, torch.Tensor]], least: float) -> set[int]:
    """The numbers of the pairs of which an element differs, by more than ``least``; asked of all at once."""
    if not pairs:
        return set()
    owner = torch.cat([torch.full((a.numel(),), n) for n, a, _ in pairs])
    before, after = (torch.cat([pair[side].reshape(-1) for pair in pairs]) for side in (1, 2))
    apart = before != after if least == 0 else (before - after).abs() > least
    return set(owner[apart & before.isfinite() & after.isfinite()].tolist())
