"""Codes that compute seismograms in layered crusts without derivatives, for `bench.propagator`.

They are taken from the environment or, because they want versions of their own, from a virtual environment
``peers`` in the cache folder: ``python -m venv peers; peers/bin/pip install pygrt-kit "cython<3" cysignals
numpy; peers/bin/pip install --no-build-isolation pyfk``. Programs are found in the cache folder or on PATH.
What is not there is named and left out.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .dc3d import cache_folder

# What both make: the velocity in cm/s after a step in moment of 1e20 dyne cm.
NEWTON_METRES, METRES = 1e13, 1e-2


class Case(NamedTuple):
    """Layers (thickness, vp, vs, rho), depth of the source (km), distances (km), samples of 1 s, low-pass."""

    crust: np.ndarray
    depth: float
    distances: np.ndarray
    n: int
    band: tuple[float, float]


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
        ("PyGRT", "pygrt", {"PyGRT": pygrt, "PyGRT, window x 2": partial(pygrt, stretch=2)}),
        ("PyFK", "pyfk", {"PyFK": pyfk, "PyFK, finer": partial(pyfk, stretch=2, dk=0.1)}),
    ):
        try:
            importlib.import_module(module)
            found |= makers
        except Exception as error:  # broken installations fail in many ways; the reason is shown
            absent.append(f"{name} ({type(error).__name__}: {error})")
    try:
        parts = cache_folder() / "axitra" / "MOMENT_DISP_F90_OPENMP" / "src"
        programs = _program("axitra", parts), _program("convms", parts)
        found["axitra"] = partial(axitra, programs)
        found["axitra, window x 2"] = partial(axitra, programs, stretch=2.0)
    except FileNotFoundError as reason:
        absent.append(f"axitra ({reason})")
    try:
        program = _program("qseis", cache_folder() / "qseis")
        found["QSEIS"] = partial(qseis, program)
        found["QSEIS, finer"] = partial(qseis, program, step=0.25)
    except FileNotFoundError as reason:
        absent.append(f"QSEIS ({reason})")
    return found, absent


_folders: list[tempfile.TemporaryDirectory] = []


def _folder() -> Path:
    """A new folder, which is removed when this process ends."""
    _folders.append(tempfile.TemporaryDirectory(prefix="dislok-bench-"))
    return Path(_folders[-1].name)


def _program(name: str, folder: Path) -> str:
    """Path of an executable in `folder` or on PATH."""
    path = shutil.which(name, path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        raise FileNotFoundError(f"no program {name} in {folder} or on PATH")
    return path


def _execute(program: str, folder: Path, answers: str = "") -> None:
    """Run a program on one thread, and answer what it asks for.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    subprocess.run(
        [program],
        cwd=folder,
        input=answers,
        text=True,
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def low_passed(records: np.ndarray, band: tuple[float, float], late: np.ndarray | float = 0.0) -> np.ndarray:
    """Transient records (..., n) at 1 s after the cosine low-pass, moved by `late` seconds."""
    n = records.shape[-1]
    frequency = np.fft.rfftfreq(4 * n, 1.0)
    low, high = band
    window = 0.5 * (1.0 + np.cos(np.pi * np.clip((frequency - low) / (high - low), 0.0, 1.0)))
    spectrum = np.fft.rfft(records, 4 * n) * window
    spectrum = spectrum * np.exp(-2j * np.pi * frequency * np.asarray(late)[..., None])
    return np.fft.irfft(spectrum, 4 * n)[..., :n]


def low_passed_damped(
    spectra: np.ndarray, window: float, damping: float, n: int, band: tuple[float, float]
) -> np.ndarray:
    """Records (..., n) at 1 s, low-passed, from spectra of their product with exp(-damping t).

    The spectra are at multiples of 1 / `window`; the low-pass is cut to `n` / 2 seconds either side, so that
    it has a value at complex frequencies too.
    """
    reach = np.arange(-(n // 2), n // 2 + 1)
    impulse = np.zeros(2 * n)
    impulse[n] = 1.0
    response = low_passed(impulse, band)[n + reach]
    frequency = np.arange(spectra.shape[-1]) / window
    gain = np.exp(-2j * np.pi * np.outer(frequency, reach)) @ (response * np.exp(-damping * reach))
    return np.fft.irfft(spectra * gain, round(window))[..., :n] * np.exp(damping * np.arange(n))


def pygrt(case: Case, stretch: int = 1) -> Forward:
    """PyGRT: explosion and double couples by generalised reflection and transmission, through files."""
    import obspy
    import pygrt as grt

    crust, depth, distances, n, band = case
    folder = _folder()
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


def pyfk(case: Case, stretch: int = 1, **keywords: float) -> Forward:
    """PyFK: explosion and double couples by frequency and wavenumber integration."""
    import pyfk as fk

    crust, depth, distances, n, band = case
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


def axitra(programs: tuple[str, str], case: Case, stretch: float = 1.5) -> Forward:
    """axitra: spectra of six elementary sources by discrete wavenumbers, seismograms of one, through files.

    A little beyond the band, because a finite low-pass ends there; its own damping and wavenumbers.
    """
    crust, depth, distances, n, band = case
    folder = _folder()
    window, rows = round(stretch * n), np.where(np.isinf(crust), 0.0, 1e3 * crust)
    count = 1 + int(np.ceil(1.05 * band[1] * window))
    files = "latlon=.false., freesurface=.true., sourcefile='source', statfile='station'"
    layers = "\n".join(" ".join(f"{value:.6f}" for value in (*row, 1e6, 1e6)) for row in rows)
    (folder / "axi.data").write_text(
        f" &input\n nfreq={count}, tl={window}., aw=2., xl=0., ikmax=100000, {files}\n /\n{layers}\n"
    )
    (folder / "source").write_text(f"1 0. 0. {1e3 * depth}\n")
    (folder / "station").write_text("".join(f"{i} {1e3 * r} 0. 0.\n" for i, r in enumerate(distances, 1)))
    (folder / "axi.hist").write_text(f"1 {NEWTON_METRES} 0. 0. 0. 1. -1. 0.\n")

    def call() -> None:
        _execute(programs[0], folder)
        _execute(programs[1], folder, "0\n1\n")  # an impulse of moment: the velocity after a step

    def explosion() -> np.ndarray:
        shape = count, len(distances), 3, 6  # north, east, up; the last source is the explosion
        spectra = np.fromfile(folder / "axi.res", complex).reshape(shape)[:, :, (2, 0), 5]
        damped = np.moveaxis(spectra, 0, -1)
        return NEWTON_METRES * low_passed_damped(damped, window, 2.0 * np.pi / window, n, band)

    return Forward(call, explosion)


def qseis(program: str, case: Case, step: float = 0.5, rate: float = 5.0, kept: float = 0.01) -> Forward:
    """QSEIS: explosion and double couples by slowness integration with its own limits, through files.

    Those limits smooth the wavenumbers, the less the shorter the `step` of time (s). The window is twice the
    records, `rate` keeps periodic sources out of them, and `kept` is the damping at the window's end.
    """
    crust, depth, distances, n, band = case
    folder = _folder()
    count = round(2 ** np.ceil(np.log2(2 * n / step)))
    length = (count - 1) * step
    tops = np.cumsum(crust[:-1, 0])
    ends = np.sort(np.concatenate([[0.0], tops, tops]))  # each layer from its top to its end
    layers = np.column_stack([ends, np.repeat(crust[:, 1:], 2, axis=0)[:-1]])
    lines = [
        f"{depth}",
        "0.",  # depth of the stations
        f"0 1\n{len(distances)}\n" + " ".join(f"{r:.6f}" for r in distances),
        f"0. {length} {count}\n1 0.",
        f"0\n0. 0. 0. 0.\n{rate}\n{kept}",  # full wave field, its limits of slowness
        "0\n0 0.\n0",  # with the free surface and all phases
        "1. 1",  # squared half sine of one sample
        "(1.,0.)\n0\n#\n0\n#",  # no instrument
        "1 1 1 1 0 0\n'ex' 'ss' 'ds' 'cl' 'fz' 'fh'\n0\n0\n0.",
        f"0\n0 0 0\n{len(layers)}",  # flat
        *(" ".join(map(str, (i, *row, 0.0, 0.0))) for i, row in enumerate(layers, 1)),
        "0",
    ]
    (folder / "input").write_text("\n".join(lines) + "\n")

    def call() -> None:
        _execute(program, folder, "input\n")

    def explosion() -> np.ndarray:
        tables = [np.loadtxt(folder / f"ex.{part}", skiprows=1)[:, 1:].T for part in ("tz", "tr")]
        records = np.stack([-tables[0], tables[1]], axis=1)
        damping = -np.log(kept) / length
        spectra = step * np.fft.rfft(records * np.exp(-damping * step * np.arange(count)))
        cycles = np.fft.rfftfreq(count)
        wavelet = np.exp(-1j * np.pi * cycles) * np.sinc(cycles) / (1.0 - cycles**2)
        return NEWTON_METRES * low_passed_damped(spectra / wavelet, step * count, damping, n, band)

    return Forward(call, explosion)
