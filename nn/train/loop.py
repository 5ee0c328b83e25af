"""The training loop: the same steps whoever stops it, and however many processes share them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dislok import store
from dislok.arrays import Record
from dislok.nn.geoflownet.scarp import Refined
from dislok.nn.geoflownet.weights import save as save_network
from dislok.nn.train import checkpoints, reports
from dislok.nn.train.config import Config, Run
from dislok.nn.train.parallel import Alone, Group
from dislok.nn.train.samples import Batch, Numbered, Source, collate
from dislok.nn.train.schedules import Average, optimiser, rate_at
from dislok.nn.train.tasks import error_of, loss_of, network_of, size_of

PICTURED = 4  # pairs in a picture


class Trainer:
    """One training: network, optimiser, average, and the step they are at.

    Parameters
    ----------
    config : Config
    source : Source
        Gives the samples; the i-th of step s is number ``s * batch + i``, whatever happened before.
    group : Group, optional
        The processes that share each batch.
    say : callable, optional
        Told a line of progress now and then.
    stop : callable, optional
        Asked after every step whether to stop there, to be taken up later.
    """

    def __init__(
        self,
        config: Config,
        source: Source,
        group: Group | None = None,
        say: Callable[[str], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config, self.source, self.stop = config, source, stop
        self.group = Alone() if group is None else group
        self.say = say if say is not None and self.group.first else lambda line: None
        self.folder = Path(config.run.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.run.seed)
        device = torch.device(config.run.device)
        network = network_of(config.network).to(device)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = optimiser(self.network, config.schedule)
        self.average = Average(self.network, config.schedule.average)
        self.step = 0
        self.problem = _problem(config)
        if self.checkpoint.exists():
            self.step = checkpoints.restore(
                self.checkpoint, self.network, self.optimiser, self.average, self.problem
            )
            self.say(f"going on after step {self.step}")
        self.shared = self.group.share(self.network)
        if config.run.compile:
            self.shared.compile()

    @property
    def checkpoint(self) -> Path:
        """The file that a training goes on from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def steps(self) -> int:
        """All steps of the training."""
        return self.config.schedule.steps * self.config.schedule.epochs

    def run(self) -> bool:
        """Take the steps that are left; whether all are done."""
        run, began, first = self.config.run, time.monotonic(), self.step
        table = reports.Table(self.folder / "metrics.csv", self.step) if self.group.first else None
        send = reports.board(self.folder, self.step) if self.group.first else None
        losses: list[Tensor] = []
        for batch in self._batches():
            losses.append(self._take(batch))
            last = self.step == self.steps
            late = run.minutes and time.monotonic() - began > 60 * run.minutes
            ending = self.group.agree(bool(last or late or self.stop()))
            if table is not None and send is not None:
                if self.step % run.report == 0 or ending:
                    self._report(table, send, losses, began, first)
                    losses = []
                if self.step % run.checkpoint == 0 or ending:
                    self._keep()
            if ending:
                break
        if self.group.first and self.step == self.steps:
            self._finish()
        return self.step == self.steps

    def _batches(self) -> Iterator[Batch]:
        schedule, data = self.config.schedule, self.config.data
        mine = self.group.part(schedule.batch)
        numbers = ([step * schedule.batch + place for place in mine] for step in range(self.step, self.steps))
        loader = DataLoader(
            Numbered(self.source),
            batch_sampler=numbers,
            num_workers=data.workers,
            collate_fn=collate,
            multiprocessing_context="spawn" if data.workers else None,
        )
        return iter(loader)

    def _take(self, batch: Batch) -> Tensor:
        """One step; returns its loss."""
        schedule = self.config.schedule
        batch = self._moved(batch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, schedule)
        self.optimiser.zero_grad(set_to_none=True)
        self.network.train()
        with self._precision():
            said = self.shared(batch.images)
        loss = loss_of(said, batch, self.config.loss, self.config.network.passes)
        loss.backward()
        if schedule.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), schedule.clip)
        self.optimiser.step()
        self.step += 1
        if schedule.average:
            self.average.update(self.network, self.step)
        return loss.detach()

    def _moved(self, batch: Batch) -> Batch:
        device = torch.device(self.config.run.device)
        images = batch.images.to(device, memory_format=torch.channels_last, non_blocking=True)
        return Batch(images, batch.truth.to(device), batch.weight.to(device))

    def _precision(self) -> torch.autocast:
        half = self.config.schedule.precision == "bfloat16"
        return torch.autocast(torch.device(self.config.run.device).type, torch.bfloat16, enabled=half)

    def trained(self) -> nn.Module:
        """A copy of the network with the weights that are to be used: the averaged ones, if any are."""
        network = network_of(replace(self.config.network, start=""))
        averaged = self.config.schedule.average and self.step
        weights = self.average.weights if averaged else self.network.state_dict()
        network.load_state_dict({name: value.cpu() for name, value in weights.items()})
        return network.eval()

    @torch.inference_mode()
    def validate(self, picture: Path | None = None) -> tuple[float, float]:
        """Mean endpoint error over the validation pairs, and that of a field of zeros (pixels)."""
        network = self.trained().to(self.config.run.device)
        errors, sizes = [], []
        for number in range(self.config.run.validation):
            batch = self._moved(collate([self.source.sample(number, validation=True)]))
            said = network(batch.images)
            errors.append(error_of(said, batch).mean().item())
            sizes.append(size_of(batch).mean().item())
        if picture is not None:
            self._draw(network, picture)
        count = max(1, len(errors))
        return sum(errors) / count, sum(sizes) / count

    def _draw(self, network: nn.Module, path: Path) -> None:
        count = min(PICTURED, self.config.run.validation)
        samples = [self.source.sample(number, validation=True) for number in range(count)]
        if not samples:
            return
        batch = self._moved(collate(samples))
        said = network(batch.images)
        found = said.change if isinstance(said, Refined) else said[0]
        images = batch.images[:, :2].float().cpu().numpy()
        reports.picture(path, images, batch.truth.cpu().numpy(), found.float().cpu().numpy())

    def _report(
        self, table: reports.Table, send: Callable[..., None], losses: list[Tensor], began: float, first: int
    ) -> None:
        seconds = time.monotonic() - began
        loss = torch.stack(losses).mean().item() if losses else float("nan")
        row: dict[str, float] = {"loss": loss, "rate": rate_at(self.step - 1, self.config.schedule)}
        if self.step % self.config.run.validate == 0 or self.step == self.steps:
            path = self.folder / f"sample-{self.step:07d}.png"
            row["error"], row["still"] = self.validate(path)
        send(self.step, **row)
        table.add(
            step=self.step, samples=self.step * self.config.schedule.batch, seconds=round(seconds, 1), **row
        )
        left = seconds / max(1, self.step - first) * (self.steps - self.step)
        error = f", error {row['error']:.4f} px of {row['still']:.4f}" if "error" in row else ""
        self.say(f"step {self.step}/{self.steps}: loss {loss:.4f}{error}; {reports.spelled(left)} left")

    def _keep(self) -> None:
        checkpoints.save(self.checkpoint, self.step, self.network, self.optimiser, self.average, self.problem)

    def _finish(self) -> None:
        error, still = self.validate()
        facts: Record = {
            "steps": self.steps,
            "pairs": self.steps * self.config.schedule.batch,
            "seed": self.config.run.seed,
            "normalisation": self.config.data.normalisation,
            "validation": {"pairs": self.config.run.validation, "error": error, "still": still},
        }
        save_network(self.trained(), self.folder / "network.safetensors", **facts)


def _problem(config: Config) -> str:
    """Fingerprint of what weights depend on: not how often something is written, nor where files lie."""
    network = replace(config.network, start=Path(config.network.start).name)
    names = tuple(Path(name).name for name in config.data.textures)
    dates = tuple((Path(first).name, Path(second).name) for first, second in config.data.dates)
    data = replace(config.data, folder=Path(config.data.folder).name, textures=names, dates=dates)
    return store.fingerprint(
        "training", 1, replace(config, network=network, data=data, run=Run(seed=config.run.seed))
    )
