"""Data sets from the files that a configuration names, all in kilometres around the event and in metres."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import raster
from dislok.affine import placed
from dislok.arrays import ArrayLike, Values
from dislok.arrays import HostArray as Array
from dislok.convert import to_geographic, to_local

from ..cmt.records import parse_utc
from ..data import Gnss, Los, PixelOffsets
from ..dataset import Dataset
from ..gnss import OffsetTable, read_offsets
from ..interferogram import interferogram
from ..maps import Plane, cells_of, covariance_of, plane_of, without_rupture
from ..quadtree import Cells, Noise, noise_model, quadtree
from ..series import ENDINGS, offsets_of_files


class MapCells(NamedTuple):
    """Where the cells of a map lie: for a GeoTIFF of them.

    Attributes
    ----------
    cells : the cells; transform, crs : of the map's file.
    """

    cells: Cells
    transform: tuple[float, ...]
    crs: str | None


class Inputs(NamedTuple):
    """What a configuration's files hold.

    Attributes
    ----------
    datasets : in the order of the configuration.
    stations : by name of a data set, the names of its stations.
    grids : by name of a data set, where its cells lie.
    notes : what was left out, and the errors that were measured.
    """

    datasets: list[Dataset]
    stations: dict[str, list[str]]
    grids: dict[str, MapCells]
    notes: list[str]


class Place:
    """Kilometres around the event from longitude and latitude, and back."""

    def __init__(self, event: Values) -> None:
        self.lat, self.lon = float(event["latitude"]), float(event["longitude"])

    def local(self, lon: ArrayLike, lat: ArrayLike) -> Array:
        """East and north (..., 2) in km."""
        return np.stack(to_local(lon, lat, self.lon, self.lat), axis=-1) / 1000

    def geographic(self, xy: Array) -> Array:
        """Longitude and latitude (..., 2) of kilometres (..., 2)."""
        east, north = 1000 * xy[..., 0], 1000 * xy[..., 1]
        found = to_geographic(east, north, self.lon, self.lat)
        return np.stack([np.asarray(part, float) for part in found], axis=-1)

    def of_grid(self, transform: tuple[float, ...], crs: str | None, name: str) -> Callable[[Array], Array]:
        """Kilometres of rows and columns (n, 2) in a raster: its pixels' centres are whole numbers."""
        if crs is None:
            raise ValueError(f"{name}: states no coordinate system, so nobody can tell where it lies")

        def place(at: Array) -> Array:
            row, column = at.T + 0.5
            return self.local(*_geographic(crs, *placed(transform, column, row)))

        return place


def _geographic(crs: str, x: Array, y: Array) -> tuple[Array, Array]:
    import rasterio.crs
    import rasterio.warp

    if rasterio.crs.CRS.from_string(crs).is_geographic:
        return x, y
    found = rasterio.warp.transform(crs, "EPSG:4326", x.tolist(), y.tolist())
    return np.asarray(found[0]), np.asarray(found[1])


def read(config: Values, folder: Path, near: Array | None = None) -> Inputs:
    """All data sets of a checked configuration.

    Parameters
    ----------
    config : mapping
        Of `keys.FAULT` or `keys.SLIP`.
    folder : Path
        Names of files are relative to it.
    near : (..., 3), optional
        Where the ground slips (km), which the cells of maps are predicted the finer the nearer they are to.

    Raises
    ------
    ValueError
        If a file does not hold what is asked for; the message names key and file.
    """
    found = Inputs([], {}, {}, [])
    place = Place(config["event"])
    kinds = {"gnss": _gnss, "interferograms": _interferogram, "offset_maps": _offset_map}
    for kind, work in kinds.items():
        for i, part in enumerate(config.get(kind, [])):
            name = _name(part, kind, found)
            try:
                found.datasets.append(work(part, name, place, folder, config, near, found))
            except (ValueError, OSError) as error:
                raise type(error)(f"{kind}[{i}]: {error}") from error
    return found


def _name(part: Values, kind: str, found: Inputs) -> str:
    """A name that no other data set has."""
    taken = {data.name for data in found.datasets}
    wanted = part.get("name") or ("GNSS" if kind == "gnss" else Path(part["file"]).stem)
    if wanted in taken and "name" in part:
        raise ValueError(f"{kind}.name: two data sets are called {wanted!r}")
    return next(
        n for i in range(len(taken) + 1) if (n := wanted if not i else f"{wanted}-{i + 1}") not in taken
    )


def _nuisance(part: Values) -> Any:
    return None if part["nuisance"] == "none" else part["nuisance"]


def _gnss(
    part: Values, name: str, place: Place, folder: Path, config: Values,
    near: Array | None, found: Inputs,
) -> Gnss:  # fmt: skip
    table, left_out = _offsets(part, config, folder / part["file"])
    found.notes.extend(f"{name}: {line}" for line in left_out)
    xy = place.local(table.longitude, table.latitude)
    use = _range(part, np.hypot(*xy.T)) & _asked(part, table.station)
    use &= np.isfinite(table.offset).any(axis=1)
    if not use.any():
        raise ValueError(
            f"{part['file']}: no station is left of {len(use)}: see nearest, farthest, only, exclude"
        )
    columns = ["ENU".index(letter) for letter in part["components"]]
    offset, sigma = table.offset[use][:, columns], table.sigma[use][:, columns]
    size = np.linalg.norm(np.nan_to_num(table.offset[use]), axis=1, keepdims=True)
    sigma = np.sqrt(sigma**2 + part["common_error"] ** 2 + (part["model_error"] * size) ** 2)
    found.stations[name] = [str(station) for station in table.station[use]]
    return Gnss(
        xy[use], offset, sigma, components=part["components"], nuisance=_nuisance(part), name=name
    )  # fmt: skip


def _offsets(part: Values, config: Values, file: Path) -> tuple[OffsetTable, tuple[str, ...]]:
    if not (file.is_dir() or file.suffix.lower() in ENDINGS):
        return read_offsets(file), ()
    if "origin_time" not in config["event"]:
        raise ValueError(
            f"the key 'event.origin_time' is missing, which the daily positions of {part['file']} need"
        )
    options = {key: part[key] for key in ("before", "after", "strict") if key in part}
    return offsets_of_files(file, parse_utc(str(config["event"]["origin_time"])), **options)


def _asked(part: Values, stations: Iterable[str]) -> NDArray[np.bool_]:
    known = [str(station) for station in stations]
    for key in ("only", "exclude"):
        missing = sorted(set(part.get(key, ())) - set(known))
        if missing:
            raise ValueError(f"{key}: no station is called {missing[0]!r}; there are {', '.join(known[:20])}")
    keep = np.array([name not in part.get("exclude", ()) for name in known])
    return keep & np.array([name in part["only"] for name in known]) if "only" in part else keep


def _interferogram(
    part: Values, name: str, place: Place, folder: Path, config: Values,
    near: Array | None, found: Inputs,
) -> Los:  # fmt: skip
    phase = raster.read(folder / part["file"], part["band"], variable=part.get("variable"))
    look = [
        each if not isinstance(each, str) else raster.read(folder / each, screen=False)
        for each in part["look"]
    ]
    image = interferogram(
        phase, look, maker=part["maker"], wavelength=part["wavelength"], metres=part["metres"]
    )
    frame = _Frame(place.of_grid(phase.transform, phase.crs, phase.name), image.motion.shape)
    away = np.hypot(*np.moveaxis(frame.pixels(), -1, 0))
    motion = np.where(_range(part, away), image.motion, np.nan)
    if not np.isfinite(motion).any():
        raise ValueError(f"{part['file']}: no pixel is left: see nearest and farthest")
    noise = _errors(part, image.motion, away, frame, name, found)
    threshold = part.get("threshold") or _threshold(noise, motion)
    cells = quadtree(
        motion, threshold, spacing=frame.spacing, smallest=part["smallest"], largest=part["largest"]
    )
    found.grids[name] = MapCells(cells, phase.transform, phase.crs)
    found.notes.append(f"{name}: {len(cells.xy)} cells for {int(np.isfinite(motion).sum())} pixels")
    return Los.from_cells(
        cells,
        image.look,
        noise,
        place=frame.place,
        near=frame.back(near),
        nuisance=_nuisance(part),
        name=name,
    )


class _Frame:
    """A map as a regular grid of kilometres, and where its places really are."""

    def __init__(self, of_grid: Callable[[Array], Array], shape: tuple[int, int]) -> None:
        self._of_grid, self.shape = of_grid, shape
        middle = np.array([(n - 1) / 2 for n in shape])
        beside = of_grid(middle + np.array([[0, -0.5], [0, 0.5], [-0.5, 0], [0.5, 0]]))
        # Signed as the raster's: rows of most go south.
        self.spacing = (float(beside[1, 0] - beside[0, 0]), float(beside[3, 1] - beside[2, 1]))
        self.first = of_grid(middle[None])[0] - middle[::-1] * self.spacing

    def place(self, xy: Array) -> Array:
        """Kilometres around the event of a place on the regular grid, which begins at zero."""
        return self._of_grid((xy / self.spacing)[:, ::-1])

    def back(self, near: Array | None) -> Array | None:
        """About where on the regular grid kilometres around the event lie."""
        if near is None:
            return None
        shift = np.zeros(near.shape[-1])
        shift[:2] = self.first
        return np.asarray(near - shift)

    def pixels(self) -> Array:
        """Kilometres (rows, columns, 2) of all pixels."""
        at = np.indices(self.shape, dtype=float).reshape(2, -1).T
        return self._of_grid(at).reshape(*self.shape, 2)


def _range(part: Values, away: Array) -> NDArray[np.bool_]:
    return np.asarray((away >= part.get("nearest", 0.0)) & (away <= part.get("farthest", np.inf)))


def _errors(part: Values, motion: Array, away: Array, frame: _Frame, name: str, found: Inputs) -> Noise:
    """Errors as given, or measured where the ground is at rest."""
    nothing = np.zeros(0)
    if "noise" in part:
        given = part["noise"]
        words = (given["kind"], given["hurst"])
        return Noise(
            given["white"], given["correlated"], given.get("distance", 1.0), nothing, nothing, *words
        )
    calm = away > part["rest"]
    if (np.isfinite(motion) & calm).sum() < 100:
        raise ValueError(f"rest: fewer than 100 pixels lie more than {part['rest']:g} km from the origin")
    noise = noise_model(motion, frame.spacing, rest=calm, kind=part["variogram"])
    found.notes.append(
        f"{name}: errors measured beyond {part['rest']:g} km: {1000 * noise.white:.1f} mm white, "
        f"{1000 * noise.correlated:.1f} mm correlated ({noise.kind}) over {noise.distance:.1f} km"
    )
    return noise


def _threshold(noise: Noise, motion: Array) -> float:
    """Three white errors, but at least a twentieth of the range of the motion."""
    low, high = np.nanpercentile(motion, (2, 98))
    return max(3 * noise.white, 0.05 * float(high - low), 1e-6)


def _offset_map(
    part: Values, name: str, place: Place, folder: Path, config: Values,
    near: Array | None, found: Inputs,
) -> PixelOffsets:  # fmt: skip
    file = folder / part["file"]
    plane = plane_of(file, None, None)
    with raster.opened(file) as data:
        transform = tuple(data.transform)[:6]
        crs = None if data.crs is None else data.crs.to_string()
    frame = _Frame(place.of_grid(transform, crs, os.fspath(file)), plane.values.shape[1:])
    away = np.hypot(*np.moveaxis(frame.pixels(), -1, 0))
    values = np.where(_range(part, away), plane.values, np.nan)
    if not np.isfinite(values).any():
        raise ValueError(f"{part['file']}: no pixel is left: see nearest and farthest")
    used = Plane(values, plane.sigma, frame.spacing, (0.0, 0.0))
    if "rupture" in part:
        line = place.local(*np.array(part["rupture"]).T) - frame.first
        used = without_rupture(used, line, part["margin"])
    cells, sigma = cells_of(used, part.get("threshold"), part["smallest"], part["largest"])
    calm = away > part["rest"] if "rest" in part else None
    whole = used._replace(values=plane.values)
    covariance = covariance_of(cells, sigma, whole, part["correlation"], calm, None)
    found.grids[name] = MapCells(cells, transform, crs)
    found.notes.append(f"{name}: {len(cells.xy)} cells")
    footprint = cells.footprint(near=frame.back(near)).placed(frame.place)
    return PixelOffsets(
        footprint.average @ footprint.points, cells.values, covariance=covariance,
        nuisance=_nuisance(part), name=name, footprint=footprint,
    )  # fmt: skip
