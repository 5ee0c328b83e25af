"""Every transform of torch on the fields, against finite differences and the kernels' own matrices."""

import gc

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402

from dislok import backends  # noqa: E402
from dislok.autograd import okada as autograd  # noqa: E402

NU = 0.25
ORIGIN = {"rectangle": (0.5, 0.0), "point": (0.0, 0.0)}
OF = ["displacement", "gradient", "both"]
KINDS = ["rectangle", "point"]
# Near faults of about unit size and slip 30: fields and all their derivatives are of the order of one.
OBS = [[0.3, 0.9, -0.2], [1.4, -0.6, 0.0], [-0.7, 0.5, -0.4]]
SRC = {
    "rectangle": [
        [0.1, -0.2, 1.5, 2.0, 1.2, 35.0, 50.0, 20.0, 30.0, 4.0],
        [0.4, 0.3, 1.9, 1.5, 0.8, 80.0, 70.0, 110.0, 20.0, -6.0],
    ],
    "point": [
        [0.1, -0.2, 1.5, 35.0, 50.0, 20.0, 30.0, 4.0, 7.0],
        [0.4, 0.3, 1.9, 80.0, 70.0, 110.0, 20.0, -6.0, 5.0],
    ],
}


def points(n: int = 2) -> torch.Tensor:
    return torch.tensor(OBS[:n], dtype=torch.float64)


def sources(kind: str, m: int = 2) -> torch.Tensor:
    return torch.tensor(SRC[kind][:m], dtype=torch.float64)


def field_of(kind: str, of: str, pairs: bool = False):
    return lambda obs, src: autograd.field(kind, obs, src, NU, ORIGIN[kind], of, pairs)


def kernel(name: str, kind: str, of: str, obs: torch.Tensor, src: torch.Tensor, pairs: bool = False):
    """The matrix that the kernel itself gives, as a tensor."""
    function = getattr(backends.load("numba"), name)
    found = [
        function(kind, obs.numpy(), src.numpy(), NU, ORIGIN[kind], part, pairs)
        for part in (["displacement", "gradient"] if of == "both" else [of])
    ]
    return torch.from_numpy(np.concatenate(found, 1))


def close(got: torch.Tensor, want: torch.Tensor, rtol: float = 1e-10) -> None:
    assert got.shape == want.shape
    scale = want.abs().max().clamp_min(1e-300)
    assert ((got - want).abs().max() / scale).item() < rtol


TIGHT = {"eps": 1e-5, "atol": 1e-7, "rtol": 1e-6}


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("kind", KINDS)
class TestFirstOrder:
    def test_gradcheck(self, kind, of, pairs):
        inputs = points().requires_grad_(), sources(kind).requires_grad_()
        assert torch.autograd.gradcheck(
            field_of(kind, of, pairs),
            inputs,
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
            **TIGHT,
        )

    def test_backward(self, kind, of, pairs):
        obs, src = points(), sources(kind).requires_grad_()
        out = field_of(kind, of, pairs)(obs, src)
        cot = torch.arange(1.0, out.numel() + 1, dtype=out.dtype).reshape(out.shape).sin()
        out.backward(cot)
        matrix = kernel("jacobian", kind, of, obs, src.detach(), pairs)
        close(src.grad, torch.einsum("ncp,nc->np" if pairs else "ncmp,nc->mp", matrix, cot))

    def test_jvp_and_vjp(self, kind, of, pairs):
        obs, src = points(), sources(kind)
        tangent = torch.ones_like(src) * torch.tensor([0.3, -0.5])[:, None]
        matrix = kernel("jacobian", kind, of, obs, src, pairs)
        function = field_of(kind, of, pairs)
        along = jvp(lambda s: function(obs, s), (src,), (tangent,))[1]
        close(along, torch.einsum("ncp,np->nc" if pairs else "ncmp,mp->nc", matrix, tangent))
        back = vjp(lambda s: function(obs, s), src)[1](torch.ones_like(along))[0]
        close(back, matrix.sum((0, 1)) if not pairs else matrix.sum(1))

    @pytest.mark.parametrize("transform", [jacfwd, jacrev])
    def test_jacobian(self, kind, of, pairs, transform):
        obs, src = points(), sources(kind)
        got = transform(lambda s: field_of(kind, of, pairs)(obs, s))(src)
        want = kernel("jacobian", kind, of, obs, src, pairs)
        close(torch.einsum("ncnp->ncp", got) if pairs else got, want)


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("kind", KINDS)
class TestSecondOrder:
    @pytest.mark.parametrize("pairs", [False, True])
    def test_gradgradcheck(self, kind, of, pairs):
        inputs = points().requires_grad_(), sources(kind).requires_grad_()
        assert torch.autograd.gradgradcheck(
            field_of(kind, of, pairs), inputs, check_fwd_over_rev=True, check_batched_grad=True, **TIGHT
        )

    def test_forward_over_forward(self, kind, of):
        """jvp of jvp along two directions of everything, against differences of first derivatives."""
        obs, src = points(), sources(kind)
        function = field_of(kind, of)
        t = torch.full_like(obs, 0.3), torch.full_like(src, 0.7)
        s = torch.full_like(obs, -0.6), torch.full_like(src, 0.2)

        def first(o, x):
            return jvp(function, (o, x), t)[1]

        step = 1e-5
        ahead = first(obs + step * s[0], src + step * s[1])
        behind = first(obs - step * s[0], src - step * s[1])
        close(jvp(first, (obs, src), s)[1], (ahead - behind) / (2 * step), 1e-7)

    @pytest.mark.parametrize("inner", [jacfwd, jacrev])
    @pytest.mark.parametrize("outer", [jacfwd, jacrev])
    def test_hessian(self, kind, of, outer, inner):
        obs, src = points(), sources(kind)
        got = outer(inner(lambda s: field_of(kind, of)(obs, s)))(src)
        want = kernel("hessian", kind, of, obs, src)
        close(torch.einsum("ncmpmq->ncmpq", got), want)
        assert got[:, :, 0, :, 1].abs().max() == 0

    def test_hessian_of_a_loss(self, kind, of):
        obs, src = points(), sources(kind)

        def loss(s):
            return (field_of(kind, of)(obs, s) ** 2).sum() / 2

        first = kernel("jacobian", kind, of, obs, src).flatten(2)
        second = kernel("hessian", kind, of, obs, src)
        value = field_of(kind, of)(obs, src)
        want = torch.einsum("nci,ncj->ij", first, first)
        for k, block in enumerate(torch.einsum("nc,ncmpq->mpq", value, second)):
            size = slice(k * src.shape[1], (k + 1) * src.shape[1])
            want[size, size] += block
        got = hessian(loss)(src).reshape(want.shape)
        close(got, want)
        close(torch.autograd.functional.hessian(loss, src).reshape(want.shape), want)

    def test_mixed_coordinate_and_parameter(self, kind, of):
        """∂²/∂x∂depth both ways round."""
        obs, src = points(), sources(kind)
        function = field_of(kind, of)
        one = jacfwd(jacrev(function, argnums=0), argnums=1)(obs, src)
        other = jacrev(jacfwd(function, argnums=1), argnums=0)(obs, src)
        close(one, other.permute(0, 1, 4, 5, 2, 3))


@pytest.mark.parametrize("of", OF)
class TestVmap:
    KIND = "rectangle"

    def both(self, function, in_dims, *args):
        got = vmap(function, in_dims=in_dims)(*args)
        size = next(a.shape[d] for a, d in zip(args, in_dims, strict=True) if d is not None)
        rows = [
            function(*(a if d is None else a.select(d, b) for a, d in zip(args, in_dims, strict=True)))
            for b in range(size)
        ]
        close(got, torch.stack(rows), 1e-12)

    def batches(self, size=3):
        shift = torch.linspace(0, 0.3, size, dtype=torch.float64)[:, None, None]
        return points() + shift * torch.tensor([1, 1, -1.0]), sources(self.KIND) + shift

    @pytest.mark.parametrize("pairs", [False, True])
    def test_over_observers_sources_and_both(self, of, pairs):
        obs, src = self.batches()
        function = field_of(self.KIND, of, pairs)
        self.both(function, (0, None), obs, src[0])
        self.both(function, (None, 0), obs[0], src)
        self.both(function, (0, 0), obs, src)
        self.both(function, (1, None), obs.movedim(0, 1), src[0])
        self.both(function, (None, 2), obs[0], src.movedim(0, 2))

    def test_nested(self, of):
        obs, src = self.batches()
        function = field_of(self.KIND, of)
        got = vmap(vmap(function, in_dims=(None, 0)), in_dims=(0, None))(obs, src)
        want = torch.stack([torch.stack([function(o, s) for s in src]) for o in obs])
        close(got, want, 1e-12)

    @pytest.mark.parametrize("pairs", [False, True])
    @pytest.mark.parametrize("argnums", [0, 1])
    def test_of_each_derivative(self, of, pairs, argnums):
        obs, src = self.batches(2)
        function = field_of(self.KIND, of, pairs)

        def loss(o, s):
            return function(o, s).sin().sum()

        for dims in [(0, 0), (None, 0), (0, None)]:
            args = [a if d == 0 else a[0] for a, d in zip((obs, src), dims, strict=True)]
            self.both(grad(loss, argnums), dims, *args)
            self.both(lambda o, s: jvp(function, (o, s), (o, s))[1], dims, *args)
            self.both(lambda o, s: vjp(function, o, s)[1](function(o, s))[argnums], dims, *args)
            for transform in (jacfwd, jacrev):
                self.both(transform(function, argnums), dims, *args)
            self.both(hessian(loss, argnums), dims, *args)

    def test_chunks(self, of, monkeypatch):
        """Batches too large for one call are cut: whatever the cut, the same values."""
        obs, src = self.batches(7)
        function = field_of(self.KIND, of)
        want = vmap(function, in_dims=(None, 0))(obs[0], src)
        for rows in (1, 8, 12):
            monkeypatch.setattr("dislok.autograd.vmap.ROWS", rows)
            close(vmap(function, in_dims=(None, 0))(obs[0], src), want, 1e-13)

    def test_scalar_parameter_of_a_stacked_source(self, of):
        """The way a user maps over dip: the source is assembled inside."""
        base = sources(self.KIND, 1)[0]

        def at_dip(dip):
            return field_of(self.KIND, of)(points(), torch.cat([base[:6], dip[None], base[7:]])[None])

        dips = torch.tensor([10.0, 90.0, 130.0], dtype=torch.float64)
        self.both(at_dip, (0,), dips)
        self.both(jacfwd(at_dip), (0,), dips)
        self.both(jacfwd(jacrev(at_dip)), (0,), dips)


class TestTop:
    """Beyond the second derivative: an error, never a number."""

    def loss(self, src):
        return field_of("rectangle", "displacement")(points(), src).sin().sum()

    def test_reverse(self):
        src = sources("rectangle").requires_grad_()
        first = torch.autograd.grad(self.loss(src), src, create_graph=True)[0]
        second = torch.autograd.grad(first.sin().sum(), src, create_graph=True)[0]
        with pytest.raises(RuntimeError, match="third derivatives"):
            second.sum().backward()

    @pytest.mark.parametrize("first", [jacfwd, jacrev])
    @pytest.mark.parametrize("second", [jacfwd, jacrev])
    @pytest.mark.parametrize("third", [jacfwd, jacrev])
    def test_functional(self, first, second, third):
        with pytest.raises(RuntimeError, match="third derivatives"):
            first(second(third(self.loss)))(sources("rectangle"))

    def test_second_derivative_with_a_graph_is_linear_in_its_direction(self):
        """A Hessian-vector product stays differentiable with respect to the vector."""
        src = sources("rectangle").requires_grad_()
        v = torch.ones_like(src, requires_grad=True)
        first = torch.autograd.grad(self.loss(src), src, create_graph=True)[0]
        product = torch.autograd.grad(first, src, v, create_graph=True)[0]
        back = torch.autograd.grad(product[0, 2], v)[0]
        close(back, hessian(self.loss)(src.detach())[0, 2])


class TestPoissonRatio:
    NU = torch.tensor(0.31, dtype=torch.float64)

    def at(self, of="both", kind="rectangle"):
        return lambda nu: autograd.field(kind, points(), sources(kind), nu, ORIGIN[kind], of)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("nu", [0.0, 0.1, 0.25, 0.37, 0.499])
    def test_tensor_and_float_agree(self, kind, nu):
        close(self.at(kind=kind)(torch.tensor(nu, dtype=torch.float64)), self.at(kind=kind)(nu), 1e-13)

    @pytest.mark.parametrize("kind", KINDS)
    def test_derivatives(self, kind):
        nu = self.NU.clone().requires_grad_()
        function = self.at(kind=kind)
        assert torch.autograd.gradcheck(function, nu, check_forward_ad=True, check_batched_grad=True, **TIGHT)
        assert torch.autograd.gradgradcheck(function, nu, check_fwd_over_rev=True, **TIGHT)

    def test_mixed_with_the_source(self):
        def of_both(nu, src):
            return autograd.field("rectangle", points(), src, nu, ORIGIN["rectangle"], "both")

        src = sources("rectangle")
        got = jacfwd(jacrev(of_both, argnums=1))(self.NU, src)
        step = 1e-5
        ahead, behind = (jacrev(of_both, argnums=1)(self.NU + h, src) for h in (step, -step))
        close(got, (ahead - behind) / (2 * step), 1e-8)

    def test_vmap(self):
        nus = torch.tensor([0.1, 0.25, 0.4], dtype=torch.float64)
        close(vmap(self.at())(nus), torch.stack([self.at()(nu) for nu in nus]), 1e-14)

    def test_one_per_row(self):
        nus = torch.tensor([0.1, 0.4], dtype=torch.float64)
        obs, src = points(), sources("rectangle")
        got = autograd.field("rectangle", obs, src, nus, ORIGIN["rectangle"], "both", True)
        for k, nu in enumerate(nus.tolist()):
            row = slice(k, k + 1)
            one = autograd.field("rectangle", obs[row], src[row], nu, ORIGIN["rectangle"], "both", True)
            close(got[k : k + 1], one, 1e-13)


class TestCompile:
    """torch.compile: a graph break, and the same numbers; where that cannot be, an error."""

    def loss(self, src):
        moved = src * 1.01
        return (field_of("rectangle", "both")(points(), moved).sin() * 2).sum()

    @pytest.fixture(autouse=True)
    def fresh(self):
        torch.compiler.reset()
        yield
        torch.compiler.reset()
        # Where torch gave up within two transforms, its suspended contexts end when they are collected, and
        # put back whether gradients were recorded inside of them.
        gc.collect()
        torch.set_grad_enabled(True)

    def test_value_and_backward(self):
        compiled = torch.compile(self.loss, backend="aot_eager")
        src, twin = (sources("rectangle").requires_grad_() for _ in range(2))
        value = compiled(src)
        value.backward()
        want = self.loss(twin)
        want.backward()
        close(value.detach(), want.detach(), 1e-14)
        close(src.grad, twin.grad, 1e-13)

    @pytest.mark.parametrize(
        "transform",
        [
            grad,
            jacfwd,
            jacrev,
            lambda f: lambda s: jvp(f, (s,), (s,))[1],
            lambda f: lambda s: vjp(f, s)[1](torch.ones((), dtype=s.dtype))[0],
            lambda f: lambda s: vmap(f)(torch.stack([s, s * 1.01])),
            lambda f: lambda s: vmap(grad(f))(torch.stack([s, s * 1.01])),
        ],
    )
    def test_transforms(self, transform):
        src = sources("rectangle")
        close(torch.compile(transform(self.loss), backend="aot_eager")(src), transform(self.loss)(src), 1e-12)

    @pytest.mark.slow  # where torch gives up in the middle, it can stay in inference mode
    @pytest.mark.parametrize("first", [grad, jacfwd, jacrev, hessian, lambda f: lambda s: vmap(f)(s[None])])
    @pytest.mark.parametrize("second", [jacfwd, jacrev, lambda f: lambda s: vmap(f)(s[None])])
    @pytest.mark.parametrize("inside", [True, False])
    def test_nested_transforms_are_right_or_loud(self, first, second, inside):
        """Torch cannot always break a graph within two transforms; then it says so."""

        def nested(function):
            return second(first(function))

        src = sources("rectangle")
        try:
            if inside:
                got = nested(torch.compile(self.loss, backend="aot_eager"))(src)
            else:
                got = torch.compile(nested(self.loss), backend="aot_eager")(src)
        except (RuntimeError, AssertionError) as error:
            assert "third derivatives" in str(error) or isinstance(
                error, torch._dynamo.exc.TorchDynamoException
            )  # noqa: PT017
        else:
            close(got, nested(self.loss)(src), 1e-12)

    def test_whole_graph_is_refused(self):
        with pytest.raises(torch._dynamo.exc.Unsupported):
            torch.compile(self.loss, backend="aot_eager", fullgraph=True)(sources("rectangle"))


class TestTraining:
    def test_adam_finds_the_slip(self):
        obs, src = points(3), sources("rectangle", 1)
        data = field_of("rectangle", "displacement")(obs, src)
        slip = torch.tensor([10.0, 0.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([slip], lr=0.3)
        for _ in range(600):
            optimizer.zero_grad()
            model = torch.cat([src[0, :8], slip])[None]
            ((field_of("rectangle", "displacement")(obs, model) - data) ** 2).sum().backward()
            optimizer.step()
        close(slip.detach(), src[0, 8:], 1e-3)

    def test_lbfgs_and_module(self):
        obs, src = points(3), sources("rectangle", 1)
        data = field_of("rectangle", "displacement")(obs, src)

        class Depth(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.depth = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

            def forward(self):
                model = torch.cat([src[0, :2], self.depth[None], src[0, 3:]])[None]
                return ((field_of("rectangle", "displacement")(obs, model) - data) ** 2).sum()

        module = Depth()
        optimizer = torch.optim.LBFGS(module.parameters(), line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = module()
            loss.backward()
            return loss

        optimizer.step(closure)
        assert abs(module.depth.item() - src[0, 2].item()) < 1e-4
        moved = functional_call(module, {"depth": torch.tensor(1.6, dtype=torch.float64)})
        assert moved > module()
