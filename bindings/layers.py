"""Layered half-spaces: what a crust is made of, from arrays, text files or the CRUST 2.0 model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dislok import crusts
from dislok import gate as gates
from dislok.arrays import ArrayLike
from dislok.foreign import text_lines
from dislok.kernels.propagator.stack import Layers

__all__ = ["LayeredModel"]

EARTH_RADIUS = 6371.0
PROPERTIES = ("thickness", "vp", "vs", "rho")


@dataclass(frozen=True, eq=False)
class LayeredModel:
    """Homogeneous layers over a half-space.

    Parameters
    ----------
    thickness : array_like, shape (n,)
        Thickness of each layer from the top (km); the last one, of the half-space, is infinite.
    vp, vs : array_like, shape (n,)
        Velocities (km/s). A first layer with vs = 0 is an ocean.
    rho : array_like, shape (n,)
        Density (g/cm³).
    qp, qs : array_like, shape (n,), optional
        Quality factors of P and S waves; in water, Qs may be anything. Velocities are then those at
        `reference_frequency`, attenuation is causal with a constant quality factor, and static offsets are
        those of the given velocities.
    reference_frequency : float
        Hz.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite or out of range, or in another unit, as velocities in m/s and
        densities in kg/m³ are; the message names the layer.
    """

    thickness: ArrayLike
    vp: ArrayLike
    vs: ArrayLike
    rho: ArrayLike
    qp: ArrayLike | None = None
    qs: ArrayLike | None = None
    reference_frequency: float = 1.0

    def __post_init__(self) -> None:
        gates.verify(self, reference_frequency=gates.number(above=0))
        for name in (*PROPERTIES, "qp", "qs"):
            value = getattr(self, name)
            if value is not None and not hasattr(value, "detach"):
                gates.real(nan=True, infinite=True)(name, value)
        _check(self.layers(), self.reference_frequency)

    def layers(self) -> Layers:
        """The properties as float64 arrays."""
        thickness, vp, vs, rho = (_array(getattr(self, name)) for name in PROPERTIES)
        qp, qs = (None if q is None else _array(q) for q in (self.qp, self.qs))
        if qs is not None and qs.shape == vs.shape:
            # Tables write 0 or infinity where there are no shear waves to lose anything.
            qs = np.where((vs == 0.0) & ~((qs > 0.0) & np.isfinite(qs)), _NO_LOSS, qs)
        return Layers(thickness, vp, vs, rho, qp, qs, 2.0 * np.pi * self.reference_frequency)

    @property
    def interfaces(self) -> np.ndarray:
        """Depths of the interfaces below the surface (km)."""
        return self.layers().tops[1:]

    @property
    def receiver_depth(self) -> float:
        """Depth of the ground (km): 0, or the sea floor."""
        layers = self.layers()
        return float(layers.thickness[0]) if layers.ocean else 0.0

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[float]], **keywords: Any) -> LayeredModel:
        """A model from rows of thickness, vp, vs, rho and, optionally, qp and qs, from the top.

        The last row's thickness may be infinite or 0. Rows in between with thickness 0 are left out.
        """
        if isinstance(rows, (str, bytes)) or not isinstance(rows, Iterable):
            raise TypeError(f"rows must be rows of numbers, got {rows!r:.60}")
        table = [gates.real(None, infinite=True)(f"rows[{i}]", row).tolist() for i, row in enumerate(rows)]
        widths = {len(row) for row in table}
        if not table or widths - {4, 6} or len(widths) > 1:
            raise ValueError(f"rows must all have 4 or 6 numbers, got rows of {sorted(widths)}")
        table[-1][0] = np.inf
        kept = np.array([row for row in table if row[0] != 0.0])
        return cls(*kept.T, **keywords)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        depths: str | None = None,
        unit: str | None = None,
        **keywords: Any,
    ) -> LayeredModel:
        """A model from a text file, recognised by its header or by its numbers.

        Parameters
        ----------
        path : path
            What CRUST 1.0 and 2.0 print (without water and ice, as `crust2`), ``.nd``, QSEIS, axitra, fk,
            MudPy, CPS, PyGRT, any table whose header names its columns and units, or rows as in `from_rows`
            (km, km/s, g/cm³). Between nodes (``.nd``, QSEIS) properties change linearly and become layers
            whose steps are below 3 %, down to 300 km.
        depths : {"thickness", "tops", "bottoms", "nodes"}, optional
            What the lengths are, where the file does not say: thicknesses, depths of the upper or lower ends
            of layers, or depths of nodes.
        unit : {"km", "m"}, optional
            Unit of the lengths, where the file does not say.
        **keywords
            As of `LayeredModel`.

        Raises
        ------
        ValueError
            If it cannot be told what a column is or in which unit, or the layers are none; the message names
            the file.
        """
        gates.path()("path", path)
        gates.optional(gates.choice(*crusts.DEPTHS))("depths", depths)
        gates.optional(gates.choice(*crusts.UNITS))("unit", unit)
        file = Path(path)
        try:
            text = "\n".join(text_lines(file))
            rows = crusts.layers(text, depths=depths, unit=unit, suffix=file.suffix)
            return cls.from_rows(crusts.without_shear_loss(rows.tolist()), **keywords)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def crust2(cls, latitude: float, longitude: float) -> LayeredModel:
        """The CRUST 2.0 profile (Bassin et al. 2000) at a place, without its water and ice.

        Raises
        ------
        ModuleNotFoundError
            If pyrocko, which has the data, is not installed.
        """
        latitude = gates.number(least=-90, most=90)("latitude", latitude)
        longitude = gates.number(least=-360, most=360)("longitude", longitude)
        try:
            from pyrocko.dataset import crust2x2
        except ModuleNotFoundError as error:
            message = 'crust2 needs pyrocko: pip install "dislok[crust]"'
            raise ModuleNotFoundError(message, name=error.name) from None
        except AttributeError as error:
            # Releases before 2025 use names that NumPy 2 does not have.
            raise ImportError(f'this pyrocko is too old: pip install "dislok[crust]" ({error})') from None
        profile = crust2x2.get_profile(latitude, longitude)
        solid = [profile.get_layer(i) for i in range(8)]
        rows = [(h / 1e3, vp / 1e3, vs / 1e3, rho / 1e3) for h, vp, vs, rho in (each[:4] for each in solid)]
        return cls.from_rows(row for row in rows[2:] if row[0] > 0.0)

    def flattened(self) -> LayeredModel:
        """The flat stack in which vertical travel times are those of this one on a spherical Earth.

        Depths become -R ln(r/R) and velocities are multiplied by R/r, densities by (r/R)² (Chapman & Orcutt
        1985; SH waves have another power), r being the radius in the middle of each layer.
        """
        layers = self.layers()
        tops = layers.tops
        bottoms = np.append(tops[1:], tops[-1])
        radius = EARTH_RADIUS - 0.5 * (tops + bottoms)
        depth = -EARTH_RADIUS * np.log1p(-np.append(tops, tops[-1]) / EARTH_RADIUS)
        thickness = np.append(np.diff(depth)[:-1], np.inf)
        scale = EARTH_RADIUS / radius
        lossy = (layers.qp, layers.qs, self.reference_frequency)
        return LayeredModel(thickness, layers.vp * scale, layers.vs * scale, layers.rho / scale**2, *lossy)


_NO_LOSS = 1e9  # a quality factor

_PLAUSIBLE = {
    "thickness": (1e-6, 6371.0, "km", "m"),
    "vp": (0.05, 30.0, "km/s", "m/s"),
    "vs": (0.01, 20.0, "km/s", "m/s"),
    "rho": (0.1, 30.0, "g/cm³", "kg/m³"),
}
"""Smallest and largest value of a property in any planet's crust, its unit, and what else people use."""


def _array(values: ArrayLike) -> np.ndarray:
    """A float64 NumPy array of whatever a property is."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _check(layers: Layers, frequency: float) -> None:
    """Raise ValueError for properties that make no half-space."""
    arrays = {f.name: getattr(layers, f.name) for f in fields(LayeredModel)[:6]}
    given = {name: values for name, values in arrays.items() if values is not None}
    shapes = {name: values.shape for name, values in given.items()}
    if len(set(shapes.values())) > 1 or layers.vp.ndim != 1:
        raise ValueError(f"properties must be one-dimensional and of one length, got shapes {shapes}")
    if layers.thickness[-1] != np.inf:
        raise ValueError(f"the last thickness must be infinite, got {layers.thickness[-1]:g}")
    inner = {
        name: (v[:-1] if name == "thickness" else v[1:] if name == "vs" else v) for name, v in given.items()
    }
    for name, values in inner.items():
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0.0)))
        if len(bad):
            layer = int(bad[0]) + (name == "vs")
            raise ValueError(
                f"{name} must be positive and finite, got {given[name][layer]:g} in layer {layer}"
            )
    if not (np.isfinite(layers.vs[0]) and layers.vs[0] >= 0.0) or (layers.ocean and len(layers.vs) == 1):
        raise ValueError(
            f"vs must be positive, or 0 in a first layer over others, got {layers.vs[0]:g} in layer 0"
        )
    for name, (low, high, unit, other) in _PLAUSIBLE.items():
        values = given[name]
        there = np.isfinite(values) & ((values != 0.0) | (name != "vs"))
        odd = np.flatnonzero(there & ((values < low) | (values > high)))
        if len(odd):
            layer = int(odd[0])
            hint = f"; is it in {other}?" if values[layer] > high else ""
            raise ValueError(
                f"{name} must be between {low:g} and {high:g} {unit}, got {values[layer]:g} in layer {layer}"
                f"{hint}"
            )
    too_stiff = np.flatnonzero(3.0 * layers.vp**2 <= 4.0 * layers.vs**2)
    if len(too_stiff):
        layer = int(too_stiff[0])
        raise ValueError(
            f"vp must exceed vs by 2/sqrt(3) for a positive bulk modulus, got vp {layers.vp[layer]:g} and"
            f" vs {layers.vs[layer]:g} in layer {layer}"
        )
    if not (np.isfinite(frequency) and frequency > 0.0):
        raise ValueError(f"reference_frequency must be positive, got {frequency}")
