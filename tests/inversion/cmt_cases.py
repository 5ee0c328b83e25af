"""Synthetic earthquakes that the tests of `dislok.inversion.cmt` share."""

import numpy as np

from dislok import convert
from dislok.inversion.cmt import tensor as tensors
from dislok.inversion.cmt.data import Waveforms
from dislok.inversion.cmt.demo import CRUST, HYPOCENTRE, stations, true_source
from dislok.inversion.cmt.filters import CosineLowpass
from dislok.inversion.cmt.problem import Problem
from dislok.inversion.cmt.source import Sources
from dislok.inversion.cmt.synthetic import synthetic_records

ORIGIN = HYPOCENTRE[:2]
EXPLOSION_AND_SHEAR = 1e19 * np.array([1.0, 1.0, 1.0, -1.0, 0.0, 0.0])
"""Table 2 of O'Toole et al. (2012): Mrr = Mtt = Mpp = Mtp = 1e19 N·m."""


def clean(
    sources=None,
    *,
    band=None,
    window=(0.0, 63.0),
    components="EN",
    stf="impulse",
    stations_used=None,
    **options,
):
    """Problem of records without noise of `sources` (the demo's by default) at the demo's stations."""
    sources = true_source() if sources is None else sources
    lat, lon = (values[stations_used] if stations_used is not None else values for values in stations())
    records = synthetic_records(lat, lon, CRUST, sources, ORIGIN, end=window[1] + 30.0, stf=stf)
    data = Waveforms(records, band or CosineLowpass(0.05, 0.2), window, components, **options)
    return Problem(data, CRUST, ORIGIN, stf=stf)


def mechanism(strike, dip, rake, magnitude):
    """Tensor (6,) of a double couple."""
    return tensors.row(
        np.asarray(convert.moment_tensor(strike, dip, rake, convert.moment_from_magnitude(magnitude)))
    )


def start(**values):
    """Where the paper's tests begin."""
    return Sources.at(**{"depth": HYPOCENTRE[2], "time": 0.0, **values})


def distance(found, truth):
    """Distance of two single sources in km."""
    parts = [getattr(found, n)[0] - getattr(truth, n)[0] for n in ("east", "north", "depth")]
    return float(np.linalg.norm(parts))
