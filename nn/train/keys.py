"""Keys that the configuration of a training may have: see `dislok.schema`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dislok.arrays import Record, Values
from dislok.gate import Given
from dislok.schema import (
    Key,
    Kind,
    Table,
    choice,
    count,
    flag,
    listed,
    number,
    pair,
    span,
    text,
    with_defaults,
)

RECIPES = ("paper", "modern")
ARCHITECTURES = ("flownet2_sd", "geoflownet_a", "geoflownet_b", "strainnet_f", "scarp")
SCALES = 5  # of a network's output, which losses weigh
_MANY = 10**9
_SEED = count(0, 2**63 - 1)


def _weights(name: str, value: Given) -> list[float]:
    found = list(listed(number(least=0), SCALES, SCALES)(name, value))
    if not any(found):
        raise ValueError(f"{name} must have a weight above 0, got {value!r}")
    return found


def _stages(name: str, value: Given) -> list[tuple[float, int]]:
    found = [_stage(f"{name}[{i}]", each) for i, each in enumerate(listed(_ANY)(name, value))]
    for (before, _), (after, _) in zip(found, found[1:], strict=False):
        if after <= before:
            raise ValueError(f"{name} must have shares that rise, got {value!r:.60}")
    return found


def _stage(name: str, value: Given) -> tuple[float, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{name} must be a list of 2 values, share and number of ranges, got {value!r:.60}")
    share, ranges = value
    return number(above=0, most=1)(f"{name}[0]", share), count(1)(f"{name}[1]", ranges)


def _device(name: str, value: Given) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", value):
        raise ValueError(f"{name} must be cpu, mps, cuda or cuda with a number, cuda:1, got {value!r:.60}")
    return value


_ANY = Kind("a stage", lambda name, value: value)

NETWORK = Table(
    "What is trained.",
    {
        "architecture": Key(choice(*ARCHITECTURES), "a network of :doc:`geoflownet`"),
        "width": Key(number(above=0, most=16), "factor on its numbers of channels"),
        "passes": Key(count(1, 16), "how often it is applied, the image warped in between"),
        "start": Key(text(), "a file of weights to go on from; by default new ones", file=True),
    },
)
DATA = Table(
    "Where pairs come from.",
    {
        "kind": Key(choice("pairs", "bank"), "made as they are needed, or a bank that was made before"),
        "folder": Key(text(), "of the bank"),
        "faults": Key(choice("screw", "earthquakes"), "closed formulas of screw faults, or FaultDeform"),
        "textures": Key(listed(text()), "images of ground; without any, it is procedural", file=True),
        "dates": Key(
            listed(pair(text())), "images of one scene at two dates, between which nothing moved", file=True
        ),
        "crop": Key(count(16, 8192), "side of what the network sees", unit="pixels"),
        "window": Key(count(0, 32768), "of the pairs that crops are of; 0 for the crop", unit="pixels"),
        "ranges": Key(
            listed(span(number(least=0, most=1000)), 1), "of the largest motion; one is drawn", unit="pixels"
        ),
        "count": Key(count(0, _MANY), "distinct pairs that are drawn from; 0: every pair is new"),
        "keep": Key(flag(), "keep distinct pairs in memory, in half precision"),
        "normalisation": Key(choice("image", "local"), "of the images: as a whole, or around every pixel"),
        "turn": Key(flag(), "by quarter turns and mirroring, images and vectors"),
        "noise": Key(number(least=0, most=10), "most noise that is added, in deviations of the image"),
        "seed": Key(_SEED, "of the pairs"),
        "workers": Key(count(0, 1024), "processes that make pairs; 0 for the one that trains"),
    },
)  # fmt: skip
SCHEDULE = Table(
    "How weights change.",
    {
        "optimiser": Key(choice("adam", "adamw"), "Adam, or with decay of the weights"),
        "shape": Key(choice("halving", "one-cycle"), "of the learning rate over the steps"),
        "rate": Key(number(above=0, most=10), "learning rate, the highest"),
        "decay": Key(number(least=0, most=10), "of weights"),
        "epochs": Key(count(1, _MANY), "of so many steps each"),
        "steps": Key(count(1, _MANY), "of an epoch"),
        "batch": Key(count(1, 65536), "pairs of a step"),
        "halve_every": Key(count(1, _MANY), "when the rate is halved", unit="epochs"),
        "clip": Key(number(least=0), "largest norm of the gradient; 0 for any"),
        "average": Key(number(least=0, below=1), "decay of the running mean of the weights; 0 for none"),
        "precision": Key(choice("float32", "bfloat16"), "of the computation"),
        "stages": Key(
            Kind("a list of [share, ranges]", _stages),
            "until this share of the steps, only the first so many of the ranges",
        ),
    },
)
LOSS = Table(
    "What is made small.",
    {
        "weights": Key(Kind(f"a list of {SCALES} numbers", _weights), "of the scales, finest first"),
        "relative": Key(
            number(least=0), "errors count over the pair's rms motion and this; 0: as they are", unit="pixels"
        ),
        "near": Key(number(least=0), "extra weight of pixels within 8 pixels of the fault"),
        "likelihood": Key(number(least=0), "weight of the stated error's likelihood, of networks with one"),
    },
)
RUN = Table(
    "Where it goes, and how often.",
    {
        "out": Key(text(), "folder of the weights and of what is kept on the way"),
        "seed": Key(_SEED, "of the first weights and the order of samples"),
        "minutes": Key(number(least=0), "stop after so many, to be taken up later; 0: at the end"),
        "checkpoint": Key(count(1, _MANY), "how often everything is kept", unit="steps"),
        "validate": Key(count(1, _MANY), "how often it is validated", unit="steps"),
        "validation": Key(count(0, 1_000_000), "pairs of a validation"),
        "report": Key(count(1, _MANY), "how often it is told", unit="steps"),
        "device": Key(Kind("cpu, mps, cuda or cuda:NUMBER", _device), "where it is computed"),
        "compile": Key(flag(), "let torch compile the network"),
    },
)
TABLES = {"network": NETWORK, "data": DATA, "schedule": SCHEDULE, "loss": LOSS, "run": RUN}


def schema_of(defaults: Mapping[str, Values], check: Callable[[str, Record], None]) -> Table:
    """The schema of a training whose recipe says what holds where a file says nothing."""
    recipe = Key(choice(*RECIPES), "what every default below is: the published one, or ours", "paper")
    tables = {name: with_defaults(table, defaults[name]) for name, table in TABLES.items()}
    return Table("A training.", {"recipe": recipe, **tables}, check=check)
