"""Points of potency under the surface, and clusters of triangles that are summed up in a few of them.

Where `point` takes a piece of area with an area vector and a Burgers vector, here is what both come to, the
symmetric tensor (b n + n b)/2. The field is linear in it, so that many triangles can be put together: that of
a cluster, seen from farther than its own size, is the field of points at Chebyshev's nodes of a box around
it, which take over each part of the potency with the weights of the interpolation (the "black-box" multipoles
of Fong & Darve 2009, J. Comput. Phys. 228, 8712-8725).
"""

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.scalar import scalar, sqrt, value

from .formula import QUARTER_TURN
from .triangles import rule

NUMBERS = 9  # of a point: place (3), tensor xx, yy, zz, xy, xz, yz (6)
DEGREES = (1, 2, 4, 5, 8)
"""Degrees of the rules that replace a triangle by points."""
COUNTS = np.array([len(rule(degree)) for degree in DEGREES])
RULES = np.zeros((len(DEGREES), int(COUNTS.max()), 3))
for _k, _degree in enumerate(DEGREES):
    RULES[_k, : COUNTS[_k]] = rule(_degree)


@scalar
def at_surface(x, y, depth, p, factor):
    """Displacement at the surface of a point of potency.

    `point` with z = 0, where an image has the same direction as its source and most terms cancel.

    Parameters
    ----------
    x, y, depth : number
        Observer minus point, and the point's depth.
    p : tuple of 6 numbers
        Potency: xx, yy, zz, xy, xz, yz.
    factor : number
        1 - 2 nu.
    """
    inverse = 1.0 / sqrt(x * x + y * y + depth * depth)
    ex, ey, ez = x * inverse, y * inverse, depth * inverse
    xx, yy, zz, xy, xz, yz = p
    mixed = xy * ex * ey + xz * ex * ez + yz * ey * ez
    along = 6.0 * (xx * ex * ex + yy * ey * ey + zz * ez * ez + 2.0 * mixed)
    near = 1.0 / (1.0 + ez)
    zx, zy = ex * near, ey * near
    real, imaginary = xx - yy, 2.0 * xy
    v0, v1 = zx * real + zy * imaginary, zy * real - zx * imaginary
    w = v0 * zx - v1 * zy
    level = xx + yy + w
    twice = 2.0 * near
    bend = level + twice * w
    scale = QUARTER_TURN * inverse * inverse
    return [
        scale * (along * ex + factor * (twice * v0 - bend * ex)),
        scale * (along * ey - factor * (twice * v1 + bend * ey)),
        scale * (along * ez - factor * (level * ez + 2.0 * w)),
    ]


@kernel
def add_points(x, y, points, count, factor, ux, uy, uz):
    """Add the displacement at the surface by `count` points, in rows of `NUMBERS`, at places (x, y)."""
    for k in range(count):
        px, py, depth = points[k, 0], points[k, 1], -points[k, 2]
        p = (points[k, 3], points[k, 4], points[k, 5], points[k, 6], points[k, 7], points[k, 8])
        for i in range(np.uint64(x.size)):
            u = at_surface(x[i] - px, y[i] - py, depth, p, factor)
            ux[i] += value(u[0])
            uy[i] += value(u[1])
            uz[i] += value(u[2])


@kernel
def at_place(x, y, points, count, factor, lanes):
    """Displacement at one place at the surface by `count` points; `lanes` (3, 32) is work memory."""
    width = 32
    lanes[:] = 0.0
    for begin in range(0, count, width):
        for j in range(np.uint64(min(width, count - begin))):
            k = begin + j
            p = (points[k, 3], points[k, 4], points[k, 5], points[k, 6], points[k, 7], points[k, 8])
            u = at_surface(x - points[k, 0], y - points[k, 1], -points[k, 2], p, factor)
            lanes[0, j] += value(u[0])
            lanes[1, j] += value(u[1])
            lanes[2, j] += value(u[2])
    return lanes[0].sum(), lanes[1].sum(), lanes[2].sum()


# --------------------------------------------------------------------------------------- clusters


@kernel
def bound(corners, order, start, stop, axes, centre, half):
    """Boxes around all clusters, along their own axes: middles and half lengths."""
    for cluster in range(len(start)):
        for a in range(3):
            low, high = np.inf, -np.inf
            u, v, w = axes[cluster, a, 0], axes[cluster, a, 1], axes[cluster, a, 2]
            for at in range(start[cluster], stop[cluster]):
                m = order[at]
                for k in range(3):
                    t = u * corners[m, k, 0] + v * corners[m, k, 1] + w * corners[m, k, 2]
                    low, high = min(low, t), max(high, t)
            half[cluster, a] = 0.5 * (high - low)
            for c in range(3):
                centre[cluster, c] += 0.5 * (low + high) * axes[cluster, a, c]


@kernel
def weights(t, count, out):
    """Weights of the values at `count` Chebyshev nodes for a polynomial's value at t in [-1, 1]."""
    for k in range(count):
        node = np.cos(np.pi * (k + 0.5) / count)
        total, before, here = 0.5, 1.0, t
        node_before, node_here = 1.0, node
        for _ in range(1, count):
            total += here * node_here
            before, here = here, 2.0 * t * here - before
            node_before, node_here = node_here, 2.0 * node * node_here - node_before
        out[k] = 2.0 * total / count


@kernel
def pass_on(source, tensor, centre, axes, half, counts, out):
    """Share a point's potency (6) out among the nodes of a box, the rows of `out`."""
    w = np.empty((3, 32))
    for a in range(3):
        t = 0.0
        for c in range(3):
            t += axes[a, c] * (source[c] - centre[c])
        weights(t / half[a] if half[a] > 0.0 else 0.0, counts[a], w[a])
    row = 0
    for i in range(counts[0]):
        for j in range(counts[1]):
            for k in range(counts[2]):
                share = w[0, i] * w[1, j] * w[2, k]
                for c in range(6):
                    out[row, 3 + c] += share * tensor[c]
                row += 1


@kernel
def place_nodes(centre, axes, half, counts, out):
    """Places of the nodes of a box."""
    row = 0
    for i in range(counts[0]):
        u = half[0] * np.cos(np.pi * (i + 0.5) / counts[0])
        for j in range(counts[1]):
            v = half[1] * np.cos(np.pi * (j + 0.5) / counts[1])
            for k in range(counts[2]):
                w = half[2] * np.cos(np.pi * (k + 0.5) / counts[2])
                for c in range(3):
                    out[row, c] = centre[c] + u * axes[0, c] + v * axes[1, c] + w * axes[2, c]
                row += 1


@kernel
def summarise(corners, tensors, order, start, stop, child, centre, axes, half, counts, first, points):
    """Points of all clusters: those of a leaf from its triangles, those of the others from their children's.

    Parameters
    ----------
    corners : array, shape (m, 3, 3), and tensors : array, shape (m, 6)
    order, start, stop, child : arrays
        As of `dislok.large.clusters.Tree`.
    centre, axes, half, counts : arrays, shapes (t, 3), (t, 3, 3), (t, 3), (t, 3)
        Box of each cluster: middle, unit vectors, half lengths, nodes along each.
    first : array of int, shape (t + 1,)
        Where the points of each cluster begin.
    points : array, shape (n, 9)
        Receives them.
    """
    place, part = np.empty(3), np.empty(6)
    for cluster in range(len(start) - 1, -1, -1):
        own = points[first[cluster] : first[cluster + 1]]
        place_nodes(centre[cluster], axes[cluster], half[cluster], counts[cluster], own)
        box = centre[cluster], axes[cluster], half[cluster], counts[cluster]
        if child[cluster]:
            low, high = first[child[cluster]], first[child[cluster] + 2]
            for k in range(low, high):
                pass_on(points[k, :3], points[k, 3:], box[0], box[1], box[2], box[3], own)
            continue
        for at in range(start[cluster], stop[cluster]):
            m = order[at]
            for k in range(COUNTS[2]):
                b, c, weight = RULES[2, k, 0], RULES[2, k, 1], RULES[2, k, 2]
                for a in range(3):
                    p1 = corners[m, 0, a]
                    place[a] = p1 + b * (corners[m, 1, a] - p1) + c * (corners[m, 2, a] - p1)
                for a in range(6):
                    part[a] = weight * tensors[m, a]
                pass_on(place, part, box[0], box[1], box[2], box[3], own)


# ------------------------------------------------------------------------------------------- walk


@kernel
def _gap(cx, cy, hx, hy, low, high):
    """Distance of a level rectangle at the surface from a box."""
    x = max(low[0] - cx - hx, cx - hx - high[0], 0.0)
    y = max(low[1] - cy - hy, cy - hy - high[1], 0.0)
    z = max(-high[2], 0.0)
    return np.sqrt(x * x + y * y + z * z)


@kernel
def _distance(cx, cy, hx, hy, place):
    """Distance of a level rectangle at the surface from a place."""
    x, y = max(abs(place[0] - cx) - hx, 0.0), max(abs(place[1] - cy) - hy, 0.0)
    return np.sqrt(x * x + y * y + place[2] * place[2])


@kernel
def _add_rule(corners, tensor, degree, points, count):
    for k in range(COUNTS[degree]):
        if count < len(points):
            b, c, weight = RULES[degree, k, 0], RULES[degree, k, 1], RULES[degree, k, 2]
            for a in range(3):
                p1 = corners[0, a]
                points[count, a] = p1 + b * (corners[1, a] - p1) + c * (corners[2, a] - p1)
            for a in range(6):
                points[count, 3 + a] = weight * tensor[a]
        count += 1
    return count


@kernel
def _add_triangle(rectangle, m, corners, tensors, middles, sizes, reach, points, close, found):
    """A triangle that is summed: by points if it is far enough for its size, else exactly."""
    distance = _distance(rectangle[0], rectangle[1], rectangle[2], rectangle[3], middles[m])
    for degree in range(len(reach)):
        if distance >= reach[degree] * sizes[m]:
            found[0] = _add_rule(corners[m], tensors[m], degree, points, found[0])
            return
    if found[1] < len(close):
        close[found[1]] = m
    found[1] += 1


@kernel
def walk(
    rectangle, separation, clusters, triangles,
    order, start, stop, child, low, high, centre, radius, theta, first, nodes,
    corners, tensors, lows, highs, middles, sizes, reach,
    points, close, later_clusters, later_triangles, found,
):  # fmt: skip
    """What is summed for a rectangle of ground now, and what is left for its parts.

    Parameters
    ----------
    rectangle : array, shape (4,)
        Middle, and half lengths.
    separation : float
        A source is summed now if it is farther than this from the rectangle; all are if it is negative.
    clusters, triangles : arrays of int
        What has not been summed yet.
    order, ..., nodes : arrays
        Clusters: as of `summarise`; a cluster is replaced by its points from `theta` times its radius on.
    corners, tensors, lows, highs, middles, sizes : arrays
        Triangles; boxes around them; their longest sides.
    reach : array
        From how many of its sizes on each rule of `DEGREES` replaces a triangle; falling.
    points, close : arrays, shapes (p, 9) and (c,)
        Receive the points, and the triangles that are summed exactly.
    later_clusters, later_triangles : arrays of int
        Receive what is left.
    found : array of int, shape (4,)
        Numbers in these four; larger than there is room for where something is missing.
    """
    cx, cy, hx, hy = rectangle[0], rectangle[1], rectangle[2], rectangle[3]
    found[:] = 0
    for m in triangles:
        if separation >= 0.0:
            if _gap(cx, cy, hx, hy, lows[m], highs[m]) < separation:
                if found[3] < len(later_triangles):
                    later_triangles[found[3]] = m
                found[3] += 1
                continue
        _add_triangle(rectangle, m, corners, tensors, middles, sizes, reach, points, close, found)
    stack = np.empty(128, np.int64)
    for one in clusters:
        stack[0] = one
        depth = 1
        while depth:
            depth -= 1
            cluster = stack[depth]
            now = separation < 0.0 or _gap(cx, cy, hx, hy, low[cluster], high[cluster]) >= separation
            if now and _distance(cx, cy, hx, hy, centre[cluster]) >= theta * radius[cluster]:
                for k in range(first[cluster], first[cluster + 1]):
                    if found[0] < len(points):
                        points[found[0]] = nodes[k]
                    found[0] += 1
            elif not now and 4.0 * radius[cluster] < max(hx, hy):
                if found[2] < len(later_clusters):
                    later_clusters[found[2]] = cluster
                found[2] += 1
            elif child[cluster]:
                stack[depth], stack[depth + 1] = child[cluster], child[cluster] + 1
                depth += 2
            else:
                for at in range(start[cluster], stop[cluster]):
                    m = order[at]
                    if now or _gap(cx, cy, hx, hy, lows[m], highs[m]) >= separation:
                        _add_triangle(
                            rectangle, m, corners, tensors, middles, sizes, reach, points, close, found
                        )
                    else:
                        if found[3] < len(later_triangles):
                            later_triangles[found[3]] = m
                        found[3] += 1
