"""A look at a pickle's opcodes before it is read: what it names, and whether its sizes are those of the file."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import IO

from rftools.errors import RequestError
from rftools.reading import check, door

MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


@dataclass(frozen=True)
class Scan:
    """The names that a pickle asks for (``module.name``, sorted), and how many bytes it takes."""

    names: tuple[str, ...]
    length: int


def scan(stream: IO[bytes], where: str) -> Scan:
    """Every opcode of the pickle that begins here once, none of them done; the stream stands at its end then.

    Raises:
        RequestError: cut off, no pickle, longer than the limit, or numbers of objects that it does not hold.

    >>> import io, pickle
    >>> scan(io.BytesIO(pickle.dumps({"a": 1.5})), "a.pt").names
    ()
    """
    begin, numbered = stream.tell(), 0
    names: set[str] = set()
    texts: list[str] = []  # what a STACK_GLOBAL takes are texts put on the stack or fetched from the memo
    memo: dict[int, str] = {}
    with door(where, "is truncated or damaged"):  # pickletools asserts and raises what it likes
        for opcode, argument, place in pickletools.genops(stream):
            check("pickle", (place or 0) - begin, where)
            if opcode.name in MEMO and isinstance(argument, int):
                numbered = max(numbered, argument)
            if opcode.name == "GLOBAL" or opcode.name == "INST":
                names.add(str(argument).replace(" ", ".", 1))
            elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                names.add(f"{texts[-2]}.{texts[-1]}")
            _remember(opcode.name, argument, texts, memo)
    length = stream.tell() - begin
    if numbered > length:
        raise RequestError(f"{where} is damaged: its pickle numbers more objects than it has bytes")
    return Scan(tuple(sorted(names)), length)


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
