"""One attempt at a time: it ends in a result or in one line, in time and in little memory."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rftools as rf

SECONDS = 10.0  # of processor time: other work on the machine does not count
MEMORY = 2 << 30


class Late(KeyboardInterrupt):
    """Raised in the middle of an attempt that takes too long; no door takes it for damage."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Inside the block `Late` is raised after so much processor time, where the system has such a clock."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def attempt(call: Callable[[], Any]) -> str | None:
    """What went wrong beyond a refusal in one line; None for a result or a proper refusal."""
    begin = time.process_time()
    try:
        with limited(2 * SECONDS):
            call()
    except rf.RequestError as error:
        if not str(error) or not str(error).isprintable():
            return f"not one line: {error!r}"
    except Late:
        return "hangs"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]} at {_place(error)}"
    except BaseException as error:
        return f"{type(error).__name__} at {_place(error)}"
    seconds = time.process_time() - begin
    return f"{seconds:.0f} s" if seconds > SECONDS else None


def _place(error: BaseException) -> str:
    """The last of our own lines that the exception passed."""
    found, trace = "?", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "rftools" in name and "/tests/" not in name:
            found = f"{name.rpartition('rftools/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
