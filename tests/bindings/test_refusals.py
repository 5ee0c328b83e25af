"""What okada, tde and the large operations refuse instead of computing something else."""

import numpy as np
import pytest

from dislok import okada, tde

OBS = np.array([[3.0, 2.0, -1.0], [30.0, -20.0, 0.0]])
FAULT = okada.Rectangle(0, 0, 1, 10, 5, 30, 40, 20, 1, 0)
TRIANGLES = np.array([[[0.0, 0, -1], [10, 0, -2], [3, 7, -9]]])
SLIP = np.array([[1.0, 0.5, 0.1]])
X, Y = np.linspace(-20, 20, 30), np.linspace(-15, 15, 25)


@pytest.mark.parametrize("name", ["displacement", "gradient", "fields", "strain", "jacobian", "hessian"])
def test_missing_slip(name):
    if hasattr(tde, name):
        with pytest.raises(TypeError, match="slip must be an array or numbers, got None"):
            getattr(tde, name)(OBS, TRIANGLES, None)


@pytest.mark.parametrize("pairs", ["yes", 1, None, [True], np.array([True])])
def test_flags_are_true_or_false(pairs):
    with pytest.raises(TypeError, match="pairs must be True or False"):
        okada.displacement(OBS, FAULT, pairs=pairs)
    with pytest.raises(TypeError, match="pairs must be True or False"):
        tde.displacement(OBS, TRIANGLES, SLIP, pairs=pairs)


class TestOverlaps:
    @pytest.mark.parametrize("kind", ["numpy", "torch"])
    def test_of_two_results(self, kind):
        memory = np.zeros(24)
        u, g = memory[:6].reshape(2, 3), memory[:18].reshape(2, 3, 3)
        obs = OBS
        if kind == "torch":
            torch = pytest.importorskip("torch")
            u, g, obs = (torch.from_numpy(a) for a in (u, g, OBS))
        with pytest.raises(ValueError, match=r"out\[0\] and out\[1\] share memory"):
            okada.fields(obs, FAULT, out=(u, g))
        if kind == "numpy":
            with pytest.raises(ValueError, match=r"out\[0\] and out\[1\] share memory"):
                tde.fields(obs, TRIANGLES, SLIP, out=(u, g))

    def test_beside_each_other(self):
        memory = np.zeros(24)
        u, g = memory[:6].reshape(2, 3), memory[6:].reshape(2, 3, 3)
        okada.fields(OBS, FAULT, out=(u, g))
        np.testing.assert_allclose(u, okada.displacement(OBS, FAULT), rtol=1e-13)
        np.testing.assert_allclose(g, okada.gradient(OBS, FAULT), rtol=1e-13)


class TestSize:
    """Numbers whose powers overflow gave NaN without a word; up to the limit everything is right."""

    @pytest.mark.parametrize(("dtype", "fine", "large"), [("float64", 1e67, 1e71), ("float32", 1e27, 1e31)])
    def test_places_and_lengths(self, dtype, fine, large):
        obs = OBS.astype(dtype)
        scaled = okada.Rectangle(
            *[np.array([v * s], dtype) for v, s in zip(FAULT, (fine,) * 5 + (1,) * 5, strict=True)]
        )
        got = okada.displacement(obs * np.dtype(dtype).type(fine), scaled)
        np.testing.assert_allclose(
            got, okada.displacement(obs, FAULT), rtol=0, atol=2e-5 if dtype == "float32" else 1e-13
        )
        for field in ("x", "depth", "length", "width", "slip"):
            wrong = FAULT._replace(**{field: np.array([large], dtype)})
            with pytest.raises(
                ValueError, match=rf"source\.{field}\[0\] is .*; its size must be at most 1e\+"
            ):
                okada.displacement(obs, wrong)
        with pytest.raises(ValueError, match=r"obs\[1, 0\] is .*; its size must be at most"):
            okada.displacement(np.array([[1, 1, 0], [large, 0, 0]], dtype), FAULT)

    def test_triangles(self):
        got = tde.displacement(OBS * 1e67, TRIANGLES * 1e67, SLIP)
        np.testing.assert_allclose(got, tde.displacement(OBS, TRIANGLES, SLIP), rtol=0, atol=1e-12)
        with pytest.raises(ValueError, match=r"slip\[0, 1\] is 1e\+308; its size must be at most 1e\+70"):
            tde.displacement(OBS, TRIANGLES, [[0.0, 1e308, 0.0]])
        with pytest.raises(ValueError, match="its size must be at most"):
            tde.displacement(OBS, TRIANGLES * 1e200, SLIP)

    def test_triangles_in_single_precision(self):
        """Fourth powers of distances overflow there long before the distances do."""
        obs, tri, slip = (a.astype(np.float32) for a in (OBS, TRIANGLES, SLIP))
        want = tde.displacement(obs, tri, slip)
        got = tde.displacement(obs * np.float32(3e7), tri * np.float32(3e7), slip)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)
        for places in ((obs * np.float32(1e9), tri), (obs, tri * np.float32(1e9))):
            with pytest.raises(ValueError, match=r"its size must be at most 1e\+09 in float32"):
                tde.displacement(*places, slip)


class TestGrids:
    @pytest.mark.parametrize("dtype", [int, bool, np.uint8, np.float16, complex, object, "U3", "M8[s]"])
    def test_out_holds_real_numbers(self, dtype):
        with pytest.raises(TypeError, match="out must have dtype float64 or float32, got"):
            okada.on_grid(X, Y, FAULT, out=np.zeros((25, 30, 3), dtype))

    def test_out_can_be_written(self):
        out = np.zeros((25, 30, 3))
        out.flags.writeable = False
        with pytest.raises(ValueError, match="out is read-only"):
            okada.on_grid(X, Y, FAULT, out=out)
        for wrong in ("map", 3, [[0.0]], np.float64(1.0)):
            with pytest.raises((TypeError, ValueError), match="out must"):
                okada.on_grid(X, Y, FAULT, out=wrong)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_marks_with_another_array(self, tmp_path, dtype):
        """A fresh array beside an old file of marks is filled, not returned as it came."""
        marks = tmp_path / "marks"
        out = np.zeros((25, 30, 3), dtype)
        want = okada.on_grid(X, Y, FAULT, out=out, marks=marks).copy()
        for fresh in (np.full_like(out, np.nan), np.full_like(out, 7.0)):
            np.testing.assert_array_equal(okada.on_grid(X, Y, FAULT, out=fresh, marks=marks), want)
        seen = []
        okada.on_grid(X, Y, FAULT, out=out, marks=marks, progress=lambda *a: seen.append(a))
        assert not seen, "what is there already is not computed again"
        out[3, 3] += 1
        np.testing.assert_array_equal(okada.on_grid(X, Y, FAULT, out=out, marks=marks), want)


@pytest.mark.parametrize("function", ["apply", "apply_adjoint"])
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda a: np.where(a == a[0, 0], np.nan, a), ValueError, "is nan; it must be finite"),
        (lambda a: a.astype(str), TypeError, "has dtype"),
        (lambda a: a > 0, TypeError, "has dtype bool"),
        (lambda a: a + 1j, TypeError, "has dtype complex128"),
        (lambda a: np.ma.array(a, mask=a > 0), TypeError, "is a masked array"),
        (lambda a: a[:1], ValueError, "must have shape"),
        (lambda a: "slip", TypeError, "has dtype|must be an array"),
    ],
)
def test_products_of_compressed_matrices(rng, function, change, error, words):
    obs = rng.uniform(-9, 9, (20, 2))
    many = okada.Rectangle(rng.uniform(-9, 9, 12), rng.uniform(-9, 9, 12), 3, 1, 1, 0, 45)
    matrix = okada.operator(obs, many, tolerance=1e-3)
    shape = (12, 3) if function == "apply" else (20, 3)
    good = rng.standard_normal(shape)
    assert np.isfinite(getattr(matrix, function)(good)).all()
    with pytest.raises(error, match=words):
        getattr(matrix, function)(change(good))
