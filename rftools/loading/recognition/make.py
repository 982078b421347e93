"""Makes the index from the libraries installed here: ``python -m rftools.loading.recognition.make``.

Every net is built on the meta device, three times: as it is, with another number of classes, and with another number of
input channels where its builder takes one. What changes its shape is flexible.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rftools.files import atomic_write
from rftools.loading.recognition.prints import print_of

INDEX = Path(__file__).parent / "index.json.gz"
ARGUMENTS: dict[str, tuple[dict[str, int], ...]] = {
    "rftools": ({"classes": 7}, {"channels": 2}),
    "torchvision": ({"num_classes": 7},),
    "timm": ({"num_classes": 7}, {"in_chans": 2}),
}


def names() -> Iterator[str]:
    """The nets of the libraries, as specs."""
    from rftools.models import NETS

    yield from (f"rftools:{name}" for name in NETS)
    from torchvision import models

    yield from (f"torchvision:{name}" for name in models.list_models() if not name.startswith("quantized_"))
    import timm

    yield from (f"timm:{name}" for name in timm.list_models())


def shapes_of(spec: str, **arguments: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a net's tensors; hardly ever is memory taken for them."""
    import torch

    from rftools.loading.factories import build

    try:
        with torch.device("meta"):
            state = build(spec, **arguments).module.state_dict()
    except NotImplementedError:  # a builder that looks at numbers
        state = build(spec, **arguments).module.state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def entry(spec: str) -> dict[str, Any] | None:
    """``{"print", "tensors", "flexible": {name: shape, -1 where it changes}}``; None for a net that isn't built so."""
    try:
        plain = shapes_of(spec)
        flexible: dict[str, list[int]] = {}
        for arguments in ARGUMENTS[spec.partition(":")[0]]:
            other = _tried(spec, arguments)
            for name, shape in plain.items():
                changed = other.get(name, shape)
                if changed != shape and len(changed) == len(shape):
                    known = flexible.get(name, list(shape))
                    flexible[name] = [-1 if a != b else n for a, b, n in zip(shape, changed, known, strict=True)]
    except Exception as error:  # of whatever a library's builder needs that is not here
        print(f"{spec}: {type(error).__name__}: {error}", file=sys.stderr)
        return None
    return {"print": print_of(plain, flexible), "tensors": len(plain), "flexible": flexible}


def _tried(spec: str, arguments: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """The shapes with these arguments; none where the builder does not take them."""
    try:
        return shapes_of(spec, **arguments)
    except Exception:  # the builder's own refusal, of any class
        return {}


def main(prefixes: list[str]) -> None:
    """Write the index; with arguments, renew only the specs that begin so."""
    found: dict[str, Any] = json.loads(gzip.decompress(INDEX.read_bytes())) if prefixes and INDEX.exists() else {}
    for spec in names():
        if not prefixes or spec.startswith(tuple(prefixes)):
            made = entry(spec)
            if made:
                found[spec] = made
    text = json.dumps(found, separators=(",", ":"), sort_keys=True)
    with atomic_write(INDEX) as stream:
        stream.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1:])
