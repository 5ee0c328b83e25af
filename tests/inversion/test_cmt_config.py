"""Configurations of events: whatever a file says, either it is understood or every mistake is named."""

import re
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest
import toml_cases
from toml_cases import NO_TOML, cases, names_the_mistake, tables, typos, whole

from dislok import schema
from dislok.inversion.cmt import config
from dislok.inversion.cmt.keys import SCHEMA

GOOD = {
    "event": {
        "name": "Test", "latitude": 32.0, "longitude": 130.0, "depth": 12.0,
        "origin_time": "2016-04-15T16:25:06", "file": "event.xml", "number": 1,
    },
    "crust": {
        "layers": [[1, 2.5, 1.2, 2.1], [30, 6.0, 3.4, 2.7], [np.inf, 8.1, 4.6, 3.35]],
        "compare": {
            "other": {"file": "crust.txt", "depths": "tops", "unit": "km"},
            "third": {"crust2": True},
        },
    },
    "waveforms": [
        {
            "file": "records.npz", "inventory": "stations.xml", "quantity": "velocity",
            "response": "inventory", "name": "near", "nearest": 10, "farthest": 150.0, "count": 40,
            "only": ["A", "B"], "exclude": ["C"],
            "unit": "nm/s", "channels": ["HN?"], "locations": ["00", ""], "orientation": "names",
            "starttime": -60.0, "endtime": 300, "strict": True,
            "components": "EN", "band": [0.03, 0.1], "window": [0, 120], "window_speed": 2.5, "sigma": 0.002,
            "model_error": 0.1, "quiet": 5.0, "max_gap": 3, "shift": -0.5, "weight": 2.0,
        },
        {
            "file": "records.npz",
            "butterworth": {"low": 0.01, "high": 0.1, "order": 4, "zero_phase": False},
            "noise": {"white": 0.002, "correlated": 0.001, "time": 60.0},
            "response": {"poles": [[-4.4, 4.5], [-4.4, -4.5]], "zeros": [[0.0, 0.0]], "sensitivity": 4e4},
        },
    ],
    "offsets": [
        {"file": "offsets.csv", "name": "static", "nearest": 0, "farthest": 200, "components": "ENU",
         "before": 600, "after": 30.0, "model_error": 0.05},
    ],
    "source": {
        "constraint": "double_couple", "stf": "gaussian", "half_duration": 6.0, "duration": "scaled",
        "fixed": ["time"], "subevents": 2, "depth": 14.0, "time": 3.0,
        "bounds": {"east": [-20, 20], "north": [-30, 30], "depth": [2, 40], "time": [-5, 20],
                   "duration": [1, 9]},
        "prior": {"east": [0, 5], "north": [0, 5], "depth": [12, 4], "time": [0, 3], "duration": [5, 2],
                  "moment": [1e19, 0.5]},
    },
    "search": {
        "bands": [[0.02, 0.06]], "iterations": 30, "reach": 20, "quality": False, "errors": "residuals",
        "grid": {"east": [-5, 0, 5], "north": [-5, 5], "depth": [5, 10, 20], "time": [0, 3]},
    },
    "uncertainty": {
        "bootstrap": 50, "exact": True, "leave_one_out": True, "depths": [5, 10, 15], "seed": 4,
        "crusts": False,
        "map": {"reach": 10, "grid": 7},
    },
}  # fmt: skip


def places():
    """Every key with its place in the good configuration."""
    for name, key in schema.paths(SCHEMA):
        # The second data set holds what the first does in another way.
        inner = re.search(r"\.(butterworth|noise|response)\.", name)
        yield name.replace("[]", "[1]" if inner else "[0]").replace(".NAME", ".other"), key


def mistakes():
    for case in cases(places()):
        name, value = case.values
        if not (name.endswith("response") and value == {}):  # an instrument that does nothing
            yield case


@pytest.fixture
def folder(tmp_path):
    for name in ("records.npz", "stations.xml", "crust.txt", "offsets.csv", "event.xml"):
        (tmp_path / name).touch()
    return tmp_path


def refused(folder, text):
    """The message by which a configuration is refused."""
    return toml_cases.refused(config.load, folder / "event.toml", text)


def changed(name, value):
    """The good configuration with one key changed."""
    return toml_cases.changed(GOOD, name, value)


def plain(values):
    """Values with lists for tuples."""
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    return [plain(value) for value in values] if isinstance(values, (list, tuple)) else values


def test_the_good_one_is_good(folder):
    (folder / "event.toml").write_text(whole(GOOD))
    values = schema.read(folder / "event.toml", SCHEMA)
    assert plain(values) == plain(GOOD)


@pytest.mark.parametrize(("name", "value"), list(mistakes()))
def test_every_mistake_is_named(folder, name, value):
    message = refused(folder, whole(changed(name, value)))
    assert names_the_mistake(message, name, value), message


@pytest.mark.parametrize(
    ("name", "table"), list(tables(SCHEMA)), ids=lambda x: x if isinstance(x, str) else ""
)
def test_unknown_keys_are_named_with_what_was_meant(folder, name, table):
    for typo, known in typos(table):
        full = f"{name}.{typo}" if name else typo
        message = refused(folder, whole(changed(full, 1)))
        assert f"unknown key {full!r}" in message and f"did you mean {known}?" in message
    full = f"{name}.xyzzy" if name else "xyzzy"
    message = refused(folder, whole(changed(full, 1)))
    assert f"unknown key {full!r}" in message and f"there are {next(iter(table.keys))}" in message


@pytest.mark.parametrize(
    ("name", "table"), list(tables(SCHEMA))[1:], ids=lambda x: x if isinstance(x, str) else ""
)
def test_what_must_be_a_table_is_one(folder, name, table):
    if name.endswith("[0]"):
        message = refused(folder, whole(changed(name[:-3], 3)))
    else:
        message = refused(folder, whole(changed(name, [1, 2])))
    assert re.search(rf"{re.escape(name)} must be a table.*got (3|\[1, 2\])", message)


@pytest.mark.parametrize("name", ["event", "crust", "event.name", "event.latitude", "event.depth",
                                  "waveforms[0].file", "offsets[0].file", "search.grid.east"])  # fmt: skip
def test_what_is_missing_is_named(folder, name):
    table = changed("event.name", "Test")
    here = table
    *parts, last = name.split(".")
    for part in parts:
        word, _, place = part.partition("[")
        here = here[word][int(place[:-1])] if place else here[word]
    del here[last]
    if name != "event":
        del table["event"]["file"], table["event"]["number"]
    assert f"{name!r} is missing" in refused(folder, whole(table))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("waveforms[0].file", "nothing.npz", "waveforms[0].file must name a file or folder"),
        ("waveforms[0].inventory", "no.xml", "waveforms[0].inventory must name a file or folder"),
        ("offsets[0].file", "no.csv", "got 'no.csv', which is not there"),
        ("crust.compare.other.file", "no.txt", "crust.compare.other.file must name a file"),
        ("crust.file", "crust.txt", "crust needs exactly one of layers, file, crust2; got layers and file"),
        ("crust.layers", [[1, 2, 3, 4], [1, 2, 3, 4, 5]], "crust.layers[1] must have 4 values"),
        ("crust.layers", [[1, 2, 3]], "crust.layers[0] must be a list of at least 4 values"),
        ("waveforms[0].butterworth", {"low": 0.1}, "waveforms[0] must not hold both band and butterworth"),
        ("waveforms[0].noise", {"white": 0.1}, "waveforms[0] must not hold both sigma and noise"),
        ("waveforms[0].noise", {"correlated": 0.1}, "the key 'waveforms[0].noise.white' is missing"),
        ("waveforms[0].nearest", 150, "waveforms[0].farthest must be above waveforms[0].nearest"),
        ("waveforms[0].response", "flat", """waveforms[0].response must be one of inventory, got 'flat'"""),
        ("event.latitude", 130.7, "event.latitude must be at least -90 and at most 90, got 130.7"),
        ("event.depth", 46700, "at most 800, got 46700.0 (km: of the hypocentre)"),
        ("source.depth", 60.0, "source.depth must lie in source.bounds.depth, 2 to 40 km, got 60"),
        ("source.fixed", ["strike"], "source.fixed[0] must be one of east, north, depth, time, duration"),
        ("source.bounds", {"strike": [0, 90]}, "unknown key 'source.bounds.strike'"),
        ("source.prior", {"strike": [0, 90]}, "unknown key 'source.prior.strike'"),
        ("search.grid", {"east": [3, 1]}, "search.grid.east must rise from value to value"),
        ("uncertainty.depths", [5, 900], "uncertainty.depths[1] must be at least 0 and at most 800"),
        ("search.bands", [[0.1, 0.05]], "search.bands[0] must be two rising numbers"),
        ("waveforms", [], "must have [[waveforms]] or [[offsets]]"),
        ("event", GOOD["event"] | {"file": "no.xml"}, "event.file must name a file or folder"),
        ("event", {"name": "A", "number": 2}, "the key 'event.latitude' is missing"),
        ("event.depht", 3, "did you mean depth?"),
    ],
)
def test_what_keys_ask_of_each_other(folder, name, value, words):
    table = changed(name, value)
    if name == "waveforms":
        del table["offsets"]
    assert words in refused(folder, whole(table))


def test_all_mistakes_are_said_at_once(folder):
    table = changed("event.depth", "deep")
    table["search"]["iterations"], table["uncertainty"]["bootstrap"] = 0, True
    message = refused(folder, whole(table))
    assert len(message.splitlines()) == 3
    table["waveforms"][0] |= {f"key{i}": i for i in range(20)}
    assert refused(folder, whole(table)).splitlines()[-1] == "and 11 more mistakes"


@pytest.mark.parametrize("content", NO_TOML)
def test_what_is_no_toml_is_said(folder, content):
    assert "is no TOML file" in refused(folder, content)


def test_huge_numbers_are_refused(folder):
    text = whole(GOOD).replace('"depth" = 12.0', '"depth" = ' + "9" * 400, 1)
    assert "event.depth" in refused(folder, text)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; expected a TOML file"):
        config.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        config.load(tmp_path / "event.toml")


def test_a_byte_order_mark_is_not_a_mistake(folder):
    (folder / "event.toml").write_bytes(b"\xef\xbb\xbf" + whole(GOOD).encode())
    assert schema.read(folder / "event.toml", SCHEMA)["event"]["name"] == "Test"


def test_defaults_hold_where_nothing_is_said(folder):
    table = {"event": GOOD["event"], "crust": {"crust2": True}, "offsets": [{"file": "offsets.csv"}]}
    values = schema.checked(table, SCHEMA, folder=folder)
    assert values["source"] == {
        "constraint": "deviatoric", "stf": "triangle", "duration": "solve", "fixed": [], "subevents": 1,
    }  # fmt: skip
    assert values["uncertainty"]["bootstrap"] == 200 and values["search"]["bands"] == [[0.02, 0.06]]
    values["search"]["bands"].append(1)
    assert schema.checked(table, SCHEMA)["search"]["bands"] == [[0.02, 0.06]]


def test_the_example_of_the_documentation_is_right(folder):
    page = Path(__file__).parents[2] / "docs" / "cmt.rst"
    if not page.exists():
        pytest.skip("no documentation beside the tests")
    block = page.read_text(encoding="utf-8").split(".. code-block:: toml")[1].split("\n\nThe folder")[0]
    values = schema.checked(tomllib.loads(textwrap.dedent(block)), SCHEMA)
    assert values["waveforms"][0]["farthest"] == 150
