"""A glacier on three dates: the motion of 37 days is that of its parts, within the stated errors."""

import numpy as np
import pytest

from dislok.nn.match import match
from dislok.nn.predict.series import to_first


@pytest.mark.slow
def test_parts_add_up_to_the_whole(shared):
    rasterio = pytest.importorskip("rasterio")

    def image(date):
        with rasterio.open(shared / "images" / f"pair_peritomoreno_e_{date}.tif") as data:
            return data.read(1)[300:812, 150:662]

    dates = [image(date) for date in ("20200101", "20200131", "20200207")]
    pairs = [(0, 1), (1, 2), (0, 2)]
    maps = [match(dates[i], dates[j]) for i, j in pairs]
    stacks = (np.stack([getattr(each, name) for each in maps]) for name in ("values", "error", "valid"))
    values, error, valid = to_first(pairs, *stacks)
    use = valid.all(axis=0)
    assert use.mean() > 0.9
    assert np.median(np.hypot(*values[2][use].T)) > 4
    z = np.abs((values[0] + values[1] - values[2]) / np.sqrt((error**2).sum(axis=0)))[use]
    # Measured: 77 % within one standard deviation and 93 % within two; the normal law says 68 and 95.
    assert 0.68 < (z < 1).mean() < 0.86
    assert (z < 2).mean() > 0.90
