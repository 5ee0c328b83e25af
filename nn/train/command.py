"""`dislok train CONFIG.toml`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from dislok.nn.train.config import Config, read


def train(path: Path, *, bank: bool = False, say: Callable[[str], None] | None = None) -> int:
    """Train what a configuration says, going on where it was stopped.

    Parameters
    ----------
    path : Path
        The configuration.
    bank : bool
        Make its bank of pairs instead.
    say : callable, optional
        Told lines of progress.

    Returns
    -------
    int
        0 when everything is done, 3 when it was stopped and can be taken up again.
    """
    config = read(path)
    talk = say if say is not None else (lambda line: None)
    if bank:
        from dislok.nn.train.bank import build

        if config.data.kind != "bank" or not config.data.count:
            raise ValueError(f'{path}: a bank needs data.kind = "bank" and data.count')
        talk(f"{build(config, talk)} pairs in {config.data.folder}")
        return 0
    return _run(config, talk)


def _run(config: Config, say: Callable[[str], None]) -> int:
    from dislok.nn.train.loop import Trainer
    from dislok.nn.train.parallel import group
    from dislok.nn.train.sources import source

    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with group(config.run.device) as processes:
            trainer = Trainer(config, source(config), processes, say, lambda: bool(asked))
            done = trainer.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if done:
        say(f"trained: {Path(config.run.out) / 'network.safetensors'}")
        return 0
    say(f"stopped after step {trainer.step}; the same command goes on from there")
    return 3
