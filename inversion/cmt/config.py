"""An event's configuration: what a TOML file may say, and the problem that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dislok import schema
from dislok.arrays import Record, Values
from dislok.inversion.gnss import OffsetTable, read_offsets
from dislok.inversion.series import ENDINGS, offsets_of_files
from dislok.propagator import LayeredModel

from .catalogue import read_event
from .data import COMPONENTS, Dataset, Offsets, Waveforms
from .filters import Butterworth, CosineLowpass, Filter
from .keys import SCHEMA
from .noise import Noise
from .problem import Problem
from .procedure import Options
from .readers import read
from .records import Records, Response, local, parse_utc
from .source import UNKNOWNS, Sources

_MARGIN = 600.0


@dataclass(frozen=True)
class Event:
    """A configuration that was read and checked.

    Attributes
    ----------
    name : of the earthquake.
    problem : the least-squares problem.
    start : where the search begins.
    scaled_duration : whether half-durations follow from the moment.
    bands : filters to go through first.
    iterations : trial steps at most in every band.
    subevents : number of sources.
    reach : as of `dislok.inversion.cmt.search`: radius (km) of the global stage.
    grid : axes of a grid to begin at, or None: east, north, depth, time.
    quality : whether traces that are or turn out to be bad are left out.
    errors : "given", or "residuals": a last search weighs the waveforms by what is left of them.
    crusts : other crustal models whose solutions go into the uncertainty, by name; None for the
        given one with velocities 7 % lower and higher.
    uncertainty : the table of that name.
    depth : of the hypocentre in km, where it is known.
    """

    name: str
    problem: Problem
    start: Sources
    scaled_duration: bool
    bands: tuple[Filter, ...]
    iterations: int
    subevents: int
    reach: float
    grid: dict[str, list[float]] | None
    quality: bool
    errors: str
    crusts: dict[str, LayeredModel] | None
    uncertainty: Record
    depth: float | None = None

    @property
    def options(self) -> Options:
        """How the inversion is done."""
        return Options(
            self.bands, self.iterations, self.scaled_duration, self.reach, self.quality,
            self.errors, self.crusts, self.subevents, self.grid,
        )  # fmt: skip


def load(path: str | Path) -> Event:
    """Read a TOML file; names of files in it are relative to its folder.

    Raises
    ------
    ValueError
        If a key is unknown, missing or out of its range; the message names it.
    """
    file = Path(path)
    return _described(schema.read(file, SCHEMA), file.parent)


def build(table: Values, folder: Path) -> Event:
    """The event that a configuration describes; see `load`."""
    return _described(schema.checked(table, SCHEMA, folder=folder), folder)


def _described(table: Values, folder: Path) -> Event:
    source, search, crust = (table[name] for name in ("source", "search", "crust"))
    event = _event(table["event"], folder)
    for key in ("name", "latitude", "longitude", "depth"):
        if key not in event:
            raise ValueError(f"the key 'event.{key}' is missing; {event['file']} does not say it either")
    origin = (float(event["latitude"]), float(event["longitude"]))
    data = _datasets(table, event, origin, folder)
    problem = Problem(
        data, read_crust(crust, origin, folder, _middle(data)), origin, stf=source["stf"],
        unknowns=_unknowns(source), bounds=source.get("bounds"), prior=source.get("prior"),
        constraint=source["constraint"],
    )  # fmt: skip
    impulse = problem.stf == "impulse"
    return Event(
        name=str(event["name"]),
        problem=problem,
        start=_start(event, source, impulse),
        depth=float(event["depth"]),
        scaled_duration=not impulse and source["duration"] == "scaled",
        bands=tuple(CosineLowpass(*pair) for pair in search["bands"]),
        iterations=search["iterations"],
        subevents=source["subevents"],
        reach=search["reach"],
        grid=search.get("grid"),
        quality=search["quality"],
        errors=search["errors"],
        crusts=_other_crusts(table, origin, folder, _middle(data)),
        uncertainty=table["uncertainty"],
    )  # fmt: skip


def _event(table: Record, folder: Path) -> Record:
    """The table of the event, completed by what its file says; keys of the table win."""
    if "file" not in table:
        return table
    quake = read_event(folder / table["file"], table.get("number"))
    begin = quake.begin
    found: Record = {
        "name": quake.name, "origin_time": begin.time.isoformat(), "latitude": begin.latitude,
        "longitude": begin.longitude,
    }  # fmt: skip
    if np.isfinite(begin.depth):
        found["depth"] = begin.depth
    if quake.centroid is not None:
        found["centroid"] = quake.centroid
    if quake.half_duration:
        found["half_duration"] = quake.half_duration
    return {**found, **table}


def _start(event: Values, source: Values, impulse: bool) -> Sources:
    """Where the search begins: at the centroid of the event's file, if it has one, or at the hypocentre."""
    place = event.get("centroid")
    east = north = time = 0.0
    depth = float(event["depth"])
    if place is not None:
        x, y = local(place.latitude, place.longitude, float(event["latitude"]), float(event["longitude"]))
        east, north = float(x), float(y)
        depth = place.depth if np.isfinite(place.depth) else depth
        if "origin_time" in event:
            time = (place.time - parse_utc(str(event["origin_time"]))).total_seconds()
    half = 0.0 if impulse else source.get("half_duration", event.get("half_duration", 5.0))
    return Sources.at(east, north, source.get("depth", depth), source.get("time", time), half)


def _other_crusts(
    table: Values, origin: tuple[float, float], folder: Path, middle: tuple[float, float]
) -> dict[str, LayeredModel] | None:
    """Crusts to compare; None for the usual ones, nothing where the file says so."""
    given = table["crust"].get("compare", {})
    if not table["uncertainty"]["crusts"]:
        return {}
    return {name: read_crust(one, origin, folder, middle) for name, one in given.items()} or None


def _middle(data: Sequence[Dataset]) -> tuple[float, float]:
    """Mean latitude and longitude of all stations."""
    tables = [part.table if isinstance(part, Offsets) else part.records for part in data]
    latitude = np.concatenate([table.latitude for table in tables])
    longitude = np.unwrap(np.concatenate([table.longitude for table in tables]), period=360)
    return float(latitude.mean()), float(longitude.mean())


def read_crust(
    table: Values, origin: tuple[float, float], folder: Path, middle: tuple[float, float]
) -> LayeredModel:
    """A crustal model from ``layers``, a ``file``, or ``crust2``.

    Layers are rows of thickness km, vp, vs km/s, rho g/cm³; ``crust2`` is true for the profile at the
    hypocentre, "stations" for that at their middle, or a place.
    """
    if "file" in table:
        return LayeredModel.read(folder / table["file"], depths=table.get("depths"), unit=table.get("unit"))
    if "layers" not in table:
        return LayeredModel.crust2(*_profile_place(table["crust2"], origin, middle))
    return LayeredModel(*np.array(table["layers"]).T)


def _profile_place(
    asked: Any, origin: tuple[float, float], middle: tuple[float, float]
) -> tuple[float, float]:
    """Latitude and longitude of the CRUST 2.0 profile that is asked for."""
    if asked is True or asked == "event":
        return origin
    return middle if asked == "stations" else (asked[0], asked[1])


def _unknowns(source: Values) -> tuple[str, ...]:
    fixed = set(source["fixed"])
    if source["stf"] == "impulse" or source["duration"] != "solve":
        fixed.add("duration")
    return tuple(name for name in UNKNOWNS if name not in fixed)


def _errors(search: Values) -> str:
    errors = str(search.get("errors", "residuals"))
    if errors not in ("given", "residuals"):
        raise ValueError(f"[search] errors {errors!r}: choose from given, residuals")
    return errors


def _datasets(table: Values, event: Values, origin: tuple[float, float], folder: Path) -> list[Dataset]:
    found: list[Dataset] = []
    for part in table.get("waveforms", []):
        found.extend(_waveforms(part, event, origin, folder))
    found.extend(_offsets(part, event, origin, folder) for part in table.get("offsets", []))
    return found


def _waveforms(part: Values, event: Values, origin: tuple[float, float], folder: Path) -> list[Waveforms]:
    if "origin_time" not in event and not str(part["file"]).endswith(".npz"):
        raise ValueError(f"[event] lacks 'origin_time', which {part['file']} needs")
    reference = parse_utc(str(event.get("origin_time", "1970-01-01")))
    response = part.get("response", False)
    groups = _read(part, reference, folder)
    if response != "inventory" and response:
        groups = tuple(replace(group, response=_response(response)) for group in groups)
    chosen = _chosen(part, groups, origin)
    names = [part.get("name", "waveforms")]
    if len(chosen) > 1:
        kinds = [f"{group.quantity} at {1 / group.dt:g} Hz" for group in chosen]
        names = [
            f"{names[0]}, {kind}" + (f" ({i})" if kinds.count(kind) > 1 else "")
            for i, kind in enumerate(kinds, 1)
        ]
    return [_one_waveforms(part, group, origin, name) for group, name in zip(chosen, names, strict=True)]


def _read(part: Values, reference: Any, folder: Path) -> tuple[Records, ...]:
    """All records of a file or folder, from ten minutes before to ten after what the fit needs."""
    given = {
        key: part[key]
        for key in (
            "quantity", "unit", "channels", "locations", "orientation", "starttime", "endtime", "strict"
        )
        if key in part
    }  # fmt: skip
    counts = part.get("response", False) not in (False, "inventory")
    if counts:
        # The samples are what the response in the configuration makes of the ground's motion.
        given.setdefault("unit", "counts")
    file = folder / part["file"]
    if not str(file).endswith(".npz"):
        start, end = part.get("window", (0.0, 100.0))
        late = part.get("farthest", 1000.0) / float(part["window_speed"]) if "window_speed" in part else 0.0
        given.setdefault("starttime", min(float(start), 0.0) - _MARGIN)
        given.setdefault("endtime", float(end) + late + _MARGIN)
    return read(
        file, reference, inventory=folder / part["inventory"] if "inventory" in part else None,
        responses=part.get("response", False) == "inventory",
        **{key: value for key, value in given.items() if not (key == "unit" and str(file).endswith(".npz"))},
    )  # fmt: skip


def _response(table: Any) -> Response:
    """The response ``{ poles, zeros, sensitivity }``; roots are pairs of real and imaginary part in rad/s."""
    roots = {key: tuple(complex(*pair) for pair in table.get(key, ())) for key in ("zeros", "poles")}
    return Response(**roots, sensitivity=float(table.get("sensitivity", 1.0)))


def _one_waveforms(part: Values, records: Records, origin: tuple[float, float], name: str) -> Waveforms:
    options = {
        key: part[key]
        for key in ("components", "sigma", "model_error", "quiet", "max_gap", "shift", "weight")
        if key in part
    }
    start, end = part.get("window", (0.0, 100.0))
    if "window_speed" in part:
        # The window ends that much later for every kilometre.
        end = end + records.distance(*origin) / float(part["window_speed"])
    if "noise" in part:
        options["noise"] = Noise(**part["noise"])
    return Waveforms(records, band(part), (start, end), name=name, **options)


def band(part: Values) -> Filter:
    """The filter of ``band = [low, high]`` (cosine) or ``butterworth = {low, high, order, zero_phase}``."""
    if "butterworth" in part:
        return Butterworth(**part["butterworth"])
    return CosineLowpass(*part.get("band", (0.05, 0.2)))


def _chosen(part: Values, groups: Sequence[Records], origin: tuple[float, float]) -> list[Records]:
    """The stations of all tables that the configuration asks for; tables without any are left out."""
    _check_stations(part, groups)
    left = [some for group in groups if (some := _asked(part, group)) is not None]
    if not left:
        raise ValueError("[[waveforms]] only and exclude leave no station")
    near, far = part.get("nearest", 0.0), part.get("farthest", np.inf)
    inside = []
    for group in left:
        distance = group.distance(*origin)
        if len(left) == 1 or ((distance >= near) & (distance <= far)).any():
            inside.append(group.between(*origin, near, far))
    if not inside:
        every = np.concatenate([group.distance(*origin) for group in left])
        raise ValueError(
            f"no station between {near:g} and {far:g} km; they lie at {every.min():.0f} to "
            f"{every.max():.0f} km"
        )
    wanted = ["ENU".index(c) for c in part.get("components", COMPONENTS)]
    alive = [np.isfinite(group.values[:, wanted]).any(axis=(1, 2)) for group in inside]
    distances = [np.where(good, g.distance(*origin), np.inf) for g, good in zip(inside, alive, strict=True)]
    # The nearest stations of all tables together.
    nearest = np.sort(np.concatenate(distances))[: part.get("count")]
    limit = nearest[np.isfinite(nearest)].max(initial=-1.0)
    kept = [
        group.take(np.flatnonzero(distance <= limit))
        for group, distance in zip(inside, distances, strict=True)
        if (distance <= limit).any()
    ]
    if not kept:
        raise ValueError(f"no station has samples of the components {part.get('components', COMPONENTS)}")
    lines = dict.fromkeys(line for group in groups for line in group.left_out)
    notes = dict.fromkeys(line for group in groups for line in group.notes)
    rest = [replace(group, left_out=(), notes=()) for group in kept[1:]]
    return [replace(kept[0], left_out=tuple(lines), notes=tuple(notes)), *rest]


def _check_stations(part: Values, groups: Sequence[Records]) -> None:
    known = [str(name) for group in groups for name in group.station]
    for key, words in (("only", "no records of station"), ("exclude", "cannot leave out")):
        for name in part.get(key, ()):
            if not any(_is_called(station, name) for station in known):
                raise ValueError(f"{words} {name!r}; there are {', '.join(known[:20])}")


def _asked(part: Values, records: Records) -> Records | None:
    """The stations of a table that `only` names and `exclude` does not, in the order of `only`."""
    known = [str(name) for name in records.station]
    order = list(range(len(known)))
    if "only" in part:
        order = [i for name in part["only"] for i in range(len(known)) if _is_called(known[i], name)]
    kept = [i for i in order if not any(_is_called(known[i], name) for name in part.get("exclude", ()))]
    return records.take(kept) if kept else None


def _is_called(station: str, name: str) -> bool:
    """Whether a name is a station's, with its network or without."""
    return name == station or name == station.split(".")[-1]


def _offsets(part: Values, event: Values, origin: tuple[float, float], folder: Path) -> Offsets:
    options = {key: part[key] for key in ("components", "model_error", "name") if key in part}
    table, left_out = _offset_table(part, event, folder / part["file"])
    distance = np.hypot(*local(table.latitude, table.longitude, *origin))
    keep = (distance >= part.get("nearest", 0.0)) & (distance <= part.get("farthest", np.inf))
    if not keep.any():
        raise ValueError(f"{part['file']}: no station in the range of distances asked for")
    return Offsets(table, left_out=left_out, **options).select(keep)


def _offset_table(part: Values, event: Values, file: Path) -> tuple[OffsetTable, tuple[str, ...]]:
    """A table of offsets, or the offsets at the origin time in daily positions; what was left out."""
    if not (file.is_dir() or file.suffix.lower() in ENDINGS):
        return read_offsets(file), ()
    if "origin_time" not in event:
        raise ValueError(f"[event] lacks 'origin_time', which {part['file']} needs")
    options = {key: part[key] for key in ("before", "after", "strict") if key in part}
    return offsets_of_files(file, parse_utc(str(event["origin_time"])), **options)
