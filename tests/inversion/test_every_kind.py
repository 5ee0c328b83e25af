"""Every public function and picture of faults, slip, meshes, quadtrees and interferograms with each kind of
argument that its documentation allows, and with what belongs to another: an answer, or an error by name.
"""

import numpy as np
import pytest
from inversion_cases import BOUNDS, LOOK, TRUTH, moved, stations

from dislok.inversion import interferogram, mesh, plot, quadtree, weights
from dislok.inversion.fault import FaultModel, Fit, Gnss, Los, Problem, Samples, load
from dislok.inversion.fault.sample import ess, rhat
from dislok.inversion.mesh import plot as mesh_plot
from dislok.inversion.slip import (
    GridShape,
    MeshShape,
    PixelOffsets,
    SlipModel,
    SlipProblem,
    solve_shape,
)  # fmt: skip
from dislok.inversion.slip import load as load_slip
from dislok.inversion.slip import (
    plot as slip_plot,
)
from dislok.okada import Rectangle

plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib")

XY = stations(40, seed=8)
FIXED = ["x", "y", "depth", "length", "width", "strike"]
PLANE = TRUTH.with_origin("topcenter")


def map_cells():
    axis = np.linspace(-32, 32, 64)
    u = moved(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)).reshape(64, 64, 3)
    maps = np.moveaxis(u[..., :2], -1, 0)
    words = {"origin": (-32.0, -32.0), "spacing": (64 / 63, 64 / 63), "smallest": 4, "largest": 16}
    return quadtree.quadtree(maps, 0.05, **words), u


def data_sets():
    """Every kind of data set."""
    u = moved(XY)
    cells, field = map_cells()
    track = quadtree.quadtree(
        field @ LOOK, 0.05, origin=(-32.0, -32.0), spacing=(64 / 63, 64 / 63), smallest=4, largest=16
    )
    noise = quadtree.Noise(0.005, 0.0, 1.0, np.zeros(0), np.zeros(0))
    gaps = u.copy()
    gaps[::5, 2] = np.nan
    return {
        "gnss": Gnss(XY, u, 0.01),
        "gnss horizontal": Gnss(XY, u[:, 1::-1], 0.01, components="NE", nuisance="offset"),
        "gnss vertical": Gnss(XY, u[:, 2:], 0.01, components="U"),
        "gnss gaps": Gnss(XY, gaps, covariance=np.tile(1e-4 * np.eye(3), (len(XY), 1, 1))),
        "los": Los(XY, u @ LOOK, LOOK, 0.01),
        "los looks": Los(XY, u @ LOOK, np.tile(LOOK, (len(XY), 1)), covariance=1e-4 * np.eye(len(XY))),
        "los cells": Los.from_cells(track, LOOK, noise),
        "offsets": PixelOffsets(XY, u[:, :2], sigma=0.01),
        "offsets range": PixelOffsets(XY, u[:, :1], [[1.0, 0, 0]], sigma=[0.01], labels=["range"]),
        "offsets cells": PixelOffsets(cells.xy, cells.values, sigma=0.01, footprint=cells.footprint()),
    }


DATA = data_sets()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module", params=DATA)
def fit(request):
    """A fault result of one data set alone."""
    model = FaultModel(TRUTH, bounds=BOUNDS, fixed=FIXED)
    return Problem(DATA[request.param], model, length_unit=1000).solve()


def grid():
    return mesh.Grid(TRUTH, 5, 3)


def surface():
    return mesh.mesh_of_rectangle(TRUTH, 5, 3)


@pytest.fixture(scope="module", params=DATA)
def slips(request):
    """Slip results of one data set alone, on a grid and on a mesh."""
    problems = [
        SlipProblem(DATA[request.param], SlipModel(p, **words), length_unit=1000)
        for p, words in (
            (grid(), {"rake": 120.0, "spread": 45.0}),
            (surface(), {"order": 1, "opening": True}),
        )
    ]
    return [problem.solve(0.5) for problem in problems]


def draws(result, chains=2, count=40):
    rng = np.random.default_rng(0)
    values = rng.multivariate_normal(result.values, result.covariance, (chains, count))
    return Samples(result.names, values, np.zeros((chains, count)), np.ones(chains), np.zeros(chains, int))


def drawn(figure):
    """Draw without the costly layout; the tests of pictures look at files."""
    figure.set_layout_engine("none")
    figure.draw_without_rendering()
    plt.close(figure)


def pictures_of(result):
    """The pictures that show a result's kind of data, and those that cannot."""
    kind = result.fits[0].kind
    every = {"gnss": (plot.fit_map, plot.residuals), "los": (plot.los,), "offsets": (plot.offsets,)}
    return every.pop(kind), [one for some in every.values() for one in some]


def test_pictures_of_faults(fit):
    able, unable = pictures_of(fit)
    for picture in able:
        drawn(picture(fit, title="A title"))
        drawn(picture(fit, name=fit.fits[0].name))
    for picture in unable:
        with pytest.raises(ValueError, match="no data set of kind"):
            picture(fit)
    drawn(plot.marginals(fit))
    drawn(plot.marginals(fit, draws(fit), reference={"dip": 50.0}))


def test_faults_in_words_and_files(fit, tmp_path):
    assert fit.fits[0].name in fit.summary() and np.isfinite(fit.variance_reduction)
    fit.save(tmp_path / "fault.json")
    again = load(tmp_path / "fault.json")
    assert again.summary() == fit.summary() and isinstance(again.fits[0], Fit)
    np.testing.assert_allclose(again.fits[0].residual, fit.fits[0].residual)
    samples = draws(fit)
    samples.save(tmp_path / "samples")
    assert Samples.load(tmp_path / "samples.npz").summary() == samples.summary()
    assert rhat(samples.values).shape == ess(samples.values).shape == (len(fit.names),)


def test_pictures_of_slip(slips):
    for result in slips:
        gnss = result.fits[0].kind == "gnss"
        able, unable = (slip_plot.fit_map, slip_plot.data_map)[:: 1 if gnss else -1]
        drawn(able(result, title="A title"))
        with pytest.raises(ValueError, match="no such data set"):
            unable(result)
        drawn(slip_plot.slip_map(result, radius=20.0))
        for what in ("slip", "sigma", "restoration"):
            drawn(slip_plot.slip_section(result, what=what))


def test_slip_in_words_and_files(slips, tmp_path):
    for result in slips:
        assert result.fits[0].name in result.summary() and np.isfinite(result.chi2_reduced)
        result.save(tmp_path / "slip.npz")
        again = load_slip(tmp_path / "slip.npz")
        assert again.summary() == result.summary() and type(again.patches[0]) is type(result.patches[0])
        assert again.moment_tensor.shape == (3, 3) and again.sigma[0].shape == result.slip[0].shape


def test_slip_without_uncertainty_says_so():
    problem = SlipProblem(DATA["gnss"], SlipModel(grid()), length_unit=1000)
    for result in (problem.solve(0.5, uncertainty=False), problem.solve_large(0.5)):
        assert np.isnan(result.parameters) and "parameters" not in result.summary()
        drawn(slip_plot.slip_section(result))
        for use in (lambda r=result: r.sigma, lambda r=result: slip_plot.slip_section(r, what="sigma")):
            with pytest.raises(ValueError, match="holds no uncertainty"):
                use()


@pytest.mark.parametrize("picture", [plot.fit_map, plot.residuals, plot.los, plot.offsets, plot.marginals])
def test_pictures_of_faults_refuse_what_is_none(picture):
    samples = Samples(("dip",), np.zeros((1, 9, 1)), np.zeros((1, 9)), np.ones(1), np.zeros(1, int))
    slip = SlipProblem(DATA["gnss"], SlipModel(grid()), length_unit=1000).solve(0.5)
    for wrong in (samples, slip, slip.fits[0], None, "result.json"):
        with pytest.raises(TypeError, match="result must be a Result"):
            picture(wrong)


PICTURES = [slip_plot.slip_map, slip_plot.slip_section, slip_plot.fit_map, slip_plot.data_map]


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_of_slip_refuse_what_is_none(picture):
    result = Problem(DATA["gnss"], FaultModel(TRUTH, fixed=FIXED)).solve()
    for wrong in (result, grid(), None):
        with pytest.raises(TypeError, match="result must be a SlipResult"):
            picture(wrong)
    with pytest.raises(TypeError, match="chosen must be a Choice"):
        slip_plot.choice(0.5)


def test_marginals_refuse_other_draws():
    result = Problem(DATA["gnss"], FaultModel(TRUTH, fixed=FIXED)).solve()
    with pytest.raises(TypeError, match="samples must be a Samples"):
        plot.marginals(result, result)
    with pytest.raises(TypeError, match="samples must be a Samples"):
        plot.marginals(result, draws(result).flat)


@pytest.mark.parametrize("picture", [mesh_plot.patch_map, mesh_plot.patch_section, mesh_plot.patch_3d])
@pytest.mark.parametrize("patches", [grid(), surface()], ids=["grid", "mesh"])
def test_pictures_of_patches(picture, patches):
    drawn(picture(patches, patches.areas, vmin=0.0, vmax=9.0, cmap="viridis"))
    drawn(picture(patches, [1] * patches.size))
    with pytest.raises(ValueError, match="values: expected shape"):
        picture(patches, 1.0)
    with pytest.raises(TypeError, match="patches must be a Mesh or a Grid"):
        picture(TRUTH, patches.areas)


@pytest.mark.parametrize("patches", [grid(), surface()], ids=["grid", "mesh"])
def test_patches(patches):
    slip = np.tile([0.3, 0.4, 0.0], (patches.size, 1))
    for one in (slip, slip[:, :2], slip.tolist()):
        np.testing.assert_allclose(patches.rake(one), np.rad2deg(np.arctan2(0.4, 0.3)))
        assert patches.moment(one, 30e9, 1000.0).shape == (patches.size,)
        assert patches.magnitude(one) == pytest.approx(patches.magnitude(slip))
        assert patches.moment_tensor(one).shape == (3, 3)
    whole = patches.greens(XY, 0.3)
    np.testing.assert_allclose(
        np.einsum("ncma,ma->nc", whole, slip), patches.apply(XY, slip, 0.3), atol=1e-12
    )
    pull = patches.apply_adjoint(XY, np.ones((len(XY), 3)), 0.3)
    np.testing.assert_allclose(np.einsum("ncma->ma", whole), pull, atol=1e-10)
    compressed = patches.operator(XY, 0.3, tolerance=1e-6)
    np.testing.assert_allclose(compressed.apply(slip), patches.apply(XY, slip, 0.3), atol=1e-4)
    for edges in ("free", "buried", "locked"):
        assert (
            mesh.gradient(patches, edges).shape[1] == mesh.laplacian(patches, edges).shape[1] == patches.size
        )
    assert mesh.mass(patches).diagonal().sum() == pytest.approx(patches.areas.sum())
    assert patches.strike.shape == patches.dip.shape == (patches.size,)


def test_building_meshes(tmp_path):
    trace = [[0.0, 0.0], [3.0, 8.0], [9.0, 15.0]]
    for profile in (
        mesh.listric(8.0, 60.0),
        mesh.listric(8.0, (70.0, 30.0), top=1.0, steps=4),
        [[0, 0], [2, 5]],
    ):
        for across in ("mean", "local"):
            made = mesh.trace_mesh(trace, profile, 3.0, across)
            assert made.size > 10
    assert mesh.refine(made).size == 4 * made.size == mesh.refine(made, 2).size // 4
    points, cells = mesh.merge(made.outlines.reshape(-1, 3), np.arange(3 * made.size).reshape(-1, 3))
    assert len(points) == len(made.points) and cells.shape == made.cells.shape
    for origin in (None, "topcenter", "center"):
        fault = Rectangle(*TRUTH)._replace(depth=9.0)
        mesh.mesh_of_rectangle(fault, 2, 2, origin)
        mesh.Grid(fault, 2, 2, origin)
    pytest.importorskip("meshio", reason="files of meshes need meshio")
    mesh.write_mesh(tmp_path / "fault.vtu", made, {"slip": np.zeros((made.size, 3))})
    assert mesh.read_mesh(str(tmp_path / "fault.vtu")).size == made.size
    assert mesh.read_mesh_values(tmp_path / "fault.vtu")[1]


@pytest.mark.parametrize("rake", [None, 120.0, "each"])
@pytest.mark.parametrize("patches", [grid(), surface()], ids=["grid", "mesh"])
def test_models_of_slip(patches, rake):
    given = np.linspace(100, 140, patches.size) if rake == "each" else rake
    for spread in (0.0, 45.0) if rake is not None else (0.0,):
        for order in (0, 1, 2):
            model = SlipModel(patches, given, spread, order=order, opening=order == 1, bounds=(-1.0, 4.0))
            problem = SlipProblem((DATA["gnss"], DATA["offsets cells"]), [model], length_unit=1000)
            assert problem.solve(0.5).coefficients.size == model.size


@pytest.mark.parametrize("method", ["abic", "evidence", "cv", "lcurve"])
def test_smoothing_of_every_kind_of_data(method):
    names = ("gnss gaps", "los cells", "offsets cells")
    several = [DATA[name] for name in names]
    problem = SlipProblem(several, SlipModel(grid(), rake=120.0), length_unit=1000)
    chosen = problem.choose(method)
    drawn(slip_plot.choice(chosen, title="How smooth?"))
    by_hand = problem.choose(method, np.geomspace(0.01, 10, 8))
    drawn(slip_plot.choice(by_hand))
    for one in (chosen, chosen.best, method):
        assert problem.solve(one).smoothing == pytest.approx(chosen.best, rel=1e-6)


@pytest.mark.parametrize("kind", ["one", "several"])
def test_shapes(kind):
    model = FaultModel(TRUTH, bounds=BOUNDS, fixed=[*FIXED, "rake"])
    shapes = (
        GridShape(model, 3, 2),
        MeshShape(surface(), {"east": np.ones((len(surface().points), 3)) * [1, 0, 0]}),
    )
    data = DATA["gnss"], DATA["los cells"]
    words = {"max_iterations": 2, "length_unit": 1000}
    for n in (0, 1):
        given = (data[n], shapes[n]) if kind == "one" else (data, shapes)
        result = solve_shape(*given, lambda p: SlipModel(p, rake=120.0), 0.5, **words)
        assert len(result.slip.slip) == (1 if kind == "one" else 2) and result.summary()


@pytest.mark.parametrize("name", DATA)
def test_weights_of_every_kind(name):
    for other in ("gnss", "offsets"):
        one = DATA[name] if DATA[name].name != DATA[other].name else DATA["los"]
        pair = [DATA[other].reweighted(2.0), one]
        faults = Problem(pair, FaultModel(TRUTH, bounds=BOUNDS, fixed=FIXED), length_unit=1000)
        slip = SlipProblem(pair, SlipModel(grid(), rake=120.0), length_unit=1000)
        for problem, words in ((faults, {}), (slip, {"smoothing": 0.5}), (slip, {"smoothing": "abic"})):
            found = weights.estimate(problem, rounds=1, **words)
            assert found.factors.shape == (2,) and (found.factors > 0).all() and found.summary()


def test_numbers_and_arrays():
    for kind in quadtree.KINDS:
        noise = quadtree.Noise(0.1, 0.2, 3.0, np.zeros(0), np.zeros(0), kind)
        for name in ("covariance", "variogram", "correlation"):
            one, some = getattr(noise, name)(2.0), getattr(noise, name)([[0.0, 2.0], [1.0, 5.0]])
            assert np.shape(one) == () and some.shape == (2, 2) and some[0, 1] == pytest.approx(float(one))
    assert np.shape(interferogram.motion_of(1.0, 0.056)) == ()
    assert interferogram.motion_of(np.ones((3, 4)), 0.056).shape == (3, 4)
    for maker, planes in (("isce", (38.0, 100.0)), ("hyp3", (0.9, 3.0)), ("licsar", tuple(LOOK))):
        one = interferogram.look_vectors(maker, *planes)
        some = interferogram.look_vectors(maker, *(np.full((2, 3), p) for p in planes))
        assert one.shape == (3,) and some.shape == (3, 2, 3)
        np.testing.assert_allclose(some[:, 1, 2], one)


def test_cells_of_one_map_and_several():
    cells, u = map_cells()
    one = quadtree.quadtree(u[..., 0], 0.05, smallest=4, largest=16)
    assert one.values.shape == (len(one.xy), 1) and cells.values.shape == (len(cells.xy), 2)
    assert cells.average(u[..., 2]).shape == (len(cells.xy),)
    assert cells.average(np.moveaxis(u, -1, 0)).shape == (len(cells.xy), 3)
    some = cells.chosen([2, 0])
    np.testing.assert_array_equal(some.xy, cells.xy[[2, 0]])
    mask = np.zeros(len(cells.xy), bool)
    mask[1] = True
    assert len(cells.chosen(mask).footprint().boxes) == 1
    for near in (None, [0.0, 0.0], [[0.0, 0.0, -3.0]], surface().outlines):
        made = cells.footprint(near=near)
        np.testing.assert_allclose(made.average @ made.points, cells.xy, atol=1e-9)
    with pytest.raises(ValueError, match=r"near: expected shape \(..., 2\) or \(..., 3\), got \(4,\)"):
        cells.footprint(near=np.zeros(4))
