"""The inverse problem: data, faults and prior knowledge joined in one posterior density."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok import okada
from dislok.arrays import HostArray as Array
from dislok.okada import Rectangle
from dislok.store import Pieces, Place

from ..dataset import Dataset
from ..degrees import refuse_network
from ..levenberg import Quadratic, undefined
from ..observations import Observed
from ..rectangles import PARAMETERS, FaultModel, common_origin
from .linear import Loss, Profile, profile, project_out

if TYPE_CHECKING:
    from .result import Result
    from .sample import Samples


SLIP, OPENING = PARAMETERS.index("slip"), PARAMETERS.index("opening")
_CHUNK = 4096


class _State(NamedTuple):
    """Posterior at a point: profile over nuisance terms, whitened Jacobian (k, p), value, gradient (p,)."""

    fit: Profile
    jacobian: Array
    value: float
    gradient: Array


class Problem(Observed):
    """Faults that explain data sets.

    The unknowns are the free parameters of every fault, in the order of `names`. The misfit is half the sum
    of the losses of the whitened residuals plus half the squared prior deviations: the negative log posterior
    density. Nuisance terms are always solved linearly inside.

    Parameters
    ----------
    datasets : sequence of Gnss, Los and PixelOffsets
        At least one; their names must differ.
    faults : sequence of FaultModel
        At least one; the displacements add.
    nu : float
        Poisson's ratio.
    origin : "topleft", "topcenter" or "topright", optional
        Point of a rectangle that x, y and depth mean: by default what the faults carry
        (`Rectangle.with_origin`), or "topleft". It lies on the upper edge, so that ``depth >= 0`` is what
        keeps a fault in the ground. The faults of results carry it.
    loss : "linear", "soft_l1", "huber" or "cauchy"
        Loss of whitened residuals; all but the first let outliers go.
    loss_scale : float
        Whitened residual, in standard deviations, at which the loss begins to grow more slowly than a square.
    length_unit : float
        Metres in one unit of the coordinates: 1000 for kilometres. Slip and displacement are in metres for
        the moment.
    shear_modulus : float
        For the moment only (Pa).

    Raises
    ------
    ValueError
        If there is no data set or fault, names clash, an option is unknown, nothing is free, or data are
        fewer than unknowns.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset] | Dataset,
        faults: Sequence[FaultModel] | FaultModel,
        *,
        nu: float = 0.25,
        origin: str | None = None,
        loss: str = "linear",
        loss_scale: float = 1.0,
        length_unit: float = 1.0,
        shear_modulus: float = 30e9,
    ) -> None:
        super().__init__(datasets, nu, length_unit, shear_modulus)
        self.faults = gates.several("faults", faults, FaultModel)
        if not self.faults:
            raise ValueError("faults: give at least one fault")
        loss_scale = gates.number(above=0)("loss_scale", loss_scale)
        self.loss = Loss(gates.text()("loss", loss), loss_scale)
        self.origin = common_origin(self.faults, origin)
        sizes = [float(max(fault.initial[3:5])) for fault in self.faults]  # length, width
        refuse_network(np.concatenate([data.xy for data in self.datasets]), sizes)
        self._set_parameters()
        known, unknowns = np.count_nonzero(self._prior_precision), len(self.names) + self.design.shape[1]
        if self.whitened_data.size + known < unknowns:
            raise ValueError(
                f"{self.whitened_data.size} data cannot determine {unknowns} unknowns; fix some or add priors"
            )

    @property
    def facts(self) -> tuple[object, ...]:
        """All that solutions depend on, for `dislok.store.fingerprint`."""
        return (
            self.datasets, self.whitened_data, self.design, self._template, self.names, self.lower,
            self.upper, self._prior_mean, self._prior_precision,
            self.nu, self.origin, self.loss.name, self.loss.scale,
        )  # fmt: skip

    def begun_at(self, point: ArrayLike) -> Problem:
        """The same problem with its search beginning at a point (p,)."""
        made = copy.copy(self)
        made._template = self.parameters(np.clip(self._point(point), self.lower, self.upper))
        made.faults = tuple(copy.copy(fault) for fault in self.faults)
        for fault, row in zip(made.faults, made._template, strict=True):
            fault.initial = row.copy()
        return made

    @property
    def initial(self) -> Array:
        """Initial values of the unknowns, shape (p,)."""
        return self._template[self._where]

    def parameters(self, point: ArrayLike) -> Array:
        """All parameters of all faults, shape (m, 10), at a point (p,) of the unknowns."""
        table = self._template.copy()
        table[self._where] = self._point(point)
        return table

    def _point(self, point: ArrayLike) -> Array:
        return gates.real(len(self.names))("point", point)

    def rectangle(self, point: ArrayLike) -> Rectangle:
        """The faults at a point (p,) of the unknowns: a Rectangle of arrays (m,) that carries its origin."""
        return Rectangle(*self.parameters(point).T).with_origin(self.origin)

    def log_posterior(self, point: ArrayLike) -> tuple[float, Array]:
        """Log posterior density up to a constant, and its gradient (p,); minus infinity out of bounds."""
        q = self._point(point)
        if not ((q >= self.lower) & (q <= self.upper)).all():
            return -np.inf, np.zeros(q.size)
        state = self._state(q)
        return (-state.value, -state.gradient) if state is not None else (-np.inf, np.zeros(q.size))

    def quadratic(self, point: Array) -> Quadratic:
        """Misfit, gradient and Gauss-Newton matrix in the unknowns, nuisance terms eliminated."""
        state = self._state(point)
        if state is None:
            return undefined(point.size)
        columns = project_out(state.jacobian, self.design, state.fit.weight)
        return Quadratic(state.value, state.gradient, columns.T @ columns + np.diag(self._prior_precision))

    def hessian(self, point: ArrayLike) -> Array:
        """Exact Hessian (p, p) of the misfit, nuisance terms eliminated.

        It comes from the kernels' second derivatives.
        """
        q = self._point(point)
        fit, jacobian = self._defined(q)[:2]
        weighted = fit.curvature[:, None] * jacobian
        matrix = jacobian.T @ weighted - self._second_order(q, fit.weight * fit.residual)
        if self.design.shape[1]:
            cross = self.design.T @ weighted
            inner = self.design.T @ (fit.curvature[:, None] * self.design)
            matrix -= cross.T @ np.linalg.solve(inner, cross)
        return np.asarray(matrix + np.diag(self._prior_precision))

    def fit(self, point: ArrayLike) -> Profile:
        """Whitened residuals, nuisance coefficients and weights at a point (p,)."""
        return self._defined(self._point(point)).fit

    def linearised(self, point: ArrayLike) -> tuple[Array, Profile]:
        """Derivatives (k, p) of the whitened prediction at a point (p,), and the fit there."""
        state = self._defined(self._point(point))
        return state.jacobian, state.fit

    def predict(self, point: ArrayLike, nuisance: ArrayLike | None = None) -> list[Array]:
        """Predicted data, one table (n, c) for each data set.

        The nuisance terms `nuisance` (q,) are in them if given.
        """
        count = self.design.shape[1]
        terms = np.zeros(count) if nuisance is None else gates.real(count)("nuisance", nuisance)
        return self.predicted(self.displacement(point), terms)

    def displacement(self, point: ArrayLike) -> Array:
        """Displacement (n, 3) at all points, at a point (p,) of the unknowns."""
        table = self.parameters(point)
        return _displacement(self.points_jacobian(table), table)

    def solve(
        self,
        starts: int = 1,
        *,
        seed: int = 0,
        linear_slip: bool = True,
        screen: int = 20,
        max_iterations: int = 100,
        folder: Place | Pieces | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Result:
        """Find the best faults; see `dislok.inversion.fault.search.solve`."""
        from .search import solve

        return solve(
            self,
            starts,
            seed=seed,
            linear_slip=linear_slip,
            screen=screen,
            max_iterations=max_iterations,
            folder=folder,
            progress=progress,
        )

    def sample(
        self,
        start: Result | Samples,
        *,
        chains: int = 4,
        draws: int = 500,
        warmup: int = 300,
        seed: int = 0,
        folder: Place | Pieces | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Samples:
        """Draw from the posterior by the No-U-Turn sampler; see `dislok.inversion.fault.sample.sample`."""
        from .sample import sample

        counts = {"chains": chains, "draws": draws, "warmup": warmup}
        return sample(self, start, **counts, seed=seed, folder=folder, progress=progress)

    def points_jacobian(self, table: Array) -> Array:
        """Derivatives (n, 3, m, 10) of the displacement at all points.

        They are with respect to all parameters of the faults (m, 10).
        """
        return np.asarray(okada.jacobian(self.points, Rectangle(*table.T), nu=self.nu, origin=self.origin))

    def _set_parameters(self) -> None:
        self._template = np.array([fault.initial for fault in self.faults])
        pairs = [(m, name) for m, fault in enumerate(self.faults) for name in fault.free]
        if not pairs:
            raise ValueError("faults: every parameter is fixed, there is nothing to solve for")
        self.owners = pairs
        many = len(self.faults) > 1
        self.names = tuple(f"{name}_{m + 1}" if many else name for m, name in pairs)
        self._where = (
            np.array([m for m, _ in pairs]),
            np.array([PARAMETERS.index(name) for _, name in pairs]),
        )
        bounds = np.array([self.faults[m].bounds[name] for m, name in pairs])
        self.lower, self.upper = bounds[:, 0], bounds[:, 1]
        prior = np.array([self.faults[m].prior.get(name, (0.0, np.inf)) for m, name in pairs])
        self._prior_mean, self._prior_precision = prior[:, 0], prior[:, 1] ** -2.0

    def _defined(self, q: Array) -> _State:
        state = self._state(q)
        if state is None:
            raise ValueError("a data point lies on the edge of a fault, where the displacement has no value")
        return state

    def _state(self, q: Array) -> _State | None:
        """Posterior at a point, None where a data point lies on a fault's edge.

        The displacement has no value there.
        """
        table = self.parameters(q)
        jacobian = self.points_jacobian(table)
        if not np.isfinite(jacobian).all():
            return None
        predicted = self.whitened(_displacement(jacobian, table))
        free = self.whitened(jacobian[:, :, self._where[0], self._where[1]])
        unbounded = np.full(self.design.shape[1], np.inf)
        fit = profile(self.whitened_data - predicted, self.design, self.loss, -unbounded, unbounded)
        deviation = self.prior_deviation(q)
        value = fit.value + 0.5 * float(deviation**2 @ self._prior_precision)
        gradient = -free.T @ (fit.weight * fit.residual) + self._prior_precision * deviation
        return _State(fit, free, value, gradient)

    def prior_deviation(self, q: Array) -> Array:
        """Distance (p,) of the unknowns from their prior means; angles count the short way round."""
        deviation = np.where(self._prior_precision > 0, q - self._prior_mean, 0.0)
        for i, (_, name) in enumerate(self.owners):
            if name in ("strike", "rake"):
                deviation[i] -= 360 * np.round(deviation[i] / 360)
        return deviation

    @property
    def prior_precision(self) -> Array:
        """Inverse variance (p,) of the Gaussian priors; zero where there is none."""
        return self._prior_precision

    def _second_order(self, q: Array, white: Array) -> Array:
        """Contraction (p, p) of the displacement's second derivatives with whitened data weights (k,)."""
        force = self.adjoint(white)
        rectangle, blocks = self.rectangle(q), np.zeros((len(self.faults), 10, 10))
        for first in range(0, len(force), _CHUNK):
            part = slice(first, first + _CHUNK)
            second = okada.hessian(self.points[part], rectangle, nu=self.nu, origin=self.origin)
            blocks += np.einsum("nc,ncmij->mij", force[part], np.asarray(second))
        m, i = self._where
        return np.where(m[:, None] == m, blocks[m[:, None], i[:, None], i], 0.0)


def _displacement(jacobian: Array, table: Array) -> Array:
    """Displacement (n, 3): it is linear in slip and opening, so their derivatives carry it."""
    return np.asarray(jacobian[..., SLIP] @ table[:, SLIP] + jacobian[..., OPENING] @ table[:, OPENING])
