"""A small training on waves that move by a constant: data, configuration, and a process of its own."""

import sys
from pathlib import Path

import numpy as np
import torch

from dislok.nn.train.config import Config, parse
from dislok.nn.train.loop import Trainer
from dislok.nn.train.samples import Sample, generator

SIZE = 32


class Waves:
    """Sums of waves, moved by up to two pixels: the i-th pair of a seed is always the same."""

    def __init__(self, seed: int = 1, most: float = 2.0) -> None:
        self.seed, self.most = seed, most

    def sample(self, index: int, *, validation: bool = False) -> Sample:
        rng = generator(self.seed, int(validation), index)
        rows, columns = np.mgrid[:SIZE, :SIZE]
        right, down = rng.uniform(-self.most, self.most, 2)
        pre, post = np.zeros((2, SIZE, SIZE))
        for kx, ky, phase in zip(*rng.uniform(-1, 1, (2, 12)), rng.uniform(0, 6.3, 12), strict=True):
            pre += np.cos(kx * columns + ky * rows + phase)
            post += np.cos(kx * (columns - right) + ky * (rows - down) + phase)
        truth = np.empty((2, SIZE, SIZE), np.float32)
        truth[0], truth[1] = right, down
        images = np.stack((pre, post)).astype(np.float32) / 2.5
        return Sample(images, truth, np.ones((SIZE, SIZE), np.float32))


def config(out: Path, **changes: dict) -> Config:
    """Twenty steps of a narrow network; `changes` are tables that go on top."""
    tables: dict[str, dict] = {
        "network": {"architecture": "geoflownet_a", "width": 1 / 32},
        "schedule": {"epochs": 1, "steps": 20, "batch": 4, "average": 0.9, "clip": 1.0},
        "run": {"out": str(out), "checkpoint": 5, "report": 5, "validate": 20, "validation": 4},
    }
    for name, table in changes.items():
        tables.setdefault(name, {}).update(table)
    return parse(tables)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """The weights of a trainer's network."""
    return {name: value.detach().clone() for name, value in trainer.network.state_dict().items()}


if __name__ == "__main__":
    # One process of a group: out, seconds to sleep in each step so that there is time to kill it.
    import time

    from dislok.nn.train.parallel import group

    torch.set_num_threads(1)
    out, pause = Path(sys.argv[1]), float(sys.argv[2])

    class Slow(Waves):
        def sample(self, index: int, *, validation: bool = False) -> Sample:
            time.sleep(pause)
            return super().sample(index, validation=validation)

    with group("cpu") as processes:
        Trainer(config(out), Slow(), processes, print).run()
