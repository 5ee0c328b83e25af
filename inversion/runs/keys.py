"""Keys of the configurations of `dislok fault` and `dislok slip`; see `dislok.schema`."""

from __future__ import annotations

from dislok.arrays import Record
from dislok.gate import Given
from dislok.schema import (
    Key,
    Kind,
    Table,
    choice,
    count,
    flag,
    letters,
    listed,
    moment,
    number,
    pair,
    text,
)  # fmt: skip

from ..cmt.keys import CRUST as CMT_CRUST
from ..fault.linear import LOSSES
from ..interferogram import MAKERS
from ..mesh.operators import EDGES
from ..quadtree import KINDS
from ..rectangles import PARAMETERS
from ..slip.choice import METHODS

FARTHEST = 20_000.0  # km; nothing on the Earth is farther
_place = number(least=-FARTHEST, most=FARTHEST)
_distance = number(least=0, most=FARTHEST)
_size = number(above=0, most=FARTHEST)
_nuisance = choice("none", "offset", "ramp")


def _file_or_number(name: str, value: Given) -> Given:
    return text()(name, value) if isinstance(value, str) else number(least=-360, most=360)(name, value)


EVENT = Table(
    "The earthquake, and where the coordinates have their origin.",
    {
        "name": Key(text(), "how results call it", needed=True),
        "latitude": Key(number(least=-90, most=90), "of the origin", unit="degrees north", needed=True),
        "longitude": Key(number(least=-360, most=360), "of the origin", unit="degrees east", needed=True),
        "origin_time": Key(moment(), "needed by daily positions"),
    },
    needed=True,
)  # fmt: skip


def _range(name: str, values: Record) -> None:
    nearest, farthest = values.get("nearest", 0.0), values.get("farthest", float("inf"))
    if nearest >= farthest:
        raise ValueError(f"{name}.farthest must be above {name}.nearest, {nearest:g} km, got {farthest:g}")


GNSS = Table(
    "Static offsets of GNSS stations.",
    {
        "file": Key(text(), "a table, or a file or folder of daily positions, see :doc:`formats`",
                    needed=True, file=True),
        "name": Key(text(), "how results call this data set; by default GNSS, or the file's name"),
        "components": Key(letters("ENU"), "what is fitted", "ENU"),
        "nearest": Key(_distance, "nearest station that is used, from the origin; by default 0", unit="km"),
        "farthest": Key(_distance, "farthest station that is used; by default any", unit="km"),
        "only": Key(listed(text(), 1), "stations that are used"),
        "exclude": Key(listed(text()), "stations that are not used"),
        "common_error": Key(number(least=0), "added to every error, squared", 0.0, unit="m"),
        "model_error": Key(
            number(least=0, most=10), "share of a station's offset that is added to its errors, squared", 0.0
        ),
        "nuisance": Key(_nuisance, "motion common to the network that is solved for", "none"),
        "before": Key(number(above=0), "of daily positions, how long before the event", unit="days"),
        "after": Key(number(above=0), "of daily positions, how long after it", unit="days"),
        "strict": Key(flag(), "whether a file that would be left out is an error; by default false"),
    },
    several=True, check=_range,
)  # fmt: skip

_kind = choice("best", *KINDS)


def _noise(name: str, values: Record) -> None:
    if values.get("correlated", 0) > 0 and "distance" not in values:
        raise ValueError(f"the key '{name}.distance' is missing, a number above 0 (of the correlation, km)")
    if not values.get("correlated", 0) > 0 and not values.get("white", 0) > 0:
        raise ValueError(f"{name}.white or {name}.correlated must be above 0, got neither")


NOISE = Table(
    "Errors of pixels where they are known; else they are measured where the ground is at rest.",
    {
        "white": Key(number(least=0), "standard deviation of white noise", 0.0, unit="m"),
        "correlated": Key(number(least=0), "of correlated noise", 0.0, unit="m"),
        "distance": Key(_size, "of the correlation", unit="km"),
        "kind": Key(choice(*KINDS), "how the correlation decays", "exponential"),
        "hurst": Key(number(above=0, most=10), "exponent of a von Karman correlation", 0.5),
    },
    check=_noise,
)  # fmt: skip

_CELLS = {
    "threshold": Key(number(above=0), "standard deviation in a cell above which it is divided", unit="m"),
    "smallest": Key(count(1, 4096), "least side of a cell", 8, unit="pixels"),
    "largest": Key(count(1, 4096), "largest side: smallest times a power of two", 64, unit="pixels"),
    "nearest": Key(_distance, "pixels nearer to the origin are not used; by default 0", unit="km"),
    "farthest": Key(_distance, "pixels farther than this are not used; by default any", unit="km"),
    "rest": Key(_distance, "distance from the origin beyond which the ground is at rest", unit="km"),
}


def _cells(name: str, values: Record) -> None:
    _range(name, values)
    smallest, largest = values.get("smallest", 8), values.get("largest", 64)
    steps, rest = divmod(largest, smallest)
    if rest or steps < 1 or steps & (steps - 1):
        raise ValueError(
            f"{name}.largest must be {name}.smallest, {smallest}, times a power of two, got {largest}"
        )


def _interferogram(name: str, values: Record) -> None:
    _cells(name, values)
    many = 3 if values["maker"] in ("licsar", "gmtsar") else 2
    if len(values["look"]) != many:
        raise ValueError(
            f"{name}.look must be a list of {many} values for {values['maker']}, got {len(values['look'])}"
        )
    if ("noise" in values) == ("rest" in values):
        both = "both" if "noise" in values else "neither"
        raise ValueError(f"{name} needs exactly one of noise, rest; got {both}")


INTERFEROGRAMS = Table(
    "Interferograms: unwrapped phase and look vectors as GeoTIFF, ENVI or netCDF.",
    {
        "file": Key(text(), "unwrapped phase", needed=True, file=True),
        "variable": Key(text(), "of a netCDF file that holds several"),
        "band": Key(count(1, 1000), "of the file", 1),
        "maker": Key(choice(*MAKERS), "whose conventions hold, see :doc:`slip`", needed=True),
        "look": Key(
            listed(Kind("the name of a file, or a number", _file_or_number), 2, 3),
            "planes of the look, files or numbers that hold for all of the scene", needed=True, file=True,
        ),
        "wavelength": Key(number(least=0.005, most=2), "of the radar", 0.0555, unit="m"),
        "metres": Key(flag(), "whether the file holds metres towards the satellite already", False),
        "name": Key(text(), "how results call this data set; by default the file's name"),
        **_CELLS,
        "noise": NOISE,
        "variogram": Key(_kind, "how the correlation of measured noise decays", "best"),
        "nuisance": Key(_nuisance, "what is solved with the motion", "ramp"),
    },
    several=True, check=_interferogram,
)  # fmt: skip
OFFSET_MAPS = Table(
    "Displacement maps between images, as `dislok flow` writes them.",
    {
        "file": Key(text(), "the map", needed=True, file=True),
        "name": Key(text(), "how results call this data set; by default the file's name"),
        **_CELLS,
        "correlation": Key(
            number(above=0, most=10_000), "of the errors of pixels, where `rest` is not given", 28.0,
            unit="pixels",
        ),
        "rupture": Key(
            listed(pair(number(least=-360, most=360)), 2),
            "longitude and latitude along a rupture of the ground, beside which the map mixes its sides",
            unit="degrees",
        ),
        "margin": Key(
            number(least=0, most=10_000), "half-width of what is left out along it", 16.0, unit="pixels"
        ),
        "nuisance": Key(_nuisance, "what is solved with the motion", "offset"),
    },
    several=True, check=_cells,
)  # fmt: skip

_MOST = {"depth": (0, 800), "dip": (0, 90), "length": (0, 2000), "width": (0, 1000), "slip": (0, 1000)}
_UNITS = {"strike": "degrees", "dip": "degrees", "rake": "degrees", "slip": "m", "opening": "m"}
_limits = {name: number(least=_MOST.get(name, (-FARTHEST, 0))[0],
                        most=_MOST.get(name, (0, FARTHEST))[1]) for name in PARAMETERS}  # fmt: skip
_limits |= {name: number(least=-720, most=720) for name in ("strike", "rake")}
_MEANING = {
    "x": "east of the origin", "y": "north of the origin", "depth": "of the upper edge",
    "length": "along strike", "width": "down dip", "strike": "of the fault, which dips to its right",
    "dip": "of the fault", "rake": "where the search begins, or of a fixed rake",
    "slip": "where the search begins", "opening": "held, unless it has bounds",
}  # fmt: skip
_DEFAULTS = {"rake": 0.0, "slip": 1.0, "opening": 0.0}
ORIGINS = ("topleft", "topcenter", "topright")


def _gaussian(limits: Kind) -> Kind:
    two = pair(number())

    def check(name: str, value: Given) -> tuple[float, float]:
        mean, sigma = two(name, value)
        return limits(f"{name}[0]", mean), number(above=0)(f"{name}[1]", sigma)

    return Kind("mean and standard deviation", check)


def _rectangle(names: tuple[str, ...], needed: bool) -> dict[str, Key | Table]:
    return {
        name: Key(
            number(above=0, most=2000) if name in ("length", "width") else _limits[name], _MEANING[name],
            _DEFAULTS.get(name), needed and name not in _DEFAULTS, _UNITS.get(name, "km"),
        )
        for name in names
    }  # fmt: skip


FAULTS = Table(
    "Rectangular faults: where the search begins, and between which bounds it goes.",
    {
        **_rectangle(PARAMETERS, needed=True),
        "origin": Key(choice(*ORIGINS), "point of the upper edge that x, y and depth mean", "topcenter"),
        "fixed": Key(listed(choice(*PARAMETERS)), "parameters that stay where they begin", []),
        "bounds": Table(
            "Limits; several starts need them for x, y, depth, length, width and dip.",
            {
                name: Key(pair(_limits[name], rising=True), "limits", unit=_UNITS.get(name, "km"))
                for name in PARAMETERS
            },
        ),
        "prior": Table(
            "Normal priors.",
            {
                name: Key(_gaussian(_limits[name]), "prior", unit=_UNITS.get(name, "km"))
                for name in PARAMETERS
            },
        ),
    },
    several=True, needed=True,
)  # fmt: skip
ELASTIC = Table(
    "The ground.",
    {
        "nu": Key(number(least=0, below=0.5), "Poisson's ratio", 0.25),
        "shear_modulus": Key(number(above=0, most=1e13), "for the moment", 30e9, unit="Pa"),
    },
    always=True,
)  # fmt: skip
WEIGHTS = Key(
    choice("components", "given"),
    "relative weights of data sets: by variance components where there are several, or as errors are given",
    "components",
)
SEARCH = Table(
    "How faults are searched.",
    {
        "starts": Key(count(1, 100_000), "searches from different places", 8),
        "seed": Key(count(0), "of the random numbers", 0),
        "loss": Key(choice(*LOSSES), "of residuals: all but linear let outliers go", "linear"),
        "loss_scale": Key(number(above=0), "where a robust loss begins", 2.0, unit="standard deviations"),
        "weights": WEIGHTS,
    },
    always=True,
)  # fmt: skip
SAMPLES = Table(
    "Draws from the posterior, which need the extra `sample`.",
    {
        "draws": Key(count(0, 1_000_000), "of each chain; 0 for none", 0),
        "chains": Key(count(2, 1000), "number of chains", 4),
        "warmup": Key(count(10, 1_000_000), "draws that adapt the sampler", 300),
    },
    always=True,
)  # fmt: skip

_DATA: dict[str, Key | Table] = {"gnss": GNSS, "interferograms": INTERFEROGRAMS, "offset_maps": OFFSET_MAPS}


def _some_data(name: str, table: Record) -> None:
    if not any(table.get(key) for key in _DATA):
        raise ValueError(
            f"the configuration must have {' or '.join(f'[[{key}]]' for key in _DATA)}, got none"
        )


def _faults(name: str, table: Record) -> None:
    _some_data(name, table)
    for i, fault in enumerate(table["faults"]):
        for key, (low, high) in fault.get("bounds", {}).items():
            value = fault.get(key, _DEFAULTS.get(key, 0.0))
            if key in PARAMETERS[:7] and key != "strike" and not low <= value <= high:
                raise ValueError(
                    f"faults[{i}].{key} must lie in faults[{i}].bounds.{key}, {low:g} to {high:g}, got "
                    f"{value:g}"
                )
        if len({fault.get("origin", "topcenter") for fault in table["faults"]}) > 1:
            raise ValueError("faults must all have one origin, got several")


FAULT = Table(
    "The configuration of `dislok fault`.",
    {
        "event": EVENT, **_DATA, "faults": FAULTS, "elastic": ELASTIC, "search": SEARCH, "samples": SAMPLES,
    },
    check=_faults,
)  # fmt: skip


def _surface(name: str, values: Record) -> None:
    """A fault of patches is a rectangle, a mesh of a file, or a trace and what is below it."""
    kinds = {"mesh": "mesh", "trace": "trace", "length": "rectangle"}
    given = [key for key in kinds if key in values]
    if len(given) != 1:
        words = " and ".join(given) or "none"
        raise ValueError(f"{name} needs exactly one of mesh, trace, and length of a rectangle; got {words}")
    asked = {
        "mesh": (),
        "trace": ("to_depth", "dips", "patch"),
        "length": (*PARAMETERS[:7], "n_strike", "n_dip"),
    }[given[0]]
    for key in asked:
        if key not in values:
            raise ValueError(f"the key '{name}.{key}' is missing: a {kinds[given[0]]} needs it")
    if values.get("spread", 0) and "rake" not in values:
        raise ValueError(f"{name}.spread needs {name}.rake, got {values['spread']:g}")


SLIP_FAULTS = Table(
    "Faults of patches: rectangles, meshes from files, or traces with a profile below.",
    {
        **{name: Key(key.kind, key.about, unit=key.unit)
           for name, key in _rectangle(PARAMETERS[:7], needed=False).items() if isinstance(key, Key)},
        "origin": Key(choice(*ORIGINS), "point of the upper edge that x, y and depth mean", "topcenter"),
        "n_strike": Key(count(1, 10_000), "patches along strike of a rectangle"),
        "n_dip": Key(count(1, 10_000), "patches down dip of a rectangle"),
        "mesh": Key(text(), "a file, see :doc:`formats`", file=True),
        "mesh_unit": Key(number(above=0), "kilometres in the unit of the mesh's file", 1.0, unit="km"),
        "geographic": Key(flag(), "whether the mesh is in longitude and latitude", False),
        "trace": Key(listed(pair(number(least=-360, most=360)), 2),
                     "longitude and latitude along the fault's trace, the dip to its right", unit="degrees"),
        "to_depth": Key(number(above=0, most=800), "how deep a fault below a trace reaches", unit="km"),
        "top": Key(number(least=0, most=800), "depth of its upper edge", 0.0, unit="km"),
        "dips": Key(pair(number(above=0, most=90)), "dip at its upper and at its lower edge", unit="degrees"),
        "patch": Key(_size, "side of its triangles", unit="km"),
        "rake": Key(number(least=-360, most=360), "of the slip; both components without it", unit="degrees"),
        "spread": Key(number(least=0, below=90), "half the range of rakes", 45.0, unit="degrees"),
        "opening": Key(flag(), "whether the fault may open", False),
        "order": Key(count(0, 2), "what is kept small: slip, its gradient or its Laplacian", 2),
        "edges": Key(choice(*EDGES), "what lies outside of the fault", "buried"),
        "weight": Key(number(above=0), "factor on this fault's roughness", 1.0),
    },
    several=True, needed=True, check=_surface,
)  # fmt: skip
SMOOTHING = Table(
    "How smooth slip is.",
    {
        "method": Key(choice(*METHODS), "how the smoothing is chosen", "abic"),
        "value": Key(number(above=0), "the smoothing itself, in the place of a method"),
        "join": Key(flag(), "whether slip is smooth across the edges that faults share", True),
        "weights": WEIGHTS,
    },
    always=True, not_both=(("method", "value"),),
)  # fmt: skip
CRUST = Table(
    "Layers in the place of a half-space.",
    {key: CMT_CRUST.keys[key] for key in ("layers", "file", "depths", "unit", "crust2")},
    one_of=("layers", "file", "crust2"),
)  # fmt: skip


def _slip(name: str, table: Record) -> None:
    _some_data(name, table)


SLIP = Table(
    "The configuration of `dislok slip`.",
    {
        "event": EVENT, **_DATA, "faults": SLIP_FAULTS, "elastic": ELASTIC, "crust": CRUST,
        "smoothing": SMOOTHING,
    },
    check=_slip,
)  # fmt: skip
