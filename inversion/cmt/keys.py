"""Keys that the configuration of an event may have: see `dislok.schema`."""

from __future__ import annotations

from datetime import datetime

from dislok.arrays import Record
from dislok.crusts import DEPTHS
from dislok.crusts import UNITS as UNITS_OF_DEPTH
from dislok.gate import Given
from dislok.schema import (
    Key,
    Kind,
    Table,
    choice,
    count,
    either,
    flag,
    inner,
    letters,
    listed,
    moment,
    number,
    pair,
    text,
)  # fmt: skip

from .forward import STF
from .records import QUANTITIES
from .solve import REACH
from .source import BOUNDS, UNITS, UNKNOWNS
from .tensor import CONSTRAINTS

DEEPEST = 800.0  # km; no earthquake is deeper

_names = listed(text())
_distance = number(least=0, most=20_100)


_place = pair(number(least=-360, most=360))


def _profile(name: str, value: Given) -> Given:
    if isinstance(value, list | tuple):
        latitude, longitude = _place(name, value)
        return number(least=-90, most=90)(f"{name}[0]", latitude), longitude
    if value is False:
        raise ValueError(f"{name} must be true, event, stations or a place, got False; leave it out")
    return value if isinstance(value, bool) else choice("event", "stations")(name, value)


def _crust() -> dict[str, Key | Table]:
    row = listed(number(least=0, infinite=True), 4, 6)
    return {
        "layers": Key(
            listed(row, 1),
            "rows of thickness, vp, vs, density and perhaps Qp, Qs; the last is the half-space",
            unit="km, km/s, km/s, g/cm³",
        ),
        "file": Key(text(), "a table of layers, see :doc:`formats`", file=True),
        "depths": Key(choice(*DEPTHS), "what its lengths are, where it does not say"),
        "unit": Key(choice(*UNITS_OF_DEPTH), "of its lengths, where it does not say"),
        "crust2": Key(
            Kind("true, event, stations or [latitude, longitude]", _profile),
            "a profile of CRUST 2.0: true or event for that at the hypocentre (under the sea, if it lies "
            "there), stations for that at the middle of the stations, or that at a place",
        ),
    }  # fmt: skip


def _one_crust(name: str, values: Record) -> None:
    rows = values.get("layers", [])
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{name}.layers[{i}] must have {len(rows[0])} values as the first row, got {len(row)}"
            )


def _event(name: str, values: Record) -> None:
    if "file" in values:
        return
    for key in ("name", "latitude", "longitude", "depth"):
        if key not in values:
            kind = EVENT.keys[key]
            assert isinstance(kind, Key)
            raise ValueError(f"the key '{name}.{key}' is missing, {kind.kind.words} ({kind.about})")
    if "number" in values:
        raise ValueError(
            f"{name}.number needs {name}.file, got {values['number']}: it says which event of a file"
        )


EVENT = Table(
    "The earthquake: in this table or in a file.",
    {
        "name": Key(text(), "how results call it"),
        "latitude": Key(number(least=-90, most=90), "of the hypocentre", unit="degrees north"),
        "longitude": Key(number(least=-360, most=360), "of the hypocentre", unit="degrees east"),
        "depth": Key(number(least=0, most=DEEPEST), "of the hypocentre", unit="km"),
        "origin_time": Key(moment(), "needed by records that do not say it themselves"),
        "file": Key(text(), "QuakeML, CMTSOLUTION or ndk that says what is not said here", file=True),
        "number": Key(count(1), "which event of the file; by default the only one"),
    },
    needed=True, check=_event,
)  # fmt: skip
CRUST = Table(
    "The crust: one of `layers`, `file`, `crust2`.",
    {
        **_crust(),
        "compare": Table(
            "Other crusts, by any name, whose solutions are compared.", _crust(), named=True,
            one_of=("layers", "file", "crust2"), check=_one_crust,
        ),
    },
    needed=True, one_of=("layers", "file", "crust2"), check=_one_crust,
)  # fmt: skip

_roots = listed(pair(number()))
RESPONSE = Table(
    "An instrument.",
    {
        "poles": Key(_roots, "real and imaginary parts", unit="rad/s"),
        "zeros": Key(_roots, "real and imaginary parts", unit="rad/s"),
        "sensitivity": Key(number(above=0), "counts per unit of the ground's motion", 1.0),
    },
)
BUTTERWORTH = Table(
    "A Butterworth filter.",
    {
        "low": Key(number(least=0), "lower corner; 0 for a low-pass", unit="Hz"),
        "high": Key(number(above=0, infinite=True), "upper corner; inf for a high-pass", unit="Hz"),
        "order": Key(count(1, 20), "poles of each flank"),
        "zero_phase": Key(flag(), "whether it runs in both directions"),
    },
)
NOISE = Table(
    "Errors of the records before the filter.",
    {
        "white": Key(
            number(least=0), "standard deviation of white noise", needed=True, unit="m, m/s or m/s²"
        ),
        "correlated": Key(number(least=0), "of exponentially correlated noise", unit="m, m/s or m/s²"),
        "time": Key(number(above=0), "its correlation time", unit="s"),
    },
)


def _no_response(name: str, value: Given) -> Given:
    if value is False:
        return value
    return choice("inventory")(name, value)


def _one_or_some(name: str, value: Given) -> Given:
    return (
        [text(empty=True)(name, value)] if isinstance(value, str) else listed(text(empty=True))(name, value)
    )


_codes = Kind("text, or a list of texts", _one_or_some)


def _seconds_or_time(name: str, value: Given) -> Given:
    if isinstance(value, datetime):
        return value
    return number(least=-1e6, most=1e6)(name, value)


_instant = Kind("a number, or a date and time", _seconds_or_time)


def _data(name: str, values: Record) -> None:
    nearest, farthest = values.get("nearest", 0.0), values.get("farthest", float("inf"))
    if nearest >= farthest:
        raise ValueError(f"{name}.farthest must be above {name}.nearest, {nearest:g} km, got {farthest:g}")


WAVEFORMS = Table(
    "Records of one network.",
    {
        "file": Key(text(), "an archive, or a folder or file of MiniSEED or SAC", needed=True, file=True),
        "inventory": Key(text(), "StationXML of the stations", file=True),
        "quantity": Key(choice(*QUANTITIES), "what samples are; by default as metadata say"),
        "unit": Key(text(), "of the samples, such as nm/s; by default SI, or what the metadata say"),
        "channels": Key(_codes, "codes of channels, with * and ?"),
        "locations": Key(_codes, "codes of locations; empty or -- for none"),
        "orientation": Key(
            choice("metadata", "names"), "what says where channels point; by default the metadata"
        ),
        "starttime": Key(
            _instant, "what is read of long records, after the origin time, or a date and time", unit="s"
        ),
        "endtime": Key(_instant, "as starttime", unit="s"),
        "strict": Key(flag(), "whether what would be left out is an error; by default false"),
        "response": Key(
            either(inner(RESPONSE), Kind('"inventory"', _no_response)),
            "of the instruments, where samples are counts: that of the inventory, or one for all",
        ),
        "name": Key(text(), "how results call this data set"),
        "nearest": Key(_distance, "nearest station that is used; by default 0", unit="km"),
        "farthest": Key(_distance, "farthest station that is used; by default any", unit="km"),
        "count": Key(count(1), "that many of the nearest stations; by default all"),
        "only": Key(_names, "stations that are used"),
        "exclude": Key(_names, "stations that are not used"),
        "components": Key(letters("ENU"), "what is fitted; by default ENU"),
        "band": Key(
            pair(number(least=0, most=1000), rising=True),
            "corners of the low-pass; by default [0.05, 0.2]", unit="Hz",
        ),
        "butterworth": Key(inner(BUTTERWORTH), "a Butterworth filter in its place"),
        "window": Key(
            pair(number(least=-86400, most=86400), rising=True),
            "what is fitted, after the origin time; by default [0, 100]", unit="s",
        ),
        "window_speed": Key(
            number(above=0.01, most=100), "windows end later by distance over this", unit="km/s"
        ),
        "sigma": Key(number(above=0), "standard deviation of a sample", unit="m, m/s or m/s²"),
        "noise": Key(inner(NOISE), "errors with correlation in time, in the place of sigma"),
        "model_error": Key(
            number(least=0, most=10), "share of a trace's largest motion that is added to its errors"
        ),
        "quiet": Key(number(least=0), "time that is silent for certain", unit="s"),
        "max_gap": Key(number(least=0), "longest gap that is bridged; by default 30", unit="s"),
        "shift": Key(number(least=-86400, most=86400), "added to the time of the records", unit="s"),
        "weight": Key(number(least=0), "factor on the whitened residuals; by default 1"),
    },
    several=True, not_both=(("band", "butterworth"), ("sigma", "noise")), check=_data,
)  # fmt: skip
OFFSETS = Table(
    "A table of static offsets. Several data sets need standard deviations in all of them.",
    {
        "file": Key(text(), "the table", needed=True, file=True),
        "name": Key(text(), "how results call this data set; by default offsets"),
        "nearest": Key(_distance, "nearest station that is used; by default 0", unit="km"),
        "farthest": Key(_distance, "farthest station that is used; by default any", unit="km"),
        "components": Key(letters("ENU"), "what is fitted; by default ENU"),
        "model_error": Key(
            number(least=0, most=10), "share of a station's offset that is added to its errors; by default 0"
        ),
        "before": Key(number(above=0), "of daily positions, how long before the event", unit="days"),
        "after": Key(number(above=0), "of daily positions, how long after it", unit="days"),
        "strict": Key(flag(), "whether a file that would be left out is an error; by default false"),
    },
    several=True, check=_data,
)  # fmt: skip

_limits = {name: number(least=-DEEPEST, most=DEEPEST) for name in UNKNOWNS} | {
    "depth": number(least=0, most=DEEPEST),
    "duration": number(least=0, most=1000),
}
_spread = {name: (limit, number(above=0, most=1e4)) for name, limit in _limits.items()}
_spread["moment"] = (number(above=0, most=1e27), number(above=0, most=100))


def _gaussian(mean: Kind, sigma: Kind) -> Kind:
    two = pair(number())

    def check(name: str, value: Given) -> tuple[Given, Given]:
        found = two(name, value)
        return mean(f"{name}[0]", found[0]), sigma(f"{name}[1]", found[1])

    return Kind("mean and standard deviation", check)


SOURCE = Table(
    "The source.",
    {
        "constraint": Key(choice(*CONSTRAINTS), "what moment tensors are allowed", "deviatoric"),
        "stf": Key(choice(*STF), "source time function", "triangle"),
        "half_duration": Key(
            number(above=0, most=1000), "where the search begins; by default the file's, or 5", unit="s"
        ),
        "duration": Key(
            choice("solve", "scaled", "fixed"),
            "whether half-durations are sought, follow from the moment, or stay", "solve",
        ),
        "fixed": Key(listed(choice(*UNKNOWNS)), "unknowns that stay where they begin", []),
        "bounds": Table(
            "Limits of the unknowns.",
            {
                name: Key(
                    pair(_limits[name], rising=True),
                    f"by default [{BOUNDS[name][0]:g}, {BOUNDS[name][1]:g}]", unit=UNITS[name],
                )
                for name in UNKNOWNS
            },
        ),
        "prior": Table(
            "Normal priors of the unknowns.",
            {
                name: Key(
                    _gaussian(*kinds),
                    "scalar moment (N·m), deviation of its logarithm" if name == "moment" else "prior",
                    unit=UNITS.get(name, ""),
                )
                for name, kinds in _spread.items()
            },
        ),
        "subevents": Key(count(1, 20), "number of sources", 1),
        "depth": Key(
            number(least=0, most=DEEPEST), "where the search begins; by default the event's", unit="km"
        ),
        "time": Key(
            number(least=-1000, most=1000), "where the search begins; by default the file's, or 0", unit="s"
        ),
    },
    always=True,
)  # fmt: skip

_axis = listed(number(), 1, rising=True)
SEARCH = Table(
    "How it is searched.",
    {
        "bands": Key(
            listed(pair(number(least=0, most=1000), rising=True)),
            "corners of the low-passes to go through first", [[0.02, 0.06]], unit="Hz",
        ),
        "iterations": Key(count(1, 10_000), "trial steps at most in every band", 40),
        "grid": Table(
            "A grid of places to begin at.",
            {
                "east": Key(_axis, "places", needed=True, unit="km"),
                "north": Key(_axis, "places", needed=True, unit="km"),
                "depth": Key(
                    listed(number(least=0, most=DEEPEST), 1, rising=True), "places", needed=True, unit="km"
                ),
                "time": Key(_axis, "times", needed=True, unit="s"),
            },
        ),
        "reach": Key(
            number(least=0, most=1000),
            "radius within which all places, depths and times are tried; 0 for the hypocentre alone", REACH,
            unit="km",
        ),
        "quality": Key(flag(), "leave out traces that are bad or turn out to be", True),
        "errors": Key(
            choice("given", "residuals"),
            "errors as given, or a last search weighs by what is left", "residuals",
        ),
    },
    always=True,
)  # fmt: skip
UNCERTAINTY = Table(
    "How well it is known.",
    {
        "bootstrap": Key(count(0, 1_000_000), "draws of stations", 200),
        "exact": Key(flag(), "search again for every draw, in the place of one linear step", False),
        "leave_one_out": Key(flag(), "leave out every station in turn", False),
        "depths": Key(
            listed(number(least=0, most=DEEPEST), 2, rising=True),
            "of the curve of misfit; by default around the best", unit="km",
        ),
        "map": Table(
            "The map of misfit around the best place.",
            {
                "reach": Key(number(above=0, most=1000), "half of its side; by default 15", unit="km"),
                "grid": Key(count(2, 101), "places along a side; by default 9"),
            },
        ),
        "crusts": Key(
            flag(), "solve in other crusts too: those compared, or with velocities 7 % lower and higher", True
        ),
        "seed": Key(count(0), "of the random numbers", 0),
    },
    always=True,
)  # fmt: skip


def _together(name: str, table: Record) -> None:
    """What keys of different tables ask of each other."""
    event, source = table["event"], table.get("source", {})
    if not (table.get("waveforms") or table.get("offsets")):
        raise ValueError("the configuration must have [[waveforms]] or [[offsets]], got neither")
    for i, part in enumerate(table.get("waveforms", [])):
        if not {"origin_time", "file"} & set(event) and not part["file"].endswith(".npz"):
            raise ValueError(
                f"the key 'event.origin_time' is missing, a date and time: waveforms[{i}].file = "
                f"{part['file']!r} needs it"
            )
    key = "source.depth" if "depth" in source else "event.depth"
    depth = source.get("depth", event.get("depth"))
    low, high = source.get("bounds", {}).get("depth", BOUNDS["depth"])
    if depth is not None and not low <= depth <= high and "depth" not in source.get("fixed", ()):
        raise ValueError(f"{key} must lie in source.bounds.depth, {low:g} to {high:g} km, got {depth:g}")


SCHEMA: Table = Table(
    "The configuration of `dislok cmt`.",
    {
        "event": EVENT, "crust": CRUST, "waveforms": WAVEFORMS, "offsets": OFFSETS, "source": SOURCE,
        "search": SEARCH, "uncertainty": UNCERTAINTY,
    },
    check=_together,
)  # fmt: skip
