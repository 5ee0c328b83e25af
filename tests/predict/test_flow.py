"""`dislok flow`: from files to a file, whatever the files are, and whatever happens on the way."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from flow_cases import moved, shifted, texture

from dislok.cli import main
from dislok.nn.predict.grids import Grid, on_common_grid
from dislok.nn.predict.run import Job, flow

rasterio = pytest.importorskip("rasterio")
from rasterio import shutil  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402

SQUARE = from_origin(5e5, 4e6, 10, 10)


def save(path, image, transform=SQUARE, crs="EPSG:32633", dtype="uint16", **more):
    layers = image if image.ndim == 3 else image[None]
    profile = {"driver": "GTiff", "height": layers.shape[1], "width": layers.shape[2], "dtype": dtype}
    with rasterio.open(path, "w", count=len(layers), crs=crs, transform=transform, **profile, **more) as out:
        out.write(layers.astype(dtype))
    return path


def load(path):
    with rasterio.open(path) as data:
        return data.read(), data.tags(), data.profile


@pytest.fixture(scope="module")
def ground():
    return texture(np.random.default_rng(3), (420, 460))


def quick(**more):
    return Job(**({"method": "dis", "tile": 256, "coregister": "none"} | more))


def test_pixels_and_metres_and_words(tmp_path, ground):
    pre, post = save(tmp_path / "a.tif", ground), save(tmp_path / "b.tif", shifted(ground, 1.4, 0.7))
    lines = []
    flow(pre, post, tmp_path / "o.tif", quick(method="dislok"), lines.append)
    bands, tags, profile = load(tmp_path / "o.tif")
    middle = np.nanmedian(bands[:, 50:-50, 50:-50], axis=(1, 2))
    np.testing.assert_allclose(middle[:2], [1.4, -0.7], atol=0.02)
    np.testing.assert_allclose(middle[2:4], 10 * middle[:2], rtol=1e-4)
    assert 0 < middle[4] < 0.1 and 0.9 < middle[6] <= 1 and middle[7] == 1
    assert "positive east" in tags["SIGN"] and "pre" in tags["FRAME"] and tags["METHOD"] == "dislok"
    assert profile["transform"] == SQUARE and profile["crs"].to_epsg() == 32633 and profile["tiled"]
    assert any("tile 4 of 4" in line for line in lines)
    assert not list(tmp_path.glob("*.work"))
    with rasterio.open(tmp_path / "o.tif") as data:
        assert data.overviews(1) or max(data.shape) <= 512
        assert data.descriptions[:4] == ("east (px)", "north (px)", "east (m)", "north (m)")


def test_overlap_of_two_extents_and_a_large_shift(tmp_path, ground):
    pre = save(tmp_path / "a.tif", ground[:, :400])
    # The second image begins 30 rows lower and 40 columns farther east, and is off by 25 px besides.
    post = save(
        tmp_path / "b.tif", shifted(ground, 25, 0)[30:, 40:], from_origin(5e5 + 400, 4e6 - 300, 10, 10)
    )
    flow(pre, post, tmp_path / "o.tif", quick())
    bands, tags, profile = load(tmp_path / "o.tif")
    assert bands.shape[1:] == (390, 360)
    assert profile["transform"] == from_origin(5e5 + 400, 4e6 - 300, 10, 10)
    assert np.nanmedian(bands[0]) == pytest.approx(25, abs=0.1)
    assert tags["WHOLE_PIXEL_SHIFT"] == "25 right, 0 down"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_types_bands_and_missing_pixels(tmp_path, ground, dtype):
    image = ground[:256, :256] / (8 if dtype == "uint8" else 1)
    post = shifted(image, 0.5, 0)
    post[100:120, 100:140] = 0
    two = np.stack([np.ones_like(image), image])
    a = save(tmp_path / "a.tif", two, dtype=dtype)
    b = save(tmp_path / "b.tif", post, dtype=dtype)
    flow(a, b, tmp_path / "o.tif", quick(bands=(2, 1), nodata=0.0))
    bands, _, _ = load(tmp_path / "o.tif")
    assert np.nanmedian(bands[0]) == pytest.approx(0.5, abs=0.1)
    # The hole lies where the ground went that was half a pixel to the left of it.
    assert (bands[7, 100:120, 101:138] == 0).all() and np.isnan(bands[0, 110, 120])


def test_other_resolution_and_coordinates_are_resampled_once(tmp_path, ground):
    # The second image has pixels of 5 m: the grid is that of the first, and the motion stays zero.
    pre = save(tmp_path / "a.tif", ground)
    from scipy import ndimage

    rows, columns = np.indices((840, 920)) / 2 - 0.25
    fine = ndimage.map_coordinates(ground, [rows, columns], order=5, mode="nearest")
    post = save(tmp_path / "b.tif", fine, from_origin(5e5, 4e6, 5, 5))
    for pair, shape in (((pre, post), (420, 460)), ((post, pre), (420, 460))):
        flow(*pair, tmp_path / "o.tif", quick())
        bands, _, _ = load(tmp_path / "o.tif")
        assert bands.shape[1:] == shape
        assert np.abs(np.nanmedian(bands[:2, 40:-40, 40:-40], axis=(1, 2))).max() < 0.02


def test_another_projection(tmp_path, ground):
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    pre = save(tmp_path / "a.tif", ground, from_origin(499000, 4e6, 10, 10))
    height, width = ground.shape
    bounds = (499000, 4e6 - 10 * height, 499000 + 10 * width, 4e6)
    transform, w, h = calculate_default_transform("EPSG:32633", "EPSG:32632", width, height, *bounds)
    turned = np.zeros((h, w), np.float32)
    reproject(
        ground, turned, src_transform=from_origin(499000, 4e6, 10, 10), src_crs="EPSG:32633",
        dst_transform=transform, dst_crs="EPSG:32632", resampling=Resampling.cubic,
    )  # fmt: skip
    post = save(tmp_path / "b.tif", turned, transform, "EPSG:32632", nodata=0)
    flow(pre, post, tmp_path / "o.tif", quick())
    bands, _, _ = load(tmp_path / "o.tif")
    use = bands[7] > 0
    assert use.mean() > 0.5
    assert np.abs(np.median(bands[:2, use], axis=1)).max() < 0.05


def test_degrees_become_metres():
    grid = Grid((100, 100), (1e-4, 0, 10, 0, -1e-4, 60), rasterio.crs.CRS.from_epsg(4326).to_wkt())
    metres = grid.metres(0)
    assert metres[0, 0] == pytest.approx(1e-4 * 55800, rel=1e-3)
    assert metres[1, 1] == pytest.approx(-1e-4 * 111412, rel=1e-3)


def test_without_coordinates(tmp_path, ground):
    pre = save(tmp_path / "a.tif", ground, Affine.identity(), None)
    post = save(tmp_path / "b.tif", shifted(ground, 1, 0), Affine.identity(), None)
    flow(pre, post, tmp_path / "o.tif", quick())
    bands, tags, _ = load(tmp_path / "o.tif")
    assert np.isnan(bands[2]).all() and "unknown" in tags["UNIT"]
    flow(pre, post, tmp_path / "o.tif", quick(pixel_size=0.5))
    bands, _, _ = load(tmp_path / "o.tif")
    assert np.nanmedian(bands[2]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("order, left", [("shift", 0.0), ("ramp", 0.0), ("quadratic", 0.0)])
def test_coregistration(tmp_path, ground, order, left):
    rows, columns = np.indices(ground.shape)
    x = 2 * columns / (ground.shape[1] - 1) - 1
    right = 0.8 + {"shift": 0, "ramp": 0.6 * x, "quadratic": 0.6 * x * x}[order]
    pre = save(tmp_path / "a.tif", ground)
    post = save(tmp_path / "b.tif", moved(ground, right + 0 * x, 0 * x))
    flow(pre, post, tmp_path / "o.tif", quick(coregister=order))
    bands, tags, _ = load(tmp_path / "o.tif")
    core = bands[0, 40:-40, 40:-40]
    assert np.nanmedian(np.abs(core - left)) < 0.06
    assert tags["COREGISTRATION"] == order
    first = float(re.search(r"\[\[(.*?),", tags["COREGISTRATION_TAKEN_OFF"])[1])
    assert first == pytest.approx(0.8, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, worst", [("cosicorr", 0.0), ("micmac", 1e-4), ("dislok", 2e-4), ("deepflow", 0.02)]
)
def test_tiles_do_not_show(tmp_path, method, worst):
    # Share of pixels that differ by more than 0.01 px between tiles of 256 and of 512 px.
    rng = np.random.default_rng(1)
    image = texture(rng, (560, 560))
    rows, columns = np.indices(image.shape)
    down = np.where(columns > 280 + 20 * np.sin(rows / 90), 1.5, -1.5)
    pre = save(tmp_path / "a.tif", image)
    post = save(tmp_path / "b.tif", moved(image, 0 * down, down))
    maps = []
    for tile in (256, 512):
        flow(pre, post, tmp_path / "o.tif", quick(method=method, tile=tile))
        maps.append(load(tmp_path / "o.tif")[0][:2])
    assert np.nanmean(np.abs(maps[0] - maps[1]) > 0.01) <= worst
    # Between tiles of 1024 and 256 px the engine differs in 8e-5 of the pixels, all at the step: ties.


def start(folder, *more):
    words = ["-c", "from dislok.cli import main; main()"]
    command = [sys.executable, *words, "flow", "a.tif", "b.tif", "--out", "o.tif", "--method", "dis"]
    return subprocess.Popen(
        [*command, "--tile", "128", "--no-picture", *more], cwd=folder, stdout=subprocess.PIPE, text=True
    )


def test_kill_loses_nothing(tmp_path, ground):
    save(tmp_path / "a.tif", ground)
    save(tmp_path / "b.tif", shifted(ground, 0.4, 0.2))
    process = start(tmp_path)
    for line in process.stdout:
        if line.startswith("tile 3 "):
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "o.tif.work").glob("tile-*.npz")}
    assert len(kept) >= 3 and not (tmp_path / "o.tif").exists()
    again = start(tmp_path)
    said = again.communicate(timeout=300)[0]
    assert "going on: " in said and "tile 3 of" not in said.split("going on")[1].split("tile 4")[0]
    resumed = load(tmp_path / "o.tif")[0]
    assert start(tmp_path).wait() == 0
    np.testing.assert_array_equal(load(tmp_path / "o.tif")[0], resumed)


def test_other_settings_do_not_use_old_tiles(tmp_path, ground):
    pre, post = save(tmp_path / "a.tif", ground), save(tmp_path / "b.tif", shifted(ground, 0.4, 0.2))
    work = tmp_path / "o.tif.work"
    seen = []

    def stop(line):
        seen.append(line)
        if line.startswith("tile 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flow(pre, post, tmp_path / "o.tif", quick(), stop)
    assert list(work.glob("tile*"))
    seen.clear()
    flow(pre, post, tmp_path / "o.tif", quick(tile=300), seen.append)
    assert not any(line.startswith("going on") for line in seen)


def test_command_line_with_picture_and_post_processing(tmp_path, ground, capsys):
    rng = np.random.default_rng(0)
    pre = save(tmp_path / "a.tif", ground)
    post = save(tmp_path / "b.tif", shifted(ground, 0.9, 0) + rng.normal(0, 30, ground.shape))
    stable = save(tmp_path / "s.tif", np.ones(ground.shape), dtype="uint8")
    words = [
        str(pre),
        str(post),
        "--out",
        str(tmp_path / "o.tif"),
        "--method",
        "dis",
        "--stable",
        str(stable),
    ]
    more = [
        "--destripe",
        "--outliers",
        "6",
        "--median",
        "5",
        "--smooth",
        "0.1",
        "--set",
        "iterations=(40, 10)",
    ]
    assert main(["flow", *words, *more]) == 0
    assert (tmp_path / "o.png").stat().st_size > 20_000
    bands, tags, _ = load(tmp_path / "o.tif")
    use = bands[7] > 0
    assert abs(np.median(bands[0, use])) < 0.02
    np.testing.assert_allclose(bands[2, use], 10 * bands[0, use], atol=0.02)
    assert "median=5" in tags["POST_PROCESSING"] and "(40, 10)" in tags["METHOD_OPTIONS"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["a.tif", "b.tif", "--out", "o.png"], "must end in .tif"),
        (["a.tif", "b.tif", "--out", "none/o.tif"], "there is no folder"),
        (["a.tif", "b.tif", "--out", "o.tif", "--band", "3"], "a.tif, band 3: the file has bands 1 to 1"),
        (["a.tif", "far.tif", "--out", "o.tif"], "do not overlap"),
        (["a.tif", "bare.tif", "--out", "o.tif"], "bare.tif: no coordinate system"),
        (["a.tif", "text.tif", "--out", "o.tif"], "text.tif cannot be read"),
        (["a.tif", "b.tif", "--out", "o.tif", "--set", "x"], "NAME=VALUE"),
        (["a.tif", "b.tif", "--out", "o.tif", "--set", "x=y z"], "no option 'x'"),
        (["a.tif", "b.tif", "--out", "o.tif", "--tile", "3"], "at least 128"),
        (["a.tif", "--out", "o.tif"], "at least two images"),
        (["a.tif", "colours.tif", "--out", "o.tif"], "colours.tif, band 1: .* palette"),
        (["waves.tif", "b.tif", "--out", "o.tif"], "waves.tif, band 1: it holds complex numbers"),
        (["a.tif", "flat.tif", "--out", "o.tif", "--method", "dislok"], "no displacement anywhere.*post"),
    ],
)
def test_refusals(tmp_path, ground, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    save("a.tif", ground)
    save("b.tif", ground)
    save("far.tif", ground, from_origin(9e5, 4e6, 10, 10))
    save("bare.tif", ground, Affine.identity(), None)
    save("flat.tif", np.full_like(ground, 7))
    save("waves.tif", ground, dtype="complex64")
    save("colours.tif", np.zeros_like(ground), dtype="uint8")
    with rasterio.open("colours.tif", "r+") as data:
        data.write_colormap(1, {0: (0, 0, 0), 1: (255, 0, 0)})
    (tmp_path / "text.tif").write_text("no image")
    assert main(["flow", *words, "--no-picture", "--quiet"]) == 2
    assert re.search(message, capsys.readouterr().err.replace("\n", " "))
    assert not (tmp_path / "o.tif").exists()


def test_memory_does_not_grow_with_the_image(tmp_path, ground):
    with on_common_grid((save(tmp_path / "a.tif", ground), save(tmp_path / "b.tif", ground))) as (one, two):
        values, good = one.read(slice(-10, 20), slice(450, 480))
        assert values.shape == (30, 30) and not good[:10].any() and not good[:, 10:].any()
        assert good[10:, :10].all() and two.grid == one.grid


@pytest.mark.parametrize("name", ["a.vrt", "/vsicurl/http://127.0.0.1:9/a.tif", "/vsizip/a.zip/a.tif"])
def test_images_that_lead_elsewhere_are_not_opened(tmp_path, ground, capsys, name):
    """A description of other files, an address, an archive: dislok reads plain local files only."""
    good = save(tmp_path / "a.tif", ground)
    with rasterio.open(good) as data:
        shutil.copy(data, tmp_path / "a.vrt", driver="VRT")
    path = tmp_path / name if name == "a.vrt" else name
    assert main(["flow", str(path), str(good), "--out", str(tmp_path / "o.tif"), "--method", "dis"]) == 2
    assert name.rpartition("/")[2] in capsys.readouterr().err
    assert not (tmp_path / "o.tif").exists()
