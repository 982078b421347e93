"""Why a net's own forward pass does not go through, in one line: the input, a hook, a script."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any

import torch
from torch import nn

from rftools.capture.inputs import Example
from rftools.errors import RequestError, reason

HOOKS = {"_forward_pre_hooks": "forward pre-hook", "_forward_hooks": "forward hook"}


def refuse_scripted(module: nn.Module) -> None:
    if any(isinstance(child, torch.jit.ScriptModule) for child in module.modules()):
        raise RequestError(
            f"{type(module).__name__} is scripted (TorchScript), whose operators can't be told apart here;"
            " give the Python module that it was made from"
        )


def refuse_input(module: nn.Module, example: Example, error: Exception) -> None:
    """Say so in one line where the module itself, not the capture, refuses the input."""
    try:
        with torch.no_grad():
            module(*example.args, **example.kwargs)
    except RequestError as own:  # a module of ours says it better
        raise own from error
    except Exception as own:
        raise _why(module, example, own) from error


def _why(module: nn.Module, example: Example, error: Exception) -> RequestError:
    name, why = type(module).__name__, reason(error)
    hook = _raised_by_hook(module, error)
    if hook is not None:
        kind = type(error).__name__
        said = why if why.startswith(kind) else f"{kind}: {why}"
        return RequestError(f"{hook} raises {said}; remove the hook, or mend it")
    if "indices" in why and "Long" in why:
        return RequestError(
            f"{name} looks its input up in a table (integer tokens), which have no pixels that a field could be"
            " counted in; give the module that follows the embedding"
        )
    several = "; several inputs are separated by commas" if "missing" in why and "argument" in why else ""
    return RequestError(
        f"{name} does not take an input of {example.text}: {why}; give one that fits with --input-size{several}"
    )


def _raised_by_hook(module: nn.Module, error: Exception) -> str | None:
    """Which hook an exception comes out of: its kind, its name and its layer."""
    known = dict(_hooks(module))
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code in known:
            return known[step.tb_frame.f_code]
        step = step.tb_next
    return None


def _hooks(module: nn.Module) -> Iterator[tuple[CodeType, str]]:
    for path, child in module.named_modules():
        for place, kind in HOOKS.items():
            for hook in getattr(child, place).values():
                code = _code(hook)
                if code is not None:
                    yield code, f"the {kind} {code.co_name!r} of {path or type(module).__name__}"


def _code(function: Any) -> CodeType | None:
    """The code of a function, a method, a partial or an object that is called."""
    while (inner := getattr(function, "func", None) or getattr(function, "__func__", None)) is not None:
        function = inner
    if not hasattr(function, "__code__"):
        function = getattr(type(function), "__call__", None)  # noqa: B004 (its code is asked for)
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
