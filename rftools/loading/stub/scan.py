"""A look at a pickle's opcodes before it is read: what it names, and whether its sizes are those of the file."""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass

from rftools.errors import RequestError
from rftools.reading import check, door

MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


@dataclass(frozen=True)
class Scan:
    """The names that a pickle asks for (``module.name``, sorted), and where it ends."""

    names: tuple[str, ...]
    end: int


def scan(data: bytes, where: str) -> Scan:
    """Every opcode once, none of them done.

    Raises:
        RequestError: cut off, no pickle, or sizes that the file does not hold.

    >>> import pickle
    >>> scan(pickle.dumps({"a": 1.5}), "a.pt").names
    ()
    """
    stream = io.BytesIO(data)
    names: set[str] = set()
    texts: list[str] = []  # what a STACK_GLOBAL takes are texts put on the stack or fetched from the memo
    memo: dict[int, str] = {}
    with door(where, "is truncated or damaged"):  # pickletools asserts and raises what it likes
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name in MEMO and isinstance(argument, int) and argument > len(data):
                raise RequestError(f"{where} is damaged: its pickle numbers more objects than it has bytes")
            if opcode.name == "GLOBAL" or opcode.name == "INST":
                names.add(str(argument).replace(" ", ".", 1))
            elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                names.add(f"{texts[-2]}.{texts[-1]}")
            _remember(opcode.name, argument, texts, memo)
    return Scan(tuple(sorted(names)), stream.tell())


def _remember(opcode: str, argument: object, texts: list[str], memo: dict[int, str]) -> None:
    if "UNICODE" in opcode or "STRING" in opcode:
        texts.append(str(argument))
    elif opcode == "MEMOIZE":
        memo[len(memo)] = texts[-1] if texts else ""
    elif opcode in MEMO and isinstance(argument, int):
        memo[argument] = texts[-1] if texts else ""
    elif opcode in {"GET", "BINGET", "LONG_BINGET"} and isinstance(argument, int):
        texts.append(memo.get(argument, ""))
    del texts[:-4]


def scan_limited(data: bytes, where: str) -> Scan:
    """As `scan`, for a pickle no longer than the limit."""
    check("pickle", len(data), where)
    return scan(data, where)
