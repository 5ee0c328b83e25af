"""The whole state of a training in one safetensors file: nothing in it can run, nothing is rounded."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from dislok.arrays import Record
from dislok.nn.geoflownet.weights import tensors_of
from dislok.nn.train.schedules import Average
from dislok.store import writing

VERSION = 1


def save(
    path: Path,
    step: int,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average,
    problem: str,
) -> None:
    """Write the state after `step` steps; the file is there as a whole or not at all.

    Parameters
    ----------
    path : Path
    step : int
    network, optimiser, average
        What is kept, with torch's own random state.
    problem : str
        Fingerprint of the configuration, so that no other training goes on from here.
    """
    from safetensors.torch import save_file

    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in average.weights.items()}
    tensors["random"] = torch.get_rng_state()
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{number}/{name}": torch.as_tensor(value) for name, value in state.items()}
    facts: Record = {"version": VERSION, "step": step, "problem": problem}
    kept = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with writing(path) as draft:
        save_file(kept, draft, {key: json.dumps(value) for key, value in facts.items()})


def restore(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: Average, problem: str
) -> int:
    """Bring everything back to where it was; returns the steps that were taken.

    Raises
    ------
    ValueError
        If the file is no checkpoint or belongs to a training with another configuration.
    """
    tensors, facts = _read(path)
    if facts.get("problem") != problem:
        raise ValueError(f"{path} belongs to another training; choose another place (run.out) or remove it")
    network.load_state_dict(_under(tensors, "network/"))
    average.weights = {
        name: value.to(average.weights[name].device) for name, value in _under(tensors, "average/").items()
    }
    _restore_optimiser(optimiser, _under(tensors, "optimiser/"))
    torch.set_rng_state(tensors["random"])
    return int(facts["step"])


def _read(path: Path) -> tuple[dict[str, Tensor], Record]:
    try:
        tensors, words = tensors_of(path)
        facts = {key: json.loads(word) for key, word in words.items()}
    except ValueError as error:
        raise ValueError(f"{path} is not a checkpoint: {error}") from error
    if facts.get("version") != VERSION:
        raise ValueError(f"{path} has version {facts.get('version')!r}; this dislok reads {VERSION}")
    return tensors, facts


def _restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
