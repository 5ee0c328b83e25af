"""Trainings can be stopped, killed and shared, and come to the same end; what they leave can be read."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import Waves, config, weights

from dislok.nn import geoflownet
from dislok.nn.geoflownet.weights import card
from dislok.nn.train import checkpoints, losses, schedules
from dislok.nn.train.config import Loss, Schedule
from dislok.nn.train.loop import Trainer

HERE = Path(__file__).parent


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Twenty steps without a stop."""
    torch.set_num_threads(1)
    trainer = Trainer(config(tmp_path_factory.mktemp("straight")), Waves())
    assert trainer.run()
    return trainer


def test_stopped_and_taken_up_is_the_same_bit_for_bit(straight, tmp_path):
    first = Trainer(config(tmp_path), Waves())
    first.stop = lambda: first.step == 7
    assert not first.run()
    lines: list[str] = []
    second = Trainer(config(tmp_path), Waves(), say=lines.append)
    assert second.step == 7
    assert second.run()
    assert lines[0] == "going on after step 7"
    assert equal(weights(second), weights(straight))
    assert equal(second.average.weights, straight.average.weights)


def test_killed_and_taken_up_is_the_same_bit_for_bit(straight, tmp_path):
    command = [sys.executable, str(HERE / "small_training.py"), str(tmp_path), "0.05"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    checkpoint, deadline = tmp_path / "checkpoint.safetensors", time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    again = Trainer(config(tmp_path), Waves())
    assert 0 < again.step < 20
    assert again.run()
    assert equal(weights(again), weights(straight))


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(straight, tmp_path):
    command = [sys.executable, str(HERE / "small_training.py"), str(tmp_path), "0"]
    port = str(29500 + os.getpid() % 1000)
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(command, env=environment(RANK=str(rank), **shared), stdout=subprocess.DEVNULL)
        for rank in range(2)
    ]
    assert [process.wait(240) for process in processes] == [0, 0]
    together = geoflownet.load(tmp_path / "network.safetensors").state_dict()
    alone = straight.trained().state_dict()
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5)


def test_what_is_left_behind(straight):
    folder = straight.folder
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["5", "10", "15", "20"]
    assert float(rows[-1]["still"]) > 0 and rows[0]["error"] == ""
    assert (folder / "sample-0000020.png").read_bytes()[:4] == b"\x89PNG"
    assert list((folder / "tensorboard").glob("events*"))
    network = geoflownet.load(folder / "network.safetensors")
    assert equal(network.state_dict(), straight.average.weights)
    assert card(folder / "network.safetensors")["pairs"] == 80


def test_rows_after_the_checkpoint_are_dropped(tmp_path):
    first = Trainer(config(tmp_path), Waves())
    first.stop = lambda: first.step == 5
    first.run()
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("10,40,1,1,,,1\n")
    Trainer(config(tmp_path), Waves()).run()
    with open(tmp_path / "metrics.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["5", "10", "15", "20"]


def test_progress_says_what_is_left(tmp_path):
    lines: list[str] = []
    Trainer(config(tmp_path, schedule={"steps": 5}), Waves(), say=lines.append).run()
    assert lines[0].startswith("step 5/5: loss ") and lines[0].endswith("; 0 s left")
    assert " px of " in lines[0]


def test_another_training_is_not_taken_up(tmp_path):
    Trainer(config(tmp_path, schedule={"steps": 1}), Waves()).run()
    with pytest.raises(ValueError, match="another training"):
        Trainer(config(tmp_path, schedule={"steps": 2}), Waves())


def test_a_checkpoint_that_is_something_else(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        Trainer(config(tmp_path), Waves())


def test_a_checkpoint_of_another_version(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "VERSION", 0)
    Trainer(config(tmp_path, schedule={"steps": 1}), Waves()).run()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="version 0; this dislok reads 1"):
        Trainer(config(tmp_path, schedule={"steps": 1}), Waves())


def test_time_runs_out(tmp_path):
    trainer = Trainer(config(tmp_path, run={"minutes": 1e-9}), Waves())
    assert not trainer.run()
    assert trainer.step == 1
    assert not (tmp_path / "network.safetensors").exists()
    assert trainer.checkpoint.exists()


def test_a_small_network_learns(tmp_path):
    schedule = {"steps": 300, "rate": 4e-3, "optimiser": "adamw", "shape": "one-cycle", "average": 0.98}
    run = {"validation": 16, "report": 300, "validate": 300, "checkpoint": 300}
    settings = config(tmp_path, network={"width": 1 / 16}, schedule=schedule, run=run)
    trainer = Trainer(settings, Waves(most=1.0))
    before, still = trainer.validate()
    trainer.run()
    after, _ = trainer.validate()
    assert before > 0.9 * still
    assert after < 0.65 * still


def test_passes_and_bfloat16_are_trained(tmp_path):
    changes = {"network": {"passes": 2}, "schedule": {"steps": 2, "precision": "bfloat16"}}
    trainer = Trainer(config(tmp_path, **changes), Waves())
    before = weights(trainer)
    assert trainer.run()
    assert all(value.dtype == torch.float32 for value in trainer.network.state_dict().values())
    assert not equal(weights(trainer), before)


def test_start_from_weights(straight, tmp_path):
    start = str(straight.folder / "network.safetensors")
    trainer = Trainer(config(tmp_path, network={"start": start}), Waves())
    assert equal(weights(trainer), straight.average.weights)
    with pytest.raises(ValueError, match="is not the network"):
        Trainer(config(tmp_path, network={"start": start, "width": 0.5}), Waves())


def test_workers_change_nothing(straight, tmp_path):
    trainer = Trainer(config(tmp_path, data={"workers": 1}), Waves())
    # How the samples come is no part of what is learned.
    trainer.stop = lambda: trainer.step == 2
    trainer.run()
    again = Trainer(config(tmp_path / "alone"), Waves())
    again.stop = lambda: again.step == 2
    again.run()
    assert equal(weights(trainer), weights(again))


def test_the_papers_rate_is_halved_once_in_forty_epochs():
    schedule = Schedule()
    assert {schedules.rate_at(step, schedule) for step in range(0, 25_000)} == {5e-4}
    assert {schedules.rate_at(step, schedule) for step in range(25_000, 50_000)} == {2.5e-4}


def test_one_cycle_rises_and_falls():
    schedule = Schedule(shape="one-cycle", rate=1.0, epochs=10, steps=100)
    rates = np.array([schedules.rate_at(step, schedule) for step in range(1000)])
    assert rates[0] == pytest.approx(1 / 25) and rates[100] == 1 and rates[-1] < 1e-3
    assert (np.diff(rates[:101]) > 0).all() and (np.diff(rates[100:]) < 0).all()


def test_biases_do_not_shrink():
    network = geoflownet.geoflownet_a(1 / 32)
    groups = schedules.optimiser(network, Schedule(optimiser="adamw", decay=0.1)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(parameter.ndim == 1 for parameter in groups[1]["params"])


def test_average_of_constant_weights_is_those_weights():
    network = torch.nn.Linear(3, 2)
    average = schedules.Average(network, 0.99)
    with torch.no_grad():
        network.weight.fill_(1.0)
    for step in range(1, 2000):
        average.update(network, step)
    assert torch.allclose(average.weights["weight"], torch.ones(2, 3), atol=1e-4)


def test_papers_loss_by_hand():
    truth = torch.zeros(1, 2, 4, 4)
    fine, coarse = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 2)
    fine[:, 0], coarse[:, 1] = 3.0, 1.0
    weight = torch.ones(1, 4, 4)
    loss = losses.multi_scale([fine, coarse], truth, weight, Loss().weights)
    assert loss.item() == pytest.approx((6 * 3 + 1 * 1) / 7, rel=1e-5)


def test_loss_ignores_what_is_not_known():
    torch.manual_seed(0)
    truth, flow = torch.randn(2, 2, 8, 8), torch.randn(2, 2, 8, 8)
    weight = torch.ones(2, 8, 8)
    weight[:, :, 4:] = 0
    half = torch.randn(2, 2, 4, 4)
    before = losses.multi_scale([flow, half], truth, weight, (6.0, 1.0))
    truth[..., 4:] = 100
    flow[..., 4:] = -7
    assert torch.equal(losses.multi_scale([flow, half], truth, weight, (6.0, 1.0)), before)


def test_relative_loss_does_not_depend_on_the_scale():
    torch.manual_seed(0)
    truth, flow, weight = torch.randn(3, 2, 8, 8), torch.randn(3, 2, 8, 8), torch.ones(3, 8, 8)
    small, large = (losses.multi_scale([s * flow], s * truth, weight, (1.0,), 1e-6) for s in (10.0, 1000.0))
    assert small.item() == pytest.approx(large.item(), rel=1e-4)


def test_metadata_of_checkpoints_is_json(straight):
    tensors, facts = checkpoints._read(straight.checkpoint)
    assert facts["step"] == 20 and json.dumps(facts)
    assert "random" in tensors
