"""Numbers in the wrong unit are refused before they are believed or cost an hour."""

import numpy as np
import pytest

from dislok import okada, propagator, tde
from dislok.propagator import LayeredModel, PointSource, Stations

THICKNESS, VP, VS, RHO = [10.0, np.inf], [5.5, 8.0], [3.2, 4.6], [2.6, 3.3]
CRUST = LayeredModel(THICKNESS, VP, VS, RHO)
SOURCE = PointSource(0.0, 0.0, 8.0, moment=1e17 * np.eye(3))


def scaled(values, factor, layer=None):
    table = np.array(values, float)
    table[slice(None) if layer is None else layer] *= factor
    return table


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            (scaled(THICKNESS, 1e3), VP, VS, RHO),
            r"^thickness must be .* 6371 km, got 10000 in layer 0.*in m\?",
        ),
        ((THICKNESS, scaled(VP, 1e3), scaled(VS, 1e3), RHO), r"^vp must be .* 30 km/s, got 5500 in layer 0"),
        ((THICKNESS, scaled(VP, 1e3, 1), scaled(VS, 1e3, 1), RHO), r"^vp .* got 8000 in layer 1; .* m/s\?"),
        ((THICKNESS, VP, VS, scaled(RHO, 1e3)), r"^rho must be .* g/cm³, got 2600 in layer 0; .* kg/m³\?"),
        ((THICKNESS, VP, [1e-3, 4.6], RHO), r"^vs must be between 0.01 and 20 km/s, got 0.001 in layer 0"),
        ((THICKNESS, VP, VS, scaled(RHO, 1e-3, 1)), r"^rho must be between 0.1 .* got 0.0033 in layer 1$"),
        (([np.inf], [6e-3], [3e-3], [2.7]), r"^vp must be between 0.05 and 30 km/s, got 0.006 in layer 0$"),
    ],
)
def test_layers_in_other_units(rows, message):
    with pytest.raises(ValueError, match=message):
        LayeredModel(*rows)


@pytest.mark.parametrize("qs", [0.0, np.nan, np.inf, -1.0, 50.0])
def test_shear_loss_of_water_is_nobodys_business(qs):
    rows = ([2.0, *THICKNESS], [1.5, *VP], [0.0, *VS], [1.0, *RHO], [1000.0, 200.0, 300.0])
    wet, plain = LayeredModel(*rows, [qs, 100.0, 150.0]), LayeredModel(*rows, [50.0, 100.0, 150.0])
    stations = Stations([10.0], [5.0])
    source = SOURCE._replace(depth=10.0)
    np.testing.assert_array_equal(
        propagator.statics(wet, source, stations), propagator.statics(plain, source, stations)
    )


@pytest.mark.parametrize("qs", [0.0, np.nan, np.inf, -1.0])
def test_shear_loss_of_rock_is_checked(qs):
    with pytest.raises(ValueError, match="qs must be positive and finite, got .* in layer 1"):
        LayeredModel(THICKNESS, VP, VS, RHO, [200.0, 300.0], [100.0, qs])


CALLS = {
    "statics": lambda stations, source: propagator.statics(CRUST, source, stations),
    "seismograms": lambda stations, source: propagator.seismograms(CRUST, source, stations, 0.5, 64),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("x", "y", "source", "message"),
    [
        ([1e4], [0.0], SOURCE, r"^station\[0\] must be within 6000 km of source\[0\], got 10000 km"),
        (
            [10.0, 5.0],
            [0.0, -3e5],
            SOURCE,
            r"^station\[1\] .* got 300000 km; x and y are in km: are they in m",
        ),
        (
            [10.0],
            [0.0],
            SOURCE._replace(x=np.array([0.0, 9e4])),
            r"^station\[0\] .* of source\[1\], got 89990",
        ),
    ],
)
def test_stations_in_metres(call, x, y, source, message):
    with pytest.raises(ValueError, match=message):
        CALLS[call](Stations(x, y), source)


@pytest.mark.parametrize(
    ("name", "change"),
    [("dt", {"dt": 1e-9}), ("n", {"n": 10**12}), ("dt", {"dt": 1e9}), ("n", {"n": 1})],
)
def test_hopeless_samplings(name, change):
    options = {"dt": 0.5, "n": 64} | change
    with pytest.raises(ValueError, match=f"^{name} must be at "):
        propagator.seismograms(CRUST, SOURCE, Stations([10.0], [5.0]), **options)


@pytest.mark.parametrize("field", okada.Rectangle._fields)
@pytest.mark.parametrize("value", [1e200, -1e308])
def test_numbers_that_no_formula_can_take(field, value):
    fault = okada.Rectangle(0.0, 0.0, 3.0, 2.0, 1.0, 30.0, 60.0, 90.0, 1.0, 0.0)._replace(**{field: value})
    with pytest.raises(ValueError, match=rf"source\.{field}\[0\] is "):
        okada.displacement(np.ones((2, 2)), fault)


@pytest.mark.parametrize("value", [1e200, -1e308])
def test_slips_that_no_formula_can_take(value):
    triangle = np.array([[[0.0, 0.0, -1.0], [1.0, 0.0, -2.0], [0.0, 1.0, -3.0]]])
    for slip in np.diag([value] * 3):
        with pytest.raises(ValueError, match=r"slip\[0, \d\] is "):
            tde.displacement(np.ones((2, 2)), triangle, slip[None])
