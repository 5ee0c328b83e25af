"""The result of an inversion: faults, uncertainty, fit.

A record that stands without the problem and goes to JSON.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.convert import magnitude_from_moment, moment_from_slip
from dislok.okada import Rectangle
from dislok.store import write_text

from .levenberg import Minimum
from .model import PARAMETERS, wrap

if TYPE_CHECKING:
    from .data import Dataset
    from .problem import Problem


UNITS = {"strike": "deg", "dip": "deg", "rake": "deg", "slip": "m", "opening": "m"}
_FORMAT = "dislok fault inversion 1"


@dataclass(frozen=True)
class Fit:
    """Data and prediction of one data set.

    Attributes
    ----------
    name, kind, labels : name of the data set, "gnss" or "los", names of the c columns.
    xy : (n, 2); observed, predicted, sigma : (n, c), predicted with the nuisance terms; NaN where data are
        missing.
    look : (n, 3) look vectors of line-of-sight data, empty otherwise.
    nuisance : value of every nuisance term by name.
    boxes : (n, 4) west, south, east and north end of the cells that the data are means over, or empty.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    xy: Array
    observed: Array
    predicted: Array
    sigma: Array
    look: Array
    nuisance: dict[str, float]
    boxes: Array = field(default_factory=lambda: np.zeros((0, 4)))

    @property
    def residual(self) -> Array:
        """Observed less predicted, (n, c)."""
        return self.observed - self.predicted

    @property
    def variance_reduction(self) -> float:
        """One less the ratio of residual to data, both squared and weighted by the variances.

        1 is a perfect fit.
        """
        left = np.nansum((self.residual / self.sigma) ** 2)
        return float(1 - left / np.nansum((self.observed / self.sigma) ** 2))


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
        """One less the ratio of weighted residual to weighted data, over all data sets."""
        left = sum(np.nansum((fit.residual / fit.sigma) ** 2) for fit in self.fits)
        return float(1 - left / sum(np.nansum((fit.observed / fit.sigma) ** 2) for fit in self.fits))

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
        for fit in self.fits:
            terms = "".join(f"; {name} {value:.4g}" for name, value in fit.nuisance.items())
            rms = np.sqrt(np.nanmean(fit.residual**2))
            lines.append(f"{fit.name}: {fit.observed.size} data, residual rms {rms:.4g}{terms}")
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


def inflation_of(cost: float, dof: int) -> float:
    """How much larger the errors of data are than stated, by what they leave.

    Parameters
    ----------
    cost : float
        Summed loss of the whitened residuals; their chi-square for the linear loss.
    dof : int
        Data less unknowns.

    Returns
    -------
    float
        The root of their ratio where chance makes it so large in one of a thousand cases only, else 1.
    """
    if dof < 1 or cost <= stats.chi2.ppf(0.999, dof):
        return 1.0
    return float(np.sqrt(cost / dof))


def rivals_of(starts: Array, names: tuple[str, ...], sigma: Array, inflation: float) -> Array:
    """Minima besides the best that the data do not rule out.

    Parameters
    ----------
    starts : (s, p + 1)
        Misfit and unknowns where every search ended.
    names : of the unknowns; strikes and rakes differ the short way round.
    sigma : (p,)
        Standard deviations at the best; ends within two of them of a better end are the same minimum.
    inflation : float
        What the errors of the data are multiplied with.

    Returns
    -------
    ndarray, shape (r, p + 1)
        Those whose chi-square, under these errors, is less than 25 more than the best's: how much, and the
        unknowns.
    """
    ends = starts[np.argsort(starts[:, 0], kind="stable")]
    turns = np.array([360.0 if name.split("_")[0] in ("strike", "rake") else np.inf for name in names])
    scale = np.where(sigma > 0, np.nan_to_num(sigma, nan=np.inf), np.inf)
    seen, found = [ends[0, 1:]], []
    for more, point in zip(2 * (ends[:, 0] - ends[0, 0]) / inflation**2, ends[:, 1:], strict=True):
        apart = [point - one for one in seen]
        apart = [np.where(np.isfinite(turns), gap - 360 * np.round(gap / 360), gap) for gap in apart]
        if more < 25 and min(np.abs(gap / scale).max() for gap in apart) > 2:
            seen.append(point)
            found.append([more, *point])
    return np.array(found).reshape(-1, len(names) + 1)


def rival_lines(rivals: Array, names: tuple[str, ...]) -> list[str]:
    """Rivals as lines of text."""
    lines = []
    for more, *point in rivals.tolist():
        words = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, point, strict=True))
        lines.append(f"NOT unique: chi-square is only {more:.1f} more at {words}")
    return lines


def seismic_moment(parameters: Array, length_unit: float, shear_modulus: float) -> Array:
    """Moment (N m) of faults (..., 10): shear modulus times area times slip."""
    length, width, slip = (parameters[..., PARAMETERS.index(name)] for name in ("length", "width", "slip"))
    moment = moment_from_slip(np.abs(slip), length * width * length_unit**2, shear_modulus)
    return np.asarray(moment, np.float64)


def moment_magnitude(moment: float) -> float:
    """Moment magnitude of a moment (N m); minus infinity without slip."""
    return float(magnitude_from_moment(moment)) if moment > 0 else float("-inf")


def unit_doubts(slip: Array, size: Array, magnitude: float, length_unit: float) -> list[str]:
    """Why slip (m,) in metres on faults of a size (m,) in length units cannot be, as lines of text.

    Slip of earthquakes is 1e-6 to 1e-3 of the fault's smaller side: a hundredth means stress drops of
    hundreds of megapascals.
    """
    share = float(np.max(np.abs(slip) / (size * length_unit), initial=0.0))
    words = f"length_unit is {length_unit:g}, metres in one unit of the coordinates"
    if share > 0.02:
        return [
            f"DOUBTFUL: slip is {100 * share:.2g} % of the fault's smaller side; {words}: are they in km?"
        ]
    if magnitude > 9.8:
        return [f"DOUBTFUL: no earthquake is as large; {words}: are they in m?"]
    return []


def unit_of(name: str, length_unit: float) -> str:
    """Unit of an unknown, as a word for tables and figures."""
    length = {1.0: "m", 1000.0: "km"}.get(length_unit, f"{length_unit:g} m")
    return UNITS.get(name.split("_")[0], length)


def make_result(problem: Problem, ends: list[Minimum]) -> Result:
    """Turn the ends of all searches into the result of the best, with its uncertainty."""
    best = min(ends, key=lambda end: end.model.value)
    values = _wrapped(problem, best.point)
    at_bound = (best.point <= problem.lower) | (best.point >= problem.upper)
    fit = problem.fit(best.point)
    deviation = problem.prior_deviation(best.point)
    cost = 2 * best.model.value - float(deviation**2 @ problem.prior_precision)
    dof = problem.data.size - values.size - fit.coefficients.size
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
        fits=_fits(problem, best.point, fit.coefficients),
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


def _fits(problem: Problem, point: Array, nuisance: Array) -> tuple[Fit, ...]:
    tables, fits, first = problem.predict(point, nuisance), [], 0
    for data, predicted in zip(problem.datasets, tables, strict=True):
        own = nuisance[first : first + len(data.nuisance)]
        first += len(own)
        terms = dict(zip(data.nuisance, (float(v) for v in own), strict=True))
        fits.append(fit_of(data, predicted, terms))
    return tuple(fits)


def fit_of(data: Dataset, predicted: Array, nuisance: dict[str, float]) -> Fit:
    """Data and prediction (n, c) of a data set."""
    look = getattr(data, "look", np.zeros((0, 3)))
    return Fit(
        data.name, data.kind, data.labels, data.xy, data.observed, predicted, data.sigma, look, nuisance,
        data.boxes,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """Numbers, lists and dicts for JSON; NaN becomes null, infinities become words."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if np.isfinite(number) else None if np.isnan(number) else str(number)
    return value.item() if isinstance(value, np.generic) else value


def _typed(kind: type, record: dict[str, Any]) -> dict[str, Any]:
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
