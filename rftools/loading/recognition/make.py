"""Makes the index from the libraries installed here: ``python -m rftools.loading.recognition.make [PREFIX ...]``.

Every net is built on the meta device: as it is, with another number of classes and of input channels, and where it has
an embedding of positions with another image size. What changes its shape is flexible.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.files import atomic_write
from rftools.loading.recognition.names import WORDS
from rftools.loading.recognition.prints import Shapes, build_of, print_of
from rftools.loading.recognition.specs import specs
from rftools.loading.transformers_nets import names_in_files

if TYPE_CHECKING:
    from torch import nn

INDEX = Path(__file__).parent / "index.json.gz"
CLASSES, CHANNELS = 7, 2  # that nets are built with a second time
Entry = dict[str, Any]


def built(spec: str, **arguments: Any) -> Any:
    """A net as a `Model`; hardly ever is memory taken for its tensors."""
    import torch

    from rftools.loading.factories import build

    try:
        with torch.device("meta"):
            return build(spec, **arguments)
    except (NotImplementedError, RequestError):  # a builder that looks at numbers
        return build(spec, **arguments)


def shapes_of(spec: str, **arguments: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a net's tensors."""
    return _shapes(built(spec, **arguments).module)


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """By the names that files have."""
    state = module.state_dict()
    return {name: tuple(state[own].shape) for name, own in names_in_files(module).items()}


def entry(spec: str) -> Entry | None:
    """What is known of a net, by the names below; None for one that isn't built so.

    ``flexible`` maps names to shapes in which ``n`` stands for classes (``n*4`` for four a class), ``c`` for channels,
    ``s`` for what follows from the image's side, by ``sizes``; ``backbone`` is the print without ``heads``, where that
    is another.
    """
    try:
        model = built(spec)
    except Exception as error:  # of whatever a library's builder needs that is not here
        print(f"{spec}: {type(error).__name__}: {str(error)[:100]}", file=sys.stderr)
        return None
    plain = _shapes(model.module)
    flexible = _of_counts(spec, plain)
    by_size = _of_size(spec, plain, model.input_size)
    flexible |= {name: shape for name, (shape, _) in by_size.items() if name not in flexible}
    heads = sorted({_top(name) for name, shape in flexible.items() if any(str(n)[0] == "n" for n in shape)})
    held = [name for name in plain if _top(name) in heads]
    found: Entry = {"print": print_of(plain, flexible), "build": build_of(model.module), "tensors": len(plain)}
    if heads and len(held) < len(plain) / 2:
        backbone = print_of(plain, {*flexible, *held})
        found |= {"heads": heads} | ({} if backbone == found["print"] else {"backbone": backbone})
    norm = model.normalisation
    more = {
        "input": model.input_size,
        "norm": norm and [norm.mean, norm.std],
        "sizes": {name: rule for name, (_, rule) in by_size.items()},
    }
    return found | {"flexible": flexible} | {name: value for name, value in more.items() if value}


def _top(name: str) -> str:
    return name.partition(".")[0]


def _of_counts(spec: str, plain: Shapes) -> dict[str, list[Any]]:
    """The tensors that follow from classes and channels."""
    classes, channels, _ = WORDS[spec.partition(":")[0]]
    found: dict[str, list[Any]] = {}
    for word, count, letter in ((classes, CLASSES, "n"), (channels, CHANNELS, "c")):
        other = _tried(spec, {word: count})
        for name, shape in plain.items():
            changed = other.get(name, shape)
            if changed != shape and len(changed) == len(shape):
                known = found.get(name, list(shape))
                sides = zip(shape, changed, known, strict=True)
                found[name] = [_letter(letter, b, count) if a != b else n for a, b, n in sides]
    return found


def _letter(letter: str, changed: int, count: int) -> str | int:
    """``n`` for as many as there are classes, ``n*4`` for four a class."""
    return letter if changed == count else f"{letter}*{changed // count}" if changed % count == 0 else changed


def _of_size(spec: str, plain: Shapes, size: tuple[int, ...] | None) -> dict[str, tuple[list[Any], list[int]]]:
    """The tensors that follow from the image's side, and how: ``(side / patch) ** power + more``."""
    word = WORDS[spec.partition(":")[0]][2]
    if not word or size is None or len(size) != 3 or not any("pos" in name for name in plain):
        return {}
    other = _tried(spec, {word: 2 * size[1]})
    found: dict[str, tuple[list[Any], list[int]]] = {}
    for name, shape in plain.items():
        changed = other.get(name, shape)
        if changed == shape or len(changed) != len(shape):
            continue
        rules = [_rule(a, b, size[1]) for a, b in zip(shape, changed) if a != b]
        if rules[0] is None or any(rule != rules[0] for rule in rules):
            return {}
        found[name] = ([n if n == m else "s" for n, m in zip(shape, changed)], rules[0])
    return found


def _rule(before: int, after: int, side: int) -> list[int] | None:
    """How a length follows from the image's side, of the lengths at ``side`` and at twice that.

    >>> _rule(197, 785, 224), _rule(14, 28, 224)
    ([2, 16, 1], [1, 16, 0])
    """
    if after == 2 * before and side % before == 0:
        return [1, side // before, 0]
    grid = isqrt(max(0, after - before) // 3)
    if grid and 3 * grid * grid == after - before and side % grid == 0:
        return [2, side // grid, before - grid * grid]
    return None


def _tried(spec: str, arguments: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shapes with these arguments; none where the builder does not take them."""
    if not all(arguments):
        return {}
    try:
        return shapes_of(spec, **arguments)
    except Exception:  # the builder's own refusal, of any class
        return {}


def _wanted(prefixes: list[str]) -> Iterator[str]:
    return (spec for spec in specs() if not prefixes or spec.startswith(tuple(prefixes)))


def main(prefixes: list[str]) -> None:
    """Write the index; with arguments, renew only the specs that begin so."""
    found: dict[str, Any] = json.loads(gzip.decompress(INDEX.read_bytes())) if prefixes and INDEX.exists() else {}
    for spec in _wanted(prefixes):
        made = entry(spec)
        if made:
            found[spec] = made
    text = json.dumps(found, separators=(",", ":"), sort_keys=True)
    with atomic_write(INDEX) as stream:
        stream.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1:])
