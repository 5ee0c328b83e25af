"""Faults that adjoin: one roughness across their common edges, whatever they are cut into."""

import numpy as np
import pytest

from dislok.inversion.mesh import Grid, Mesh, mesh_of_rectangle
from dislok.inversion.mesh.joined import Joined
from dislok.inversion.mesh.operators import gradient, laplacian, roughness
from dislok.inversion.slip import Gnss, SlipModel, SlipProblem
from dislok.okada import Rectangle

WHOLE = Rectangle(0.0, 0.0, 0.0, 24.0, 12.0, 30.0, 60.0)


def halves(n=(4, 4), rows=(3, 3)):
    """The rectangle as two grids end to end."""
    along = 12.0 * np.array([np.sin(np.deg2rad(30)), np.cos(np.deg2rad(30))])
    first = Grid(WHOLE._replace(length=12.0), n[0], rows[0])
    return first, Grid(WHOLE._replace(length=12.0, x=along[0], y=along[1]), n[1], rows[1])


def order_of(joined, whole):
    """For each patch of the whole, which of the joined it is."""
    place = np.concatenate([part.centroids for part in joined])
    return np.array([np.argmin(np.linalg.norm(place - c, axis=1)) for c in whole.centroids])


@pytest.mark.parametrize("edges", ["free", "buried", "locked"])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("kind", ["grid", "mesh"])
def test_cut_faults_are_as_rough_as_whole_ones(kind, order, edges, rng):
    if kind == "grid":
        parts, whole = halves(), Grid(WHOLE, 8, 3)
    else:
        whole = mesh_of_rectangle(WHOLE, 8, 3)
        near = whole.centroids[:, :2] @ [np.sin(np.deg2rad(30)), np.cos(np.deg2rad(30))] < 12
        parts = [_part(whole, near), _part(whole, ~near)]
    number = order_of(parts, whole)
    assert sorted(number) == list(range(whole.size))
    one, two = roughness(whole, order, edges), roughness(Joined(parts), order, edges)
    for _ in range(3):
        field = rng.standard_normal(whole.size)
        cut = np.empty(whole.size)
        cut[number] = field
        assert np.sum((two @ cut) ** 2) == pytest.approx(np.sum((one @ field) ** 2), rel=1e-10)


def _part(mesh, which):
    used = np.unique(mesh.cells[which])
    return Mesh(mesh.points[used], np.searchsorted(used, mesh.cells[which]))


def test_patches_of_different_sizes_meet():
    joined = Joined(halves((4, 6), (3, 4)))
    place = np.concatenate([part.centroids for part in halves((4, 6), (3, 4))])
    assert len(joined.seams) == 6
    assert np.abs(gradient(joined, "free") @ np.ones(joined.size)).max() < 1e-12
    inner = ~np.isin(np.arange(joined.size), joined.adjacency.rim)
    bent = laplacian(joined, "free") @ (place @ [0.3, -0.2, 0.5])
    assert inner.any() and np.abs(bent[inner]).max() < 1e-10


def test_bends_join_and_what_lies_apart_or_on_top_does_not():
    first = Grid(WHOLE._replace(length=12.0, dip=70.0), 4, 3)
    end = 12.0 * np.array([np.sin(np.deg2rad(30)), np.cos(np.deg2rad(30))])
    bent = Grid(WHOLE._replace(length=12.0, dip=70.0, strike=50.0, x=end[0], y=end[1]), 4, 3)
    assert len(Joined([first, bent]).seams) >= 3
    apart = Grid(WHOLE._replace(length=12.0, dip=70.0, x=30.0), 4, 3)
    assert len(Joined([first, apart]).seams) == 0
    assert len(Joined([first, Grid(WHOLE._replace(length=12.0, dip=70.0), 4, 3)]).seams) == 0
    vertical = [Grid(WHOLE._replace(length=12.0, dip=90.0), 4, 3)]
    vertical.append(Grid(WHOLE._replace(length=12.0, dip=90.0, strike=80.0, x=end[0], y=end[1]), 4, 3))
    assert sorted(map(tuple, Joined(vertical).seams)) == [(3, 12), (7, 16), (11, 20)]


def test_slip_goes_on_across_segments():
    parts, whole = halves((6, 6), (4, 4)), Grid(WHOLE, 12, 4)
    rng = np.random.default_rng(2)
    xy = rng.uniform(-5, 30, (60, 2))

    def bump(patches):
        away = patches.centroids - whole.centroids.mean(axis=0)
        return (1.5 * np.exp(-np.sum(away**2, axis=1) / 40.0))[:, None] * [0.0, 1.0, 0.0]

    data = Gnss(xy, whole.apply(xy, bump(whole)) + 0.003 * rng.standard_normal((60, 3)), 0.003)
    truth = np.concatenate([bump(part)[:, 1] for part in parts])
    seam = np.abs(np.concatenate([p.centroids[:, :2] for p in parts]) @ [0.5, 3**0.5 / 2] - 12.0) < 4
    error = {}
    for join in (True, False):
        models = [SlipModel(part, rake=90.0) for part in parts]
        result = SlipProblem(data, models, length_unit=1000, join=join).solve("abic")
        error[join] = np.abs(np.concatenate(result.slip)[seam, 1] - truth[seam]).mean()
    assert error[True] < 0.6 * error[False]
    one = SlipProblem(data, SlipModel(whole, rake=90.0), length_unit=1000).solve("abic")
    cut = SlipProblem(data, [SlipModel(part, rake=90.0) for part in parts], length_unit=1000).solve("abic")
    assert cut.smoothing == pytest.approx(one.smoothing, rel=0.02)


def test_segments_that_differ_are_refused():
    first, second = halves()
    data = Gnss([[0.0, 0.0], [5.0, 9.0]], np.zeros((2, 3)), 0.01)
    models = [SlipModel(first, order=2), SlipModel(second, order=1)]
    with pytest.raises(ValueError, match=r"models\[1\] has order 1 and models\[0\], whose edge it shares, 2"):
        SlipProblem(data, models)
    apart = SlipProblem(data, models, join=False).roughness
    blocks = [model.roughness().toarray() for model in models]
    assert apart.shape[0] == sum(len(block) for block in blocks)
    np.testing.assert_array_equal(apart.toarray()[: len(blocks[0]), : models[0].size], blocks[0])
