"""Make the truth that the tests ship: ``python tests/reference/make.py``, some minutes on one core.

With ``dislocations`` or ``spectra`` as an argument it makes one file of the two in ``tests/data``.

Displacements, gradients and derivatives of rectangles, points and triangles by category of what makes them
hard, by the published formulas in high precision: `tests/okada/published.py` and `triangle.py` beside this
file. Inputs are random, from a fixed seed. The fields of ``tests/data/dislocations.npz``:

``rect_in`` (n, 13): alpha, x, y, z, depth, dip, al1, al2, aw1, aw2, strike slip, dip slip, opening, as DC3D
takes them; ``rect_truth`` (n, 12): u, then u_i,j with i fastest; ``rect_iret``: 1 on an edge, where the truth
is NaN. ``tde_in`` (n, 16): observer, three vertices, slips, nu; ``tde_hs_truth``, ``tde_fs_truth`` (n, 12):
half space, full space; ``tde_flag``: 1 on a side. ``param_in`` (n, 13): x, y, depth, length, width, strike,
dip, rake, slip, nu, observer; ``param_jac`` (n, 12, 13): derivatives of u and u_i,j with them, angles in
degrees; ``hess_params``: second derivatives with the first nine, of rows ``hess_index``. ``tdejac_jac``
(n, 12, 16): derivatives of u, NaN for those of the gradient, with the columns of ``tdejac_in``. ``*_cat`` are
places in ``*_catnames``.

``tests/data/spectra.npz``: sources in layers, by `layers.py` and `spectra.py` beside this file, which sum
plane waves that are computed with 40 digits along two different paths of wavenumbers. ``names`` of the cases;
``places`` x, y (km) of the stations from the source; ``omega``; ``moment``, six elements. For case number n:
``n/layers`` thickness, vp, vs, rho and, if there are, qp, qs; ``n/depths`` of stations and source;
``n/motion`` (places, 3, 9, frequencies above 0): spectrum of the displacement east, north, up for an impulse
of each element of moment (m per N m) and force (m per N); ``n/statics`` (places, 3, 9): static offsets of
steps; ``n/slopes`` (places, 3, 3, frequencies): derivatives of the motion of ``moment`` with x, y and depth
of the source (per km); ``n/layer_slopes`` (places, 4, layers, 3): of its static offset with thickness, vp, vs
and rho; ``n/apart``: how much the two paths differ.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from mpmath import cos, mp, mpf, radians, sin

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "okada")]

import published  # noqa: E402
import spectra  # noqa: E402
import triangle  # noqa: E402

mp.dps = 220
# Limits are taken from this far beside planes and lines, and differences closer together.
TINY = mpf(10) ** -28
STEP = mpf(10) ** -40
WIDE = mpf(10) ** -16  # of differences of differences
EACH = 12

# ------------------------------------------------------------------------------------- rectangles


def plain(rng):
    """x, y, z, depth, dip, al1, al2, aw1, aw2."""
    dip = rng.uniform(10, 80)
    width, depth = rng.uniform(1, 4), rng.uniform(6, 20)
    return np.array([*rng.uniform(-30, 30, 2), -rng.uniform(0, 30), depth, dip,
                     -rng.uniform(1, 10), rng.uniform(1, 10), -width, width])  # fmt: skip


def grid(row):
    """Numbers of a row on a grid of eighths, so that sums of them are exact."""
    return np.round(row * 8) / 8


def place_on_plane(row, along, across):
    """The observer of a row at places of its fault's plane."""
    dip = np.radians(row[4])
    row[:3] = along, across * np.cos(dip), across * np.sin(dip) - row[3]
    return row


def generic(rng):
    return plain(rng)


def surface(rng):
    row = plain(rng)
    row[2] = 0.0
    return row


def with_dip(dip):
    def make(rng):
        row = plain(rng)
        row[4] = dip(rng)
        return row

    return make


def vertical(rng):
    row = grid(plain(rng))
    row[4] = 90.0
    return row


def ext_strike_exact(rng):
    """On the prolongation of an edge along strike."""
    row = vertical(rng)
    row[0] = grid(rng.choice([row[5] - rng.uniform(1, 9), row[6] + rng.uniform(1, 9)]))
    row[1], row[2] = 0.0, rng.choice(row[7:9]) - row[3]
    return row


def ext_dip_exact(rng):
    """On the prolongation of an edge along dip."""
    row = vertical(rng)
    row[0], row[1] = rng.choice(row[5:7]), 0.0
    row[2] = -grid(rng.uniform(0.5, 1.0) * (row[3] - row[8])) / 2
    return row


def near_neg_extension(rng):
    row = plain(rng)
    along = row[5] - rng.uniform(1, 20)
    return place_on_plane(row, along, row[7] * (1 + 10.0 ** rng.uniform(-9, -3)))


def plane_outside_exact(rng):
    row = vertical(rng)
    row[0], row[1] = grid(row[6] + rng.uniform(1, 9)), 0.0
    row[2] = -grid(row[3] * rng.uniform(0.6, 1.2)) - 1 / 16
    return row


def on_fault_average(rng):
    row = vertical(rng)
    row[0], row[1] = grid(rng.uniform(0.3, 0.7) * (row[6] - row[5]) + row[5]) + 1 / 16, 0.0
    row[2] = -row[3] + grid(0.6 * rng.uniform(row[7], row[8])) + 1 / 16
    return row


def xi0(rng):
    row = grid(plain(rng))
    row[0] = rng.choice(row[5:7])
    return row


def far(z):
    def make(rng):
        row = plain(rng)
        distance, angle = 10.0 ** rng.uniform(1.5, 3.5), rng.uniform(0, 2 * np.pi)
        row[:3] = distance * np.cos(angle), distance * np.sin(angle), -z * rng.uniform(0, distance)
        return row

    return make


def tiny_fault(rng):
    row = plain(rng)
    row[5:9] *= 10.0 ** rng.uniform(-6, -1)
    return row


def unit_scale(rng):
    row = plain(rng)
    row[[0, 1, 2, 3, 5, 6, 7, 8]] *= 10.0 ** rng.integers(-4, 5)
    return row


def near_edge(rng):
    row = plain(rng)
    place_on_plane(row, rng.uniform(row[5], row[6]), row[8])
    row[:3] += 10.0 ** rng.uniform(-6, 0) * rng.normal(size=3)
    row[2] = min(row[2], 0.0)
    return row


def surface_breaking(rng):
    """The upper edge at the surface, in the floating-point numbers; near its trace."""
    row = plain(rng)
    row[4], row[3] = 30.0, 2.0
    row[7], row[8] = -2.0, 4.0 - 2.0**-40
    trace = row[8] * np.cos(np.radians(30.0))
    row[:3] = rng.uniform(row[5], row[6]), trace + rng.choice([-1, 1]) * 10.0 ** rng.uniform(-2, 0), 0.0
    return row


RECTANGLES = {
    "generic": generic,
    "surface": surface,
    "dip0": with_dip(lambda rng: 0.0),
    "dip90": with_dip(lambda rng: 90.0),
    "dip_gt90": with_dip(lambda rng: rng.uniform(95, 175)),
    "dip_neg": with_dip(lambda rng: -rng.uniform(5, 85)),
    "dip_near90": with_dip(lambda rng: 90 + rng.choice([-1, 1]) * 10.0 ** rng.uniform(-8, 0)),
    "dip_near0": with_dip(lambda rng: 10.0 ** rng.uniform(-8, 0)),
    "ext_strike_exact": ext_strike_exact,
    "ext_dip_exact": ext_dip_exact,
    "near_neg_extension": near_neg_extension,
    "plane_outside_exact": plane_outside_exact,
    "on_fault_average": on_fault_average,
    "xi0": xi0,
    "far_surface": far(0.0),
    "far_all": far(0.5),
    "tiny_fault": tiny_fault,
    "unit_scale": unit_scale,
    "near_edge": near_edge,
    "surface_breaking": surface_breaking,
}


def rectangle(row, slip, nu, side=1):
    """u (3) and u_i,j (9, i fastest) of a row, as limits: beside the plane, edges and dips of 0 and 90."""
    values = [mpf(float(v)) for v in row]
    scale = max(abs(values[5]), abs(values[7]))
    for k, direction in ((0, 3), (1, 5 * side), (2, -7)):
        values[k] += direction * TINY * scale
    values[4] += TINY
    u = published.rectangle(*values, slip=slip, nu=nu)
    return [*u, *itertools.chain(*(rectangle_slope(values, k, slip, nu, scale) for k in range(3)))]


def rectangle_slope(values, k, slip, nu, scale):
    sides = []
    for sign in (1, -1):
        moved = list(values)
        moved[k] += sign * STEP * scale
        sides.append(published.rectangle(*moved, slip=slip, nu=nu))
    return [(a - b) / (2 * STEP * scale) for a, b in zip(*sides, strict=True)]


def rectangles(rng):
    rows, truth, category = [], [], []
    for number, make in enumerate(RECTANGLES.values()):
        for _ in range(EACH):
            row, slip, nu = make(rng), rng.normal(size=3), rng.uniform(0.05, 0.45)
            alpha = 1 / (2 * (1 - nu))
            exact = 1 - mpf("0.5") / mpf(alpha)
            found = [rectangle(row, slip, exact)]
            if make is on_fault_average:
                found.append(rectangle(row, slip, exact, -1))
            rows.append([alpha, *row, *slip])
            truth.append([float(sum(v) / len(found)) for v in zip(*found, strict=True)])
            category.append(number)
    for _ in range(EACH):
        row = vertical(rng)
        row[0], row[1], row[2] = grid(rng.uniform(row[5], row[6])), 0.0, row[8] - row[3]
        rows.append([2 / 3, *row, 1.0, 1.0, 1.0])
        truth.append([np.nan] * 12)
        category.append(len(RECTANGLES))
    flag = np.isnan(np.array(truth)[:, 0]).astype(int)
    return {"rect_in": rows, "rect_truth": truth, "rect_iret": flag, "rect_cat": category,
            "rect_catnames": [*RECTANGLES, "on_edge"]}  # fmt: skip


# -------------------------------------------------------------------------- parameters of a source


def by_parameters(values, point):
    """u_x, u_y, u_z east, north, up of a source, by its parameters, nu and the observer."""
    x, y, depth, length, width, strike, dip, rake, slip, nu, east, north, up = values
    if point:  # of potency `slip`
        length = width = mpf(10) ** -40
        slip = slip / length / width
    s, c = sin(radians(strike)), cos(radians(strike))
    dx, dy = east - x, north - y
    along, across = dx * s + dy * c, -dx * c + dy * s
    slips = [slip * cos(radians(rake)), slip * sin(radians(rake)), mpf(0)]
    half = (length / 2, width / 2) if point else (0, 0)
    arguments = [along, across, up, depth, dip, -half[0], length - half[0], half[1] - width, half[1]]
    u, v, w = published.rectangle(*arguments, slip=slips, nu=nu)
    return [u * s - v * c, u * c + v * s, w]


def difference(function, values, k, step):
    sides = [function([v + sign * step * (i == k) for i, v in enumerate(values)]) for sign in (1, -1)]
    return [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]


def with_gradient(values, point):
    """u and u_i,j, i fastest."""
    u = by_parameters(values, point)
    slopes = (difference(lambda v: by_parameters(v, point), values, 10 + j, STEP) for j in range(3))
    return [*u, *itertools.chain(*slopes)]


def first_derivatives(values, point):
    """Of the twelve components with all thirteen parameters; a point has neither length nor width."""
    found = np.zeros((12, 13))
    for k in range(13):
        if not (point and k in (3, 4)):
            found[:, k] = difference(lambda v: with_gradient(v, point), values, k, WIDE)
    return found


def second_derivatives(values, point):
    """Of the displacement with the first nine parameters, (3, 9, 9)."""

    def slope(k):
        return lambda v: difference(lambda w: by_parameters(w, point), v, k, WIDE)

    found = [[difference(slope(a), values, b, WIDE) for b in range(9)] for a in range(9)]
    return np.array(found, dtype=float).transpose(2, 0, 1)


def parameters(rng, count=10, points=4):
    rows = []
    for _ in range(count):
        x, y = rng.normal(size=2)
        rows.append([x, y, rng.uniform(5, 9), rng.uniform(2, 5), rng.uniform(1, 3), rng.uniform(0, 360),
                     rng.uniform(10, 80), rng.uniform(-180, 180), rng.uniform(0.5, 2), rng.uniform(0.1, 0.4),
                     *rng.uniform(-15, 15, 2), -rng.uniform(0, 4)])  # fmt: skip
    kind = np.arange(count) >= count - points
    exact = [[mpf(float(v)) for v in row] for row in rows]
    jacobians = [first_derivatives(values, point) for values, point in zip(exact, kind, strict=True)]
    second = [second_derivatives(exact[i], kind[i]) for i in (0, 1)]
    return {"param_in": rows, "param_is_point": kind, "param_origin": np.full(count, "topleft"),
            "param_jac": jacobians, "hess_index": [0, 1],
            "hess_params": np.array(second)}  # fmt: skip


# -------------------------------------------------------------------------------------- triangles


def loose(rng):
    """Observer (3) and vertices (3, 3)."""
    tri = 3 * rng.normal(size=(3, 3)) - (0, 0, 9)
    tri[:, 2] = -np.abs(tri[:, 2]) - 0.5
    return np.array([*rng.uniform(-10, 10, 2), -rng.uniform(0, 15)]), tri


def at_surface(rng):
    obs, tri = loose(rng)
    obs[2] = 0.0
    return obs, tri


def vertical_axis(rng):
    obs, tri = loose(rng)
    tri[:, 0] = tri[0, 0]
    return obs, tri


def vertical_general(rng):
    obs, tri = loose(rng)
    tri[:, 1] = 2.0 * tri[:, 0]
    return obs, tri


def vertical_side(rng):
    obs, tri = loose(rng)
    tri[1, :2] = tri[0, :2]
    return obs, tri


def near_vertical_side(rng):
    obs, tri = vertical_side(rng)
    tri[1, :2] += 10.0 ** rng.uniform(-9, -1) * rng.normal(size=2)
    return obs, tri


def horizontal_side(rng):
    obs, tri = loose(rng)
    tri[1, 2] = tri[0, 2]
    return obs, tri


def horizontal(rng):
    obs, tri = loose(rng)
    tri[:, 2] = tri[0, 2]
    return obs, tri


def near_horizontal(rng):
    obs, tri = horizontal(rng)
    tri[:, 2] += 10.0 ** rng.uniform(-7, -1) * rng.normal(size=3)
    return obs, tri


def in_plane(low, high):
    """In a vertical plane x = constant, where floating-point numbers can lie."""

    def make(rng):
        _, tri = vertical_axis(rng)
        weights = rng.dirichlet((2, 2, 2)) if low == high else [low, high, 1 - low - high]
        obs = np.array(weights) @ tri
        obs[0], obs[2] = tri[0, 0], min(obs[2], -0.1)
        return obs, tri

    return make


def edge_extension(rng):
    obs, tri = vertical_side(rng)
    tri = np.round(tri * 8) / 8
    obs[:2] = tri[0, :2]
    obs[2] = tri[:, 2].max() / 2
    return obs, tri


def near_plane_inside(rng):
    obs, tri = loose(rng)
    normal = np.cross(tri[1] - tri[0], tri[2] - tri[0])
    normal *= 10.0 ** rng.uniform(-8, -2) / np.linalg.norm(normal)
    return rng.dirichlet((2, 2, 2)) @ tri + normal, tri


def surface_touching(rng):
    obs, tri = at_surface(rng)
    tri[0, 2] = 0.0
    return obs, tri


def at_distance(rng):
    obs, tri = loose(rng)
    obs *= 10.0 ** rng.uniform(2, 4)
    return obs, tri


def tiny(rng):
    obs, tri = loose(rng)
    return obs, tri[0] + 10.0 ** rng.uniform(-6, -2) * (tri - tri[0])


def sliver(rng):
    obs, tri = loose(rng)
    tri[2] = 0.3 * tri[0] + 0.7 * tri[1] + 10.0 ** rng.uniform(-6, -2) * rng.normal(size=3)
    return obs, tri


def large_offset(rng):
    obs, tri = loose(rng)
    offset = np.round(np.array([*rng.uniform(-1e5, 1e5, 2), 0.0]))
    return obs + offset, tri + offset


def any_unit(rng):
    obs, tri = loose(rng)
    unit = 10.0 ** rng.integers(-4, 5)
    return obs * unit, tri * unit


def near_edge_vertex(rng):
    _, tri = loose(rng)
    t = rng.uniform(0, 1)
    obs = t * tri[0] + (1 - t) * tri[1] + 10.0 ** rng.uniform(-5, 0) * rng.normal(size=3)
    obs[2] = min(obs[2], 0.0)
    return obs, tri


TRIANGLES = {
    "generic": loose,
    "surface_obs": at_surface,
    "vertical_axis": vertical_axis,
    "vertical_general": vertical_general,
    "vertical_side": vertical_side,
    "near_vertical_side": near_vertical_side,
    "horizontal_side": horizontal_side,
    "horizontal": horizontal,
    "near_horizontal": near_horizontal,
    "in_plane_outside": in_plane(1.4, 0.9),
    "edge_extension": edge_extension,
    "on_plane_interior": in_plane(0, 0),
    "near_plane_inside": near_plane_inside,
    "surface_touching": surface_touching,
    "far": at_distance,
    "tiny": tiny,
    "sliver": sliver,
    "large_offset": large_offset,
    "unit_scale": any_unit,
    "near_edge_vertex": near_edge_vertex,
}


def beside(obs, tri):
    """An observer on the side of the normal, as far from planes and prolongations as makes no difference."""
    normal = triangle.axes(tri)[0]
    size = triangle.sqrt(triangle.dot(triangle.minus(tri[1], tri[0]), triangle.minus(tri[1], tri[0])))
    along = triangle.minus(tri[2], tri[1])
    return [o + size * TINY * n + TINY * s / 7 for o, n, s in zip(obs, normal, along, strict=True)]


def field(space, obs, tri, slip, nu):
    """u and u_i,j, i fastest."""
    slopes = triangle.gradient(space, obs, tri, slip, nu)
    return [*space(obs, tri, slip, nu), *(slopes[i][j] for j in range(3) for i in range(3))]


def triangles(rng):
    rows, half, full, category = [], [], [], []
    for number, make in enumerate(TRIANGLES.values()):
        for _ in range(EACH):
            obs, tri = make(rng)
            slip, nu = rng.normal(size=3), rng.uniform(0.05, 0.45)
            rows.append([*obs, *tri.ravel(), *slip, nu])
            given = [triangle.numbers(v) for v in (obs, tri, slip)]
            given[0] = beside(*given[:2])
            for space, found in ((triangle.half_space, half), (triangle.full_space, full)):
                found.append([float(v) for v in field(space, *given, mpf(nu))])
            category.append(number)
    for _ in range(EACH):
        obs, tri = vertical_side(rng)
        obs = tri[0].copy()
        obs[2] = (tri[0, 2] + tri[1, 2]) / 2
        rows.append([*obs, *tri.ravel(), 1.0, 1.0, 1.0, 0.25])
        half.append([np.nan] * 12)
        full.append([np.nan] * 12)
        category.append(len(TRIANGLES))
    flag = np.isnan(np.array(half)[:, 0]).astype(int)
    return {"tde_in": rows, "tde_hs_truth": half, "tde_fs_truth": full, "tde_flag": flag,
            "tde_cat": category, "tde_catnames": [*TRIANGLES, "on_side"]}  # fmt: skip


def triangle_jacobians(rng, count=8):
    rows, found = [], []

    def displacement(values):
        tri = [values[3:6], values[6:9], values[9:12]]
        return triangle.half_space(values[:3], tri, values[12:15], values[15])

    for _ in range(count):
        obs, tri = loose(rng)
        rows.append([*obs, *tri.ravel(), *rng.normal(size=3), rng.uniform(0.1, 0.4)])
        values = triangle.numbers(rows[-1])
        columns = [difference(displacement, values, k, STEP) for k in range(16)]
        jacobian = np.full((12, 16), np.nan)
        jacobian[:3] = np.array(columns, dtype=float).T
        found.append(jacobian)
    return {"tdejac_in": rows, "tdejac_jac": found}


def dislocations():
    rng = np.random.default_rng(19920228)
    made = {}
    for part in (rectangles, parameters, triangles, triangle_jacobians):
        made |= part(rng)
        print(part.__name__, flush=True)
    return made


FILES = {"dislocations": dislocations, "spectra": spectra.make}


def main() -> None:
    folder = HERE.parent / "data"
    folder.mkdir(exist_ok=True)
    for name in sys.argv[1:] or FILES:
        out = folder / f"{name}.npz"
        np.savez_compressed(out, **{field: np.array(value) for field, value in FILES[name]().items()})
        print(f"{out}: {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
