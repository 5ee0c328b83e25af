"""Data sets in files: what is in them, and that they come out the same however they are made."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dislok.cli import main
from dislok.nn.datasets import recipe_from
from dislok.nn.faultdeform import Recipe
from dislok.nn.faultdeform.about import about, as_bytes
from dislok.nn.faultdeform.files import DataSet, write
from dislok.nn.faultdeform.published import SPLITS, export, split_of
from dislok.nn.faultdeform.window import ground_of, place_windows
from dislok.nn.pairs import RANGES
from dislok.nn.pairs.quakes import seen

pytest.importorskip("zarr")

QUICK = Recipe(length=(8.0, 14.0), pixel=0.05, blind=0.0)
TOML = "length = [8.0, 14.0]\npixel = 0.05\nblind = 0.0\n"


@pytest.fixture(scope="module")
def data():
    return DataSet(n=3, seed=7, size=48, windows=2, recipe=QUICK)


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "set"
    write(data, path)
    return path


def digest(folder):
    """Names and contents of all files of a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# --------------------------------------------------------------------------------------- contents


def test_arrays_are_pairs_with_the_truth_on_both_grids(data, made):
    blocks = data.create(made)
    assert not blocks.missing() and not blocks.verify()
    got = blocks.read((1,))
    assert got["pre"].shape == got["post"].shape == (1, 2, 48, 48)
    assert got["flow_pre"].shape == got["flow_post"].shape == (1, 2, 2, 48, 48)
    told = about(blocks, 1)
    assert told["earthquake"]["magnitude"] == data.earthquake(1).metadata["magnitude"]
    for s, pair in enumerate(told["pairs"]):
        largest = np.hypot(*got["flow_pre"][0, s]).max()
        low, high = RANGES[pair["range"]]
        # a shift of the second grid by a sub-pixel amount comes on top
        assert largest == pytest.approx(pair["amplitude"], abs=1.5)
        assert low <= pair["amplitude"] <= high


def test_flow_is_the_motion_of_the_earthquake(data):
    """In pixels to the east and north, row 0 in the north, of an earthquake as large as it is."""
    physical = DataSet(n=1, seed=7, size=48, windows=1, amplitudes="physical", recipe=QUICK)
    quake = physical.earthquake(0)
    middle = place_windows(quake, np.random.default_rng([7, 0, 1]), 1, 48, 0.05, "trace")[0]
    moved, up = seen(quake, 50.0, (48, 48), 58, centre=tuple(middle))
    steps = 0.05 * (np.arange(48) - 23.5)
    truth = quake.at(np.array([[middle[0] + steps[40], middle[1] - steps[5]]]))[0]
    right, down = moved.inner(moved.right), moved.inner(moved.down)
    np.testing.assert_allclose([right[5, 40], -down[5, 40]], truth[:2] / 50.0, atol=1e-3 * moved.amplitude)
    assert up[5, 40] == pytest.approx(truth[2], abs=1e-3)


def test_traces_lie_where_the_flow_steps(data):
    quake = data.earthquake(0)
    middle = quake.trace[0][len(quake.trace[0]) // 2]
    moved, _ = seen(quake, 50.0, (48, 48), 8, centre=tuple(middle))
    (distance,) = moved.distances()[:1]
    side = quake.side
    steps = 0.05 * (np.arange(64) - 31.5)
    want = side((middle[0] + steps)[None], (middle[1] - steps)[:, None])
    near = np.abs(distance) < 6
    assert near.sum() > 200
    np.testing.assert_array_equal(np.sign(distance[near]), want[near])


def test_windows_side_by_side(data):
    grid = place_windows(data.earthquake(0), np.random.default_rng(0), 9, 100, 0.01, "grid")
    np.testing.assert_allclose(grid[4], 0.0, atol=1e-12)
    np.testing.assert_allclose(grid[0], [-1.0, 1.0])
    with pytest.raises(ValueError, match="windows must be a square number for a grid of them, got 3"):
        DataSet(n=1, windows=3, place="grid")
    with pytest.raises(ValueError, match='place must be "trace" or "grid", got \'sky\''):
        DataSet(n=1, place="sky")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "n must be an integer of at least 1, got 0"),
        ({"n": 1, "size": 3}, "size must be an integer of at least 32, got 3"),
        ({"n": 1, "amplitudes": "none"}, 'amplitudes must be "one", "all" or "physical", got \'none\''),
    ],
)
def test_wrong_data_sets_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        DataSet(**changes)


def test_text_that_does_not_fit_is_refused():
    assert json.loads(as_bytes({"a": np.float64(1.5)}, 20).tobytes().rstrip(b"\0")) == {"a": 1.5}
    with pytest.raises(ValueError, match="there is room for 5 bytes"):
        as_bytes({"a": "long enough"}, 5)


def test_ground_of_images(tmp_path, rng):
    raster = pytest.importorskip("dislok.raster")
    pytest.importorskip("rasterio")
    image = rng.integers(100, 9000, (260, 260)).astype(np.uint16)
    raster.write(tmp_path / "scene.tif", raster.Raster(image, (15.0, 0.0, 0.0, 0.0, -15.0, 0.0)))
    path = str(tmp_path / "scene.tif")
    own = DataSet(n=1, seed=7, size=48, images=(path,), recipe=QUICK)
    told = json.loads(own.block(0)["about"].tobytes().rstrip(b"\0"))
    assert told["pairs"][0]["texture"]["kind"] == "scene.tif"
    before = own.problem
    raster.write(tmp_path / "scene.tif", raster.Raster(image + 1, (15.0, 0.0, 0.0, 0.0, -15.0, 0.0)))
    assert own.problem != before
    assert ground_of(own.images) is ground_of(own.images)
    kept = ground_of(own.images)
    os.utime(path, ns=(1, 1))
    assert ground_of(own.images) is not kept


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.full((300, 300), 7, np.uint8),
            "bad.tif, band 1: all pixels that hold something have the value",
        ),
        (np.full((300, 300), np.nan, np.float32), "bad.tif, band 1: no pixel holds anything"),
        (np.arange(100 * 90.0).reshape(100, 90), "of at least 172 x 172; the largest, bad.tif, has 100 x 90"),
    ],
)
@pytest.mark.parametrize("layout", ["zarr", "faultdeform"])
def test_bad_images_leave_nothing_behind(tmp_path, capsys, values, message, layout):
    raster = pytest.importorskip("dislok.raster")
    pytest.importorskip("rasterio")
    (tmp_path / "images").mkdir()
    raster.write(tmp_path / "images" / "bad.tif", raster.Raster(values, (15.0, 0.0, 0.0, 0.0, -15.0, 0.0)))
    line = ["--out", str(tmp_path / "x"), "--n", "1", "--size", "48", "--images", str(tmp_path / "images")]
    assert main(["faultdeform", *line, "--layout", layout, "--quiet"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


# ------------------------------------------------------------------------------- the same each time


def test_threads_make_no_difference(data):
    one, many = data.block(0, 1), data.block(0)
    for name in one:
        np.testing.assert_array_equal(one[name], many[name])


def test_half_made_is_gone_on_with(data, made, tmp_path):
    path = tmp_path / "set"
    half = data.create(path)
    half.write((1,), data.block(1))
    seen = []
    write(data, path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert digest(path) == digest(made)


def test_damage_is_found_and_repaired(data, made, tmp_path):
    path = tmp_path / "set"
    write(data, path)
    chunk = next(p for p in (path / "flow_pre").rglob("*") if p.is_file() and p.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes()[:-7] + b"damaged")
    blocks = data.create(path)
    assert len(blocks.verify()) == 1
    write(data, path, repair=True)
    assert digest(path) == digest(made)


def test_another_data_set_is_refused(data, made):
    other = DataSet(n=3, seed=8, size=48, windows=2, recipe=QUICK)
    with pytest.raises(ValueError, match="goes on only with the same numbers, seed and recipe"):
        write(other, made)


@pytest.mark.slow
def test_killed_and_started_again(tmp_path, data, made):
    """kill -9 in the middle; the same line again makes the same bytes as an undisturbed run."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TOML)
    path = tmp_path / "set"
    line = [sys.executable, "-m", "dislok.cli", "faultdeform", "--out", str(path), "--n", "3", "--seed", "7"]
    line += ["--size", "48", "--windows", "2", "--recipe", str(recipe), "--quiet"]
    line[1:3] = ["-c", "import sys; from dislok.cli import main; sys.exit(main(sys.argv[1:]))"]
    process = subprocess.Popen(line, env=os.environ)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and any(p.name != "zarr.json" for p in (path / "done").rglob("*") if p.is_file()):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < len(data.create(path).missing()) < 3
    assert subprocess.run(line, env=os.environ, timeout=300).returncode == 0
    assert digest(path) == digest(made)


@pytest.mark.slow
def test_two_processes_of_a_dask_cluster(tmp_path, data, made):
    distributed = pytest.importorskip("distributed")
    path = tmp_path / "set"
    with (
        distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        write(data, path, client=client)
    assert digest(path) == digest(made)


# ---------------------------------------------------------------------------------------- layout


def test_published_layout(tmp_path):
    small = DataSet(n=1, seed=3, size=48, windows=1, recipe=QUICK)
    names = export(small, tmp_path)
    assert names == {"train": [f"000000_{s}_sample.npy" for s in range(4)], "validation": [], "test": []}
    for s, (_, high) in enumerate(RANGES):
        with np.load(tmp_path / "train" / f"000000_{s}_sample.npy.npz") as file:
            assert {k: (v.dtype.name, v.shape) for k, v in file.items()} == {
                "int_array_1": ("uint16", (48, 48)),
                "int_array_2": ("uint16", (48, 48)),
                "float_array_1": ("float32", (48, 48)),
                "float_array_2": ("float32", (48, 48)),
            }
            if s < 2:
                largest = np.nanmax(np.hypot(file["float_array_1"], file["float_array_2"]))
                assert largest < high + 1.5
    before = digest(tmp_path)
    assert export(small, tmp_path) == names
    assert digest(tmp_path) == before


def test_splits_are_blocks_in_the_published_shares():
    splits = [split_of(k, 140) for k in range(140)]
    assert [splits.count(name) for name in SPLITS] == [100, 20, 20]
    assert splits == sorted(splits, key=list(SPLITS).index)


# --------------------------------------------------------------------------------------- command


def test_command_makes_and_shows(tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TOML)
    line = [
        "faultdeform",
        "--out",
        str(tmp_path / "set"),
        "--n",
        "2",
        "--size",
        "48",
        "--recipe",
        str(recipe),
    ]
    assert main(line) == 0
    said = capsys.readouterr()
    assert "2 earthquakes, 2 pairs" in said.out
    assert "2/2" in said.err and "earthquake" in said.err
    assert main(["faultdeform", "show", str(tmp_path / "set")]) == 0
    for name in ("sheet.png", "statistics.png"):
        assert (tmp_path / "set-show" / name).stat().st_size > 10_000
    assert main(["faultdeform", "show", str(tmp_path / "nowhere")]) == 2
    assert "holds no blocks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "--out is missing"),
        (["show"], "show needs the folder of a data set"),
        (["--out", "x", "--n", "0"], "n must be an integer of at least 1, got 0"),
        (["--out", "x", "--images", "."], "--images: . holds no .tif file"),
        (["--out", "x", "--layout", "faultdeform", "--dask", "local"], "--dask writes Zarr"),
    ],
)
def test_command_refuses(line, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["faultdeform", *line]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_recipes_of_files(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("length = [20, 30]\nlaw = 'wells1994'\n[mechanism]\nreverse = 1.0\n")
    recipe = recipe_from(path, False)
    assert recipe.length == (20, 30) and recipe.law == "wells1994" and recipe.mechanism == {"reverse": 1.0}
    assert recipe_from(None, True).segments == (1.0,)
    for text, message in (
        ("length = [", "is no TOML"),
        ("lenght = 3", "unknown key 'lenght'; did you mean length?"),
        ("dip = 'x'", "dip must be a list of 2 values"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=re.escape(message)):
            recipe_from(path, False)
