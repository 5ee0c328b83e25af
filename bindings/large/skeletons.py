"""Building hierarchical matrices: skeletons, blocks, the check of the whole, and pieces kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np

from dislok import gate as gates
from dislok.arrays import ArrayLike
from dislok.kernels.interpolative import interpolative, miss
from dislok.large.clusters import Tree, partition, tree
from dislok.large.elements import COMPONENTS, Elements
from dislok.large.hierarchical import Basis, HierarchicalMatrix, Progress, Report
from dislok.large.lowrank import WAYS, block_of, factorise
from dislok.store import Arrays, Pieces, fingerprint

LEAF = 32  # things in a cluster without children
SEPARATION = 0.7  # gap between far clusters over the longer diagonal
SAMPLES = 20  # of the nearest far ring, for each decimal of the tolerance; an eighth of each ring beyond
ROUNDS = 4  # of samples, each twice as large
SAFETY = 0.5  # internal tolerance over the caller's, at the first attempt
ATTEMPTS = 4
PIECE = 128  # clusters whose blocks go to one file
WEIGHED = 64  # sources from which the sizes of rows are estimated
CHECKED = 200  # rows' observers and columns' sources in the final check
PROBES = 8
AT_ONCE = 1 << 24  # entries of the exact matrix at once in the final check
SMALLEST = {"float64": 1e-11, "float32": 1e-6}

Blocks = dict[int, np.ndarray]


class Matrix:
    """The exact matrix, whose entries are computed when they are asked for."""

    def __init__(self, points: np.ndarray, elements: Elements, of: str) -> None:
        self.points, self.elements, self.of = points, elements, of
        self.c, self.b = COMPONENTS[of], elements.slips

    def block(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Entries at all pairs of some rows and columns.

        Raises
        ------
        ValueError
            If one of them is not a number: where an observer lies on an element's edge.
        """
        observers, i = np.unique(rows // self.c, return_inverse=True)
        sources, j = np.unique(columns // self.b, return_inverse=True)
        values = self.elements.greens(self.points[observers], sources, self.of)
        if not np.isfinite(values).all():
            first = np.argwhere(~np.isfinite(values.reshape(len(observers), self.c, len(sources), self.b)))[0]
            raise ValueError(
                f"obs[{observers[first[0]]}] lies on an edge of source {sources[first[2]]}, "
                "where the matrix has no value"
            )
        flat = values.reshape(len(observers) * self.c, len(sources) * self.b)
        return flat[np.ix_(i * self.c + rows % self.c, j * self.b + columns % self.b)]

    def of_observers(self, observers: np.ndarray) -> np.ndarray:
        """Rows that belong to observers."""
        return _flat(observers, self.c)

    def of_sources(self, sources: np.ndarray) -> np.ndarray:
        """Columns that belong to sources."""
        return _flat(sources, self.b)


def _flat(things: np.ndarray, width: int) -> np.ndarray:
    return (things[:, None] * width + np.arange(width)).reshape(-1)


class Partners:
    """For every cluster of one side, clusters of the other side: those far from it, or those near it.

    Parameters
    ----------
    clusters, others : Tree
    pairs : ndarray of int, shape (f, 2)
        The pairs (cluster, other).
    """

    def __init__(self, clusters: Tree, others: Tree, pairs: np.ndarray) -> None:
        self.clusters, self.others = clusters, others
        sorted_pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        cuts = np.searchsorted(sorted_pairs[:, 0], np.arange(clusters.size + 1))
        self.partners = [sorted_pairs[a:b, 1] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
        self.seen = np.array([len(p) > 0 for p in self.partners])
        for cluster in range(1, clusters.size):
            self.seen[cluster] |= self.seen[clusters.parent[cluster]]

    def rings(self, cluster: int) -> Iterator[np.ndarray]:
        """Partners of a cluster, then those of its parent, and so on: all that is far from it."""
        while cluster >= 0:
            if len(self.partners[cluster]):
                yield self.partners[cluster]
            cluster = self.clusters.parent[cluster]

    def sample(self, cluster: int, amount: int, rng: np.random.Generator) -> np.ndarray:
        """Things that see a cluster from afar: `amount` of the nearest ring, fewer of each beyond."""
        picked = []
        for k, ring in enumerate(self.rings(cluster)):
            runs = self.others.stop[ring] - self.others.start[ring]
            ends = np.cumsum(runs)
            wanted = min(amount if k == 0 else amount // 8, ends[-1])
            at = ((np.arange(wanted) + rng.random(wanted)) * ends[-1] / wanted).astype(int)
            run = np.searchsorted(ends, at, side="right")
            picked.append(self.others.order[self.others.stop[ring][run] - (ends[run] - at)])
        return np.unique(np.concatenate(picked))


def skeleton(
    far: Partners,
    cluster: int,
    candidates: np.ndarray,
    sampled: Callable[[np.ndarray, np.ndarray], np.ndarray],
    tolerance: float,
    amount: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the candidates that stand for all, tested on what they were not chosen by.

    Parameters
    ----------
    far : Partners
    cluster : int
    candidates : ndarray of int
        Rows or columns of the matrix.
    sampled : callable
        ``sampled(things, candidates)``: what things of the other side see of the candidates.
    tolerance : float
    amount : int
        Things of the nearest ring that are asked at first.
    rng : Generator
    """
    seen = sampled(far.sample(cluster, amount, rng), candidates)
    chosen, factor = interpolative(seen, tolerance)
    for _ in range(ROUNDS):
        fresh = sampled(far.sample(cluster, amount, rng), candidates)
        wrong, whole = miss(fresh, chosen, factor)
        if wrong <= (2.0 * tolerance) ** 2 * whole:
            break
        seen = np.concatenate([seen, fresh])
        chosen, factor = interpolative(seen, tolerance)
        amount *= 2
    return candidates[chosen], factor


def nested(
    far: Partners,
    width: int,
    sampled: Callable[[np.ndarray, np.ndarray], np.ndarray],
    scales: np.ndarray | None,
    tolerance: float,
    amount: int,
    dtype: str,
    tick: Callable[[int], object],
) -> Basis:
    """Skeletons of all clusters of a side, from the smallest clusters upwards.

    `scales` are factors by which `sampled` has multiplied what belongs to each candidate.
    """
    clusters = far.clusters
    skeletons = [np.zeros(0, int)] * clusters.size
    factors = [np.zeros((0, 0), dtype)] * clusters.size
    # Each cluster has numbers of its own, so that no piece depends on what was done before it.
    for done, cluster in enumerate(reversed(range(clusters.size))):
        if far.seen[cluster]:
            child = clusters.child[cluster]
            candidates = (
                np.concatenate(skeletons[child : child + 2])
                if child
                else _flat(clusters.things(cluster), width)
            )
            rng = np.random.default_rng([cluster, width])
            found, factor = skeleton(far, cluster, candidates, sampled, tolerance, amount, rng)
            if scales is not None:
                factor = factor * (scales[found, None] / scales[candidates])
            skeletons[cluster], factors[cluster] = found, factor.astype(dtype)
        tick(done + 1)
    return Basis(clusters, width, skeletons, factors)


class Builder:
    """Everything that stays the same while a matrix is built, also where that takes several attempts."""

    def __init__(
        self,
        matrix: Matrix,
        tolerance: float,
        by: str,
        dtype: str,
        pieces: Pieces,
        progress: Progress | None,
    ) -> None:
        self.matrix, self.tolerance, self.dtype, self.pieces = matrix, tolerance, dtype, pieces
        self.by = by
        self.progress = progress or (lambda stage, done, total: None)
        self.rows = tree(matrix.points, matrix.points, LEAF)
        corners = matrix.elements.corners
        self.columns = tree(corners.min(axis=1), corners.max(axis=1), LEAF)
        far, near = partition(self.rows, self.columns, SEPARATION)
        self.apart = len(far) == 1 and not far.any() and not len(near)
        self.row_far = Partners(self.rows, self.columns, far)
        self.column_far = Partners(self.columns, self.rows, far[:, ::-1])
        self.row_near = Partners(self.rows, self.columns, near)

    def build(self) -> HierarchicalMatrix:
        """The matrix, checked.

        Raises
        ------
        RuntimeError
            If the tolerance was not reached.
        """
        alone = self.one_block() if self.apart else None
        if alone is not None:
            return alone
        near, neighbours = self.near_blocks()
        internal, error = SAFETY * self.tolerance, np.inf
        for attempt in range(ATTEMPTS):
            rows, columns = self.bases(internal, attempt)
            far, partners = self.far_blocks(rows, columns, attempt)
            result = HierarchicalMatrix(rows, columns, far, near, partners, neighbours, self.dtype)
            result.report = self.check(result)
            error = max(result.report[1:3])
            if error <= self.tolerance:
                return result
            internal *= 0.5 * self.tolerance / error
        raise RuntimeError(
            f"the matrix has a relative error of {error:.3g} after {ATTEMPTS} attempts; "
            f"{self.tolerance:.3g} was asked for"
        )

    def one_block(self) -> HierarchicalMatrix | None:
        """The matrix as one product of factors, where all observers are far from all sources.

        None where that does not reach the tolerance.
        """
        exact = self.matrix
        n, m = len(exact.points), exact.elements.count

        def make() -> Arrays:
            block = block_of(exact.points, exact.elements, exact.of, self.by)
            found = factorise(block, self.tolerance, np.random.default_rng([n, m]))
            return {} if found is None else {name: np.asarray(v) for name, v in found._asdict().items()}

        made = self.pieces.keep("factors", make)
        self.progress("factors", 1, 1)
        if not made:
            return None
        u, v = made["u"].astype(self.dtype), made["v"].astype(self.dtype)
        things = tree(exact.points, exact.points, n)
        corners = exact.elements.corners
        sources = tree(corners.min(axis=1), corners.max(axis=1), m)
        every = np.arange(u.shape[1])
        rows = Basis(things, exact.c, [every], [np.ascontiguousarray(u.T)])
        columns = Basis(sources, exact.b, [every], [v])
        middle, places = {0: np.eye(len(every), dtype=self.dtype)}, {0: every.astype(np.int32)}
        result = HierarchicalMatrix(rows, columns, middle, {}, places, {}, self.dtype)
        errors = float(made["row_error"]), float(made["column_error"])
        if self.dtype == "float32":
            errors = tuple(np.hypot(e, np.finfo(np.float32).eps) for e in errors)
        result.report = self._report(result, *errors)
        return result

    def bases(self, tolerance: float, attempt: int) -> tuple[Basis, Basis]:
        """Nested skeletons of the observers and of the sources."""
        exact = self.matrix
        amount = int(SAMPLES * 2**attempt * np.log10(10.0 / tolerance))

        scales = self._scales()

        def of_rows(sources: np.ndarray, candidates: np.ndarray) -> np.ndarray:
            seen = exact.block(candidates, exact.of_sources(sources)).T
            return np.ascontiguousarray(seen if scales is None else seen * scales[candidates])

        def of_columns(observers: np.ndarray, candidates: np.ndarray) -> np.ndarray:
            rows = exact.of_observers(observers)
            seen = exact.block(rows, candidates)
            return seen if scales is None else seen * scales[rows, None]

        def make(far: Partners, width: int, sampled: Callable, stage: str) -> Basis:
            own = scales if sampled is of_rows else None

            def tick(done: int) -> object:
                return self.progress(stage, done, far.clusters.size)

            name = f"{stage.replace(' ', '-')}-{attempt}"
            return Basis.of_arrays(
                self.pieces.keep(
                    name,
                    lambda: nested(far, width, sampled, own, tolerance, amount, self.dtype, tick).arrays(),
                )
            )

        rows = make(self.row_far, exact.c, of_rows, "skeletons of observers")
        columns = make(self.column_far, exact.b, of_columns, "skeletons of sources")
        return rows, columns

    def near_blocks(self) -> tuple[Blocks, Blocks]:
        """Blocks of each cluster of observers with all sources near it, and the sources' places."""
        exact, clusters = self.matrix, self.columns

        def block(cluster: int) -> tuple[np.ndarray, np.ndarray]:
            every = np.arange(len(clusters.order))
            places = np.concatenate([every[clusters.run(k)] for k in self.row_near.partners[cluster]])
            rows = exact.of_observers(self.rows.things(cluster))
            return exact.block(rows, exact.of_sources(clusters.order[places])), _flat(places, exact.b)

        return self._blocks("near", self.row_near, block)

    def far_blocks(self, rows: Basis, columns: Basis, attempt: int) -> tuple[Blocks, Blocks]:
        """Blocks of each skeleton of observers with those of all its partners, and the partners' places."""

        def block(cluster: int) -> tuple[np.ndarray, np.ndarray]:
            far = self.row_far.partners[cluster]
            skeletons = np.concatenate([columns.skeletons[k] for k in far])
            every = np.arange(columns.offset[-1])
            places = np.concatenate([every[columns.places(k)] for k in far])
            return self.matrix.block(rows.skeletons[cluster], skeletons), places

        return self._blocks(f"far-{attempt}", self.row_far, block)

    def _blocks(
        self, name: str, far: Partners, block: Callable[[int], tuple[np.ndarray, np.ndarray]]
    ) -> tuple[Blocks, Blocks]:
        clusters = [k for k in range(self.rows.size) if len(far.partners[k])]
        values: Blocks = {}
        places: Blocks = {}
        for start in range(0, len(clusters), PIECE):
            part = clusters[start : start + PIECE]

            def make(part: list[int] = part) -> Arrays:
                made: Arrays = {}
                for cluster in part:
                    entries, at = block(cluster)
                    made[f"values/{cluster}"] = entries.astype(self.dtype)
                    made[f"places/{cluster}"] = at.astype(np.int32)
                return made

            kept = self.pieces.keep(f"{name}-{start // PIECE}", make)
            values |= {k: kept[f"values/{k}"] for k in part}
            places |= {k: kept[f"places/{k}"] for k in part}
            self.progress(f"{name.partition('-')[0]} blocks", start + len(part), len(clusters))
        return values, places

    def check(self, result: HierarchicalMatrix) -> Report:
        """Compare random rows and columns with the exact ones, through random vectors."""
        n, m = len(self.matrix.points), self.matrix.elements.count
        everything = np.arange(n), np.arange(m)
        exact = self.matrix
        row_error = self._error(
            m * exact.b,
            n,
            result.matmat,
            exact.of_observers,
            lambda some: exact.block(exact.of_observers(some), exact.of_sources(everything[1])),
            "checked rows",
        )
        column_error = self._error(
            n * exact.c,
            m,
            result.rmatmat,
            exact.of_sources,
            lambda some: exact.block(exact.of_observers(everything[0]), exact.of_sources(some)).T,
            "checked columns",
        )
        if self.by == "row":
            row_error = self._own_error(result)
        return self._report(result, row_error, column_error)

    def _report(self, result: HierarchicalMatrix, row_error: float, column_error: float) -> Report:
        full = result.shape[0] * result.shape[1] * result.dtype.itemsize
        rank = max(len(s) for basis in (result.rows, result.columns) for s in basis.skeletons)
        bytes_used = result.nbytes
        return Report(self.tolerance, row_error, column_error, bytes_used, bytes_used / full, rank)

    def _own_error(self, result: HierarchicalMatrix) -> float:
        """The largest error of random observers' rows, relative to themselves."""
        exact, m = self.matrix, self.matrix.elements.count
        n, worst = len(exact.points), 0.0
        chosen = np.random.default_rng(n).choice(n, min(n, CHECKED), replace=False)
        step = max(1, AT_ONCE // (exact.c * max(result.shape)))
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            rows = exact.of_observers(some)
            unit = np.zeros((result.shape[0], len(rows)), self.dtype)
            unit[rows, np.arange(len(rows))] = 1.0
            values = exact.block(rows, exact.of_sources(np.arange(m)))
            wrong = np.linalg.norm((result.rmatmat(unit).T - values).reshape(len(some), -1), axis=1)
            size = np.linalg.norm(values.reshape(len(some), -1), axis=1)
            worst = max(worst, float((wrong / np.where(size > 0.0, size, 1.0)).max()))
            self.progress("checked observers", start + len(some), len(chosen))
        return worst

    def _scales(self) -> np.ndarray | None:
        """Factors (n c,) that make rows equal, estimated from some sources; None where none are wanted."""
        if self.by == "matrix":
            return None
        exact, m = self.matrix, self.matrix.elements.count
        some = np.random.default_rng(m).choice(m, min(m, WEIGHED), replace=False)
        sizes, step = [], max(1, AT_ONCE // (exact.c * exact.b * len(some)))
        for start in range(0, len(exact.points), step):
            observers = np.arange(start, min(start + step, len(exact.points)))
            values = exact.block(exact.of_observers(observers), exact.of_sources(np.sort(some)))
            sizes.append(np.linalg.norm(values.reshape(len(observers), -1), axis=1))
        size = np.concatenate(sizes)
        return np.repeat(1.0 / np.where(size > 0.0, size, 1.0), exact.c)

    def _error(
        self,
        length: int,
        count: int,
        product: Callable[[np.ndarray], np.ndarray],
        flat: Callable[[np.ndarray], np.ndarray],
        lines: Callable[[np.ndarray], np.ndarray],
        stage: str,
    ) -> float:
        """Frobenius norm of the error of random rows (or columns) over that of the rows.

        Times normal random numbers, the error of a row gives a number whose square is on average its norm's.
        """
        rng = np.random.default_rng(length)
        chosen = rng.choice(count, min(count, CHECKED), replace=False)
        probes = rng.standard_normal((length, PROBES)).astype(self.dtype)
        compressed = product(probes)
        step = max(1, AT_ONCE // (3 * length))
        wrong = whole = 0.0
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            exact = lines(some)
            wrong += np.sum((exact @ probes - compressed[flat(some)]) ** 2) / PROBES
            whole += np.sum(exact**2)
            self.progress(stage, start + len(some), len(chosen))
        return float(np.sqrt(wrong / whole)) if whole else 0.0


def build(
    obs: ArrayLike,
    elements: Elements,
    *,
    of: str,
    tolerance: float,
    by: str,
    dtype: str,
    folder: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> HierarchicalMatrix:
    """The compressed Green's matrix of observers and elements; see `dislok.okada.operator`."""
    if of not in COMPONENTS:
        raise ValueError(f"unknown of={of!r}; choose from {', '.join(map(repr, COMPONENTS))}")
    gates.choice(*WAYS)("tolerance_by", by)
    if dtype not in SMALLEST:
        raise ValueError(f"unknown dtype={dtype!r}; choose from 'float64', 'float32'")
    if not SMALLEST[dtype] <= tolerance < 1.0:
        raise ValueError(
            f"tolerance is {tolerance!r}; it must be at least {SMALLEST[dtype]} in {dtype}, and less than 1"
        )
    points = elements.observers(obs)
    if not (len(points) and elements.count):
        raise ValueError(f"there must be observers and sources, got {len(points)} and {elements.count}")
    problem = fingerprint(
        points, *elements.facts, of, elements.mu, by, tolerance, dtype, LEAF, SEPARATION, SAFETY, SAMPLES
    )
    pieces = Pieces(folder, problem)
    return Builder(Matrix(points, elements, of), tolerance, by, dtype, pieces, progress).build()
