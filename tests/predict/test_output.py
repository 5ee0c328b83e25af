"""The finished file: what its overviews hold, and what making it leaves on the disk."""

from __future__ import annotations

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio")

from dislok.nn.predict.output import as_cog  # noqa: E402


def plain_file(path, rng, shape=(8, 1100, 700)):
    values = rng.normal(size=shape).astype(np.float32)
    values[:, :40, :60] = np.nan
    profile = {"driver": "GTiff", "dtype": "float32", "nodata": np.nan, "interleave": "band", "tiled": True}
    with rasterio.open(path, "w", count=shape[0], height=shape[1], width=shape[2], **profile) as out:
        out.write(values)
        out.update_tags(METHOD="dislok")
        out.set_band_description(3, "east (m)")
    return values


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_overviews_are_means_of_what_is_there(tmp_path, rng):
    values = plain_file(tmp_path / "plain.tif", rng)
    as_cog(tmp_path / "plain.tif", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as data:
        assert data.overviews(1) == [2, 4] and data.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert data.tags()["METHOD"] == "dislok" and data.descriptions[2] == "east (m)"
        np.testing.assert_array_equal(data.read(), values)
    for level, half in enumerate((2, 4)):
        with rasterio.open(tmp_path / "map.tif", overview_level=level) as data:
            found = data.read()
        means = values.reshape(8, 1100 // half, half, 700 // half, half).mean(axis=(2, 4))
        np.testing.assert_allclose(found, means, atol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.tif", "plain.tif"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_small_map_has_no_overviews(tmp_path, rng):
    values = plain_file(tmp_path / "plain.tif", rng, (3, 512, 300))
    as_cog(tmp_path / "plain.tif", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as data:
        assert data.overviews(1) == []
        np.testing.assert_array_equal(data.read(), values)
