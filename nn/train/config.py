"""The configuration of a training: a TOML file, all of it checked before anything begins; see `keys`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dislok import schema
from dislok.arrays import Record, Values
from dislok.nn.train.keys import schema_of

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
    dates: tuple[tuple[str, str], ...] = ()  # image files of real second dates
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


def read(path: str | Path) -> Config:
    """Read a configuration; names of files in it are relative to its folder.

    Raises
    ------
    ValueError
        If the file is no TOML, holds a key that is not known, or a value of another type or out of range;
        the message names the file, every such key and what would be right.
    """
    return _config(schema.values_of(path), Path(path).parent, str(path))


def parse(table: Record) -> Config:
    """A configuration from nested tables; what is left out is as the recipe says."""
    return _config(table, None, "")


def _config(table: Values, folder: Path | None, file: str) -> Config:
    recipe = table.get("recipe")
    name = recipe if isinstance(recipe, str) and recipe in RECIPES else "paper"
    found = schema.checked(table, SCHEMAS[name], folder=folder, file=file)
    config = _changed(RECIPES[name], found)
    return config if folder is None else _placed(config, folder)


def _changed(config: Config, found: Values) -> Config:
    """A configuration with the values that tables give."""
    tables = {name: table for name, table in found.items() if name != "recipe"}
    parts = {
        name: replace(getattr(config, name), **{key: schema.fixed(value) for key, value in table.items()})
        for name, table in tables.items()
    }
    return replace(config, **parts)


def _placed(config: Config, folder: Path) -> Config:
    """Names of files as seen from the current folder."""
    network, data, run = config.network, config.data, config.run
    seen = [str(folder / name) if name else "" for name in (network.start, data.folder, run.out)]
    return replace(
        config,
        network=replace(network, start=seen[0]),
        data=replace(
            data,
            folder=seen[1],
            textures=tuple(str(folder / name) for name in data.textures),
            dates=tuple((str(folder / first), str(folder / second)) for first, second in data.dates),
        ),
        run=replace(run, out=seen[2]),
    )


def _together(config: Config) -> None:
    """What values ask of each other."""
    data = config.data
    if data.keep and not data.count:
        raise ValueError(
            "data.keep needs data.count, got True and 0: pairs that never come again are not kept"
        )
    if data.kind == "bank" and not data.folder:
        raise ValueError("the key 'data.folder' is missing: data.kind = \"bank\" needs the folder of a bank")
    if config.network.architecture == "scarp" and data.kind != "bank":
        raise ValueError(
            f'data.kind must be "bank" for network.architecture = "scarp", which refines what the engine '
            f"found, got {data.kind!r}"
        )
    if data.window and data.window < data.crop:
        raise ValueError(f"data.window must be 0 or at least data.crop, {data.crop}, got {data.window}")
    most = len(data.ranges)
    for i, (_, ranges) in enumerate(config.schedule.stages):
        if ranges > most:
            raise ValueError(
                f"schedule.stages[{i}][1] must be at most {most}, the number of data.ranges, got {ranges}"
            )


def _schema(recipe: Config) -> schema.Table:
    def check(name: str, values: Record) -> None:
        _together(_changed(recipe, values))

    return schema_of(asdict(recipe), check)


SCHEMAS = {name: _schema(recipe) for name, recipe in RECIPES.items()}
"""What the file of a training may say, by its recipe."""
