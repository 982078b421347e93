"""A library's own weights, by the name that it gives them; it downloads them, and only because the user says so."""

from __future__ import annotations

import dataclasses

from rftools.errors import RequestError, closest
from rftools.loading import factories
from rftools.loading.model import Model


def with_own_weights(spec: str, name: str) -> Model:
    """A net of torchvision or timm with the weights that the library keeps under that name.

    Raises:
        RequestError: no such library, net or weights; they can't be fetched.
    """
    source, _, net = spec.partition(":")
    if source not in ("torchvision", "timm"):
        raise RequestError(f"no such file: {name} (weights by name are those of torchvision: and timm: nets)")
    net = net.partition("?")[0]
    return _torchvision(spec, net, name) if source == "torchvision" else _timm(spec, net, name)


def _torchvision(spec: str, net: str, name: str) -> Model:
    from torchvision import models

    plain = factories.build(spec)
    known = models.get_model_weights(net)
    if name not in known.__members__:
        hint = closest(name, known.__members__)
        raise RequestError(f"torchvision:{net} has no weights {name!r}{hint}; it has {_all(known.__members__)}")
    weights = known[name]
    state = _fetched(lambda: weights.get_state_dict(progress=False, check_hash=True), f"torchvision:{net} {name}")
    return _filled(plain, state, f"torchvision's {name}", tuple(weights.meta.get("categories", ())))


def _timm(spec: str, net: str, name: str) -> Model:
    import timm

    plain = factories.build(spec)
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{net}.*")]
    tag = (tags or [""])[0] if name == "DEFAULT" else name
    if tag not in tags or not tag:
        raise RequestError(f"timm:{net} has no weights {name!r}{closest(name, tags)}; it has {_all(tags)}")
    build = lambda: timm.create_model(f"{net}.{tag}", pretrained=True).state_dict()  # noqa: E731
    return _filled(plain, _fetched(build, f"timm:{net}.{tag}"), f"timm's {tag}", ())


def _all(names: object) -> str:
    return ", ".join(["DEFAULT", *(each for each in names if each != "DEFAULT")][:6]) if names else "none"  # type: ignore[attr-defined]


def _fetched(get: object, what: str) -> dict[str, object]:
    try:
        return dict(get())  # type: ignore[operator]
    except Exception as error:  # of the network, the disk or the library
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(f"the weights of {what} can't be fetched: {reason}") from error


def _filled(model: Model, state: dict[str, object], words: str, classes: tuple[str, ...]) -> Model:
    from rftools.loading.state_dict import fit

    found = fit(model.module, state, words, strict=False)  # type: ignore[arg-type]
    metadata = {**model.metadata, **({"fit": found.words, "chosen": f"{words}: {found.words}"} if found.words else {})}
    return dataclasses.replace(model, weights=words, classes=classes, metadata=metadata)
