"""Weights in files: safetensors, with what built the network and how it came about. Never pickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from dislok.nn.geoflownet.iterated import Iterated
from dislok.nn.geoflownet.scarp import Scarp
from dislok.nn.geoflownet.unet import BUILDERS, FlowUNet
from dislok.store import writing

FORMAT = "dislok-network"
NETWORKS: dict[str, Callable[..., nn.Module]] = {**BUILDERS, "scarp": Scarp}
VERSION = 1


def build(settings: dict) -> nn.Module:
    """The network that `settings` describe: what a network's own ``settings()`` gives."""
    rest = dict(settings)
    name, passes = rest.pop("architecture", None), rest.pop("passes", None)
    if name not in NETWORKS:
        raise ValueError(f"unknown architecture {name!r}; there are {', '.join(sorted(NETWORKS))}")
    try:
        network = NETWORKS[name](**rest)
    except TypeError as error:
        raise ValueError(f"settings of {name}: {error}") from error
    if passes is None:
        return network
    if not isinstance(network, FlowUNet):
        raise ValueError(f"{name} is not applied in passes")
    return Iterated(network, passes)


def save(network: nn.Module, path: str | Path, *, half: bool = False, **card: object) -> None:
    """Write a network's weights and what builds it again.

    Parameters
    ----------
    network : Module
        One of this package's networks, which say their ``settings()``.
    path : str or Path
        The file, ending in ``.safetensors``; replaced as a whole or not at all.
    half : bool
        Whether floating-point weights are stored in 16 bits.
    **card
        Facts to keep with them: data, seeds, hours, scores; anything that JSON can say.
    """
    from safetensors.torch import save as to_bytes

    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are written as .safetensors: {path}")
    settings = network.settings()  # type: ignore[operator]
    facts = {
        "format": FORMAT,
        "version": str(VERSION),
        "settings": json.dumps(settings),
        "card": json.dumps(card),
    }
    tensors = {name: _stored(tensor, half) for name, tensor in network.state_dict().items()}
    with writing(path) as draft:
        draft.write_bytes(to_bytes(tensors, facts))


def load(path: str | Path) -> nn.Module:
    """Read a network, ready to evaluate, in 32 bits.

    Raises
    ------
    ValueError
        If the file is no safetensors file, was not written by `save`, is of a later version, or does not
        hold what its network needs.
    """
    tensors, facts = _read(Path(path))
    network = build(_json(path, facts, "settings"))
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    held = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted != held:
        odd = sorted(set(wanted.items()) ^ set(held.items()))[0]
        raise ValueError(f"{path} does not fit its network: {odd[0]} {odd[1]} is in only one of them")
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return network.eval()


def cached(path: str | Path) -> tuple[nn.Module, dict]:
    """A network as `load` gives it and its facts; read again only when the file has changed."""
    status = Path(path).stat() if Path(path).is_file() else None
    return _cached(Path(path), None if status is None else (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)
def _cached(path: Path, state: tuple[int, int] | None) -> tuple[nn.Module, dict]:
    network = load(path).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, card(path)


def card(path: str | Path) -> dict:
    """The facts that were kept with the weights."""
    return _json(path, _read(Path(path))[1], "card")


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() else tensor


def tensors_of(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """All tensors of a safetensors file and its words, by name."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"no file of weights: {path}")
    tensors, facts = tensors_of(path)
    if facts.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by dislok: it says format {facts.get('format')!r}")
    if facts.get("version") != str(VERSION):
        raise ValueError(f"{path} has version {facts.get('version')!r}; this dislok reads {VERSION}")
    return tensors, facts


def _json(path: str | Path, facts: dict[str, str], key: str) -> dict:
    try:
        value = json.loads(facts[key])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: its metadata {key!r} cannot be read") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: its metadata {key!r} is not a table")
    return value
