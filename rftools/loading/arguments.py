"""What a file may say about how its net is built: names, types and ranges. A file's arguments are data, never obeyed.

What a user types is not bound by this table; nothing that a file says loads a second file, downloads or imports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rftools.errors import RequestError

Check = Callable[[Any], bool]
TEXT = 64  # characters of a text that is passed on


def whole(low: int, high: int) -> Check:
    """A whole number within ``low`` and ``high``."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def number(low: float, high: float) -> Check:
    """A number within ``low`` and ``high``."""
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def one_of(*values: Any) -> Check:
    """One of these, of the same type."""
    return lambda value: any(value == each and type(value) is type(each) for each in values)


CLASSES, CHANNELS, SIDE = whole(1, 100_000), whole(1, 4096), whole(1, 8192)
ALLOWED: dict[str, dict[str, Check]] = {
    "rftools": {"classes": CLASSES, "channels": CHANNELS},
    "torchvision": {
        "num_classes": CLASSES,
        "in_chans": CHANNELS,
        "aux_logits": one_of(True, False, None),
        "aux_loss": one_of(True, False, None),
        "dropout": number(0, 1),
        "image_size": SIDE,
        "transform_input": one_of(True, False),
        "width_mult": number(0.05, 8),
    },
    "timm": {
        "num_classes": whole(0, 100_000),
        "in_chans": CHANNELS,
        "img_size": SIDE,
        "output_stride": one_of(8, 16, 32),
        "drop_rate": number(0, 1),
        "drop_path_rate": number(0, 1),
        "global_pool": one_of("", "avg", "max", "avgmax", "catavgmax", "token", "map"),
    },
}

# Of a configuration of transformers: never what names a place, a file, another net or how something is computed.
NEVER = ("path", "file", "url", "name", "backbone", "pretrained", "token", "code", "auto_map", "attn", "dtype", "cache")
NUMBERS = 64  # of a list that is passed on
DEEPEST = 1000  # layers
TOLD = """
    architectures model_type transformers_version problem_type use_cache torchscript return_dict id2label label2id
""".split()  # noqa: SIM905 (what says nothing of the build)


def of_config(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arguments of a configuration of transformers (config.json) that are passed on: plain numbers, short words and
    lists of them; ``num_labels`` from the number of ``id2label``.

    Raises:
        RequestError: a number out of all range, which is asked for before anything is allocated.

    >>> of_config({"hidden_size": 64, "_name_or_path": "x", "id2label": {"0": "a", "1": "b", "2": "c"}}, "a")
    {'hidden_size': 64, 'num_labels': 3}
    """
    given = {}
    for name, value in config.items():
        numbers = value if isinstance(value, list) and len(value) <= NUMBERS else [value]
        if name.startswith("_") or any(word in name for word in NEVER) or name in TOLD:
            continue
        if not all(_plain_or_number(item) for item in numbers):
            continue
        most = DEEPEST if "layer" in name or "depth" in name else 1e6
        if any(isinstance(n, (int, float)) and not isinstance(n, bool) and not -most <= n <= most for n in numbers):
            raise RequestError(f"{where}: {name[:TEXT]} = {repr(value)[:TEXT]} is out of range; the file is damaged")
        given[name] = value
    labels = config.get("id2label")
    return given | ({"num_labels": len(labels)} if isinstance(labels, Mapping) and labels else {})


def _plain_or_number(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TEXT
    return value is None or isinstance(value, (bool, int, float))


def checked(source: str, arguments: Any, where: str) -> dict[str, Any]:
    """A file's arguments for a builder of ``source``; for one of the user's own code, plain numbers and short texts.

    Raises:
        RequestError: an argument that is not taken from a file, or is out of its range.

    >>> checked("timm", {"num_classes": 3}, "a.pt")
    {'num_classes': 3}
    >>> checked("timm", {"checkpoint_path": "b.pt"}, "a.pt")
    Traceback (most recent call last):
    rftools.errors.RequestError: a.pt: 'checkpoint_path' is not taken from a file (timm: num_classes, in_chans, ...
    """
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise RequestError(f"{where}: its architecture's arguments are no names and values; it is damaged")
    if source == "transformers":
        return of_config(arguments, where)
    allowed = ALLOWED.get(source)
    for name, value in arguments.items():
        if allowed is not None and name not in allowed:
            raise RequestError(f"{where}: {name[:TEXT]!r} is not taken from a file ({source}: {', '.join(allowed)})")
        if not (_plain(value) if allowed is None else allowed[name](value)):
            raise RequestError(f"{where}: {name[:TEXT]} = {repr(value)[:TEXT]} is out of range; the file is damaged")
    return dict(arguments)


def _plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TEXT
    return value is None or isinstance(value, bool) or number(-1e6, 1e6)(value)
