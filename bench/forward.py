"""Codes that compute seismograms in layered crusts without derivatives, for `bench.propagator`.

They are taken from the environment or, because they want versions of their own, from a virtual environment
``peers`` in the cache folder: ``python -m venv peers; peers/bin/pip install pygrt-kit "cython<3" cysignals
numpy; peers/bin/pip install --no-build-isolation pyfk``. What does not import is named and left out.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .dc3d import cache_folder

# What both make: the velocity in cm/s after a step in moment of 1e20 dyne cm.
NEWTON_METRES, METRES = 1e13, 1e-2


class Forward(NamedTuple):
    """A code's call, and the function that makes vertical and radial velocity (stations, 2, n) in m/s of the
    explosion that the last call has left, low-passed."""

    call: Callable[[], Any]
    explosion: Callable[[], np.ndarray]


def find() -> tuple[dict[str, Callable[..., Forward]], list[str]]:
    """Makers of the codes that import, by name, and the names of the others with the reason."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folder = cache_folder() / "peers" / "lib" / version / "site-packages"
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.append(str(folder))
    found: dict[str, Callable[..., Forward]] = {}
    absent = []
    for name, module, makers in (
        ("PyGRT", "pygrt", {"PyGRT": pygrt, "PyGRT, window x 2": lambda *a: pygrt(*a, stretch=2)}),
        ("PyFK", "pyfk", {"PyFK": pyfk, "PyFK, finer": lambda *a: pyfk(*a, stretch=2, dk=0.1)}),
    ):
        try:
            importlib.import_module(module)
            found |= makers
        except Exception as error:  # broken installations fail in many ways; the reason is shown
            absent.append(f"{name} ({type(error).__name__}: {error})")
    absent += ["axitra, QSEIS (not offered as packages of Python)"]
    return found, absent


def low_passed(records: np.ndarray, band: tuple[float, float], late: np.ndarray | float = 0.0) -> np.ndarray:
    """Transient records (..., n) at 1 s after the cosine low-pass, moved by `late` seconds."""
    n = records.shape[-1]
    frequency = np.fft.rfftfreq(4 * n, 1.0)
    low, high = band
    window = 0.5 * (1.0 + np.cos(np.pi * np.clip((frequency - low) / (high - low), 0.0, 1.0)))
    spectrum = np.fft.rfft(records, 4 * n) * window
    spectrum = spectrum * np.exp(-2j * np.pi * frequency * np.asarray(late)[..., None])
    return np.fft.irfft(spectrum, 4 * n)[..., :n]


def pygrt(
    crust: np.ndarray,
    depth: float,
    distances: np.ndarray,
    n: int,
    band: tuple[float, float],
    stretch: int = 1,
) -> Forward:
    """PyGRT: explosion and double couples by generalised reflection and transmission, through files."""
    import obspy
    import pygrt as grt

    folder = Path(tempfile.mkdtemp(prefix="dislok-bench-"))
    np.savetxt(folder / "crust", np.where(np.isinf(crust), 0.0, crust))
    model = grt.PyModel1D(grn=str(folder / "grn"), modelpath=str(folder / "crust"))

    def call() -> None:
        quiet = os.dup(2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            model.greenfn(
                depsrc=depth,
                deprcv=0.0,
                dists=list(distances),
                nt=stretch * n,
                dt=1.0,
                freqband=(-1.0, band[1]),
                keepAllFreq=True,
                gf_source=["EX", "DC"],
                nthreads=1,
                print_log=False,
            )
        finally:
            os.dup2(quiet, 2)
            os.close(quiet)

    def explosion() -> np.ndarray:
        parts = [
            [
                obspy.read(str(folder / "grn" / f"crust_{depth:g}_0_{r:g}" / f"EX{c}.sac"))[0].data[:n]
                for c in "ZR"
            ]
            for r in distances
        ]
        return METRES * low_passed(np.array(parts, dtype=float), band)

    return Forward(call, explosion)


def pyfk(
    crust: np.ndarray,
    depth: float,
    distances: np.ndarray,
    n: int,
    band: tuple[float, float],
    stretch: int = 1,
    **keywords: float,
) -> Forward:
    """PyFK: explosion and double couples by frequency and wavenumber integration."""
    import pyfk as fk

    rows = [(0.0 if np.isinf(h) else h, vs, vp, rho, 1e5, 5e4) for h, vp, vs, rho in crust]
    configs = [
        fk.Config(
            model=fk.SeisModel(model=np.array(rows)),
            source=fk.SourceModel(sdep=depth + 1e-4, srcType=kind),
            receiver_distance=list(distances),
            npt=stretch * n,
            dt=1.0,
            samples_before_first_arrival=10,
            **keywords,
        )
        for kind in ("ep", "dc")
    ]
    made: dict[str, Any] = {}

    def call() -> None:
        made["explosion"], made["couple"] = (fk.calculate_gf(config) for config in configs)

    def explosion() -> np.ndarray:
        streams = made["explosion"]
        parts = np.array([[stream[i].data for i in (0, 1)] for stream in streams], dtype=float)
        late = np.array([[stream[i].stats.sac["b"] for i in (0, 1)] for stream in streams])
        return METRES * low_passed(parts, band, late)[..., :n]

    return Forward(call, explosion)
