"""Fourier transforms: every coefficient sees the whole dimension."""

from __future__ import annotations

from collections.abc import Sequence

from rftools.capture import op_name
from rftools.trf.field import Field
from rftools.trf.rules.registry import Answer, Call, rule


@rule(*(f"aten.{name}" for name in ["_fft_r2c", "_fft_c2r", "_fft_c2c"]))
def fft(call: Call) -> Answer:
    field = call.main("self")
    shape = call.shape
    mixed = field.reduce(*call["dim"])
    for dim in call["dim"]:
        mixed = mixed.expand_dim(dim % len(shape), shape[dim])
    return mixed


@rule(*(f"aten.fft_{name}{n}" for name in ["fft", "ifft", "rfft", "irfft"] for n in ("", "2", "n")))
def fft_call(call: Call) -> Answer:
    field, shape = call.main("self"), call.shape
    dim = call.get("dim", None)
    if dim is None:
        amount = call.get("s")
        dim = list(range(-len(amount), 0)) if amount else list(range(len(shape)))
    dims: Sequence[int] = [dim] if isinstance(dim, int) else dim
    mixed = _cropped(call, field, dims).reduce(*dims)
    for d in dims:
        mixed = mixed.expand_dim(d % len(shape), shape[d])
    return mixed


def _cropped(call: Call, field: Field, dims: Sequence[int]) -> Field:
    """What is left of the input where the transform is asked for fewer samples than it has."""
    given = call.get("n") or call.get("s")
    amounts = [given] if isinstance(given, int) else list(given or [])
    back = op_name(call.node).startswith("fft_irfft")
    for dim, amount in zip(dims, amounts, strict=False):
        used = amount // 2 + 1 if back and dim == dims[-1] else amount
        if 0 < used < field.shape[dim]:
            field = field.take(dim, range(used))
    return field


@rule("aten.fft_fftshift", "aten.fft_ifftshift")
def fft_shift(call: Call) -> Answer:
    field = call.main("self")
    dims = call.get("dim")
    chosen = range(len(field.shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    back = "ifft" in op_name(call.node)
    for dim in chosen:
        size = field.shape[dim]
        by = (size + 1) // 2 if back else size // 2
        field = field.take(dim, [(i - by) % size for i in range(size)])
    return field
