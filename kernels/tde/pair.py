"""One triangle and one observer: what each operation needs of the formula, in east, north, up.

The numbers of a triangle (a row of `triangles.table`) come first, then the observer's place. Nothing is turned
into a frame of the triangle; slip enters as the Burgers vector, which is part of the row.
"""

from dislok.kernels.scalar import ZERO, Jet, const, scalar, seed

from .formula import Geometry, cross
from .point import point

LEVELS = ("value", "gradient", "greens", "greens_gradient", "first")
FRAME_ROWS = {"value": 3, "gradient": 12, "greens": 9, "greens_gradient": 36, "first": 45}
VERTICES, EDGES, AREA, BURGERS, FRAME = 0, 9, 18, 21, 24
ROW = 33
# variables of level "first": the vertices' coordinates as seen from the observer, z, nu, Burgers vector
Z, NU, SLIP, COUNT = 9, 10, 11, 14


def vectors(numbers):
    """A flat sequence cut into vectors."""
    return [tuple(numbers[k : k + 3]) for k in range(0, len(numbers), 3)]


@scalar
def near(level, half, triangle, obs, nu, eps):
    """Rows of a level by the closed form.

    Parameters
    ----------
    level : int
        Index in `LEVELS`.
    half : int
        1 for the half space, 0 for the full space.
    triangle : tuple of `ROW` numbers
        A row of the table.
    obs : tuple of 3 numbers
        East, north, up.
    nu, eps : number
        Poisson's ratio; the spacing of the numbers at 1.

    Returns
    -------
    list of numbers
        ``value``: displacement (3). ``gradient``: displacement (3), du_i/dx_j (9). ``greens``: displacement for
        unit strike slip, dip slip, opening (3 x 3); ``greens_gradient``: what ``gradient`` gives, for each
        (3 x 12). ``first``: displacement (3), derivatives with the vertices' coordinates (3 x 9), with z where
        it is not that of the observer's distance to a vertex (3), with the Burgers vector (3 x 3), with nu (3).
    """
    name = LEVELS[level]
    if name == "first":
        return first_rows(first_field(half, triangle, obs, nu, eps))
    if name in ("gradient", "greens_gradient"):
        obs = [seed(x, k, 3, 1) for k, x in enumerate(obs)]
    geometry = observed(half, triangle, obs, nu, eps)
    if name in ("value", "gradient"):
        return with_slopes(geometry.displacement(triangle[BURGERS:FRAME]))
    return [x for b in vectors(triangle[FRAME:ROW]) for x in with_slopes(geometry.displacement(b))]


@scalar
def far(level, half, triangle, obs, nu, c2, c3, weight):
    """Rows of a level (as `near`) from one node of a rule: P1 + c2 (P2 - P1) + c3 (P3 - P1)."""
    name = LEVELS[level]
    if name == "first":
        return first_far(half, triangle, obs, nu, c2, c3, weight)
    if name in ("gradient", "greens_gradient"):
        obs = [seed(x, k, 3, 1) for k, x in enumerate(obs)]
    r, mirrored = from_node(half, triangle, obs, c2, c3)
    n = [weight * x for x in triangle[AREA:BURGERS]]
    slips = [triangle[BURGERS:FRAME]] if name in ("value", "gradient") else vectors(triangle[FRAME:ROW])
    return [x for b in slips for x in with_slopes(point(r, mirrored, b, n, obs[2], nu))]


def from_node(half, triangle, obs, c2, c3):
    """Observer and mirrored observer minus a node."""
    e12, _, e13 = vectors(triangle[EDGES:AREA])
    shift = [c2 * x + c3 * y for x, y in zip(e12, e13, strict=True)]
    r = [(x - p) - d for x, p, d in zip(obs, triangle, shift, strict=False)]
    return r, [r[0], r[1], (-obs[2] - triangle[2]) - shift[2]] if half else None


def first_far(half, triangle, obs, nu, c2, c3, weight):
    """Rows of level "first" from a node, by way of derivatives with its place, area vector, z, nu and b."""
    one = const(1.0, obs[0])

    def variables(numbers, first):
        return [Jet(v, [one if k == first + i else ZERO for k in range(11)]) for i, v in enumerate(numbers)]

    place, image = from_node(half, triangle, obs, c2, c3)
    r, n = variables(place, 0), variables([weight * x for x in triangle[AREA:BURGERS]], 3)
    (z, ratio), b = variables([obs[2], nu], 6), variables(triangle[BURGERS:FRAME], 8)
    mirrored = None
    if half:
        below = Jet(image[2], [one if k == 2 else const(-2.0, one) if k == 6 else ZERO for k in range(11)])
        mirrored = [r[0], r[1], below]
    u = point(r, mirrored, b, n, z, ratio)
    rows = [x.v for x in u]
    e12, e23, e13 = vectors(triangle[EDGES:AREA])
    half_weight = 0.5 * weight
    for x in u:
        moved, grown = x.p[:3], [half_weight * d for d in x.p[3:6]]
        shares = ((1.0 - c2 - c3, 1.0, e23), (c2, -1.0, e13), (c3, 1.0, e12))
        for share, sign, edge in shares:
            rows += [sign * t - share * d for t, d in zip(cross(grown, edge), moved, strict=True)]
    rows += [dense(x.p[6], x.v) for x in u]
    rows += [dense(d, x.v) for x in u for d in x.p[8:]]
    return rows + [dense(x.p[7], x.v) for x in u]


def observed(half, triangle, obs, nu, eps):
    """The integrals for an observer whose place may carry derivatives."""
    vertices = vectors(triangle[VERTICES:EDGES])
    places = [tuple(x - p for x, p in zip(obs, vertex, strict=True)) for vertex in vertices]
    mirrored = None
    if half:
        image = (obs[0], obs[1], -obs[2])
        mirrored = [tuple(x - p for x, p in zip(image, vertex, strict=True)) for vertex in vertices]
    edges = vectors(triangle[EDGES:AREA])
    return Geometry(places, mirrored, edges, triangle[AREA:BURGERS], obs[2], nu, eps)


def with_slopes(u):
    """Displacement and, of jets, its derivatives, component by component."""
    if not isinstance(u[0], Jet):
        return list(u)
    return [x.v for x in u] + [dense(d, x.v) for x in u for d in x.p]


def dense(d, like):
    """A derivative as a number, also where it is zero by structure."""
    return const(0.0, like) if d is ZERO else d


def first_field(half, triangle, obs, nu, eps):
    """Displacement as jets in the `COUNT` variables of level "first"."""
    one = const(1.0, obs[0])
    minus = const(-1.0, obs[0])

    def variable(v, *slopes):
        p = dict(slopes)
        return Jet(v, [p.get(k, ZERO) for k in range(COUNT)])

    vertices = vectors(triangle[VERTICES:EDGES])
    places, mirrored = [], []
    for k, vertex in enumerate(vertices):
        r = [x - p for x, p in zip(obs, vertex, strict=True)]
        places.append([variable(r[i], (3 * k + i, one)) for i in range(3)])
        up = variable(-obs[2] - vertex[2], (3 * k + 2, one), (Z, const(-2.0, one)))
        mirrored.append([*places[-1][:2], up])
    edges = []
    for (start, end), edge in zip(((0, 1), (1, 2), (0, 2)), vectors(triangle[EDGES:AREA]), strict=True):
        edges.append([variable(edge[i], (3 * start + i, one), (3 * end + i, minus)) for i in range(3)])
    z, ratio = variable(obs[2], (Z, one)), variable(nu, (NU, one))
    b = [variable(x, (SLIP + i, one)) for i, x in enumerate(triangle[BURGERS:FRAME])]
    images = mirrored if half else None
    return Geometry(places, images, edges, triangle[AREA:BURGERS], z, ratio, eps).displacement(b)


def first_rows(u):
    """Rows of level "first" from the jets: vertices move against the observer."""
    rows = [x.v for x in u]
    rows += [dense(-d, x.v) for x in u for d in x.p[:Z]]
    rows += [dense(x.p[Z], x.v) for x in u]
    rows += [dense(d, x.v) for x in u for d in x.p[SLIP:]]
    return rows + [dense(x.p[NU], x.v) for x in u]
