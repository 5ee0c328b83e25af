"""Finite-fault models: patches with places, slip, times and moments."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.convert import magnitude_from_moment, move_origin, to_geographic, to_local
from dislok.inversion.mesh import Grid
from dislok.okada import Rectangle
from dislok.propagator import LayeredModel
from dislok.sources import origin_of

_NUMBERS = ("latitude", "longitude", "depth", "strike", "dip", "rake", "length", "width", "slip")
_MAYBE = ("moment", "rupture_time", "rise_time")


@dataclass(frozen=True)
class FiniteFault:
    """Rectangular patches of one or several segments.

    Attributes
    ----------
    latitude, longitude, depth : (n,) of the middle of each patch: degrees, km.
    strike, dip, rake : (n,) degrees (Aki & Richards).
    length, width : (n,) km along strike and down dip.
    slip : (n,) m.
    moment : (n,) N·m, NaN where the model does not say; see `with_moment`.
    rupture_time, rise_time : (n,) s after the origin time, and of slipping; NaN where the model does not say.
    segment : (n,) numbers of the segments, from 0; by `shape` where it is one number.
    shape : for each segment, the number of patches along strike and down dip; they are numbered along strike
        first.
    name : of the earthquake.
    hypocentre : (latitude, longitude, depth in km), or None.

    Raises
    ------
    ValueError
        If a shape does not fit or a value is out of its range; the message names the patch.
    """

    latitude: Array
    longitude: Array
    depth: Array
    strike: Array
    dip: Array
    rake: Array
    length: Array
    width: Array
    slip: Array
    moment: ArrayLike = np.nan
    rupture_time: ArrayLike = np.nan
    rise_time: ArrayLike = np.nan
    segment: ArrayLike = 0
    shape: tuple[tuple[int, int], ...] = ()
    name: str = "earthquake"
    hypocentre: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        n = np.size(self.slip)
        for name in (*_NUMBERS, *_MAYBE):
            array = np.atleast_1d(gates.real(nan=name in _MAYBE)(name, getattr(self, name)))
            if array.shape not in ((n,), (1,)):
                raise ValueError(f"{name}: expected a number or shape ({n},), got {array.shape}")
            object.__setattr__(self, name, np.array(np.broadcast_to(array, (n,)), float))
        if self.shape and np.ndim(self.segment) == 0:
            segment = np.repeat(np.arange(len(self.shape)), [a * b for a, b in self.shape])
        else:
            segment = np.array(np.broadcast_to(np.asarray(self.segment, np.int64), (n,)))
        object.__setattr__(self, "segment", segment)
        shape = self.shape or tuple((int(k), 1) for k in np.bincount(segment))
        object.__setattr__(self, "shape", tuple((int(a), int(b)) for a, b in shape))
        _check(self)

    def __len__(self) -> int:
        return len(self.slip)

    @property
    def area(self) -> Array:
        """Areas (n,) in m²."""
        return self.length * self.width * 1e6

    @property
    def total_moment(self) -> float:
        """Sum of the moments (N·m).

        Raises
        ------
        ValueError
            If the model does not say the moment of a patch that slipped; `with_moment` gives it one.
        """
        moment = np.asarray(self.moment)
        unknown = np.isnan(moment) & (self.slip != 0)
        if unknown.any():
            raise ValueError(f"the moment of patch {int(np.argmax(unknown))} is not known; use with_moment")
        return float(np.nansum(moment))

    @property
    def magnitude(self) -> float:
        """Moment magnitude.

        Raises
        ------
        ValueError
            If nothing slips, or the moment is not known.
        """
        if self.total_moment == 0.0:
            raise ValueError("no patch slips, so the model has no magnitude")
        return float(magnitude_from_moment(self.total_moment))

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude of the hypocentre, or of the middle of the slip."""
        if self.hypocentre is not None:
            return self.hypocentre[:2]
        weight = self.slip if self.slip.sum() > 0 else np.ones(len(self))
        longitude = float(np.average(np.unwrap(self.longitude, period=360), weights=weight))
        return float(np.average(self.latitude, weights=weight)), (longitude + 180) % 360 - 180

    def with_moment(self, mu: float | ArrayLike | LayeredModel = 30e9) -> FiniteFault:
        """The same slip with moments μ A s.

        Parameters
        ----------
        mu : float, array_like, shape (n,), or LayeredModel
            Shear modulus in Pa, or a model of the crust that has it at the depths of the patches.
        """
        if isinstance(mu, LayeredModel):
            layers = mu.layers()
            k = np.searchsorted(layers.tops, self.depth, side="right") - 1
            mu = 1e9 * layers.rho[k] * layers.vs[k] ** 2
        modulus = gates.real(above=0)("mu", mu)
        if modulus.shape not in ((), (1,), (len(self),)):
            raise ValueError(f"mu: expected a number or shape ({len(self)},), got {modulus.shape}")
        return replace(self, moment=modulus * self.area * self.slip)

    def rectangles(self, origin: tuple[float, float], unit: float = 1e3) -> Rectangle:
        """The patches as rectangles of `dislok.okada`, which carry the reference point "center".

        Parameters
        ----------
        origin : (latitude, longitude)
            Where east = north = 0.
        unit : float
            Metres in the unit of length; slip stays in m.
        """
        east, north = to_local(self.longitude, self.latitude, origin[1], origin[0])
        scale = 1e3 / unit
        return Rectangle(
            np.asarray(east) / unit, np.asarray(north) / unit, self.depth * scale, self.length * scale,
            self.width * scale, self.strike, self.dip, self.rake, self.slip,
        ).with_origin("center")  # fmt: skip


_PLACE = gates.pair(gates.number(least=-360, most=360))
_MODULUS = {"origin": _PLACE, "unit": gates.number(above=0), "name": gates.text()}


@gates.gate(rectangles=gates.instance(Rectangle), **_MODULUS)
def from_rectangles(
    rectangles: Rectangle, origin: tuple[float, float], *, unit: float = 1e3, point: str | None = None,
    mu: float | LayeredModel = 30e9, shape: tuple[tuple[int, int], ...] = (), name: str = "earthquake",
) -> FiniteFault:  # fmt: skip
    """A finite-fault model of rectangles, those of an inversion, say.

    Parameters
    ----------
    rectangles : Rectangle
        Without opening; slip in m.
    origin : (latitude, longitude)
        Where east = north = 0.
    unit : float
        Metres in the unit of length.
    point : str, optional
        Reference point of the rectangles, a key of `dislok.okada.ORIGINS`, where they do not carry one.
    mu, shape, name
        As of `FiniteFault`.
    """
    if np.any(np.asarray(rectangles.opening) != 0):
        raise ValueError("rectangles open; a finite-fault model holds slip only")
    here = origin_of(rectangles, point)
    middle = rectangles if here == "center" else move_origin(rectangles, here, "center")
    x, y, depth, length, width, strike, dip, rake, slip, _ = (
        np.atleast_1d(v).copy() for v in np.broadcast_arrays(*(np.asarray(part, float) for part in middle))
    )
    longitude, latitude = to_geographic(x * unit, y * unit, origin[1], origin[0])
    back = np.asarray(slip) < 0
    model = FiniteFault(
        np.asarray(latitude, np.float64), np.asarray(longitude, np.float64),
        depth * unit / 1e3, strike, dip, np.where(back, rake + 180, rake),
        length * unit / 1e3, width * unit / 1e3, np.abs(slip), shape=shape, name=name,
    )  # fmt: skip
    return model.with_moment(mu)


@gates.gate(grid=gates.instance(Grid), slip=gates.real(None, 3), **_MODULUS)
def from_grid(
    grid: Grid, slip: ArrayLike, origin: tuple[float, float], *, unit: float = 1e3,
    mu: float | LayeredModel = 30e9, name: str = "earthquake",
) -> FiniteFault:  # fmt: skip
    """A finite-fault model of a slip inversion on a grid of rectangles.

    Parameters
    ----------
    grid : Grid
    slip : array_like, shape (m, 3)
        Strike-slip, dip-slip and opening of each patch, in m; opening must be zero.
    origin, unit, mu, name
        As of `from_rectangles`.
    """
    table = np.asarray(slip, float)
    if len(table) != grid.size:
        raise ValueError(f"slip: expected shape ({grid.size}, 3), got {table.shape}")
    rows, columns = grid.shape
    whole = grid.source._replace(
        rake=np.rad2deg(np.arctan2(table[:, 1], table[:, 0])), slip=np.hypot(table[:, 0], table[:, 1]),
        opening=table[:, 2],
    )  # fmt: skip
    return from_rectangles(whole, origin, unit=unit, mu=mu, shape=((columns, rows),), name=name)


def _check(model: FiniteFault) -> None:
    n = len(model)
    if not n:
        raise ValueError("a finite-fault model needs patches")
    for name, low, high in (
        ("latitude", -90, 90),
        ("longitude", -360, 360),
        ("strike", -360, 720),
        ("dip", 0, 90),
        ("rake", -360, 720),
        ("depth", 0, 1000),
        ("length", 0, 3000),
        ("width", 0, 3000),
        ("slip", -200, 200),
        ("moment", 0, 1e25),
        ("rupture_time", -3600, 3600),
        ("rise_time", 0, 3600),
    ):
        values = np.asarray(getattr(model, name))
        bad = ~((values >= low) & (values <= high)) & ~(np.isnan(values) & (name in _MAYBE))
        if bad.any():
            i = int(np.argmax(bad))
            raise ValueError(f"{name} of patch {i} is {values[i]:g}; it must lie between {low} and {high}")
    if model.hypocentre is not None:
        lat, lon, depth = model.hypocentre
        if not (abs(lat) <= 90 and abs(lon) <= 360 and -10 <= depth <= 1000):
            raise ValueError(f"hypocentre at latitude {lat:g}, longitude {lon:g}, depth {depth:g} km")
    for name in ("length", "width"):
        bad = ~(getattr(model, name) > 0)
        if bad.any():
            raise ValueError(f"{name} of patch {int(np.argmax(bad))} must be positive")
    if (model.slip < 0).any():
        raise ValueError(f"slip of patch {int(np.argmax(model.slip < 0))} is negative; turn its rake instead")
    counts = np.bincount(np.asarray(model.segment), minlength=len(model.shape)).tolist()
    if np.size(model.segment) != n or counts != [a * b for a, b in model.shape]:
        raise ValueError(f"shape {model.shape} does not fit segments of {counts} patches")


def joined(parts: list[FiniteFault]) -> FiniteFault:
    """Models of one segment each as one model."""
    arrays: dict[str, Any] = {
        f.name: np.concatenate([np.asarray(getattr(part, f.name)) for part in parts])
        for f in fields(FiniteFault)
        if f.name in (*_NUMBERS, *_MAYBE)
    }
    segment = np.concatenate([np.full(len(part), k) for k, part in enumerate(parts)])
    shape = tuple(part.shape[0] for part in parts)
    return FiniteFault(**arrays, segment=segment, shape=shape)


def uniform(model: FiniteFault, segment: int, *names: str) -> list[float]:
    """The values that all patches of a segment share, for formats that have room for one only."""
    inside = np.asarray(model.segment) == segment
    found = []
    for name in names:
        values = getattr(model, name)[inside]
        if np.ptp(values) > 1e-3 * max(abs(float(values[0])), 1.0):
            raise ValueError(
                f"segment {segment}: {name} goes from {values.min():g} to {values.max():g}; this format has "
                "one for all patches of a segment"
            )
        found.append(float(values.mean()))
    return found
