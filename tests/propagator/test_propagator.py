"""The public functions: shapes, batches, errors, files, torch."""

import numpy as np
import pytest

from dislok import propagator, stf, tables
from dislok.propagator import LayeredModel, PointSource, Stations

CRUST = LayeredModel([5.0, 15.0, np.inf], [5.0, 6.0, 8.0], [2.9, 3.46, 4.5], [2.5, 2.7, 3.3])
STATIONS = Stations([13.0, -20.0, 55.0], [4.0, 31.0, -70.0])
MOMENT = np.array([1.0, -2.0, 1.5, 0.3, 0.4, -0.5]) * 1e18
SOURCE = PointSource(0.0, 0.0, 12.0, MOMENT, time=2.0)
RECORD = {"lowpass": (0.05, 0.2), "accuracy": 1e-2}


def relative(got, truth):
    return np.abs(got - truth).max() / np.abs(truth).max()


def test_kernels_add_up_to_seismograms():
    got = propagator.kernels(CRUST, SOURCE, STATIONS, 1.0, 64, force=True, stf=stf.Triangle(3.0), **RECORD)
    assert got.times.shape == (64,) and got.moment.shape == (3, 6, 3, 64) and got.force.shape == (3, 3, 3, 64)
    assert got.location.shape == (3, 4, 3, 64) and got.duration.shape == (3, 3, 64)
    assert 0.0 < got.accuracy <= 1e-2
    assert relative(np.einsum("e,sect->sct", MOMENT, got.moment), got.seismogram) < 1e-13
    assert (propagator.excitation_kernels(CRUST, SOURCE, STATIONS, 1.0, 64, **RECORD).shape) == (3, 6, 3, 64)
    assert (propagator.location_kernels(CRUST, SOURCE, STATIONS, 1.0, 64, **RECORD).shape) == (3, 4, 3, 64)


def test_a_batch_is_its_sources():
    depth = np.array([[12.0], [3.0], [25.0]])
    x = np.array([0.0, 4.0])
    moment = MOMENT * np.arange(1.0, 7.0).reshape(3, 2, 1)
    batch = propagator.statics(CRUST, PointSource(x, 1.0, depth, moment), STATIONS, accuracy=1e-8)
    assert batch.shape == (3, 2, 3, 3)
    for i, j in np.ndindex(3, 2):
        one = PointSource(x[j], 1.0, depth[i, 0], moment[i, j])
        assert relative(batch[i, j], propagator.statics(CRUST, one, STATIONS, accuracy=1e-8)) < 1e-7


def test_sources_above_and_below_the_stations_in_one_call():
    stations = Stations(STATIONS.x, STATIONS.y, 8.0)
    both = propagator.statics(CRUST, PointSource(0.0, 0.0, [3.0, 12.0, 3.0], MOMENT), stations)
    assert relative(both[0], both[2]) < 1e-14
    for depth, got in zip((3.0, 12.0), both[:2], strict=True):
        alone = propagator.statics(CRUST, PointSource(0.0, 0.0, depth, MOMENT), stations)
        assert relative(got, alone) < 1e-6


@pytest.mark.parametrize("geometry", ["cartesian", "geographic"])
def test_location_kernels_are_differences(geometry):
    if geometry == "cartesian":
        stations, source = STATIONS, SOURCE
    else:
        stations = Stations([131.0, 130.2, 130.5], [33.0, 32.7, 31.9], geometry="geographic")
        source = SOURCE._replace(x=130.6, y=32.6)
    got = propagator.kernels(CRUST, source, stations, 1.0, 64, moment=False, stf=stf.Triangle(3.0), **RECORD)
    steps = {"x": 1e-3, "y": 1e-3, "depth": 1e-3, "time": 1e-3}
    for i, (name, step) in enumerate(steps.items()):
        value = getattr(source, name)
        sides = [
            propagator.seismograms(
                CRUST,
                source._replace(**{name: value + s * step}),
                stations,
                1.0,
                64,
                stf=stf.Triangle(3.0),
                **RECORD,
            )
            for s in (2, 1, -1, -2)
        ]
        slope = (8.0 * (sides[1] - sides[2]) - (sides[0] - sides[3])) / (12.0 * step)
        assert relative(got.location[:, i], slope) < 1e-7, name


@pytest.mark.parametrize(
    "make", [stf.Boxcar, stf.Triangle, stf.HalfCosine, stf.Gaussian, lambda h: stf.Trapezoid(h, 1.0)]
)
def test_time_functions_have_unit_area_and_true_slopes(make):
    omega = np.array([0.0, 1e-4, 0.7, np.pi / 3.0, 2.0]) - 0.02j
    pulse, step = make(3.0), 1e-5
    assert abs(pulse.spectrum(np.array([0j]))[0] - 1.0) < 1e-15
    slope = (make(3.0 + step).spectrum(omega) - make(3.0 - step).spectrum(omega)) / (2.0 * step)
    assert np.abs(pulse.slope(omega) - slope).max() < 1e-9
    times = np.linspace(-12.0, 12.0, 2401)
    # the pulse itself, from its spectrum: nothing outside of its reach
    frequency = 2.0 * np.pi * np.arange(1, 4000) / 48.0
    shape = (1.0 + 2.0 * np.cos(np.outer(times, frequency)) @ pulse.spectrum(frequency + 0j).real) / 48.0
    assert np.abs(shape[np.abs(times) > pulse.reach + 0.5]).max() < 5e-3
    assert abs(np.sum(shape) * 0.01 - 1.0) < 1e-2


def test_samples_are_the_pulse_that_they_sample():
    times = np.arange(-4.0, 4.01, 0.01)
    hann = np.where(np.abs(times) < 3.0, 1.0 + np.cos(np.pi * times / 3.0), 0.0)
    omega = np.array([0.1, 0.9, 2.0]) - 0.02j
    sampled = stf.Samples(tuple(hann), 0.01, -4.0)
    assert np.abs(sampled.spectrum(omega) - stf.HalfCosine(3.0).spectrum(omega)).max() < 1e-4


def test_duration_kernel_is_a_difference():
    def record(half):
        return propagator.seismograms(CRUST, SOURCE, STATIONS, 1.0, 64, stf=stf.HalfCosine(half), **RECORD)

    got = propagator.kernels(CRUST, SOURCE, STATIONS, 1.0, 64, stf=stf.HalfCosine(3.0), **RECORD)
    assert relative(got.duration, (record(3.001) - record(2.999)) / 0.002) < 1e-5


def test_station_above_the_source():
    still = propagator.statics(CRUST, SOURCE, Stations([0.0, 1e-4], [0.0, 0.0]), accuracy=1e-8)
    assert np.isfinite(still).all() and relative(still[0], still[1]) < 1e-4


BAD = [
    (dict(source=SOURCE._replace(depth=0.0)), "below the ground"),
    (dict(source=SOURCE._replace(depth=[3.0, np.nan])), "depth must be finite"),
    (dict(source=SOURCE._replace(moment=[1.0, 2.0])), "moment must have shape"),
    (dict(source=SOURCE._replace(moment=np.arange(9.0).reshape(3, 3))), "symmetric"),
    (dict(source=SOURCE._replace(x=[0.0, 1.0], depth=[1.0, 2.0, 3.0])), "must broadcast"),
    (dict(source=SOURCE._replace(moment=None)), "moment or a force"),
    (dict(stations=STATIONS._replace(depth=12.0)), "not at the stations' depth"),
    (dict(stations=STATIONS._replace(depth=-1.0)), "at or below the ground"),
    (dict(stations=STATIONS._replace(x=[1.0])), "of one length"),
    (dict(stations=STATIONS._replace(geometry="spherical")), "geometry must be"),
    (dict(stations=Stations([500.0], [0.0], geometry="geographic")), "degrees"),
    (dict(dt=0.0), "dt must be positive"),
    (dict(n=1), "n must be at least 2"),
    (dict(lowpass=(0.3, 0.2)), "lowpass must be"),
    (dict(quantity="strain"), "quantity must be"),
    (dict(accuracy=1.0), "accuracy must be above 0 and below 1"),
]


@pytest.mark.parametrize("change, message", BAD)
def test_bad_input_is_named(change, message):
    given = dict(source=SOURCE, stations=STATIONS, dt=1.0, n=64) | change
    source, stations, dt, n = (given.pop(name) for name in ("source", "stations", "dt", "n"))
    with pytest.raises(ValueError, match=message):
        propagator.seismograms(CRUST, source, stations, dt, n, **given)


BAD_LAYERS = [
    (dict(thickness=[5.0, 15.0, 20.0]), "last thickness must be infinite"),
    (dict(vp=[5.0, -6.0, 8.0]), "vp must be positive and finite, got -6 in layer 1"),
    (dict(vs=[2.9, 0.0, 4.5]), "vs must be positive and finite, got 0 in layer 1"),
    (dict(vs=[2.9, 5.9, 4.5]), "vp must exceed vs"),
    (dict(rho=[2.5, 2.7]), "of one length"),
    (dict(qp=[100.0, np.nan, 100.0]), "qp must be positive and finite"),
    (dict(reference_frequency=0.0), "reference_frequency"),
]


@pytest.mark.parametrize("change, message", BAD_LAYERS)
def test_bad_layers_are_named(change, message):
    names = ("thickness", "vp", "vs", "rho")
    with pytest.raises(ValueError, match=message):
        LayeredModel(**({name: getattr(CRUST, name) for name in names} | change))


def test_models_from_text_and_rows(tmp_path):
    path = tmp_path / "crust.txt"
    path.write_text("# thickness vp vs rho\n5 5.0 2.9 2.5\n\n15 6.0 3.46 2.7  # middle\n0 8.0 4.5 3.3\n")
    read = LayeredModel.read(path)
    for name in ("thickness", "vp", "vs", "rho"):
        assert np.array_equal(getattr(read, name), getattr(CRUST, name))
    path.write_text("5 5.0 2.9\n")
    with pytest.raises(ValueError, match="crust.txt: rows must all have 4 or 6"):
        LayeredModel.read(path)


def test_crust2_profile():
    pytest.importorskip("pyrocko", minversion="2025", reason="profiles need pyrocko for NumPy 2")
    model = LayeredModel.crust2(33.7, 130.2)
    assert np.array_equal(model.thickness, [1.0, 10.0, 10.0, 10.0, np.inf])
    assert np.array_equal(model.vs, [1.2, 3.4, 3.7, 4.0, 4.6])


def test_flattening_keeps_vertical_travel_times():
    flat = CRUST.flattened()
    times = [np.sum(m.thickness[:-1] / m.vp[:-1]) for m in (CRUST.layers(), flat.layers())]
    assert abs(times[1] / times[0] - 1.0) < 1e-6
    assert (flat.vp > CRUST.layers().vp).all()


def test_table_across_an_interface(tmp_path):
    """Kernels jump there: nothing is interpolated between its two sides."""
    pytest.importorskip("zarr")
    depths = [17.0, 20.0, 23.0]  # km; the interface is at 20
    table = tables.greens_table(tmp_path / "t.zarr", CRUST, [40.0, 42.0, 44.0], depths, 1.0, 64, **RECORD)
    assert len(table.depths) == 4 and table.error < 2e-3
    source, stations = PointSource(0.0, 0.0, [18.5, 21.5], MOMENT), Stations([41.0], [0.0])
    truth = propagator.excitation_kernels(CRUST, source, stations, 1.0, 64, lowpass=(0.05, 0.2))
    assert relative(table.kernels(source, stations).moment, truth) < 1e-2


def test_table_interpolates_within_its_error(tmp_path):
    pytest.importorskip("zarr")
    table = tables.greens_table(
        tmp_path / "table.zarr", CRUST, np.arange(20.0, 41.0, 2.0), [6.0, 9.0, 12.0], 1.0, 64, **RECORD
    )
    assert 0.0 < table.error < 1e-2
    stations = Stations([23.7, 0.0, -20.0], [4.0, -31.0, 31.0])
    source = PointSource(0.5, -0.4, 10.3, MOMENT)
    got = table.kernels(source, stations)
    truth = propagator.kernels(CRUST, source, stations, 1.0, 64, lowpass=(0.05, 0.2), accuracy=1e-3)
    for name, bound in (("moment", 2e-2), ("seismogram", 2e-2), ("location", 5e-2)):
        assert relative(getattr(got, name), getattr(truth, name)) < bound, name
    with pytest.raises(ValueError, match="distances from 20 to 40"):
        table.kernels(source, Stations([80.0], [0.0]))
    with pytest.raises(FileExistsError):
        tables.greens_table(tmp_path / "table.zarr", CRUST, [20.0, 30.0], [6.0, 9.0], 1.0, 64)
    with pytest.raises(ValueError, match="closer distances"):
        tables.greens_table(tmp_path / "coarse.zarr", CRUST, [20.0, 60.0], [6.0, 18.0], 1.0, 64, **RECORD)
    assert not (tmp_path / "coarse.zarr").exists()


def test_an_interrupted_table_is_taken_up(tmp_path, monkeypatch):
    """What was computed is kept beside the table, under one name, and is gone when the table is there."""
    pytest.importorskip("zarr")
    arguments = (CRUST, np.arange(20.0, 33.0, 2.0), [6.0, 9.0, 12.0, 21.0, 24.0], 1.0, 64)
    monkeypatch.setattr(tables, "_TOGETHER", 2)
    want = tables.greens_table(tmp_path / "want.zarr", *arguments, **RECORD, interpolation=0.9)
    sweep, calls = tables._sweep, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sweep(*arguments)

    monkeypatch.setattr(tables, "_sweep", stopped)
    with pytest.raises(KeyboardInterrupt):
        tables.greens_table(tmp_path / "t.zarr", *arguments, **RECORD, interpolation=0.9)
    assert not (tmp_path / "t.zarr").exists()
    assert sorted(p.name for p in (tmp_path / "t.zarr.part").iterdir()) == [
        "depths-0.npz", "depths-1.npz", "problem.npz",
    ]  # fmt: skip
    (tmp_path / "t.zarr.part" / "depths-1.npz").write_bytes(b"PK")
    calls.append(1)
    with pytest.warns(UserWarning, match="depths-1.npz is damaged"):
        got = tables.greens_table(tmp_path / "t.zarr", *arguments, **RECORD, interpolation=0.9)
    assert not (tmp_path / "t.zarr.part").exists()
    np.testing.assert_array_equal(got.records[...], want.records[...])
    assert got.error == want.error
