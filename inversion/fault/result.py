"""The result of an inversion: faults, uncertainty, fit.

A record that stands without the problem and goes to JSON.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.arrays import Record
from dislok.convert import moment_from_slip
from dislok.okada import Rectangle
from dislok.store import write_text

from ..fits import Fit, inflation_of, moment_magnitude, unit_doubts, unit_of, variance_reduction
from ..levenberg import Minimum
from ..rectangles import PARAMETERS, wrap
from ..starts import rival_lines, rivals_of

if TYPE_CHECKING:
    from .problem import Problem


_FORMAT = "dislok fault inversion 1"


@dataclass(frozen=True)
class Result:
    """Best faults with their uncertainty.

    Attributes
    ----------
    names : names of the p unknowns (with _1, _2, ... when there are several faults).
    values : (p,) best values; lower, upper : (p,) their bounds.
    covariance : (p, p) inverse of the exact Hessian (Laplace) with the errors of the data times `inflation`;
        NaN for unknowns that ended on a bound, and everywhere if the Hessian is not positive definite.
    covariance_gauss_newton : (p, p) the same without second derivatives.
    at_bound : (p,) whether an unknown ended on its bound.
    parameters : (m, 10) all parameters of the faults, in the order of `Rectangle`.
    origin, nu, length_unit, shear_modulus, loss, loss_scale : as given to the problem.
    misfit : negative log posterior at the best point; chi2 : sum of squared whitened residuals; dof : data
        less unknowns.
    fits : data and prediction of every data set.
    starts : (s, p + 1) misfit and unknowns where every search ended.
    iterations : iterations of the best search; converged : whether it converged.
    inflation : what the errors of the data were multiplied with, because the residuals are larger than
        the stated errors allow (see `inflation_of`); 1 where they are not.
    """

    names: tuple[str, ...]
    values: Array
    lower: Array
    upper: Array
    covariance: Array
    covariance_gauss_newton: Array
    at_bound: NDArray[np.bool_]
    parameters: Array
    origin: str
    nu: float
    length_unit: float
    shear_modulus: float
    loss: str
    loss_scale: float
    misfit: float
    chi2: float
    dof: int
    fits: tuple[Fit, ...]
    starts: Array
    iterations: int
    converged: bool
    inflation: float = 1.0

    @property
    def faults(self) -> Rectangle:
        """The faults, a Rectangle of arrays (m,) that carries its `origin`."""
        return Rectangle(*self.parameters.T).with_origin(self.origin)

    @property
    def sigma(self) -> Array:
        """Standard deviations (p,) of the unknowns, from the Laplace covariance."""
        return np.sqrt(np.diagonal(self.covariance))

    @property
    def rivals(self) -> Array:
        """Other minima (r, p + 1): how much larger chi-square is there, and the unknowns; see `rivals_of`."""
        return rivals_of(self.starts, self.names, self.sigma, self.inflation)

    @property
    def chi2_reduced(self) -> float:
        """`chi2` over `dof`: one when the errors are as stated."""
        return self.chi2 / self.dof if self.dof > 0 else float("nan")

    @property
    def variance_reduction(self) -> float:
        """See `dislok.inversion.fits.variance_reduction`, over all data sets."""
        return variance_reduction(self.fits)

    @property
    def moment(self) -> Array:
        """Seismic moment (N m) of every fault, (m,): shear modulus times area times slip."""
        return seismic_moment(self.parameters, self.length_unit, self.shear_modulus)

    @property
    def magnitude(self) -> float:
        """Moment magnitude of all faults together."""
        return moment_magnitude(float(self.moment.sum()))

    def summary(self) -> str:
        """A table of the unknowns with their uncertainty, then the fit, as text."""
        lines = [f"{'unknown':<12}{'value':>11}{'sigma':>11}  unit"]
        for name, value, sigma, held in zip(self.names, self.values, self.sigma, self.at_bound, strict=True):
            error = "at bound" if held else f"{sigma:.4g}"
            lines.append(f"{name:<12}{value:>11.4f}{error:>11}  {unit_of(name, self.length_unit)}".rstrip())
        lines.append(f"moment {self.moment.sum():.3g} N m, Mw {self.magnitude:.2f}")
        sides = self.parameters[:, 3:5].min(axis=1)
        lines += unit_doubts(self.parameters[:, 8], sides, self.magnitude, self.length_unit)
        lines.append(
            f"variance reduction {100 * self.variance_reduction:.2f} %, "
            f"chi-square {self.chi2:.1f} for {self.dof} degrees of freedom"
        )
        if self.inflation > 1:
            lines.append(
                f"sigma with {self.inflation:.2f} times the stated errors of the data, as residuals ask for"
            )
        if self.at_bound.any():
            held = ", ".join(name for name, hit in zip(self.names, self.at_bound, strict=True) if hit)
            lines.append(f"sigma of the others holds for {held} at the bound; widen it, or sample")
        state = "converged" if self.converged else "NOT converged"
        lines.append(f"{state} in {self.iterations} iterations; {len(self.starts)} starts")
        lines += rival_lines(self.rivals, self.names)
        lines += map(str, self.fits)
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write everything as JSON."""
        record = {"format": _FORMAT, **_plain(asdict(self))}
        write_text(path, json.dumps(record, indent=1))


@gates.gate(path=gates.path())
def load(path: str | Path) -> Result:
    """Read a result that `Result.save` wrote.

    Raises
    ------
    ValueError
        If the file is not such a record.
    """
    record = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(record, dict) or record.pop("format", None) != _FORMAT:
        raise ValueError(f"{path}: not a saved fault inversion")
    record.setdefault("inflation", 1.0)
    record["fits"] = tuple(Fit(**_typed(Fit, {"boxes": [], **fit})) for fit in record["fits"])
    return Result(**_typed(Result, record))


def seismic_moment(parameters: Array, length_unit: float, shear_modulus: float) -> Array:
    """Moment (N m) of faults (..., 10): shear modulus times area times slip."""
    length, width, slip = (parameters[..., PARAMETERS.index(name)] for name in ("length", "width", "slip"))
    moment = moment_from_slip(np.abs(slip), length * width * length_unit**2, shear_modulus)
    return np.asarray(moment, np.float64)


def make_result(problem: Problem, ends: list[Minimum]) -> Result:
    """Turn the ends of all searches into the result of the best, with its uncertainty."""
    best = min(ends, key=lambda end: end.model.value)
    values = _wrapped(problem, best.point)
    at_bound = (best.point <= problem.lower) | (best.point >= problem.upper)
    fit = problem.fit(best.point)
    deviation = problem.prior_deviation(best.point)
    cost = 2 * best.model.value - float(deviation**2 @ problem.prior_precision)
    dof = problem.whitened_data.size - values.size - fit.coefficients.size
    inflation = inflation_of(cost, dof)
    covariance = _inverse(_relaxed(problem, problem.hessian(best.point), inflation), at_bound)
    if covariance is None:
        warnings.warn(
            "the Hessian is not positive definite: no Laplace covariance", RuntimeWarning, stacklevel=3
        )
    newton = _inverse(_relaxed(problem, best.model.normal, inflation), at_bound)
    nothing = np.full((values.size, values.size), np.nan)
    return Result(
        names=problem.names,
        values=values,
        lower=problem.lower,
        upper=problem.upper,
        covariance=nothing if covariance is None else covariance,
        covariance_gauss_newton=nothing if newton is None else newton,
        at_bound=at_bound,
        parameters=problem.parameters(values),
        origin=problem.origin,
        nu=problem.nu,
        length_unit=problem.length_unit,
        shear_modulus=problem.shear_modulus,
        loss=problem.loss.name,
        loss_scale=problem.loss.scale,
        misfit=best.model.value,
        chi2=float(fit.residual @ fit.residual),
        dof=dof,
        fits=problem.fits(problem.displacement(best.point), fit.coefficients),
        starts=np.array([[end.model.value, *_wrapped(problem, end.point)] for end in ends]),
        iterations=best.iterations,
        converged=best.converged,
        inflation=inflation,
    )


def _relaxed(problem: Problem, matrix: Array, inflation: float) -> Array:
    """A matrix of second derivatives with the errors of the data, not the priors, so much larger."""
    prior = np.diag(problem.prior_precision)
    return np.asarray((matrix - prior) / inflation**2 + prior)


def _wrapped(problem: Problem, point: Array) -> Array:
    """Unknowns with free strikes in 0..360 and free rakes in -180..180 degrees."""
    values = point.copy()
    for i, (_, name) in enumerate(problem.owners):
        free = not np.isfinite([problem.lower[i], problem.upper[i]]).any()
        if name == "strike" and free:
            values[i] %= 360
        elif name == "rake" and free:
            values[i] = wrap(values[i], -np.inf, np.inf)
    return values


def _inverse(matrix: Array, held: NDArray[np.bool_]) -> Array | None:
    """Inverse over the unknowns that are not held, NaN elsewhere; None if not positive definite."""
    inverse = np.full(matrix.shape, np.nan)
    use = np.ix_(~held, ~held)
    scale = np.sqrt(np.abs(np.diagonal(matrix)[~held]))
    if not (scale > 0).all():
        return None
    try:
        factor = linalg.cho_factor(matrix[use] / np.outer(scale, scale))
    except linalg.LinAlgError:
        return None
    inverse[use] = linalg.cho_solve(factor, np.eye(len(scale))) / np.outer(scale, scale)
    return inverse


def _plain(value: gates.Given) -> gates.Given:
    """Numbers, lists and dicts for JSON; NaN becomes null, infinities become words."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if np.isfinite(number) else None if np.isnan(number) else str(number)
    return value.item() if isinstance(value, np.generic) else value


def _typed(kind: type, record: Record) -> Record:
    """Give the entries of a JSON record the types of a dataclass's fields."""
    expected = {field.name: str(field.type) for field in fields(kind)}
    if set(record) != set(expected):
        raise ValueError(
            f"not a saved {kind.__name__}: entries differ by {sorted(set(record) ^ set(expected))}"
        )
    converted = {}
    for name, value in record.items():
        if expected[name] == "Array":
            value = np.array(value, dtype=float)
        elif "bool_" in expected[name]:
            value = np.array(value, dtype=bool)
        elif expected[name] == "tuple[str, ...]":
            value = tuple(value)
        converted[name] = value
    if "look" in converted:
        converted["look"] = converted["look"].reshape(-1, 3)
        converted["boxes"] = converted["boxes"].reshape(-1, 4)
    return converted
