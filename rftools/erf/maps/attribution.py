"""Maps by captum's attributions of single units, in place of the plain gradient."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from rftools.erf.maps.batches import Log, Maps, in_batches
from rftools.erf.maps.gradients import aggregate, without_hook
from rftools.erf.maps.options import MapOptions, Progress
from rftools.errors import RequestError, closest
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.runtime.outputs import call_of, layer_outputs
from rftools.runtime.randomness import seeded
from rftools.units import Unit

METHODS = ("gradient", "integrated-gradients", "deconvolution", "guided-backprop", "occlusion", "gradient-shap")
RELU_METHODS = ("deconvolution", "guided-backprop")
STEPS = 50  # of integrated gradients
SAMPLES = 5  # of gradient SHAP, an image
WINDOWS = 16  # occluding windows a side


def check_method(method: str) -> None:
    """Raise `RequestError` for a method that there is not."""
    if method not in METHODS:
        raise RequestError(f"no method {method!r}{closest(method, METHODS)}; there are {', '.join(METHODS)}")


def attribution_maps(
    module: nn.Module,
    inputs: torch.Tensor,
    units: Sequence[Unit],
    options: MapOptions,
    *,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Maps:
    """Each unit's map of every image, ``(N, *spatial)``, by one of captum's attributions to the unit's channel sum.

    ``integrated-gradients`` (arXiv:1703.01365): from zero in 50 steps; ``gradient-shap`` (arXiv:1705.07874): five
    samples between the image and zero; ``deconvolution`` (arXiv:1311.2901) and ``guided-backprop`` (arXiv:1412.6806)
    change what ``nn.ReLU`` modules pass back; ``occlusion``: the change of the unit where a window of a 16th of each
    side is set to zero. Input channels are aggregated as gradients' are.

    Raises:
        RequestError: no such method; a unit or a relu that is no module where the method needs modules.
    """
    method, device = options.method, options.device
    if unseen := without_hook(module, units):
        raise RequestError(f"{unseen[0]!r} is no module's own output, which the method {method!r} needs")
    check_method(method)
    if method in RELU_METHODS:
        with frozen(module, device):
            require_relu_modules(module, inputs[:1].to(device, dtype_of(module, inputs)), units, method)

    def work(batch: torch.Tensor, start: int) -> Maps:
        x = batch.to(device, dtype_of(module, batch))
        found = {}
        with seeded(options.seed + start), torch.enable_grad():
            for unit in units:
                values = explain(module, x, unit, method)
                if not bool(values.isfinite().all()):
                    bad = start + int((~values.isfinite()).flatten(1).any(1).nonzero()[0])
                    raise RequestError(f"the attribution of layer {unit.layer!r} is not finite at image {bad}")
                found[unit.key] = aggregate(values.detach(), options.aggregation)
        return found

    with frozen(module, device), _out_of_place(module):
        return in_batches(inputs, options.batch_size, work, progress, log)


def explain(module: nn.Module, x: torch.Tensor, unit: Unit, method: str) -> torch.Tensor:
    """Captum's attribution ``(N, C, *spatial)`` of one unit, the sum of its channels."""
    from captum import attr

    if call_of(unit.layer)[1]:
        raise RequestError(f"{unit.layer!r} is a module's second call, which captum can't tell apart; name another")
    select = unit_sum(unit)
    layer = module.get_submodule(call_of(unit.layer)[0])
    zeros = torch.zeros_like(x[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that hooks are set, and that inputs get gradients
        if method == "integrated-gradients":
            return attr.NeuronIntegratedGradients(module, layer).attribute(
                x, select, baselines=torch.zeros_like(x), n_steps=STEPS, internal_batch_size=len(x)
            )
        if method == "gradient-shap":
            return attr.NeuronGradientShap(module, layer).attribute(x, select, baselines=zeros, n_samples=SAMPLES)
        if method == "occlusion":
            return _occlusion(module, x, unit, select)
        kinds = {
            "gradient": attr.NeuronGradient,
            "deconvolution": attr.NeuronDeconvolution,
            "guided-backprop": attr.NeuronGuidedBackprop,
        }
        return kinds[method](module, layer).attribute(x, select)


def _occlusion(module: nn.Module, x: torch.Tensor, unit: Unit, select: Any) -> torch.Tensor:
    from captum.attr import Occlusion

    sides = [max(1, n // WINDOWS) for n in x.shape[2:]]

    def response(given: torch.Tensor) -> torch.Tensor:
        return select(layer_outputs(module, given, [unit.layer])[unit.layer])

    with torch.no_grad():
        return Occlusion(response).attribute(
            x, (x.shape[1], *sides), strides=(x.shape[1], *sides), baselines=0, perturbations_per_eval=4
        )


def unit_sum(unit: Unit) -> Callable[[torch.Tensor], torch.Tensor]:
    """What captum's ``neuron_selector`` takes: outputs to one value an image, the unit's sum over channels."""

    def select(output: torch.Tensor) -> torch.Tensor:
        weights = torch.ones_like(output)
        return (unit.of(output) * unit.only(unit.of(weights))).reshape(len(output), -1).sum(1)

    return select


@contextlib.contextmanager
def _out_of_place(module: nn.Module) -> Iterator[None]:
    """In-place activations write beside for a while: captum keeps a layer's output, which must not change."""
    found = [child for child in module.modules() if getattr(child, "inplace", None) is True]
    try:
        for child in found:
            child.inplace = False  # type: ignore[assignment]
        yield
    finally:
        for child in found:
            child.inplace = True  # type: ignore[assignment]


def require_relu_modules(module: nn.Module, x: torch.Tensor, units: Sequence[Unit], method: str) -> None:
    """Raise `RequestError` where a relu that is a function lies before a unit: captum changes modules only."""
    if not any(isinstance(child, nn.ReLU) for child in module.modules()):
        name = type(module).__name__
        raise RequestError(
            f"{method} changes what nn.ReLU modules pass back, and {name} has none; make its relus modules, or take "
            "--method gradient or integrated-gradients"
        )
    for name, place in functional_relus(module, x, units).items():
        raise RequestError(
            f"{method} needs each relu as an nn.ReLU module, and {place or type(module).__name__} calls it as a "
            f"function before layer {name!r}; make it a module, name an earlier layer, or take --method gradient"
        )


def functional_relus(module: nn.Module, x: torch.Tensor, units: Sequence[Unit]) -> dict[str, str]:
    """The layers that come called as a function, each with the path of the module that called it."""
    running: list[str] = []
    culprits: list[str] = []
    after: dict[str, str] = {}
    wanted = {call_of(unit.layer)[0]: unit.layer for unit in units}
    names = {child: path for path, child in module.named_modules()}

    def enter(child: nn.Module, _args: Any) -> None:
        running.append(names[child])

    def leave(child: nn.Module, _args: Any, _output: Any) -> None:
        running.pop()
        if names[child] in wanted and culprits:
            after[wanted[names[child]]] = culprits[0]

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            inside = module.get_submodule(running[-1]) if running else module
            if getattr(func, "__name__", "") in {"relu", "relu_"} and not isinstance(inside, nn.ReLU):
                culprits.append(running[-1] if running else "")
            return func(*args, **(kwargs or {}))

    handles = [child.register_forward_pre_hook(enter) for child in module.modules()]
    handles += [child.register_forward_hook(leave) for child in module.modules()]
    try:
        with torch.no_grad(), Watch():
            module(x)
    finally:
        for handle in handles:
            handle.remove()
    return after
