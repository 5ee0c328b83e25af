"""How a call's work is cut for threads."""

import numpy as np
import pytest

from dislok import okada
from dislok.kernels.okada.numba_cpu import FIELD, GREENS, SERIAL, Problem


def problem(n, m, paired=False):
    return Problem(np.zeros((n, 3)), np.zeros((m, 40)), 0.25, paired)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (100, 1), (20_000, 1), (3, 40_000), (300, 300), (10**6, 3)])
def test_parts_hold_every_pair_once(n, m, threads):
    groups = problem(n, m).parts(threads, FIELD["displacement"])
    assert sum((i1 - i0) * (j1 - j0) for group in groups for i0, i1, j0, j1 in group) == n * m
    for group in groups:
        ends = [part[:2] for part in group]
        assert ends[0][0] == 0
        assert ends[-1][1] == n
        assert all(a[1] == b[0] for a, b in zip(ends[:-1], ends[1:], strict=True))
        assert len({part[2:] for part in group}) == 1


def test_small_work_stays_with_the_caller_and_large_is_shared():
    """What a pair costs decides: one part, one for each thread, or four for each."""

    def parts(n, operation):
        return sum(map(len, problem(n, 1).parts(2, operation)))

    value, greens = FIELD["displacement"], GREENS["displacement"]
    assert parts(SERIAL["value"], value) == 1
    assert parts(SERIAL["value"] + 1, value) == 2
    assert parts(SERIAL["greens"] + 1, greens) == 2
    assert parts(6 * SERIAL["value"], value) == 3
    assert parts(10**6, value) == 8


@pytest.mark.parametrize("of", ["displacement", "gradient"])
@pytest.mark.parametrize(("n", "m"), [(30_000, 1), (9_000, 3), (2, 20_000)])
def test_threads_change_nothing(n, m, of, rng):
    obs = np.column_stack([rng.uniform(-50, 50, (n, 2)), np.zeros(n)])
    source = okada.Rectangle(np.linspace(0, 30, m), 0.0, 2.0, 3.0, 2.0, 30.0, 60.0, 90.0)
    one, two = (getattr(okada, of)(obs, source, threads=k) for k in (1, 2))
    assert np.abs(one - two).max() <= 1e-13 * np.abs(one).max()
