"""What a training is: a TOML file, checked word by word before anything begins."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

RANGES = ((0.01, 1.0), (1.0, 5.0), (5.0, 15.0), (15.0, 50.0))


@dataclass(frozen=True)
class Network:
    """What is trained: a name of `dislok.nn.geoflownet`, its width, and how often it is applied."""

    architecture: str = "geoflownet_a"
    width: float = 1.0
    passes: int = 1
    start: str = ""  # file of weights to go on from


@dataclass(frozen=True)
class Data:
    """Where pairs come from: generated as they are needed, or a bank that was made before."""

    kind: str = "pairs"  # "pairs" | "bank"
    folder: str = ""  # of the bank
    faults: str = "screw"  # "screw": by closed formulas | "earthquakes": FaultDeform's
    textures: tuple[str, ...] = ()  # image files; none: procedural ones
    crop: int = 256
    window: int = 0  # of the pairs that crops are taken from; 0: the crop
    ranges: tuple[tuple[float, float], ...] = RANGES  # pixels
    count: int = 0  # distinct pairs that are drawn from; 0: every pair is new
    keep: bool = False  # keep distinct pairs in memory, in half precision
    normalisation: str = "image"  # by the whole "image" | "local"
    turn: bool = False  # by quarter turns and mirroring, images and vectors
    noise: float = 0.0  # most standard deviation that is added, in that of the image
    seed: int = 1
    workers: int = 0


@dataclass(frozen=True)
class Schedule:
    """How weights change."""

    optimiser: str = "adam"  # "adam" | "adamw"
    shape: str = "halving"  # "halving" | "one-cycle"
    rate: float = 5e-4
    decay: float = 0.0
    epochs: int = 40
    steps: int = 1250  # per epoch
    batch: int = 32
    halve_every: int = 20  # epochs
    clip: float = 0.0  # largest norm of the gradient; 0: any
    average: float = 0.0  # of the weights, exponential; 0: none
    precision: str = "float32"  # "float32" | "bfloat16"
    stages: tuple[tuple[float, int], ...] = ()  # until this share of the steps, this many of the ranges


@dataclass(frozen=True)
class Loss:
    """What is made small."""

    weights: tuple[float, ...] = (6.0, 1.0, 1.0, 1.0, 1.0)  # of the scales, finest first
    relative: float = 0.0  # pixels: divide by the pair's rms motion and this; 0: do not
    near: float = 0.0  # extra weight of pixels within 8 pixels of the fault
    likelihood: float = 0.1  # of the error's scale; networks that state one


@dataclass(frozen=True)
class Run:
    """Where it goes, and how often."""

    out: str = "training"
    seed: int = 1
    minutes: float = 0.0  # stop after so many, to be taken up later; 0: at the end
    checkpoint: int = 500  # steps
    validate: int = 1250
    validation: int = 64  # pairs
    report: int = 50
    device: str = "cpu"
    compile: bool = False


@dataclass(frozen=True)
class Config:
    """All of a training."""

    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
    loss: Loss = field(default_factory=Loss)
    run: Run = field(default_factory=Run)


# The paper's recipe is what every default says; this is what we found to be better.
MODERN = Config(
    data=Data(turn=True, noise=0.1),
    schedule=Schedule("adamw", "one-cycle", 1e-3, 1e-3, clip=1.0, average=0.999),
    loss=Loss(relative=0.1, near=2.0),
)
RECIPES = {"paper": Config(), "modern": MODERN}
CHOICES = {
    "kind": ("pairs", "bank"),
    "faults": ("screw", "earthquakes"),
    "normalisation": ("image", "local"),
    "optimiser": ("adam", "adamw"),
    "shape": ("halving", "one-cycle"),
    "precision": ("float32", "bfloat16"),
}
POSITIVE = {"width", "passes", "crop", "rate", "epochs", "steps", "batch", "halve_every", "report"}
POSITIVE |= {"checkpoint", "validate"}


def read(path: str | Path) -> Config:
    """Read a configuration.

    Raises
    ------
    ValueError
        If the file is no TOML, holds a word that is not known, or a value of another type or out of range;
        the message names the file, the word and what would be right.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from error
    try:
        return parse(table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse(table: dict[str, Any]) -> Config:
    """A configuration from nested tables; what is left out is as the recipe says."""
    table = dict(table)
    recipe = table.pop("recipe", "paper")
    if recipe not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, not {recipe!r}")
    config = RECIPES[recipe]
    _check_words("", table, [each.name for each in fields(Config)])
    sections = {name: _section(name, getattr(config, name), value) for name, value in table.items()}
    config = replace(config, **sections)
    _check_together(config)
    return config


def _section(name: str, default: Any, table: Any) -> Any:
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a table, [{name}], not {table!r}")
    types = get_type_hints(type(default))
    _check_words(f"{name}.", table, list(types))
    values = {word: _value(f"{name}.{word}", types[word], value) for word, value in table.items()}
    return replace(default, **values)


def _check_words(prefix: str, table: dict[str, Any], known: list[str]) -> None:
    for word in table:
        if word not in known:
            near = get_close_matches(word, known, 1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; there are {', '.join(known)}"
            raise ValueError(f"unknown word {prefix}{word}{hint}")


def _value(name: str, kind: Any, value: Any) -> Any:
    """A value of the type that its field has."""
    word = name.rpartition(".")[2]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if getattr(kind, "__origin__", None) is tuple:
        return _values(name, kind, value)
    if type(value) is not kind:
        raise ValueError(f"{name} must be {_said(kind)}, not {value!r}")
    if kind in (int, float) and not (value > 0 if word in POSITIVE else value >= 0):
        raise ValueError(
            f"{name} must be {'positive' if word in POSITIVE else 'zero or more'}, not {value!r}"
        )
    if word in CHOICES and value not in CHOICES[word]:
        raise ValueError(f"{name} must be one of {', '.join(CHOICES[word])}, not {value!r}")
    return value


def _values(name: str, kind: Any, value: Any) -> tuple:
    inner = [each for each in kind.__args__ if each is not Ellipsis]
    fixed = Ellipsis not in kind.__args__
    if not isinstance(value, list) or fixed and len(value) != len(inner):
        raise ValueError(f"{name} must be a list{f' of {len(inner)}' if fixed else ''}, not {value!r}")
    kinds = inner if fixed else inner * len(value)
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(_value(f"{name}[{place}]", each, item) for place, (each, item) in pairs)


def _said(kind: Any) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]


def _check_together(config: Config) -> None:
    if len(config.loss.weights) != 5:
        raise ValueError(f"loss.weights must have five numbers, not {len(config.loss.weights)}")
    for low, high in config.data.ranges:
        if not 0 <= low <= high:
            raise ValueError(f"data.ranges: from {low} to {high} is no range")
    if config.data.keep and not config.data.count:
        raise ValueError("data.keep needs data.count: pairs that never come again are not kept")
    if config.data.kind == "bank" and not config.data.folder:
        raise ValueError('data.folder must name the bank for data.kind = "bank"')
    if config.network.architecture == "scarp" and config.data.kind != "bank":
        raise ValueError('scarp refines what the engine found: data.kind must be "bank"')
    for share, count in config.schedule.stages:
        if not (0 < share <= 1 and 1 <= count <= len(config.data.ranges)):
            raise ValueError(f"schedule.stages: [{share}, {count}] is not a share and a number of ranges")


def words() -> dict[str, dict[str, Any]]:
    """Every word there is with its default, by table: what the documentation lists."""
    sections = {each.name: each.default_factory for each in fields(Config)}
    return {
        name: {word.name: word.default for word in fields(make()) if word.default is not MISSING}
        for name, make in sections.items()
        if make is not MISSING
    }
