"""The drop-in: names, shapes, order; high-precision truth; what OkadaTorch gets wrong and what it refuses."""

import inspect
import math
import warnings
from itertools import combinations_with_replacement

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.func import grad, hessian, jacfwd, jacrev, vmap  # noqa: E402

from dislok import okada, okadatorch  # noqa: E402
from dislok.okadatorch import DC3D, DC3D0, SPOINT, SRECTF, OkadaWrapper  # noqa: E402

ORDER = ["ux", "uy", "uz", "uxx", "uyx", "uzx", "uxy", "uyy", "uzy", "uxz", "uyz", "uzz"]
NAMES = ["x_fault", "y_fault", "depth", "length", "width", "strike", "dip", "rake", "slip"]
VALUES = [0.1, -0.2, 1.5, 2.0, 1.2, 35.0, 50.0, 20.0, 3.0]
ANGLES = ("strike", "dip", "rake")
WRAPPER = OkadaWrapper()


def t(value, **more):
    return torch.tensor(value, dtype=torch.float64, **more)


def coordinates(shape=(2, 3), z=True):
    n = math.prod(shape)
    x, y = (
        torch.linspace(-1.3, 1.9, n, dtype=torch.float64),
        torch.linspace(1.7, -1.1, n, dtype=torch.float64),
    )
    coords = {"x": x.reshape(shape), "y": (y + 0.3 * x**2).reshape(shape)}
    if z:
        coords["z"] = torch.linspace(-0.6, 0.0, n, dtype=torch.float64).reshape(shape)
    return coords


def parameters(point=False, is_degree=True, **more):
    params = dict(zip(NAMES, map(t, VALUES), strict=True))
    if point:
        del params["length"], params["width"]
    params |= {name: t(value) for name, value in more.items()}
    if not is_degree:
        params |= {name: torch.deg2rad(params[name]) for name in ANGLES}
    return params


def close(got, want, rtol=1e-10):
    """Lists of tensors agree, in units of the largest of displacements and of derivatives."""
    assert len(got) == len(want)
    got, want = torch.stack([g.detach() for g in got]), torch.stack([w.detach() for w in want])
    assert got.shape == want.shape
    for part in (slice(3), slice(3, None)):
        if len(got[part]):
            scale = want[part].abs().max().clamp_min(1e-300)
            assert ((got[part] - want[part]).abs().max() / scale).item() < rtol


def public(coords, params, fault_origin="topleft", **more):
    """The same through `dislok.okada`."""
    shape = coords["x"].shape
    z = coords.get("z", torch.zeros_like(coords["x"]))
    obs = torch.stack([coords["x"].reshape(-1), coords["y"].reshape(-1), z.reshape(-1)], 1)
    fields = [params[name] for name in NAMES if name in params]
    source = okada.Rectangle(*fields) if "length" in params else okada.Point(*fields)
    u, g = okada.fields(obs, source, origin=fault_origin, **more)
    columns = [*u.T, *(g[:, i, j] for j in range(3) for i in range(3))]
    return [c.reshape(shape) for c in columns]


class TestSignatures:
    """Read off OkadaTorch's documentation: arguments, order, defaults."""

    @pytest.mark.parametrize(
        ("function", "names"),
        [
            (SPOINT, "ALP X Y D SD CD DISL1 DISL2 DISL3 compute_strain"),
            (SRECTF, "ALP X Y DEP AL AW SD CD DISL1 DISL2 DISL3 compute_strain"),
            (DC3D0, "ALPHA X Y Z DEPTH DIP POT1 POT2 POT3 POT4 compute_strain is_degree"),
            (DC3D, "ALPHA X Y Z DEPTH DIP AL1 AL2 AW1 AW2 DISL1 DISL2 DISL3 compute_strain is_degree"),
            (WRAPPER.compute, "coords params compute_strain is_degree fault_origin nu return_iret"),
            (WRAPPER.gradient, "coords params arg compute_strain is_degree fault_origin nu return_iret"),
            (WRAPPER.hessian, "coords params arg1 arg2 compute_strain is_degree fault_origin nu return_iret"),
        ],
    )
    def test_arguments(self, function, names):
        signature = inspect.signature(function)
        assert list(signature.parameters) == names.split()
        defaults = {k: p.default for k, p in signature.parameters.items() if p.default is not p.empty}
        known = {
            "compute_strain": True,
            "is_degree": True,
            "fault_origin": "topleft",
            "nu": 0.25,
            "return_iret": False,
        }
        assert defaults == {k: known[k] for k in names.split() if k in known}

    def test_exports(self):
        assert set(okadatorch.__all__) == {"OkadaWrapper", "SPOINT", "SRECTF", "DC3D0", "DC3D"}


class TestTruth:
    """Against mpmath, by way of the reference data."""

    @pytest.fixture(scope="class")
    def refs(self, shared):
        return np.load(shared / "refs" / "okada_tde.npz")

    def test_rectangles(self, refs):
        """One call for each row, as a caller would."""
        ok = refs["rect_iret"] == 0
        names = refs["rect_catnames"][refs["rect_cat"]]
        bound = np.where(np.isin(names, ["near_edge", "surface_breaking"]), 1e-6, 1e-9)
        rows, truth = refs["rect_in"][ok][::19], refs["rect_truth"][ok][::19]
        for row, want, limit in zip(rows, truth, bound[ok][::19], strict=True):
            out, code = DC3D(row[0], *(t([v]) for v in row[1:4]), *map(t, row[4:]))
            got = torch.cat(out).numpy()
            assert code.item() == 0
            for part in (slice(3), slice(3, 12)):
                assert np.linalg.norm(got[part] - want[part]) <= limit * np.linalg.norm(want[part])

    def test_rectangles_all_at_once(self, refs):
        """Arguments that are arrays, one fault per observer, in one call for each Poisson ratio."""
        ok = (refs["rect_iret"] == 0) & (refs["rect_catnames"][refs["rect_cat"]] == "generic")
        rows, truth = torch.from_numpy(refs["rect_in"][ok]), refs["rect_truth"][ok]
        out, code = DC3D(*rows.T)
        assert code.dtype == torch.int32
        assert not code.any()
        got = torch.stack(out, 1).numpy()
        assert (np.linalg.norm(got - truth, axis=1) <= 1e-11 * np.linalg.norm(truth, axis=1)).all()

    def test_points(self, refs):
        ok = refs["point_iret"] == 0
        names = refs["point_catnames"][refs["point_cat"]]
        rows, truth = torch.from_numpy(refs["point_in"][ok]), refs["point_truth"][ok]
        out, code = DC3D0(*rows.T)
        assert not code.any()
        got = torch.stack(out, 1).numpy()
        limit = np.where(names[ok] == "near_source", 1e-8, 1e-9)
        for part in (slice(3), slice(3, 12)):
            # Straight above some sources nothing moves: the truth is then the dust of its differences.
            scale = np.maximum(np.linalg.norm(truth[:, part], axis=1), 1e-24)
            assert (np.linalg.norm((got - truth)[:, part], axis=1) <= limit * scale).all()

    def test_return_codes(self, refs):
        """On an edge 1, above the surface 2; the values there are 0."""
        for row, code in zip(refs["rect_in"], refs["rect_iret"], strict=True):
            if code:
                out, got = DC3D(row[0], *(t([v]) for v in row[1:4]), *map(t, row[4:]))
                assert got.item() == code
                assert not torch.cat(out).any()

    @pytest.mark.parametrize("compute_strain", [False, True])
    def test_jacobians(self, refs, compute_strain):
        """All parameters and coordinates: where OkadaTorch gives 0, NaN or worse."""
        for k in range(0, len(refs["param_in"]), 8 if compute_strain else 2):
            coords, params, more = self.problem(refs, k)
            truth = refs["param_jac"][k]
            for name in [*params, *coords]:
                column = 10 + "xyz".index(name) if name in coords else NAMES.index(name)
                got = torch.cat(WRAPPER.gradient(coords, params, name, compute_strain, **more)).numpy()
                for part in (slice(3), slice(3, len(got))):
                    scale = np.linalg.norm(truth[part, : 13 if column >= 10 else 9])
                    assert np.linalg.norm(got[part] - truth[: len(got), column][part]) <= 1e-9 * scale, (
                        k,
                        name,
                    )

    @staticmethod
    def problem(refs, k):
        """Coordinates, parameters and options of a row of the reference data."""
        row, point = refs["param_in"][k], bool(refs["param_is_point"][k])
        names = [n for n in NAMES if not (point and n in ("length", "width"))]
        params = {n: t(v) for n, v in zip(NAMES, row, strict=False) if n in names}
        coords = dict(zip("xyz", (t([v]) for v in row[10:]), strict=True))
        return coords, params, {"fault_origin": str(refs["param_origin"][k]), "nu": float(row[9])}

    @pytest.mark.parametrize("compute_strain", [False, True])
    def test_hessians(self, refs, compute_strain):
        """All pairs of parameters and of coordinates."""
        for h in range(0, len(refs["hess_index"]), 6 if compute_strain else 1):
            coords, params, more = self.problem(refs, refs["hess_index"][h])
            for keys, truth in ((params, refs["hess_params"][h]), (coords, refs["hess_coords"][h])):
                index = {name: ("xyz" if name in coords else NAMES).index(name) for name in keys}
                for first, second in combinations_with_replacement(keys, 2):
                    got = torch.cat(
                        WRAPPER.hessian(coords, params, first, second, compute_strain, **more)
                    ).numpy()
                    want = truth[: len(got), index[first], index[second]]
                    for part in (slice(3), slice(3, None))[: 1 + compute_strain]:
                        bound = 1e-8 * np.abs(truth[part]).max()
                        assert (np.abs(got - want)[part] <= bound).all(), (h, first, second)

    def test_okada_1985_table_2(self, refs):
        """The paper's check list: d 4, L 3, W 2; a point and a rectangle at dip 70, rectangles at dip ±90."""
        dip = math.sin(math.radians(70)), math.cos(math.radians(70))
        places = {
            "1": (2.0, 3.0, dip),
            "2": (2.0, 3.0, dip),
            "3": (0.0, 0.0, (1.0, 0.0)),
            "4": (0.0, 0.0, (-1.0, 0.0)),
        }
        slips = {"ss": (1.0, 0.0, 0.0), "ds": (0.0, 1.0, 0.0), "t": (0.0, 0.0, 1.0)}
        for (case, mode), want in zip(refs["okada1985_case_mode"], refs["okada1985_highprec"], strict=True):
            x, y, angle = places[case]
            if case == "1":
                out = SPOINT(0.5, t(x), t(y), 4.0, *angle, *slips[mode])
            else:
                out = SRECTF(0.5, t(x), t(y), 4.0, 3.0, 2.0, *angle, *slips[mode])
            got = torch.stack(out).numpy()
            assert np.linalg.norm(got - want) <= 1e-12 * np.linalg.norm(want)


class TestCompute:
    @pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 1, 2)])
    @pytest.mark.parametrize("z", [True, False])
    @pytest.mark.parametrize("point", [True, False])
    def test_shapes_and_order(self, shape, z, point):
        coords, params = coordinates(shape, z), parameters(point)
        out = WRAPPER.compute(coords, params)
        assert isinstance(out, list)
        assert [o.shape for o in out] == [torch.Size(shape)] * 12
        short = WRAPPER.compute(coords, params, compute_strain=False)
        assert len(short) == 3
        if math.prod(shape):
            close(out, public(coords, params), 1e-13)
            close(short, out[:3], 1e-13)

    @pytest.mark.parametrize("point", [True, False])
    def test_options(self, point):
        coords = coordinates()
        want = public(coords, parameters(point), "center" if not point else "topleft", nu=0.31)
        got = WRAPPER.compute(
            coords, parameters(point, is_degree=False), is_degree=False, fault_origin="center", nu=0.31
        )
        close(got, want, 1e-12)

    def test_surface_and_zero_height_agree(self):
        coords = coordinates(z=False)
        flat = coords | {"z": torch.zeros_like(coords["x"])}
        for point in (True, False):
            out = WRAPPER.compute(coords, parameters(point))
            close(out, WRAPPER.compute(flat, parameters(point)), 1e-13)
            uxx, uzx, uyy, uzy, uxz, uyz, uzz = (
                out[ORDER.index(n)] for n in "uxx uzx uyy uzy uxz uyz uzz".split()
            )
            # No traction at the surface (Okada 1985, eq. 42).
            close([uxz, uyz, uzz], [-uzx, -uzy, -(uxx + uyy) * 0.25 / 0.75], 1e-10)

    def test_wrapper_is_the_formula_turned(self):
        """DC3D in the fault's frame, rotated by hand; and its surface twin SRECTF."""
        coords, p = coordinates(), parameters()
        s, c = (f(math.radians(p["strike"].item())) for f in (math.sin, math.cos))
        dx, dy = coords["x"] - p["x_fault"], coords["y"] - p["y_fault"]
        x, y = dx * s + dy * c, dy * s - dx * c
        u1, u2 = (p["slip"] * f(torch.deg2rad(p["rake"])) for f in (torch.cos, torch.sin))
        (ux, uy, uz), code = DC3D(
            2 / 3,
            x,
            y,
            coords["z"],
            p["depth"],
            p["dip"],
            0.0,
            p["length"],
            -p["width"],
            0.0,
            u1,
            u2,
            0.0,
            False,
        )
        assert not code.any()
        close(WRAPPER.compute(coords, p, False), [ux * s - uy * c, ux * c + uy * s, uz], 1e-12)

    def test_results_are_tensors_of_their_own(self):
        """OkadaTorch's notebooks add noise in place."""
        coords = coordinates((3,))
        first = WRAPPER.compute(coords, parameters())
        again = WRAPPER.compute(coords, parameters())
        first[0] += 1
        close(first[1:], again[1:], 1e-15)
        tracked = WRAPPER.compute(coordinates((1,)), {k: v.requires_grad_() for k, v in parameters().items()})
        tracked[0] *= 2
        tracked[1].sum().backward()

    def test_dtypes(self):
        coords, params = coordinates(), parameters()
        single = {k: v.float() for k, v in coords.items()}
        assert WRAPPER.compute(single, params)[0].dtype == torch.float32
        assert WRAPPER.compute(coords, {k: v.float() for k, v in params.items()})[0].dtype == torch.float64
        whole = {k: v.round().long() for k, v in coords.items()}
        assert WRAPPER.compute(whole, {k: v.float() for k, v in params.items()})[0].dtype == torch.float32
        zero = {k: v[0, 0].float() for k, v in coords.items()}
        assert WRAPPER.compute(zero, params)[0].dtype == torch.float64

    def test_numbers_and_single_elements_as_parameters(self):
        coords, params = coordinates(), parameters()
        want = WRAPPER.compute(coords, params)
        close(WRAPPER.compute(coords, {k: v.item() for k, v in params.items()}), want, 1e-15)
        close(WRAPPER.compute(coords, {k: v[None] for k, v in params.items()}), want, 1e-15)
        close(WRAPPER.compute(coords, params), want, 1e-15)


class TestGradient:
    @pytest.mark.parametrize("is_degree", [True, False])
    @pytest.mark.parametrize("z", [True, False])
    @pytest.mark.parametrize("point", [True, False])
    @pytest.mark.parametrize("compute_strain", [True, False])
    def test_is_the_difference(self, is_degree, z, point, compute_strain):
        coords, params = coordinates(z=z), parameters(point, is_degree)
        options = {"compute_strain": compute_strain, "is_degree": is_degree, "fault_origin": "center"}
        step = 1e-5
        for name in [*coords, *params]:
            if name == "z":
                coords["z"] = coords["z"] - 0.1

            def moved(by, name=name):
                c = coords | ({name: coords[name] + by} if name in coords else {})
                p = params | ({name: params[name] + by} if name in params else {})
                return WRAPPER.compute(c, p, **options)

            want = [(a - b) / (2 * step) for a, b in zip(moved(step), moved(-step), strict=True)]
            close(WRAPPER.gradient(coords, params, name, **options), want, 1e-7)

    def test_spatial_derivative_is_the_strain(self):
        coords, params = coordinates(), parameters()
        out = WRAPPER.compute(coords, params)
        for j, axis in enumerate("xyz"):
            close(WRAPPER.gradient(coords, params, axis, False), out[3 + 3 * j : 6 + 3 * j], 1e-13)

    @pytest.mark.parametrize("name", NAMES)
    def test_special_values(self, name):
        """Exactly at dip 90°, rake 0, slip 0, and in line with an edge: the limit from beside it."""
        x = t([0.7, -1.1])
        coords = {"x": x, "y": t([0.0, 0.0]), "z": t([-0.3, 0.0])}
        at = parameters(x_fault=0.7, strike=0.0, dip=90.0, rake=0.0, slip=0.0)
        near = at | {"dip": t(90 + 1e-7), "rake": t(1e-7), "slip": t(1e-7), "x_fault": t(0.7 + 1e-9)}
        got = WRAPPER.gradient(coords, at, name)
        assert all(g.isfinite().all() for g in got)
        scale = max(g.abs().max() for n in NAMES for g in WRAPPER.gradient(coords, at, n))
        for a, b in zip(got, WRAPPER.gradient(coords, near, name), strict=True):
            assert ((a - b).abs().max() / scale).item() < 1e-6


class TestHessian:
    @pytest.mark.parametrize("is_degree", [True, False])
    @pytest.mark.parametrize("z", [True, False])
    @pytest.mark.parametrize("point", [True, False])
    def test_every_pair(self, is_degree, z, point):
        """Also the mixed ones; the order of the two does not matter; against differences of `gradient`."""
        coords, params = coordinates((2,), z), parameters(point, is_degree)
        if z:
            coords["z"] = coords["z"] - 0.1
        step = 1e-5
        for second in [*coords, *params]:
            ahead, behind = (
                [
                    coords | ({second: coords[second] + by} if second in coords else {}),
                    params | ({second: params[second] + by} if second in params else {}),
                ]
                for by in (step, -step)
            )
            for first in [*coords, *params]:
                a, b = (WRAPPER.gradient(*p, first, is_degree=is_degree) for p in (ahead, behind))
                got = WRAPPER.hessian(coords, params, first, second, is_degree=is_degree)
                slopes = [(u - v) / (2 * step) for u, v in zip(a, b, strict=True)]
                size = [max(s.abs().max().item(), 1e-3) for s in slopes]
                for g, s, scale in zip(got, slopes, size, strict=True):
                    assert (g - s).abs().max().item() < 1e-6 * max(scale, max(size))
                twin = WRAPPER.hessian(coords, params, second, first, is_degree=is_degree)
                close(got, twin, 1e-11)

    def test_shape_and_length_of_the_list(self):
        coords = coordinates((2, 2))
        out = WRAPPER.hessian(coords, parameters(), "x", "dip", compute_strain=False)
        assert [o.shape for o in out] == [(2, 2)] * 3


class TestDifferentiable:
    def params(self, **more):
        return {k: v.requires_grad_() for k, v in parameters(**more).items()}

    def test_backward_of_a_loss(self):
        """Every parameter and coordinate gets the gradient that `gradient` gives."""
        params = self.params()
        coords = {k: v.requires_grad_() for k, v in coordinates().items()}
        sum(o.sum() for o in WRAPPER.compute(coords, params)).backward()
        still = {k: v.detach() for k, v in coords.items()}, {k: v.detach() for k, v in params.items()}
        for name in params:
            want = sum(g.sum() for g in WRAPPER.gradient(*still, name))
            assert params[name].grad.item() == pytest.approx(want.item(), rel=1e-10, abs=1e-12)
        for name in coords:
            want = torch.stack(WRAPPER.gradient(*still, name)).sum(0)
            torch.testing.assert_close(coords[name].grad, want, rtol=1e-9, atol=1e-11)

    def test_backward_in_single_precision_parameters(self):
        """As in OkadaTorch's notebooks: float64 coordinates, float32 parameters."""
        params = {k: torch.tensor(v, requires_grad=True) for k, v in zip(NAMES, VALUES, strict=True)}
        WRAPPER.compute(coordinates(), params, compute_strain=False)[2].sum().backward()
        assert all(p.grad.dtype == torch.float32 and p.grad.isfinite() for p in params.values())

    def test_gradient_and_hessian_are_differentiable_too(self):
        coords, params = coordinates(), self.params()
        slope = sum(g.sum() for g in WRAPPER.gradient(coords, params, "dip"))
        slope.backward()
        want = sum(h.sum() for h in WRAPPER.hessian(coords, parameters(), "dip", "depth"))
        assert params["depth"].grad.item() == pytest.approx(want.item(), rel=1e-9)
        with pytest.raises(RuntimeError, match="third derivatives"):
            WRAPPER.hessian(coords, params, "dip", "depth")[0].sum().backward()

    def test_hessian_of_a_loss_over_a_dictionary(self):
        """The Laplace approximation of OkadaTorch's sixth notebook."""
        coords = coordinates()

        def loss(params):
            return sum((u**2).sum() for u in WRAPPER.compute(coords, params, compute_strain=False)) / 2

        got = hessian(loss)(parameters())
        first = {n: torch.stack(WRAPPER.gradient(coords, parameters(), n, False)) for n in NAMES}
        u = torch.stack(WRAPPER.compute(coords, parameters(), False))
        for a in NAMES:
            for b in NAMES:
                second = torch.stack(WRAPPER.hessian(coords, parameters(), a, b, False))
                want = (first[a] * first[b] + u * second).sum()
                torch.testing.assert_close(got[a][b], want, rtol=1e-9, atol=1e-11)

    @pytest.mark.parametrize("name", [n for n in NAMES if n != "x_fault"])
    def test_vmap_over_any_parameter(self, name):
        """OkadaTorch cannot map over dip, slip, rake and strike."""
        coords, values = coordinates(), parameters()[name] * t([1.0, 1.1, 1.3])

        def at(value):
            return torch.stack(WRAPPER.compute(coords, parameters() | {name: value}))

        want = torch.stack([at(v) for v in values])
        torch.testing.assert_close(vmap(at)(values), want, rtol=1e-11, atol=1e-12)
        slopes = torch.stack([jacfwd(at)(v) for v in values])
        torch.testing.assert_close(vmap(jacfwd(at))(values), slopes, rtol=1e-10, atol=1e-12)

    def test_poisson_ratio(self):
        nu = t(0.3, requires_grad=True)
        out = WRAPPER.compute(coordinates(), parameters(), nu=nu)
        sum(o.sum() for o in out).backward()
        step = 1e-6
        a, b = (
            sum(o.sum() for o in WRAPPER.compute(coordinates(), parameters(), nu=0.3 + h))
            for h in (step, -step)
        )
        assert nu.grad.item() == pytest.approx(((a - b) / (2 * step)).item(), rel=1e-7)

    @pytest.mark.parametrize("function", ["SPOINT", "SRECTF", "DC3D0", "DC3D"])
    def test_every_argument_of_the_formulas(self, function):
        x, y, z = coordinates((3,)).values()
        arguments = {
            "SPOINT": [0.45, x, y, 1.5, 0.6, 0.8, 2.0, 0.0, 3.0],
            "SRECTF": [0.45, x, y, 2.5, 1.1, 0.9, 0.6, 0.8, 0.0, 2.0, 3.0],
            "DC3D0": [0.65, x, y, z - 0.1, 1.5, 40.0, 2.0, 0.0, 3.0, 1.0],
            "DC3D": [0.65, x, y, z - 0.1, 1.8, 40.0, -0.3, 0.9, -0.8, 0.35, 0.0, 2.0, 3.0],
        }[function]
        tensors = [a if isinstance(a, torch.Tensor) else t(a) for a in arguments]
        tensors = [a.clone().requires_grad_() for a in tensors]

        def flat(*args):
            out = getattr(okadatorch, function)(*args)
            return torch.stack(out[0] if isinstance(out, tuple) else out)

        tight = {"eps": 1e-5, "atol": 1e-7, "rtol": 1e-6}
        if function.startswith("S"):
            # Sine and cosine are one angle: only the derivative along the circle is there to check.
            sd, cd = (5, 4) if function == "SPOINT" else (7, 6)
            sd, cd = min(sd, cd), max(sd, cd)
            rest = [a for k, a in enumerate(tensors) if k not in (sd, cd)]
            angle = t(0.7, requires_grad=True)

            def turned(angle, *rest):
                rest = list(rest)
                return flat(*rest[:sd], torch.sin(angle), torch.cos(angle), *rest[sd:])

            flat_function, tensors = turned, [angle, *rest]
        else:
            flat_function = flat
        assert torch.autograd.gradcheck(flat_function, tensors, check_forward_ad=True, **tight)
        assert torch.autograd.gradgradcheck(flat_function, tensors, check_fwd_over_rev=True, **tight)

    def test_mapped_ranges(self):
        """A batch of ranges: every member has its own reference point."""
        x, y, z = coordinates((3,)).values()

        def at(al1, aw2):
            return torch.stack(DC3D(0.65, x, y, z, 1.8, t(40.0), al1, 0.9, -0.8, aw2, 1.0, 2.0, 3.0)[0]).sum()

        al1, aw2 = t([-0.3, 0.1, -2.0]), t([0.35, 0.2, -0.1])
        for function in (at, grad(at, (0, 1)), hessian(at, (0, 1)), jacrev(jacfwd(at, (0, 1)), (0, 1))):
            got = torch.utils._pytree.tree_leaves(vmap(function)(al1, aw2))
            rows = [torch.utils._pytree.tree_leaves(function(a, w)) for a, w in zip(al1, aw2, strict=True)]
            for k, mapped in enumerate(got):
                torch.testing.assert_close(
                    mapped, torch.stack([row[k] for row in rows]), rtol=1e-9, atol=1e-9
                )


class TestFormulas:
    def test_broadcasting_and_lists(self):
        """The calls of OkadaTorch's second notebook: a scalar height, an integer dip, mixed precision."""
        x, y = torch.meshgrid(
            torch.linspace(-1, 1, 5).double(), torch.linspace(-1, 1, 4).double(), indexing="xy"
        )
        out, code = DC3D0(2 / 3, x, y, torch.tensor(-3.0), 3.0, torch.tensor(90), 1.0, 0.0, 0.0, 0.0)
        assert len(out) == 12 and out[0].shape == x.shape and out[0].dtype == torch.float64
        assert code.shape == x.shape and code.dtype == torch.int32
        out, code = DC3D(
            2 / 3, x, y, torch.tensor(-3.0), 3.0, torch.tensor(90), -0.6, 0.6, -0.6, 0.6, 1.0, 0.0, 0.0
        )
        assert len(out) == 12 and out[0].shape == x.shape
        assert len(SPOINT(0.5, x, y, 1.0, 0.6, 0.8, 4.0, 3.0, 0.0)) == 9
        assert len(SRECTF(0.5, x, y, 1.0, 0.5, 0.2, 0.6, 0.8, 4.0, 3.0, 0.0, False)) == 3

    def test_surface_twins(self):
        """SRECTF is DC3D seen from its lower edge, SPOINT is DC3D0, at the surface."""
        x, y = coordinates((4,), z=False).values()
        sd, cd = 0.6, 0.8
        dip = math.degrees(math.atan2(sd, cd))
        flat = torch.zeros_like(x)
        names = [0, 1, 2, 3, 6, 4, 7, 5, 8]
        inside, _ = DC3D(2 / 3, x, y, flat, 2.5, dip, 0.0, 1.1, 0.0, 0.9, 4.0, 3.0, 1.0)
        close(SRECTF(0.5, x, y, 2.5, 1.1, 0.9, sd, cd, 4.0, 3.0, 1.0), [inside[k] for k in names], 1e-12)
        inside, _ = DC3D0(2 / 3, x, y, flat, 2.5, dip, 4.0, 3.0, 1.0, 0.0)
        close(SPOINT(0.5, x, y, 2.5, sd, cd, 4.0, 3.0, 1.0), [inside[k] for k in names], 1e-12)

    def test_ranges_far_from_the_reference_point(self):
        """The same fault from another reference point: nothing is lost by ranges that are not symmetric."""
        x, y, z = coordinates((4,)).values()
        here, _ = DC3D(0.6, x, y, z, 2.0, 90.0, -0.5, 0.5, -0.25, 0.25, 1.0, 2.0, 3.0)
        there, _ = DC3D(0.6, x + 64, y, z, 2.0 + 32, 90.0, 63.5, 64.5, 31.75, 32.25, 1.0, 2.0, 3.0)
        close(there, here, 1e-11)

    def test_above_the_surface(self):
        """Code 2 and 0; derivatives of the others are not touched."""
        x, y, z = coordinates((3,)).values()
        high = torch.cat([z[:2], t([0.5])])
        depth = t(1.8, requires_grad=True)
        out, code = DC3D(0.65, x, y, high, depth, 40.0, -0.3, 0.9, -0.8, 0.35, 1.0, 2.0, 3.0)
        assert code.tolist() == [0, 0, 2]
        assert all(o[2] == 0 and o[:2].isfinite().all() for o in out)
        out[0].sum().backward()
        assert depth.grad.isfinite()

    def test_on_an_edge(self):
        out, code = DC3D(
            0.65,
            t([-0.3, 0.1]),
            t([0.0, 0.0]),
            t([-1.0, -1.0]),
            1.0,
            0.0,
            -0.3,
            0.9,
            -0.7,
            0.35,
            1.0,
            2.0,
            3.0,
        )
        assert code.tolist() == [1, 0]
        assert out[0][0] == 0
        assert out[0][1].isfinite()

    def test_at_a_point_source(self):
        out, code = DC3D0(0.65, t([0.0]), t([0.0]), t([-1.0]), 1.0, 30.0, 1.0, 0.0, 0.0, 0.0)
        assert code.tolist() == [1]
        assert not torch.cat(out).any()

    def test_radians(self):
        x, y, z = coordinates((3,)).values()
        a, _ = DC3D(0.65, x, y, z, 1.8, math.radians(40), -0.3, 0.9, -0.8, 0.35, 1.0, 2.0, 3.0, True, False)
        b, _ = DC3D(0.65, x, y, z, 1.8, 40.0, -0.3, 0.9, -0.8, 0.35, 1.0, 2.0, 3.0)
        close(a, b, 1e-13)


class TestErrors:
    def fails(self, error, match, coords=None, params=None, **more):
        with pytest.raises(error, match=match):
            WRAPPER.compute(coords or coordinates(), params or parameters(), **more)

    @pytest.mark.parametrize("name", ["length", "width"])
    def test_one_of_length_and_width(self, name):
        params = parameters()
        del params[name]
        self.fails(ValueError, "alone; a rectangle needs 'length' and 'width'", params=params)

    def test_missing_keys(self):
        coords, params = coordinates(), parameters()
        del coords["y"], params["dip"]
        self.fails(ValueError, "coords lacks 'y'", coords=coords)
        self.fails(ValueError, "params lacks 'dip'", params=params)

    def test_shapes(self):
        coords = coordinates()
        self.fails(ValueError, r"coords\['y'\] has shape \(3,\)", coords=coords | {"y": coords["y"][0]})
        self.fails(
            ValueError, r"params\['dip'\] must be a scalar", params=parameters() | {"dip": t([1.0, 2.0])}
        )

    def test_types(self):
        coords = coordinates()
        self.fails(
            TypeError,
            "must be a torch tensor or a number, got float64 ndarray",
            coords=coords | {"x": coords["x"].numpy()},
        )
        self.fails(TypeError, "float64 or float32", coords={k: v.half() for k, v in coords.items()})
        for wrong in ("1", [1.0], None, True, 1j):
            with pytest.raises(TypeError, match="must be a torch tensor or a number"):
                SPOINT(0.5, wrong, t(1.0), 1.0, 0.6, 0.8, 1.0, 0.0, 0.0)

    def test_values(self):
        coords = coordinates()
        self.fails(
            ValueError, r"coords.z\[1\] is 0.02.*above the surface", coords=coords | {"z": coords["z"] + 0.5}
        )
        self.fails(ValueError, r"coords.x\[0\] is nan", coords=coords | {"x": coords["x"] * math.nan})
        self.fails(ValueError, "params.slip.* is inf", params=parameters(slip=math.inf))
        self.fails(ValueError, "params.length.* is 0.0.*positive", params=parameters(length=0.0))
        self.fails(ValueError, "params.width.* is -1.0.*positive", params=parameters(width=-1.0))
        self.fails(ValueError, "params.depth.* is -1.0.*negative", params=parameters(point=True, depth=-1.0))
        for nu in (0.51, -1.0, t(0.6)):
            self.fails(ValueError, "Poisson's ratio", nu=nu)
        self.fails(ValueError, "nu must be finite, got nan", nu=math.nan)
        self.fails(ValueError, "fault_origin must be 'topleft' or 'center', got 'top'", fault_origin="top")

    def test_values_below_transforms(self):
        """A check that a transform would hide is no check."""
        coords = coordinates()
        with pytest.raises(ValueError, match="above the surface"):
            vmap(lambda z: torch.stack(WRAPPER.compute(coords | {"z": z}, parameters())))(
                torch.stack([coords["z"], coords["z"] + 1])
            )
        with pytest.raises(ValueError, match="must be positive"):
            jacfwd(lambda w: torch.stack(WRAPPER.compute(coords, parameters() | {"width": w})))(t(-1.0))

    @pytest.mark.parametrize("arg", ["nu", "z", "inflation", ""])
    def test_unknown_argument(self, arg):
        with pytest.raises(ValueError, match="Invalid arg is specified"):
            WRAPPER.gradient(coordinates(z=False), parameters(), arg)
        with pytest.raises(ValueError, match="Invalid arg is specified"):
            WRAPPER.hessian(coordinates(z=False), parameters(), "x", arg)

    def test_sticking_out_of_the_ground_warns(self):
        """OkadaTorch's notebooks do it: depth 0.1 at the centre of a fault 46 wide."""
        params = parameters(depth=0.1)
        with pytest.warns(RuntimeWarning, match="sticks out of the ground by 0.3596"):
            out = WRAPPER.compute(coordinates(), params, fault_origin="center")
        assert all(o.isfinite().all() for o in out)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            WRAPPER.compute(coordinates(), parameters(depth=0.0))


class TestOpening:
    """What opens and swells, by the same names as in OkadaTorch, against the functions of okada."""

    def test_rectangle(self):
        coords, params = coordinates((5,)), parameters(opening=0.7)
        source = okada.Rectangle(*VALUES, opening=0.7)
        obs = torch.stack(list(coords.values()), -1)
        u, g = okada.fields(obs, source)
        got = WRAPPER.compute(coords, params)
        close(got, [*u.T, *(g[:, i, j] for j in range(3) for i in range(3))])
        still = WRAPPER.compute(coords, parameters())
        assert (got[2] - still[2]).abs().max() > 1e-3

    def test_point(self):
        coords, params = coordinates((5,)), parameters(point=True, opening=0.7, inflation=-0.4)
        values = dict(zip(NAMES, VALUES, strict=True))
        source = okada.Point(*VALUES[:3], *VALUES[5:8], values["slip"], 0.7, -0.4)
        u = okada.displacement(torch.stack(list(coords.values()), -1), source)
        close(WRAPPER.compute(coords, params, compute_strain=False), list(u.T))

    @pytest.mark.parametrize("arg", ["opening", "inflation"])
    def test_derivatives(self, arg):
        """They are linear: the derivative is the field of a unit of it alone."""
        coords, params = coordinates((4,)), parameters(point=True, opening=0.7, inflation=-0.4)
        alone = parameters(point=True, slip=0.0, **{arg: 1.0})
        close(WRAPPER.gradient(coords, params, arg), WRAPPER.compute(coords, alone))
        assert not torch.cat(WRAPPER.hessian(coords, params, arg, arg)).any()
        mixed = WRAPPER.hessian(coords, params, arg, "dip")
        close(mixed, WRAPPER.gradient(coords, alone, "dip"))


class TestSingular:
    """Stations on an edge and above the ground: zeros, a code, and finite gradients for everything else."""

    PARAMS = dict(zip(NAMES, [0.0, 0.0, 1.0, 2.0, 1.2, 0.0, 90.0, 20.0, 3.0], strict=True))
    COORDS = {"x": t([0.0, 0.7, 0.3]), "y": t([1.0, 0.4, -0.5]), "z": t([-1.0, -0.2, 0.5])}

    @pytest.mark.parametrize("compute_strain", [False, True])
    def test_codes_and_values(self, compute_strain):
        out, code = WRAPPER.compute(self.COORDS, self.PARAMS, compute_strain, return_iret=True)
        assert code.dtype == torch.int32 and code.tolist() == [1, 0, 2]
        for each in out:
            assert each[0] == 0 and each[2] == 0 and each[1] != 0
        with pytest.raises(ValueError, match="above the surface"):
            WRAPPER.compute(self.COORDS, self.PARAMS, compute_strain)

    def test_gradients(self):
        params = {name: t(value, requires_grad=True) for name, value in self.PARAMS.items()}
        out, _ = WRAPPER.compute(self.COORDS, params, return_iret=True)
        torch.stack(out).pow(2).sum().backward()
        alone = {name: t(value, requires_grad=True) for name, value in self.PARAMS.items()}
        middle = {name: value[1:2] for name, value in self.COORDS.items()}
        torch.stack(WRAPPER.compute(middle, alone)).pow(2).sum().backward()
        for name in NAMES:
            assert params[name].grad.isfinite()
            torch.testing.assert_close(params[name].grad, alone[name].grad, rtol=1e-12, atol=1e-12)

    def test_methods(self):
        for out, code in (
            WRAPPER.gradient(self.COORDS, self.PARAMS, "dip", return_iret=True),
            WRAPPER.hessian(self.COORDS, self.PARAMS, "dip", "x", return_iret=True),
        ):
            assert code.tolist() == [1, 0, 2]
            assert all(o[0] == 0 and o[2] == 0 and o.isfinite().all() for o in out)

    def test_in_transforms(self):
        def strong(dip):
            out, _ = WRAPPER.compute(self.COORDS, self.PARAMS | {"dip": dip}, return_iret=True)
            return torch.stack(out).pow(2).sum()

        assert grad(strong)(t(90.0)).isfinite()

    def test_surface_functions(self):
        depth = t(1.0, requires_grad=True)
        out = SRECTF(0.5, t([0.0, 3.0]), t([0.0, 1.0]), depth, 2.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0)
        torch.stack(out).sum().backward()
        assert depth.grad.isfinite() and all(o[0] == 0 for o in out)


class TestNumbers:
    def test_python_numbers_everywhere(self):
        numbers = WRAPPER.compute({"x": 0.7, "y": 0.4, "z": -0.2}, dict(zip(NAMES, VALUES, strict=True)))
        assert all(n.ndim == 0 and n.dtype == torch.get_default_dtype() for n in numbers)
        place = {"x": t(0.7), "y": t(0.4), "z": t(-0.2)}
        close([n.double() for n in numbers], WRAPPER.compute(place, parameters()), 1e-5)
        out, _ = DC3D(0.65, 1.0, 2, -0.5, 1.8, 40.0, -0.3, 0.9, -0.8, 0.35, 1, 2.0, 3.0)
        assert all(o.isfinite() for o in out)

    def test_mixed_dtypes_are_promoted(self):
        coords = coordinates((3,))
        mixed = coords | {"x": coords["x"].float()}
        out = WRAPPER.compute(mixed, parameters())
        assert all(o.dtype == torch.float64 for o in out)
        close(out, WRAPPER.compute(mixed | {"x": mixed["x"].double()}, parameters()), 1e-15)
        small = {k: v.float() for k, v in coords.items()}
        assert WRAPPER.compute(small, parameters())[0].dtype == torch.float32

    @pytest.mark.parametrize(
        ("where", "key", "words"),
        [
            ("params", "lenght", "'lenght' is no key of a rectangle; did you mean 'length'"),
            ("params", "inflation", "'inflation' is no key of a rectangle"),
            ("params", "nu", "'nu' is no key of a rectangle; there are 'x_fault'"),
            ("coords", "Z", "coords: 'Z' is no key; did you mean 'z'"),
            ("coords", "depth", "coords: 'depth' is no key; there are 'x', 'y', 'z'"),
        ],
    )
    def test_unknown_keys(self, where, key, words):
        coords, params = coordinates(z=False), parameters()
        (coords if where == "coords" else params)[key] = t(1.0)
        with pytest.raises(ValueError, match=words):
            WRAPPER.compute(coords, params)


def test_optimisation_as_in_the_sixth_notebook():
    """Scaled parameters in a dictionary, Adam, a closure: the misfit falls by half."""
    x, y = torch.meshgrid(
        torch.linspace(-255, 255, 12).double(), torch.linspace(-333, 333, 12).double(), indexing="xy"
    )
    coords = {"x": x, "y": y}
    true = dict(zip(NAMES, [11.25, 24.7, 0.1, 218.0, 46.0, 189.0, 60.0, 270.0, 5.62], strict=True))
    start = dict(zip(NAMES, [0.0, 10.0, 1.0, 150.0, 60.0, 200.0, 45.0, 300.0, 10.0], strict=True))
    width = dict(zip(NAMES, [255.0, 333.0, 10.0, 100.0, 100.0, 180.0, 90.0, 180.0, 5.0], strict=True))
    data = WRAPPER.compute(coords, {k: torch.tensor(v) for k, v in true.items()}, compute_strain=False)
    scaled = {k: torch.tensor(0.0, requires_grad=True) for k in NAMES}
    optimizer = torch.optim.Adam(list(scaled.values()), lr=1e-2)

    def closure():
        params = {k: start[k] + width[k] * scaled[k] for k in NAMES}
        model = WRAPPER.compute(coords, params, compute_strain=False, is_degree=True, fault_origin="topleft")
        loss = 0.5 * sum(((u - d) ** 2).sum() for u, d in zip(model, data, strict=True))
        optimizer.zero_grad()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(60):
        optimizer.step(closure)
    assert closure().item() < 0.5 * first
