"""From pairs to results, with a family of formulas so plain that every number is known."""

import numpy as np
import pytest
from numba import cfunc, types

from dislok.kernels.lanes import LANES
from dislok.kernels.pairs import batches, blocks, launch
from dislok.kernels.pairs.code import Code
from dislok.kernels.pairs.delivery import place_rows

FAR = blocks.FIRST + 1


def classify(obs, src, obs_width, src_width, count, codes):
    """Far pairs are those with a negative product of the first numbers; they have two rules."""
    low, high = 100.0, 0.0
    for begin in range(0, count, LANES):
        for lane in range(LANES):
            x, s = obs[begin * obs_width + lane], src[begin * src_width + lane]
            found = 0.0
            if x * s < 0.0:
                found = 1.25 if x < 0.0 else 2.5
            codes[begin + lane] = found
            low, high = min(low, found), max(high, found)
    codes[blocks.CHUNK], codes[blocks.CHUNK + 1] = low, high


def near(obs, src, rows, groups, nu, eps, last, which):
    """x s, then y + t."""
    for i in range(groups * blocks.GROUP):
        rows[i] = obs[i] * src[i]
        rows[LANES + i] = obs[LANES + i] + src[LANES + i]


def far(obs, src, rows, groups, nu, eps, last, which):
    """nu x s, then the code of the rule."""
    for i in range(groups * blocks.GROUP):
        rows[i] += nu * obs[i] * src[i]
        rows[LANES + i] += which


def finish(obs, src, rows, groups):
    """Twice the rows, and the observer's own number times the source's."""
    for i in range(groups * blocks.GROUP):
        rows[i], rows[LANES + i] = 2.0 * rows[i], 2.0 * rows[LANES + i]
        rows[2 * LANES + i] = obs[3 * LANES + i] * src[2 * LANES + i]


PARTS = {blocks.METHOD: classify, blocks.FINISH: finish, blocks.FIRST: near, FAR: far}


_alive = []


def compiled(place):
    """Address of a part, compiled for double precision."""
    pointer, whole = types.CPointer(types.float64), types.int64
    kinds = {
        blocks.METHOD: (pointer, pointer, whole, whole, whole, pointer),
        blocks.FINISH: (pointer, pointer, pointer, whole),
    }
    method = (pointer, pointer, pointer, whole, types.float64, types.float64, whole, types.float64)
    _alive.append(cfunc(types.void(*kinds.get(place, method)))(PARTS[place]))
    return _alive[-1].address


def code(finished=True, serial=0):
    made = Code(2, compiled, 2, 3, serial=serial)
    if not finished:
        made.addresses[blocks.FINISH] = blocks.NONE
    return made


class Plain(launch.PairSet):
    """Observers (x, y, z), sources (s, t)."""

    def __init__(self, obs, src, paired=False):
        super().__init__(obs, len(src), 0.25, 0.0, paired)
        self.src = src

    def columns(self, of_src):
        columns = self.src if of_src is None else np.concatenate([self.src, of_src], axis=1)
        return np.ascontiguousarray(columns), columns.shape[1]


def expected(obs, src):
    """The two rows of every pair, (n, m, 2)."""
    x, s = obs[:, None, 0], src[None, :, 0]
    apart = x * s < 0.0
    second = np.where(apart, np.where(x < 0.0, 1.25, 2.5), obs[:, None, 1] + src[None, :, 1])
    return np.stack([np.where(apart, 0.25, 1.0) * x * s, second], axis=-1)


SHAPES = [(1, 1), (3, 1), (1, 700), (600, 1), (5, 300), (300, 5), (70, 130), (1300, 3)]


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def scene(request, rng):
    n, m = request.param
    return rng.normal(size=(n, 3)), rng.normal(size=(m, 2))


@pytest.mark.parametrize("threads", [1, 3])
def test_sums(scene, threads):
    obs, src = scene
    sums = launch.Sums((0, 2), (1, 2))
    of_obs, of_src = Plain(obs, src).launch(code(False), sums=sums, threads=threads)
    want = expected(obs, src)
    np.testing.assert_allclose(of_obs, want.sum(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of_src, want[..., 1:].sum(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_matrices_in_one_array_or_two(scene, threads):
    obs, src = scene
    want, plain = expected(obs, src), Plain(obs, src)
    index = np.array([[1], [0], [1]])
    found = plain.kept(code(False), index, None, threads)
    np.testing.assert_array_equal(found, np.moveaxis(want[..., [1, 0, 1]], 2, 1)[..., None])
    first, second = np.empty((2, len(obs), len(src)))
    kept = [launch.matrix([k], [0], out, len(src), 1) for k, out in enumerate((first, second))]
    plain.launch(code(False), kept=kept, threads=threads)
    np.testing.assert_array_equal(np.stack([first, second], axis=-1), want)


def test_pairs_and_what_belongs_to_the_sides(rng):
    obs, src = rng.normal(size=(900, 3)), rng.normal(size=(900, 2))
    own, its = rng.normal(size=(900, 1)), rng.normal(size=(900, 1))
    want = expected(obs, src)[range(900), range(900)]
    found = Plain(obs, src, paired=True).summed(code(), (0, 3), None, 2, of_obs=own, of_src=its)
    np.testing.assert_allclose(found, np.column_stack([2.0 * want, own * its]), rtol=1e-14)
    both = Plain(obs, src, paired=True).launch(code(), own, its, launch.Sums((0, 1), (1, 3)))
    np.testing.assert_array_equal(np.concatenate(both, axis=1), found)


def test_the_first_method_may_give_the_result(rng):
    obs, src = abs(rng.normal(size=(100, 3))), abs(rng.normal(size=(4, 2)))
    fused = Code(2, compiled, 0, 3, fused=True)
    found, _ = Plain(obs, src).launch(fused, sums=launch.Sums((0, 2)))
    np.testing.assert_allclose(found, expected(obs, src).sum(1), rtol=1e-13)
    assert fused.addresses[blocks.FINISH] == 0  # nothing asked for it


def test_no_pairs():
    for n, m in ((0, 3), (3, 0), (0, 0)):
        plain = Plain(np.ones((n, 3)), np.ones((m, 2)))
        found, _ = plain.launch(code(), np.ones((n, 1)), np.ones((m, 1)), launch.Sums((0, 2)))
        np.testing.assert_array_equal(found, np.zeros((n, 2)))


@pytest.mark.parametrize("size", [1, 2, 90])
def test_batches(rng, size):
    obs, src = rng.normal(size=(40, 3)), rng.normal(size=(3 * size, 2))
    many = batches.Batches(Plain(obs, src), size)
    want = expected(obs, src).reshape(40, 3, size, 2)
    for threads in (1, 2):
        found = many.summed(code(False), (0, 2), None, threads)
        np.testing.assert_allclose(found, np.moveaxis(want.sum(2), 1, 0), rtol=1e-12, atol=1e-12)
        out = np.empty((3, 40, 2, size, 1))
        many.kept(code(False), np.array([[0], [1]]), out, threads)
        np.testing.assert_array_equal(out[..., 0], np.transpose(want, (1, 0, 3, 2)))


def test_a_call_that_is_given_up_ends(rng):
    plain, made = Plain(rng.normal(size=(500, 3)), rng.normal(size=(50, 2))), code(False)
    plain.launch(made, sums=launch.Sums((0, 2)))
    obs, src, numbers = plain.shared(None, None)
    stop, sums = np.full(1, blocks.GIVEN_UP), np.full((500, 2), np.nan)
    places = launch.both([], plain.dtype)
    memory = launch.scratch(obs, src, (True, False), made, 2, places)
    blocks.run(
        obs, src, (True, False), 512, (0, 1), made.addresses, False, numbers, 2, ((0, 2), sums),
        ((0, 0), np.zeros((50, 0))), places, memory, stop,
    )  # fmt: skip
    assert stop[0] == blocks.GIVEN_UP and np.isnan(sums).all()


@pytest.mark.parametrize(
    ("n", "m", "beside", "along"),
    [
        (1000, 1, True, 0),
        (30, 2000, True, 1),
        (30, 2000, False, 1),
        (2000, 3000, False, 0),
        (30, 20, False, 0),
    ],
)
def test_lanes_run_along_the_longer_side(n, m, beside, along):
    lanes = launch.lanes_of(n, m, False, beside)
    assert lanes.along[along] and not lanes.along[1 - along]
    assert (lanes.lanes, lanes.others) == ((n, m) if along == 0 else (m, n))


@pytest.mark.parametrize("used", [64, 61, 5, 1])
@pytest.mark.parametrize("size", [1, 3, 8, 9, 30])
def test_rows_lie_side_by_side(rng, used, size):
    rows, index = rng.normal(size=40 * LANES), rng.integers(0, 40, size)
    out = np.zeros((100, 4, size))
    place_rows(rows, index, np.arange(size), used, out.reshape(-1), 10 * 4 * size, 4 * size)
    want = np.zeros_like(out)
    want[10 : 10 + used, 0] = rows.reshape(40, LANES)[index, :used].T
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("size", [3, 9])
@pytest.mark.parametrize("shift", [0, 1])
def test_results_past_the_caches_are_the_same(rng, size, shift):
    n = 1 + launch.CACHED // (8 * size)
    obs, src = rng.normal(size=(n, 3)), np.ones((1, 2))
    out = np.empty(n * size + shift)[shift:].reshape(n, size)
    rows = np.zeros((size, 1), int) + np.arange(size)[:, None] % 2
    kept = launch.matrix(rows, np.arange(size), out, size, 0)
    assert kept.streamed
    Plain(obs, src).launch(code(False), kept=[kept])
    np.testing.assert_array_equal(out, expected(obs, src)[:, 0][:, np.arange(size) % 2])


def test_code_is_compiled_once(rng):
    asked = []

    def make(place):
        asked.append(place)
        return compiled(place)

    made = Code(2, make, 2, 3, serial=0)
    for _ in range(2):
        Plain(rng.normal(size=(300, 3)), rng.normal(size=(9, 2))).launch(
            made, np.ones((300, 1)), np.ones((9, 1)), launch.Sums((0, 3)), threads=2
        )
    assert sorted(asked) == sorted(PARTS)
