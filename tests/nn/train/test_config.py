"""Configurations of trainings: whatever a file says, either it is understood or every mistake is named."""

import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import toml_cases
from small_training import Waves, config
from toml_cases import NO_TOML, cases, changed, names_the_mistake, tables, typos, whole

from dislok import schema
from dislok.nn.geoflownet.normalise import NORMALISATIONS
from dislok.nn.geoflownet.weights import NETWORKS
from dislok.nn.train.config import MODERN, RECIPES, SCHEMAS, Config, parse, read
from dislok.nn.train.keys import ARCHITECTURES, SCALES, TABLES
from dislok.nn.train.loop import Trainer
from dislok.nn.train.sources import FAULTS

SCHEMA = SCHEMAS["paper"]
GOOD = {
    "recipe": "modern",
    "network": {"architecture": "geoflownet_b", "width": 0.5, "passes": 2, "start": "old.safetensors"},
    "data": {
        "kind": "pairs", "folder": "bank", "faults": "earthquakes", "textures": ["a.tif", "b.tif"],
        "dates": [["a.tif", "b.tif"]],
        "crop": 128, "window": 256, "ranges": [[0.01, 1.0], [2.0, 2.0]], "count": 100, "keep": True,
        "normalisation": "local", "turn": False, "noise": 0.5, "seed": 3, "workers": 2,
    },
    "schedule": {
        "optimiser": "adam", "shape": "halving", "rate": 1e-3, "decay": 0.1, "epochs": 3, "steps": 7,
        "batch": 5, "halve_every": 2, "clip": 2.0, "average": 0.5, "precision": "bfloat16",
        "stages": [[0.5, 1], [1.0, 2]],
    },
    "loss": {"weights": [1.0, 2.0, 3.0, 4.0, 0.0], "relative": 0.2, "near": 1.0, "likelihood": 0.3},
    "run": {
        "out": "out", "seed": 9, "minutes": 2.0, "checkpoint": 3, "validate": 4, "validation": 5, "report": 6,
        "device": "cuda:1", "compile": True,
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in ("old.safetensors", "a.tif", "b.tif"):
        (tmp_path / name).touch()
    return tmp_path


def refused(folder, text):
    return toml_cases.refused(read, folder / "training.toml", text)


def test_the_good_one_is_good(folder):
    (folder / "training.toml").write_text(whole(GOOD))
    found = schema.plain(asdict(read(folder / "training.toml")))
    wanted = {name: dict(table) for name, table in GOOD.items() if name != "recipe"}
    wanted["network"]["start"] = str(folder / "old.safetensors")
    wanted["data"] |= {
        "folder": str(folder / "bank"),
        "textures": [str(folder / n) for n in ("a.tif", "b.tif")],
        "dates": [[str(folder / n) for n in ("a.tif", "b.tif")]],
    }
    wanted["run"]["out"] = str(folder / "out")
    assert found == wanted


def test_the_paper_is_the_default():
    assert parse({}) == Config()
    schedule = parse({}).schedule
    assert (schedule.optimiser, schedule.rate, schedule.halve_every) == ("adam", 5e-4, 20)
    assert (schedule.epochs, schedule.steps, schedule.batch, Config().data.crop) == (40, 1250, 32, 256)
    assert Config().loss.weights == (6, 1, 1, 1, 1) and Config().loss.relative == 0


def test_a_recipe_and_changes_on_top():
    found = parse({"recipe": "modern", "schedule": {"rate": 1, "stages": [[0.5, 2], [1.0, 4]]}})
    assert found.schedule == replace(MODERN.schedule, rate=1.0, stages=((0.5, 2), (1.0, 4)))
    assert found.data == MODERN.data


def test_what_there_is_to_choose_from_is_what_there_is():
    assert set(ARCHITECTURES) == set(NETWORKS)
    words = {name: TABLES["data"].keys[name].kind.words for name in ("faults", "normalisation")}
    assert set(words["faults"].replace('"', "").split(" or ")) == set(FAULTS)
    assert set(words["normalisation"].replace('"', "").split(" or ")) == set(NORMALISATIONS)
    assert len(Config().loss.weights) == SCALES


@pytest.mark.parametrize("recipe", RECIPES)
def test_keys_and_fields_are_the_same(recipe):
    for name, table in asdict(RECIPES[recipe]).items():
        keys = SCHEMAS[recipe].keys[name].keys
        assert list(keys) == list(table)
        for key, value in table.items():
            assert keys[key].default == (schema.plain(value) or (value if value in (0, False) else None))


@pytest.mark.parametrize(("name", "value"), list(cases(schema.paths(SCHEMA))))
def test_every_mistake_is_named(folder, name, value):
    message = refused(folder, whole(changed(GOOD, name, value)))
    assert names_the_mistake(message, name, value), message


@pytest.mark.parametrize(
    ("name", "table"), list(tables(SCHEMA)), ids=lambda x: x if isinstance(x, str) else ""
)
def test_unknown_keys_are_named_with_what_was_meant(folder, name, table):
    for typo, known in typos(table):
        full = f"{name}.{typo}" if name else typo
        message = refused(folder, whole(changed(GOOD, full, 1)))
        assert f"unknown key {full!r}" in message and f"did you mean {known}?" in message
    full = f"{name}.xyzzy" if name else "xyzzy"
    assert f"unknown key {full!r}" in refused(folder, whole(changed(GOOD, full, 1)))
    if name:
        assert f"{name} must be a table" in refused(folder, whole(changed(GOOD, name, 3)))


@pytest.mark.parametrize("content", NO_TOML)
def test_what_is_no_toml_is_said(folder, content):
    assert "is no TOML file" in refused(folder, content)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("recipe", "old", "recipe must be one of paper, modern, got 'old'"),
        ("schedule.batch", 0, "schedule.batch must be at least 1 and at most 65536, got 0"),
        ("schedule.stages", [[2.0, 1]], "schedule.stages[0][0] must be above 0 and at most 1, got 2.0"),
        ("schedule.stages", [[0.5, 9]], "schedule.stages[0][1] must be at most 2, the number of data.ranges"),
        ("schedule.stages", [[0.5, 2], [0.5, 1]], "schedule.stages must have shares that rise"),
        ("data.ranges", [[1, 0]], "data.ranges[0] must be two numbers, the second not below the first"),
        ("data.ranges", [[1, 2, 3]], "data.ranges[0] must be a list of 2 values"),
        ("data.textures", ["a.tif", "c.tif"], "data.textures must name a file or folder in"),
        ("data.dates", [["a.tif", "c.tif"]], "data.dates must name a file or folder in"),
        ("data.dates", ["a.tif", "b.tif"], "data.dates[0] must be a list of 2 values"),
        ("data.count", 0, "data.keep needs data.count"),
        ("data.window", 64, "data.window must be 0 or at least data.crop, 128, got 64"),
        ("network.start", "no.safetensors", "got 'no.safetensors', which is not there"),
        ("network.architecture", "scarp", 'data.kind must be "bank" for network.architecture = "scarp"'),
        ("loss.weights", [0, 0, 0, 0, 0], "loss.weights must have a weight above 0"),
    ],
)
def test_what_keys_ask_of_each_other(folder, name, value, words):
    assert words in refused(folder, whole(changed(GOOD, name, value)))


def test_a_bank_needs_its_folder(folder):
    assert "'data.folder' is missing" in refused(folder, '[data]\nkind = "bank"')


def test_all_mistakes_are_said_at_once(folder):
    table = changed(GOOD, "schedule.rate", "fast")
    table["run"]["report"], table["loss"]["near"] = 0, True
    assert len(refused(folder, whole(table)).splitlines()) == 3


def test_a_training_moves_with_its_folder(tmp_path):
    """What was kept on the way is taken up wherever the folder lies now."""
    first = replace(
        config(tmp_path), data=replace(Config().data, folder="here/bank", textures=("here/a.tif",))
    )
    second = replace(first, data=replace(first.data, folder="there/bank", textures=("there/a.tif",)))
    problems = {Trainer(each, Waves()).problem for each in (first, second)}
    other = replace(first, data=replace(first.data, folder="here/other"))
    assert len(problems) == 1 and Trainer(other, Waves()).problem not in problems


def test_the_example_of_the_documentation_is_right():
    page = Path(__file__).parents[3] / "docs" / "geoflownet.rst"
    if not page.exists():
        pytest.skip("no documentation beside the tests")
    block = page.read_text(encoding="utf-8").split(".. code-block:: toml")[1].split("\n\n``recipe")[0]
    found = parse(tomllib.loads(block.replace("\n   ", "\n")))
    assert found.network.architecture == "scarp" and np.isclose(found.schedule.rate, 2e-3)
