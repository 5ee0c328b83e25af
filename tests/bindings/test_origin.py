"""Rectangles carry their reference point: it holds wherever they go, and nothing may contradict it."""

import copy
import pickle

import numpy as np
import pytest

from dislok import convert, okada
from dislok.inversion import mesh
from dislok.inversion.fault import FaultModel, Gnss, Problem, load
from dislok.inversion.slip import GridShape
from dislok.okada import ORIGINS, Rectangle

FAULT = Rectangle(1.0, -2.0, 9.0, 12.0, 6.0, 40.0, 50.0, 70.0, 1.5)
XY = np.random.default_rng(0).uniform(-30, 30, (40, 2))
TOP = ("topleft", "topcenter", "topright")
SLIP = np.tile([1.5 * np.cos(np.deg2rad(70)), 1.5 * np.sin(np.deg2rad(70)), 0.0], (6, 1))

USES = {
    "displacement": lambda fault, **origin: okada.displacement(XY, fault, **origin),
    "gradient": lambda fault, **origin: okada.gradient(XY, fault, **origin),
    "strain": lambda fault, **origin: okada.strain(XY, fault, **origin),
    "stress": lambda fault, **origin: okada.stress(XY, fault, **origin),
    "greens": lambda fault, **origin: okada.greens(XY, fault, **origin),
    "jacobian": lambda fault, **origin: okada.jacobian(XY, fault, **origin),
    "hessian": lambda fault, **origin: okada.hessian(XY, fault, **origin),
    "apply": lambda fault, **origin: okada.apply(XY, fault, np.ones((1, 3)), **origin),
    "apply_adjoint": lambda fault, **origin: okada.apply_adjoint(XY, fault, np.ones((40, 3)), **origin),
    "operator": lambda fault, **origin: okada.operator(XY, fault, **origin) @ np.ones(3),
    "on_grid": lambda fault, **origin: okada.on_grid(np.arange(5.0), np.arange(4.0), fault, **origin),
    "corners": lambda fault, **origin: convert.corners(fault, **origin),
    "triangles": lambda fault, **origin: convert.triangles(fault, **origin),
    "Grid": lambda fault, **origin: mesh.Grid(fault, 3, 2, **origin).outlines,
    "mesh_of_rectangle": lambda fault, **origin: mesh.mesh_of_rectangle(fault, 3, 2, **origin).points,
}


@pytest.mark.parametrize("use", USES)
def test_carried_is_as_said(use):
    call = USES[use]
    for origin in ("topcenter", "bottomright"):
        said = call(FAULT, origin=origin)
        np.testing.assert_array_equal(call(FAULT.with_origin(origin)), said)
        np.testing.assert_array_equal(call(FAULT.with_origin(origin), origin=origin), said)
    np.testing.assert_array_equal(call(FAULT), call(FAULT, origin="topleft"))
    assert np.abs(np.asarray(call(FAULT)) - call(FAULT.with_origin("center"))).max() > 0


@pytest.mark.parametrize("use", USES)
def test_contradictions_are_refused(use):
    with pytest.raises(ValueError, match="origin must be 'center', which the source carries.*got 'topleft'"):
        USES[use](FAULT.with_origin("center"), origin="topleft")


def test_small_calls_know_it_too():
    carrying, said = FAULT.with_origin("topright"), okada.displacement(XY, FAULT, origin="topright")
    for _ in range(60):
        np.testing.assert_allclose(okada.displacement(XY, carrying), said, rtol=1e-13, atol=1e-16)
    with pytest.raises(ValueError, match="which the source carries"):
        okada.displacement(XY, carrying, origin="topleft")


@pytest.mark.parametrize("origin", ORIGINS)
def test_copies_keep_it(origin):
    fault = FAULT.with_origin(origin)
    for other in (fault._replace(slip=2.0), pickle.loads(pickle.dumps(fault)), copy.deepcopy(fault)):
        assert other.origin == origin and other[:7] == FAULT[:7]
    assert fault == FAULT and FAULT.origin is None
    assert repr(fault) == f"{FAULT!r}.with_origin({origin!r})"
    assert fault.with_origin("center").origin == "center"


def test_tensors_keep_their_gradients():
    torch = pytest.importorskip("torch")
    dip = torch.tensor(50.0, dtype=torch.float64, requires_grad=True)
    xy = torch.tensor(XY)
    fault = Rectangle(*(torch.tensor(float(v), dtype=torch.float64) for v in FAULT))._replace(dip=dip)
    found = okada.displacement(xy, fault.with_origin("center"))
    (by_dip,) = torch.autograd.grad(found.square().sum(), dip)
    (said,) = torch.autograd.grad(okada.displacement(xy, fault, origin="center").square().sum(), dip)
    assert by_dip == said


@pytest.mark.parametrize("to", ORIGINS)
def test_moved_reference_points_are_carried(to):
    moved = convert.move_origin(FAULT, "topleft", to)
    assert moved.origin == to
    np.testing.assert_allclose(okada.displacement(XY, moved), okada.displacement(XY, FAULT), atol=1e-14)
    with pytest.raises(ValueError, match="which the source carries"):
        convert.move_origin(moved, next(name for name in ORIGINS if name != to), "center")


@pytest.mark.parametrize("unknown", ["middle", "TopLeft", "", 3, None])
def test_unknown_points_are_refused(unknown):
    with pytest.raises(ValueError, match="unknown origin"):
        FAULT.with_origin(unknown)


@pytest.mark.parametrize("origin", [*TOP, None])
def test_results_know_theirs(origin, tmp_path):
    truth = convert.move_origin(FAULT, "topleft", origin or "topleft")
    truth = Rectangle(*(float(np.ravel(field)[0]) for field in truth))
    measured = okada.displacement(XY, truth, origin=origin)
    begin = truth._replace(strike=43.0, dip=47.0, slip=1.0)
    problem = Problem(Gnss(XY, measured, 0.01), FaultModel(begin, fixed=["rake", "length"]), origin=origin)
    result = problem.solve()
    result.save(tmp_path / "result.json")
    for found in (result, load(tmp_path / "result.json")):
        assert found.faults.origin == (origin or "topleft")
        np.testing.assert_allclose(okada.displacement(XY, found.faults), measured, atol=1e-8)
        np.testing.assert_allclose(
            okada.displacement(XY, found.faults, origin=found.origin), measured, atol=1e-8
        )
        np.testing.assert_allclose(mesh.Grid(found.faults, 3, 2).apply(XY, SLIP), measured, atol=1e-7)
        with pytest.raises(ValueError, match="which the source carries"):
            okada.displacement(XY, found.faults, origin="bottomleft")
    assert problem.rectangle(result.values).origin == (origin or "topleft")


def test_one_default():
    plain, centred = FaultModel(FAULT), FaultModel(FAULT.with_origin("topcenter"))
    data = Gnss(XY, np.zeros((40, 3)), 0.01)
    assert Problem(data, plain).origin == GridShape(plain, 2, 2).origin == "topleft"
    assert Problem(data, centred).origin == GridShape(centred, 2, 2).origin == "topcenter"
    assert Problem(data, plain, origin="topright").origin == "topright"


@pytest.mark.parametrize(
    ("faults", "origin", "message"),
    [
        (["topcenter"], "topleft", r"faults\[0\] has the origin 'topcenter', expected 'topleft'"),
        (["topcenter", None], None, r"faults\[1\] has the origin 'topleft', expected 'topcenter'"),
        ([None, "topright"], None, r"faults\[1\] has the origin 'topright', expected 'topleft'"),
        (["center"], None, "origin must lie on the upper edge"),
    ],
)
def test_faults_must_agree(faults, origin, message):
    models = [FaultModel(FAULT if name is None else FAULT.with_origin(name)) for name in faults]
    with pytest.raises(ValueError, match=message):
        Problem(Gnss(XY, np.zeros((40, 3)), 0.01), models, origin=origin)
    if len(models) == 1:
        with pytest.raises(ValueError, match=message):
            GridShape(models[0], 2, 2, origin)
