"""Matrices, Jacobians, Hessians and products as differentiable tensors; layouts, dtypes, empties, checks."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.func import grad, jacfwd, jacrev, vmap  # noqa: E402

from dislok import okada  # noqa: E402
from dislok.autograd import okada as autograd  # noqa: E402
from dislok.autograd import products  # noqa: E402

NU = 0.25
ORIGIN = (0.5, 0.0)
KINDS = ["rectangle", "point"]
OF = ["displacement", "gradient"]
OBS = torch.tensor([[0.3, 0.9, -0.2], [1.4, -0.6, 0.0]], dtype=torch.float64)
SRC = {
    "rectangle": torch.tensor(
        [
            [0.1, -0.2, 1.5, 2.0, 1.2, 35.0, 50.0, 20.0, 30.0, 4.0],
            [0.4, 0.3, 1.9, 1.5, 0.8, 80.0, 70.0, 110.0, 20.0, -6.0],
        ],
        dtype=torch.float64,
    ),
    "point": torch.tensor(
        [
            [0.1, -0.2, 1.5, 35.0, 50.0, 20.0, 30.0, 4.0, 7.0],
            [0.4, 0.3, 1.9, 80.0, 70.0, 110.0, 20.0, -6.0, 5.0],
        ],
        dtype=torch.float64,
    ),
}
SLIPS = {"rectangle": 3, "point": 4}
TIGHT = {"eps": 1e-5, "atol": 1e-7, "rtol": 1e-6}


def close(got, want, rtol=1e-10):
    assert got.shape == want.shape
    assert ((got - want).abs().max() / want.abs().max().clamp_min(1e-300)).item() < rtol


def matrix_of(name, kind, of, pairs=False):
    return lambda obs, src: getattr(autograd, name)(kind, obs, src, NU, ORIGIN, of, pairs)


def slip_of(kind):
    return torch.linspace(-20, 30, 2 * SLIPS[kind], dtype=torch.float64).reshape(2, -1)


def apply_of(kind, of):
    return lambda obs, src, s: autograd.apply(kind, obs, src, NU, ORIGIN, of, s)


def adjoint_of(kind, of):
    return lambda obs, src, r: autograd.apply_adjoint(kind, obs, src, NU, ORIGIN, of, r)


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("kind", KINDS)
class TestMatrices:
    @pytest.mark.parametrize("pairs", [False, True])
    def test_greens_is_the_field_of_unit_slips(self, kind, of, pairs):
        first = autograd.SLIP_COLUMN[kind]
        got = matrix_of("greens", kind, of, pairs)(OBS, SRC[kind])
        for b in range(SLIPS[kind]):
            one = SRC[kind].clone()
            one[:, first:] = 0
            one[:, first] = 90 if b == 1 else 0
            one[:, first + max(1, b)] = 1
            want = (
                [matrix_of("field", kind, of, pairs)(OBS, one[m : m + 1]) for m in range(2)]
                if not pairs
                else None
            )
            if pairs:
                close(got[..., b], matrix_of("field", kind, of, True)(OBS, one), 1e-12)
            else:
                close(got[..., b], torch.stack(want, 2), 1e-12)

    @pytest.mark.parametrize("pairs", [False, True])
    @pytest.mark.parametrize("name", ["greens", "jacobian"])
    def test_gradcheck(self, kind, of, pairs, name):
        if name == "greens":
            # The slip columns are ignored: their derivative is zero, also for the kernel's unit slips.
            matrix = matrix_of(name, kind, of, pairs)
        else:
            matrix = matrix_of(name, kind, of, pairs)
        inputs = OBS.clone().requires_grad_(), SRC[kind].clone().requires_grad_()
        assert torch.autograd.gradcheck(
            matrix,
            inputs,
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
            **TIGHT,
        )

    def test_greens_twice(self, kind, of):
        inputs = OBS.clone().requires_grad_(), SRC[kind].clone().requires_grad_()
        assert torch.autograd.gradgradcheck(
            matrix_of("greens", kind, of), inputs, check_fwd_over_rev=True, **TIGHT
        )

    def test_jacobian_of_the_jacobian_is_the_hessian(self, kind, of):
        want = matrix_of("hessian", kind, of)(OBS, SRC[kind])
        for transform in (jacfwd, jacrev):
            got = transform(matrix_of("jacobian", kind, of), argnums=1)(OBS, SRC[kind])
            close(torch.einsum("ncmpmq->ncmpq", got), want)

    def test_third_order_raises(self, kind, of):
        src = SRC[kind].clone().requires_grad_()
        with pytest.raises(RuntimeError, match="third derivatives"):
            matrix_of("hessian", kind, of)(OBS, src).sum().backward()
        with pytest.raises(RuntimeError, match="third derivatives"):
            jacfwd(matrix_of("hessian", kind, of), argnums=1)(OBS, SRC[kind])
        with pytest.raises(RuntimeError, match="third derivatives"):
            jacrev(jacfwd(matrix_of("jacobian", kind, of), argnums=1), argnums=1)(OBS, SRC[kind])

    @pytest.mark.parametrize("pairs", [False, True])
    @pytest.mark.parametrize("name", ["greens", "jacobian", "hessian"])
    def test_vmap(self, kind, of, pairs, name):
        obs = torch.stack([OBS, OBS - 0.3, OBS - 0.1])
        src = torch.stack([SRC[kind], SRC[kind] + 0.2, SRC[kind] + 0.3])
        matrix = matrix_of(name, kind, of, pairs)
        close(vmap(matrix, (0, None))(obs, src[0]), torch.stack([matrix(o, src[0]) for o in obs]), 1e-12)
        close(vmap(matrix, (None, 0))(obs[0], src), torch.stack([matrix(obs[0], s) for s in src]), 1e-12)
        want = torch.stack([matrix(o, s) for o, s in zip(obs, src, strict=True)])
        close(vmap(matrix)(obs, src), want, 1e-12)
        close(vmap(matrix, (1, 2))(obs.movedim(0, 1), src.movedim(0, 2)), want, 1e-12)


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("kind", KINDS)
class TestProducts:
    def test_are_those_of_the_matrix(self, kind, of):
        g = matrix_of("greens", kind, of)(OBS, SRC[kind])
        s = slip_of(kind)
        r = torch.linspace(-1, 1, g.shape[0] * g.shape[1], dtype=torch.float64).reshape(g.shape[:2])
        close(apply_of(kind, of)(OBS, SRC[kind], s), torch.einsum("ncmb,mb->nc", g, s))
        close(adjoint_of(kind, of)(OBS, SRC[kind], r), torch.einsum("ncmb,nc->mb", g, r))

    def test_gradcheck(self, kind, of):
        width = 3 if of == "displacement" else 9
        r = torch.linspace(-10, 10, 2 * width, dtype=torch.float64).reshape(2, width)
        for function, last in ((apply_of(kind, of), slip_of(kind)), (adjoint_of(kind, of), r)):
            inputs = [v.clone().requires_grad_() for v in (OBS, SRC[kind], last)]
            assert torch.autograd.gradcheck(
                function,
                inputs,
                check_forward_ad=True,
                check_batched_grad=True,
                check_batched_forward_grad=True,
                **TIGHT,
            )

    def test_gradgradcheck(self, kind, of):
        inputs = [v.clone().requires_grad_() for v in (OBS, SRC[kind], slip_of(kind))]
        assert torch.autograd.gradgradcheck(apply_of(kind, of), inputs, check_fwd_over_rev=True, **TIGHT)

    def test_slip_alone_uses_the_adjoint(self, kind, of, monkeypatch):
        """A linear inversion never evaluates derivatives of the kernels."""
        slip = slip_of(kind).requires_grad_()
        monkeypatch.setattr(products, "Vjp", None)
        value = apply_of(kind, of)(OBS, SRC[kind], slip)
        (back,) = torch.autograd.grad((value**2).sum() / 2, slip, create_graph=True)
        close(back, adjoint_of(kind, of)(OBS, SRC[kind], value).detach())
        (again,) = torch.autograd.grad(back, slip, torch.ones_like(slip))
        ones = apply_of(kind, of)(OBS, SRC[kind], torch.ones_like(slip))
        close(again, adjoint_of(kind, of)(OBS, SRC[kind], ones))

    def test_vmap_over_slip(self, kind, of):
        slips = torch.stack([slip_of(kind), slip_of(kind) * 2, slip_of(kind) + 1])
        function = apply_of(kind, of)
        want = torch.stack([function(OBS, SRC[kind], s) for s in slips])
        close(vmap(function, (None, None, 0))(OBS, SRC[kind], slips), want)


class TestTensors:
    def field(self, obs, src, **more):
        return autograd.field("rectangle", obs, src, NU, ORIGIN, "displacement", **more)

    def test_layouts(self):
        """Transposed, sliced, expanded and lazily negated tensors are read as what they are."""
        obs, src = OBS, SRC["rectangle"]
        want = self.field(obs, src)
        close(self.field(obs.T.contiguous().T, src), want, 1e-15)
        close(self.field(torch.cat([obs, obs], 1)[:, :3], src.repeat_interleave(2, 0)[::2]), want, 1e-15)
        close(self.field(obs[:1].expand(4, 3), src), want[:1].expand(4, 3), 1e-15)
        lazy = torch.complex(torch.zeros_like(obs), -obs).conj().imag
        assert lazy.is_neg()
        close(self.field(lazy, src), want, 1e-15)

    def test_inputs_are_not_written_to_and_results_are_their_own(self):
        obs, src = OBS.clone(), SRC["rectangle"].clone()
        first = self.field(obs, src)
        first += 1
        assert torch.equal(obs, OBS)
        assert torch.equal(src, SRC["rectangle"])

    def test_inputs_changed_before_backward_are_noticed(self):
        src = SRC["rectangle"].clone()
        scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        moved = src * scale
        out = self.field(OBS, moved)
        with torch.no_grad():
            moved.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            out.sum().backward()

    def test_no_graph_without_need(self):
        assert not self.field(OBS, SRC["rectangle"]).requires_grad
        with torch.no_grad():
            assert not self.field(OBS, SRC["rectangle"].clone().requires_grad_()).requires_grad

    def test_float32(self):
        obs, src = OBS.float(), SRC["rectangle"].float().requires_grad_()
        out = self.field(obs, src)
        assert out.dtype == torch.float32
        out.sum().backward()
        twin = SRC["rectangle"].float().double().requires_grad_()
        self.field(OBS.float().double(), twin).sum().backward()
        close(src.grad.double(), twin.grad, 1e-4)

    @pytest.mark.parametrize("bad", [torch.float32, torch.float16, torch.int64])
    def test_dtypes_must_agree(self, bad):
        with pytest.raises(TypeError, match="one dtype"):
            self.field(OBS, SRC["rectangle"].to(bad))

    def test_half_and_meta_are_refused(self):
        with pytest.raises(TypeError, match="float64 or float32"):
            self.field(OBS.half(), SRC["rectangle"].half())
        with pytest.raises(TypeError, match="CPU or on a CUDA device"):
            self.field(OBS.to("meta"), SRC["rectangle"].to("meta"))

    @pytest.mark.parametrize("n", [0, 2])
    @pytest.mark.parametrize("m", [0, 2])
    @pytest.mark.parametrize("of", ["displacement", "gradient", "both"])
    def test_empty(self, n, m, of):
        """No observers or no sources: zeros of the right shape that backward can pass."""
        if n and m:
            return
        obs, src = OBS[:n].clone().requires_grad_(), SRC["rectangle"][:m].clone().requires_grad_()
        out = autograd.field("rectangle", obs, src, NU, ORIGIN, of)
        assert out.shape == (n, autograd.COMPONENTS[of])
        assert not out.any()
        out.sum().backward()
        assert obs.grad.shape == obs.shape and not obs.grad.any()
        assert src.grad.shape == src.shape and not src.grad.any()
        batch = vmap(lambda s: autograd.field("rectangle", obs, s, NU, ORIGIN, of))(torch.stack([src, src]))
        assert batch.shape == (2, *out.shape)
        if of != "both":
            for name, tail in (("greens", (3,)), ("jacobian", (10,)), ("hessian", (10, 10))):
                assert matrix_of(name, "rectangle", of)(obs, src).shape == (*out.shape, m, *tail)

    def test_both_is_both(self):
        both = autograd.field("rectangle", OBS, SRC["rectangle"], NU, ORIGIN, "both")
        parts = [autograd.field("rectangle", OBS, SRC["rectangle"], NU, ORIGIN, of) for of in OF]
        close(both, torch.cat(parts, 1), 1e-14)

    def test_threads(self):
        close(self.field(OBS, SRC["rectangle"], threads=1), self.field(OBS, SRC["rectangle"]), 1e-15)


class TestOlderVmap:
    """What torch still maps without the rules of a Function."""

    def loss(self, src):
        return autograd.field("rectangle", OBS, src, NU, ORIGIN, "displacement")

    def test_batched_cotangents(self):
        src = SRC["rectangle"].clone().requires_grad_()
        out = self.loss(src)
        cots = torch.eye(out.numel(), dtype=out.dtype).reshape(-1, *out.shape)
        (got,) = torch.autograd.grad(out, src, cots, is_grads_batched=True)
        close(got.reshape(*out.shape, *src.shape), jacrev(self.loss)(src.detach()))

    @pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
    def test_functional_jacobian(self, strategy):
        src = SRC["rectangle"]
        got = torch.autograd.functional.jacobian(self.loss, src, vectorize=True, strategy=strategy)
        close(got, jacrev(self.loss)(src))

    @pytest.mark.parametrize("outer", ["reverse-mode", "forward-mode"])
    def test_functional_hessian(self, outer):
        def loss(src):
            return self.loss(src).sin().sum()

        src = SRC["rectangle"]
        got = torch.autograd.functional.hessian(loss, src, vectorize=True, outer_jacobian_strategy=outer)
        close(got, jacfwd(grad(loss))(src))


class TestInspect:
    def test_sees_values_below_every_transform(self):
        seen = []

        def look(obs, src):
            seen.append((obs.shape, src.shape))
            if obs[:, 2].max() > 0:
                raise ValueError("above")

        def checked(obs, src):
            autograd.inspect(look, obs, src)
            return autograd.field("rectangle", obs, src, NU, ORIGIN, "displacement").sum()

        src = SRC["rectangle"]
        obs = torch.stack([OBS, OBS, OBS - 0.1])
        vmap(grad(checked, argnums=1), (0, None))(obs, src)
        assert seen == [((6, 3), (2, 10))]
        jacfwd(jacrev(checked, argnums=1), argnums=1)(OBS, src)
        with pytest.raises(ValueError, match="above"):
            vmap(checked, (0, None))(obs + 1, src)
        with pytest.raises(ValueError, match="above"):
            torch.compile(checked, backend="aot_eager")(OBS + 1, src)


class TestPublicFunctions:
    def test_gradient_flows_from_fields_of_a_source(self):
        depth = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
        source = okada.Rectangle(0.1, -0.2, depth, 2.0, 1.2, 35.0, 50.0, 20.0, 30.0)
        okada.displacement(OBS, source).sum().backward()
        matrix = okada.jacobian(OBS.numpy(), source._replace(depth=1.5))
        close(depth.grad, torch.tensor(matrix[..., 2].sum()))

    def test_numpy_and_torch_agree(self):
        source = okada.Rectangle(*(SRC["rectangle"][:, k] for k in range(10)))
        plain = okada.Rectangle(*(column.numpy() for column in source))
        for name in ("displacement", "gradient", "strain", "greens", "jacobian", "hessian"):
            got = getattr(okada, name)(OBS, source)
            np.testing.assert_allclose(
                got.numpy(), getattr(okada, name)(OBS.numpy(), plain), rtol=1e-13, atol=0
            )


def test_importing_dislok_does_not_import_torch():
    code = "import sys, dislok, dislok.okada; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, dislok.okadatorch; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
