"""Every public function with every kind of bad argument: a right result, or an error of ours that names it.

The good calls below are of every public function outside okada and tde, which have tests of their own. Each
of their arguments is replaced by each bad value in turn. What is neither computed nor refused by dislok
itself, under the argument's name, is a failure; so is anything computed from truth values, strings, dates or
objects, or with an imaginary part or a mask lost.
"""

import datetime
import importlib
import importlib.util
import inspect
import traceback
from pathlib import Path

import numpy as np
import pytest

import dislok
from dislok import convert, okada, propagator, stf, topography
from dislok.inversion import cmt, fault, finite, gnss, mesh, quadtree, slip, weights
from dislok.layers import LayeredModel

HOUSE = Path(dislok.__file__).resolve().parent
RNG = np.random.default_rng(7)

FAULT = okada.Rectangle(0.0, 0.0, 2.0, 10.0, 5.0, 30.0, 40.0, 90.0, 1.0, 0.0)
XY = RNG.uniform(-15, 15, (8, 2))
ENU = RNG.normal(0, 0.1, (8, 3))
CRUST = LayeredModel([10.0, np.inf], [5.0, 7.0], [3.0, 4.0], [2.6, 3.0])
SOURCE = propagator.PointSource(0.0, 0.0, 5.0, moment=[1e18, -1e18, 0, 0, 0, 0])
PLACES = propagator.Stations([20.0, 0.0], [0.0, 30.0])
TRACE, PROFILE = [[0.0, 0.0], [0.0, 6.0]], [[0.0, 0.0], [2.0, 4.0]]
POINTS, CELLS = [[0.0, 0, -1], [1, 0, -1], [0, 1, -2], [1, 1, -2]], [[0, 1, 2], [1, 3, 2]]
GRID = mesh.Grid(FAULT, 2, 2)
SURFACE = mesh.Mesh(POINTS, CELLS)
DATA = fault.Gnss(XY, ENU, sigma=0.01)
MODEL = fault.FaultModel(FAULT)
PROBLEM = fault.Problem(DATA, MODEL)
MAP = RNG.normal(size=(32, 32))
CELLS_OF_MAP = quadtree.quadtree(MAP, 9.0, smallest=4, largest=16)
NOISE = quadtree.Noise(0.1, 0.1, 3.0, np.zeros(0), np.zeros(0))
TIMES = np.arange(-60.0, 60.0)
STATIONS = {
    "station": np.array(["A", "B"]),
    "latitude": np.array([1.0, 1.2]),
    "longitude": np.array([2.0, 2.2]),
}
UTC = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
RECORDS = cmt.Records(**STATIONS, t=TIMES, values=RNG.normal(0, 1e-3, (2, 3, 120)), reference=UTC)
OFFSETS = gnss.OffsetTable(*STATIONS.values(), np.zeros((2, 3)), np.full((2, 3), 0.01))
RECORD = {"model": CRUST, "source": SOURCE, "stations": PLACES, "dt": 1.0, "n": 32, "lowpass": (0.05, 0.2)}
STATIC = {"model": CRUST, "source": SOURCE, "stations": PLACES, "accuracy": 1e-3}

NUMBERS = {"nu": 0.25, "length_unit": 1.0, "shear_modulus": 30e9}
GOOD = {
    propagator.LayeredModel: {
        "thickness": [10.0, np.inf],
        "vp": [5.0, 7.0],
        "vs": [3.0, 4.0],
        "rho": [2.6, 3.0],
        "reference_frequency": 1.0,
    },
    propagator.LayeredModel.from_rows: {"rows": [[10.0, 5, 3, 2.6], [0.0, 7, 4, 3]]},
    propagator.LayeredModel.read: {"path": "no such file"},
    propagator.kernels: {
        **RECORD,
        "start": 0.0,
        "quantity": "velocity",
        "accuracy": 1e-2,
        "moment": False,
        "location": False,
    },
    propagator.layer_kernels: {**RECORD, "start": 0.0, "accuracy": 1e-2},
    propagator.static_layer_kernels: STATIC,
    propagator.excitation_kernels: {**RECORD, "accuracy": 1e-2},
    propagator.location_kernels: {**RECORD, "accuracy": 1e-2},
    propagator.seismograms: {**RECORD, "start": 0.0, "quantity": "velocity", "accuracy": 1e-2},
    propagator.static_kernels: {**STATIC, "moment": True, "location": False, "force": False},
    propagator.statics: STATIC,
    propagator.greens: {
        "model": CRUST,
        "patches": FAULT,
        "stations": PLACES,
        "accuracy": 1e-2,
        "origin": "topleft",
        "with_error": False,
    },
    propagator.StaticTable.load: {"path": "no such file"},
    propagator.static_table: {
        "model": CRUST,
        "depth": (1.0, 5.0),
        "distance": 40.0,
        "receiver": 0.0,
        "accuracy": 1e-3,
    },
    propagator.spectra: {**STATIC, "omega": [0.1 - 0.1j]},
    propagator.spectral_kernels: {**STATIC, "omega": [0.1 - 0.1j]},
    stf.Boxcar: {"half_duration": 1.0},
    stf.Triangle: {"half_duration": 1.0},
    stf.HalfCosine: {"half_duration": 1.0},
    stf.Gaussian: {"half_duration": 1.0},
    stf.Trapezoid: {"half_duration": 1.0, "rise": 0.5},
    stf.Samples: {"values": [0.0, 1.0, 0.0], "dt": 1.0, "start": 0.0},
    convert.auxiliary_plane: {"strike": 10.0, "dip": 20.0, "rake": 30.0},
    convert.change_frame: {"tensor": np.eye(3), "source": "ENU", "target": "NED"},
    convert.corners: {"source": FAULT, "origin": "topleft"},
    convert.double_couple: {"tensor": np.diag([1.0, -1, 0]), "frame": "ENU"},
    convert.line_of_sight: {"incidence": 30.0, "heading": 10.0, "look": "right"},
    convert.magnitude_from_moment: {"moment": 1e18},
    convert.moment_from_magnitude: {"magnitude": 6.0},
    convert.moment_from_slip: {"slip": 1.0, "area": 1e8, "mu": 30e9},
    convert.moment_tensor: {"strike": 10.0, "dip": 20.0, "rake": 30.0, "moment": 1.0, "frame": "ENU"},
    convert.move_origin: {"source": FAULT, "origin": "topleft", "to": "center"},
    convert.rectangle_from_corners: {
        "corners": convert.corners(FAULT),
        "rake": 0.0,
        "slip": 1.0,
        "opening": 0.0,
    },
    convert.slip_from_moment: {"moment": 1e18, "area": 1e8, "mu": 30e9},
    convert.to_geographic: {"x": 100.0, "y": 100.0, "lon0": 10.0, "lat0": 20.0},
    convert.to_local: {"lon": 10.1, "lat": 20.1, "lon0": 10.0, "lat0": 20.0},
    convert.triangles: {"source": FAULT, "origin": "topleft"},
    fault.FaultModel: {
        "initial": FAULT,
        "bounds": {"dip": (10.0, 80.0)},
        "fixed": ("rake",),
        "prior": {"slip": (1.0, 1.0)},
    },
    fault.Gnss: {
        "xy": XY,
        "displacement": ENU,
        "sigma": 0.01,
        "components": "ENU",
        "nuisance": None,
        "name": "a",
    },
    fault.Los: {
        "xy": XY,
        "displacement": ENU[:, 0],
        "look": [0.0, 0.0, 1.0],
        "sigma": 0.01,
        "nuisance": None,
        "name": "a",
    },
    fault.Los.from_cells: {
        "cells": CELLS_OF_MAP,
        "look": [0.0, 0.0, 1.0],
        "noise": NOISE,
        "place": None,
        "near": [[0.0, 0.0]],
        "nuisance": None,
        "name": "a",
    },
    CELLS_OF_MAP.footprint: {"order": 4, "near": [[0.0, 0.0]]},
    weights.estimate: {
        "problem": PROBLEM,
        "smoothing": 0.1,
        "rounds": 1,
        "tolerance": 0.1,
        "starts": 1,
        "seed": 0,
    },
    fault.Problem: {
        "datasets": [DATA],
        "faults": [MODEL],
        "origin": "topcenter",
        "loss": "huber",
        "loss_scale": 1.0,
        **NUMBERS,
    },
    PROBLEM.solve: {"starts": 1, "seed": 0, "linear_slip": True, "screen": 2, "max_iterations": 1},
    PROBLEM.parameters: {"point": PROBLEM.initial},
    PROBLEM.log_posterior: {"point": PROBLEM.initial},
    PROBLEM.predict: {"point": PROBLEM.initial},
    fault.load: {"path": "no such file"},
    slip.PixelOffsets: {
        "xy": XY,
        "displacement": ENU[:, :2],
        "sigma": 0.01,
        "nuisance": "offset",
        "labels": ["a", "b"],
        "name": "a",
    },
    slip.GridShape: {"model": MODEL, "n_strike": 2, "n_dip": 2, "origin": "topcenter"},
    slip.MeshShape: {"mesh": SURFACE, "moves": {"up": np.zeros((4, 3))}},
    slip.SlipModel: {
        "patches": GRID,
        "rake": 90.0,
        "spread": 10.0,
        "opening": True,
        "bounds": (0.0, 5.0),
        "opening_bounds": (0.0, 1.0),
        "order": 2,
        "edges": "free",
        "weight": 1.0,
    },
    slip.SlipProblem: {"datasets": [DATA], "models": [slip.SlipModel(GRID)], **NUMBERS},
    slip.SlipProblem([DATA], [slip.SlipModel(GRID)]).solve: {"smoothing": 0.1},
    slip.load: {"path": "no such file"},
    mesh.Grid: {"fault": FAULT, "n_strike": 2, "n_dip": 2, "origin": "topleft"},
    mesh.Mesh: {"points": POINTS, "cells": CELLS, "geographic": False},
    mesh.gradient: {"patches": GRID, "edges": "free"},
    mesh.laplacian: {"patches": GRID, "edges": "free"},
    mesh.mass: {"patches": GRID},
    mesh.listric: {"depth": 10.0, "dips": (60.0, 20.0), "top": 0.0, "steps": 8},
    mesh.merge: {"points": POINTS, "cells": CELLS, "tolerance": 1e-9},
    mesh.mesh_of_rectangle: {"fault": FAULT, "n_strike": 2, "n_dip": 2, "origin": "topleft"},
    mesh.read_mesh: {"path": "no such file", "unit": 1.0, "turn": True},
    mesh.read_mesh_values: {"path": "no such file", "unit": 1.0, "turn": True},
    mesh.refine: {"mesh": SURFACE, "times": 1},
    mesh.trace_mesh: {"trace": TRACE, "profile": PROFILE, "patch": 2.0, "across": "mean"},
    GRID.moment: {"slip": np.ones((4, 3)), "mu": 30e9, "length_unit": 1.0},
    GRID.moment_tensor: {"slip": np.ones((4, 3)), "mu": 30e9, "length_unit": 1.0},
    GRID.greens: {"xy": XY, "nu": 0.25},
    SURFACE.greens: {"xy": XY, "nu": 0.25},
    quadtree.quadtree: {
        "maps": MAP,
        "threshold": 1.0,
        "origin": (0.0, 0.0),
        "spacing": (1.0, 1.0),
        "smallest": 4,
        "largest": 16,
        "least_present": 0.5,
    },
    quadtree.noise_model: {
        "values": MAP,
        "spacing": (1.0, 1.0),
        "pairs": 1000,
        "deramp": True,
        "seed": 0,
        "kind": "spherical",
        "hurst": 0.5,
    },
    gnss.static_offsets: {
        "t": np.arange(-200.0, 200.0),
        "enu": RNG.normal(size=(2, 3, 400)),
        "origin_time": 0.0,
        "settle": 10.0,
        "min_samples": 30,
        "pool": True,
    },
    gnss.read_offsets: {"path": "no such file"},
    gnss.read_series: {"path": "no such file"},
    finite.read: {"path": "no such file"},
    finite.from_rectangles: {"rectangles": FAULT, "origin": (33.0, 130.0), "unit": 1e3, "mu": 3e10},
    finite.from_grid: {"grid": GRID, "slip": np.zeros((4, 3)), "origin": (33.0, 130.0), "mu": 3e10},
    cmt.Records: {
        **STATIONS,
        "t": TIMES,
        "values": RECORDS.values,
        "reference": UTC,
        "quantity": "displacement",
    },
    cmt.Response: {"zeros": (0j, 0j), "poles": (-1 + 1j, -1 - 1j), "sensitivity": 1.0},
    cmt.Waveforms: {
        "records": RECORDS,
        "window": (-20.0, 50.0),
        "components": "EN",
        "sigma": 0.01,
        "model_error": 0.0,
        "weight": 1.0,
        "shift": 0.0,
        "quiet": 0.0,
        "max_gap": 5.0,
        "name": "a",
    },
    cmt.Offsets: {"table": OFFSETS, "components": "ENU", "model_error": 0.0, "weight": 1.0, "name": "a"},
    cmt.Problem: {
        "data": [cmt.Offsets(OFFSETS)],
        "model": CRUST,
        "origin": (1.0, 2.0),
        "stf": "triangle",
        "unknowns": ("east", "depth"),
        "bounds": {"depth": (1.0, 20.0)},
        "prior": {"depth": (10.0, 5.0)},
        "accuracy": 1e-3,
        "constraint": "full",
    },
    cmt.Sources.at: {"east": 0.0, "north": 0.0, "depth": 10.0, "time": 0.0, "duration": 0.0},
    cmt.read: {
        "path": "no such file",
        "reference": UTC,
        "quantity": "displacement",
        "responses": False,
        "strict": True,
        "orientation": "names",
    },
    cmt.read_archive: {"path": "no such file"},
    cmt.read_offset_table: {"path": "no such file"},
    cmt.read_event: {"path": "no such file", "number": 1},
    cmt.load: {"path": "no such file"},
    topography.displacement: {
        "xy": [[1.0, 2.0], [3.0, 4.0]],
        "elevation": [0.5, 0.2],
        "source": FAULT,
        "method": "varying",
        "nu": 0.25,
        "origin": "topleft",
    },
}

if importlib.util.find_spec("torch"):
    import torch

    from dislok import okadatorch

    EAST = torch.tensor([1.0, 5.0], dtype=torch.float64)
    AT_SURFACE = {"X": EAST, "Y": EAST, "SD": 0.5, "CD": 0.75**0.5, "DISL1": 1.0, "DISL2": 0.0, "DISL3": 0.0}
    INSIDE = {"ALPHA": 0.6, "X": EAST, "Y": EAST, "Z": -EAST, "DEPTH": 2.0, "DIP": 30.0}
    WHETHER = {"compute_strain": True, "is_degree": True}
    WRAPPER = okadatorch.OkadaWrapper()
    WRAPPED = {
        "coords": {"x": EAST, "y": EAST},
        "params": {"x_fault": 0.0, "y_fault": 0.0, "depth": 1.0, "length": 10.0, "width": 5.0, "strike": 30.0,
                   "dip": 60.0, "rake": 90.0, "slip": 2.0},
        **WHETHER, "fault_origin": "topleft", "nu": 0.25, "return_iret": False,
    }  # fmt: skip
    GOOD |= {
        okadatorch.SPOINT: {"ALP": 0.5, "D": 2.0, **AT_SURFACE, "compute_strain": True},
        okadatorch.SRECTF: {
            "ALP": 0.5, "DEP": 9.0, "AL": 5.0, "AW": 4.0, **AT_SURFACE, "compute_strain": True,
        },
        okadatorch.DC3D0: {**INSIDE, "POT1": 1.0, "POT2": 0.0, "POT3": 0.0, "POT4": 0.0, **WHETHER},
        okadatorch.DC3D: {
            **INSIDE, "AL1": 0.0, "AL2": 4.0, "AW1": -3.0, "AW2": 0.5, "DISL1": 1.0, "DISL2": 0.0,
            "DISL3": 0.0, **WHETHER,
        },
        WRAPPER.compute: WRAPPED,
        WRAPPER.gradient: {**WRAPPED, "arg": "dip"},
        WRAPPER.hessian: {**WRAPPED, "arg1": "dip", "arg2": "x"},
    }  # fmt: skip

MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
HARD = {
    "true": True,
    "a word": "x",
    "a date": datetime.date(2020, 1, 1),
    "a time": np.datetime64("2020-01-01"),
    "complex": 1 + 1j,
    "complexes": np.array([1 + 1j, 2.0]),
    "masked": MASKED,
    "object": object(),
    "words": ["a", "b"],
    "truths": [True, False],
    "bytes": b"x",
    "objects": np.array([object()]),
    "a mapping": {"x": 1.0},
    "a function": len,
}
SOFT = {
    "nan": np.nan,
    "infinite": np.inf,
    "negative": -1.0,
    "zero": 0,
    "huge": 1e300,
    "nothing": None,
    "empty": [],
    "ragged": [[1.0], [1.0, 2.0]],
    "three": [1.0, 2.0, 3.0],
    "cube": np.ones((2, 2, 2)),
    "nans": [np.nan, 1.0],
}

# Arguments for which such a value makes sense.
FINE = {
    ("prior", "a mapping"),
    ("bounds", "a mapping"),
    ("moves", "a mapping"),
    ("path", "a word"),
    ("name", "a word"),
    ("labels", "words"),
    ("station", "words"),
    ("reference", "a time"),
    ("zeros", "complexes"),
    ("poles", "complexes"),
    ("omega", "complex"),
    ("omega", "complexes"),
    ("model", "a function"),
    ("zeros", "complex"),
    ("poles", "complex"),
    ("unit", "huge"),
    ("fixed", "words"),
    ("fixed", "a mapping"),
    ("unknowns", "words"),
    ("path", "bytes"),
    ("arg", "a word"),
    ("arg1", "a word"),
    ("arg2", "a word"),
}


def title(function) -> str:
    return function.__qualname__


CASES = [(function, name) for function, arguments in GOOD.items() for name in arguments]
# Where one value after the other is computed with before the next is refused.
LONG = {"dislok.propagator", "dislok.inversion.fault.problem", "dislok.inversion.weights"}


def case(function, name):
    marks = [pytest.mark.slow] if function.__module__ in LONG else []
    return pytest.param(function, name, marks=marks)


@pytest.mark.parametrize("function", GOOD, ids=title)
def test_good_calls(function):
    """Each of the calls that are spoilt below works as it is."""
    if GOOD[function].get("path") == "no such file":
        with pytest.raises(FileNotFoundError):
            function(**GOOD[function])
    else:
        function(**GOOD[function])


def is_flag(value) -> bool:
    return isinstance(value, bool)


def refused_by_us(error: BaseException) -> bool:
    frames = [Path(f.filename).resolve() for f in traceback.extract_tb(error.__traceback__)]
    # An editable installation leads through links to the folders of the source.
    return any(parent.name in ("bindings", "inversion", "dislok") for parent in frames[-1].parents)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("function", "name"), [case(*each) for each in CASES], ids=lambda v: v if isinstance(v, str) else title(v)
)
def test_bad_arguments(function, name):
    wrong = []
    for kind, value in {**HARD, **SOFT}.items():
        if is_flag(GOOD[function][name]) and isinstance(value, bool):
            continue
        try:
            function(**{**GOOD[function], name: value})
        except (TypeError, ValueError, OSError) as error:
            if isinstance(error, OSError) and str(value) in str(error):
                continue
            if not refused_by_us(error):
                wrong.append(f"{kind}: {type(error).__name__} from elsewhere: {error}")
            elif name not in str(error) and not isinstance(error, FileNotFoundError):
                wrong.append(f"{kind}: does not name {name}: {error}")
        except Exception as error:
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
        else:
            if kind in HARD and (name, kind) not in FINE:
                wrong.append(f"{kind}: computed")
    assert not wrong, "\n" + "\n".join(wrong)


# Public, but not called by users: containers of results, protocols, what needs a whole search first.
OTHER = {
    "Kernels",
    "PlanError",
    "PointSource",
    "SpectralKernels",
    "Stations",
    "Impulse",
    "SourceTimeFunction",
    "DoubleCouple",
    "Dataset",
    "Fit",
    "Result",
    "Samples",
    "Choice",
    "ShapeResult",
    "SlipResult",
    "Butterworth",
    "Centroid",
    "CosineLowpass",
    "Noise",
    "Sources",
    "Adjacency",
    "Patches",
    "Cells",
    "FiniteFault",
    "OffsetTable",
    "Place",
    "Quake",
    "StaticOffsets",
    "Rival",
    "balanced",
    "bootstrap",
    "cmtsolution",
    "compare_models",
    "conclude",
    "depth_profile",
    "from_obspy",
    "gauss_newton",
    "disturbed",
    "gnss_noise",
    "invert",
    "position_noise",
    "leave_one_out",
    "line_source",
    "merge",
    "minimise",
    "position_map",
    "predicted_without",
    "quakeml",
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
    "write",
    "write_cmtsolution",
    "write_quakeml",
    "write_mesh",
    "solve_shape",
    "write_offsets",
}


@pytest.mark.parametrize(
    "module",
    [
        "propagator",
        "okadatorch",
        "stf",
        "convert",
        "inversion.fault",
        "inversion.finite",
        "inversion.slip",
        "inversion.cmt",
        "inversion.mesh",
        "inversion.quadtree",
    ],
)
def test_every_public_function_is_here(module):
    """Nothing new comes into the public interface without a good call here."""
    if module == "okadatorch":
        pytest.importorskip("torch")
    found = importlib.import_module(f"dislok.{module}")
    names = getattr(found, "__all__", None) or [n for n in vars(found) if not n.startswith("_")]
    public = {n: getattr(found, n) for n in names}
    called = {
        n for n, o in public.items() if callable(o) and inspect.getmodule(o).__name__.startswith("dislok")
    }
    known = {f.__name__ for f in GOOD} | {f.__qualname__.split(".")[0] for f in GOOD} | OTHER
    assert not called - known
