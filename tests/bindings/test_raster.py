"""Rasters: windows, types, what holds nothing, coordinates, and every bad file with a reason."""

import dataclasses

import numpy as np
import pytest

from dislok import raster

rasterio = pytest.importorskip("rasterio")
UTM = (15.0, 0.0, 400000.0, 0.0, -15.0, 4000000.0)


def made(path, values, *, nodata=None, crs="EPSG:32611", transform=UTM, **profile):
    """A file of one or several bands."""
    bands = values if values.ndim == 3 else values[None]
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    profile = {"dtype": bands.dtype.name, "nodata": nodata, "crs": crs, **shape, **profile}
    with rasterio.open(path, "w", driver="GTiff", transform=rasterio.Affine(*transform), **profile) as file:
        file.write(bands)
    return path


@pytest.fixture
def image(rng):
    return rng.integers(1, 200, (40, 50))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_there_and_back(tmp_path, image, dtype):
    given = raster.Raster(image.astype(dtype), UTM, "EPSG:32611", 0.0)
    raster.write(tmp_path / "a.tif", given, description="east", tags={"unit": "m"})
    got = raster.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(got.values, given.values)
    assert got.values.dtype == dtype and got.valid.all()
    assert (got.transform, got.crs, got.nodata) == (UTM, "EPSG:32611", 0.0)
    assert got.name == f"{tmp_path / 'a.tif'}, band 1"
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.descriptions == ("east",) and file.tags()["unit"] == "m"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tif"]


def test_windows(tmp_path, image):
    made(tmp_path / "a.tif", image.astype("uint8"))
    whole, part = raster.read(tmp_path / "a.tif"), raster.read(tmp_path / "a.tif", window=(5, 7, 20, 30))
    np.testing.assert_array_equal(part.values, whole.values[5:25, 7:37])
    assert part.transform == whole.window(5, 7, (20, 30)).transform
    assert part.xy(0, 0) == whole.xy(5, 7) == (400000 + 7.5 * 15, 4000000 - 5.5 * 15)
    np.testing.assert_allclose(whole.rowcol(*part.xy(3, 4)), (8, 11))
    assert whole.spacing == (15.0, 15.0)


def test_turned_grids():
    turned = raster.Raster(np.zeros((5, 6)), (3.0, 4.0, 7.0, 4.0, -3.0, 9.0))
    np.testing.assert_allclose(turned.rowcol(*turned.xy(2, 3)), (2, 3))
    assert turned.spacing == (5.0, 5.0)


def test_bands(tmp_path, image):
    stack = np.stack([image + k for k in range(3)] + [np.where(image > 100, 255, 0)]).astype("uint8")
    made(tmp_path / "rgba.tif", stack, photometric="rgb", alpha="yes")
    got = raster.read(tmp_path / "rgba.tif", 2)
    np.testing.assert_array_equal(got.values, stack[1])
    np.testing.assert_array_equal(got.valid, image > 100)
    with pytest.raises(ValueError, match="rgba.tif, band 4: it is the alpha band"):
        raster.read(tmp_path / "rgba.tif", 4)
    with pytest.raises(ValueError, match="rgba.tif, band 5: the file has bands 1 to 4"):
        raster.read(tmp_path / "rgba.tif", 5)


def test_what_holds_nothing(tmp_path, image):
    values = image.astype("float32")
    values[3, 4], values[5, 6] = np.nan, -9999
    made(tmp_path / "a.tif", values, nodata=-9999)
    got = raster.read(tmp_path / "a.tif")
    assert sorted(map(tuple, np.argwhere(~got.valid))) == [(3, 4), (5, 6)]
    masked = dataclasses.replace(got, mask=np.arange(2000).reshape(40, 50) != 7)
    raster.write(tmp_path / "b.tif", masked)
    back = raster.read(tmp_path / "b.tif")
    np.testing.assert_array_equal(back.valid, masked.valid)
    integers = raster.Raster(image, mask=image > 5)
    with pytest.raises(ValueError, match="need a nodata value"):
        raster.write(tmp_path / "c.tif", integers)
    assert not (tmp_path / "c.tif").exists()


def test_odd_numbers_of_bits(tmp_path, image):
    """Eight and fifteen bits are read as they are."""
    made(tmp_path / "15.tif", (image * 150).astype("uint16"), nbits=15)
    assert raster.read(tmp_path / "15.tif").values.max() == (image * 150).max()
    made(tmp_path / "8.tif", image.astype("uint8"))
    assert raster.read(tmp_path / "8.tif").values.dtype == np.uint8


def test_palettes_are_refused(tmp_path, image):
    made(tmp_path / "p.tif", image.astype("uint8"), photometric="palette")
    with rasterio.open(tmp_path / "p.tif", "r+") as file:
        file.write_colormap(1, {k: (k, 0, 255 - k, 255) for k in range(256)})
    with pytest.raises(ValueError, match="p.tif, band 1: its numbers are places in a palette"):
        raster.read(tmp_path / "p.tif")


def test_complex_numbers_are_refused(tmp_path, image):
    made(tmp_path / "c.tif", image.astype("complex64"))
    with pytest.raises(ValueError, match="c.tif, band 1: it holds complex numbers"):
        raster.read(tmp_path / "c.tif")


@pytest.mark.parametrize(
    ("values", "nodata", "reason"),
    [
        (np.zeros((9, 9), "uint8"), 0, "no pixel holds anything"),
        (np.full((9, 9), np.nan, "float32"), None, "no pixel holds anything"),
        (np.full((9, 9), 3, "uint8"), None, "all pixels that hold something have the value 3"),
    ],
)
def test_nothing_to_see(tmp_path, values, nodata, reason):
    made(tmp_path / "a.tif", values, nodata=nodata)
    with pytest.raises(ValueError, match=f"a.tif, band 1: {reason}"):
        raster.read(tmp_path / "a.tif")
    assert raster.read(tmp_path / "a.tif", screen=False).shape == (9, 9)


def test_files_that_are_no_rasters(tmp_path, image):
    with pytest.raises(FileNotFoundError, match="nothing.tif: no such file"):
        raster.read(tmp_path / "nothing.tif")
    (tmp_path / "words.tif").write_text("words")
    with pytest.raises(ValueError, match="words.tif cannot be read as a raster"):
        raster.read(tmp_path / "words.tif")
    made(tmp_path / "a.tif", image.astype("float64"))
    (tmp_path / "cut.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:9000])
    with pytest.raises(ValueError, match="cut.tif"):
        raster.read(tmp_path / "cut.tif")
    with pytest.raises(ValueError, match="band 1: window \\(30, 0, 20, 10\\) reaches beyond \\(40, 50\\)"):
        raster.read(tmp_path / "a.tif", window=(30, 0, 20, 10))


def test_files_that_name_others_are_not_opened(tmp_path, image):
    path = made(tmp_path / "a.tif", image.astype("uint8"))
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(ValueError, match="a.vrt cannot be read as a raster"):
        raster.read(tmp_path / "a.vrt")


def test_files_without_coordinates(tmp_path, image):
    made(tmp_path / "a.tif", image.astype("uint8"), crs=None, transform=(1, 0, 0, 0, 1, 0))
    got = raster.read(tmp_path / "a.tif")
    assert got.crs is None and got.transform == (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


def test_the_common_area(image):
    first = raster.Raster(image, UTM, "EPSG:32611")
    second = first.window(10, 5, (30, 20))
    for a, b in ((first, second), (second, first)):
        left, right = raster.common(a, b)
        np.testing.assert_array_equal(left.values, right.values)
        assert left.transform == right.transform and left.shape == (30, 20)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crs": "EPSG:32612"}, "other coordinate systems: EPSG:32611 and EPSG:32612"),
        ({"transform": (10.0, *UTM[1:])}, "other pixels"),
        ({"transform": (*UTM[:2], 400003.0, *UTM[3:])}, "lie 0.000 rows and 0.200 columns apart"),
        ({"transform": (*UTM[:2], 460000.0, *UTM[3:])}, "no area in common"),
    ],
)
def test_rasters_that_do_not_go_together(image, change, words):
    first = raster.Raster(image, UTM, "EPSG:32611", name="a.tif, band 1")
    second = dataclasses.replace(first, name="b.tif, band 2", **change)
    with pytest.raises(ValueError, match=f"a.tif, band 1 and b.tif, band 2 have .*{words}"):
        raster.common(first, second)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.zeros(3)}, "values must be \\(h, w\\)"),
        ({"mask": np.ones((2, 2), bool)}, "mask has shape"),
        ({"transform": (1.0, 1.0, 0.0, 1.0, 1.0, 0.0)}, "maps no plane"),
    ],
)
def test_rasters_that_cannot_be(image, change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(raster.Raster(image), **change)
    with pytest.raises(ValueError, match="reaches beyond \\(40, 50\\)"):
        raster.Raster(image).window(0, 30, (40, 30))
