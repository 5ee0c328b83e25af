"""Centroid moment tensors from high-rate GNSS displacement, static offsets and accelerometer records.

Examples
--------
>>> from dislok.inversion import cmt
>>> records = cmt.read_archive("event.npz").between(32.791, 130.754, 25, 150)  # doctest: +SKIP
>>> data = cmt.Waveforms(records, cmt.CosineLowpass(0.03, 0.1), (0, 120))  # doctest: +SKIP
>>> problem = cmt.Problem(data, crust, (32.791, 130.754))  # doctest: +SKIP
>>> print(cmt.invert(problem, event="Kumamoto 2016").summary())  # doctest: +SKIP

References
----------
O'Toole, T. B., Valentine, A. P. & Woodhouse, J. H. (2012). Centroid-moment tensor inversions using high-rate
GPS waveforms. Geophys. J. Int. 191, 257-270.
"""

from .catalogue import Place, Quake, read_event
from .data import Offsets, Waveforms
from .filters import Butterworth, CosineLowpass
from .hypotheses import compare_models, depth_profile, line_source, position_map, subevents
from .noise import Noise
from .output import cmtsolution, quakeml, write_cmtsolution, write_quakeml
from .problem import Problem
from .procedure import invert
from .quality import balanced, outliers, rejecting, screened, weighed
from .readers import from_obspy, read, read_offset_table
from .records import Records, Response, merge, read_archive
from .resample import bootstrap, leave_one_out, predicted_without, sensitivity
from .result import Centroid, Result, Rival, conclude, load
from .solve import gauss_newton, minimise, scan, search
from .source import Sources
from .stages import run
from .synthetic import disturbed, gnss_noise, position_noise, synthetic_records

__all__ = [
    "Butterworth",
    "Centroid",
    "CosineLowpass",
    "Noise",
    "Offsets",
    "Place",
    "Problem",
    "Quake",
    "Records",
    "Response",
    "Result",
    "Rival",
    "Sources",
    "Waveforms",
    "balanced",
    "bootstrap",
    "cmtsolution",
    "compare_models",
    "conclude",
    "depth_profile",
    "disturbed",
    "from_obspy",
    "gauss_newton",
    "gnss_noise",
    "invert",
    "leave_one_out",
    "line_source",
    "load",
    "merge",
    "minimise",
    "position_map",
    "position_noise",
    "predicted_without",
    "quakeml",
    "read",
    "read_archive",
    "read_event",
    "read_offset_table",
    "outliers",
    "rejecting",
    "screened",
    "weighed",
    "run",
    "scan",
    "search",
    "sensitivity",
    "subevents",
    "synthetic_records",
    "write_cmtsolution",
    "write_quakeml",
]
