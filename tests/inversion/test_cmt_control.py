"""Data control: faults of a table at several stations are found, named, harmless; good data are kept."""

from dataclasses import replace

import numpy as np
import pytest
from cmt_cases import clean, distance, start

from dislok.inversion.cmt import control, guesses, minimise, procedure, quality
from dislok.inversion.cmt.demo import problem, synthetic, true_source
from dislok.inversion.cmt.procedure import Options, find
from dislok.inversion.cmt.stages import Stages


@pytest.fixture(scope="module")
def records():
    return synthetic()


@pytest.fixture(scope="module")
def large():
    """The demonstration's earthquake five times as large, Mw 7.1: centimetres to a decimetre of motion."""
    return synthetic(tensor=5 * true_source().tensor[0])


def _changed(records, i, change, components=(0, 1, 2)):
    values = records.values.copy()
    for c in components:
        values[i, c] = change(values[i, c])
    return replace(records, values=values)


def _late(seconds):
    return lambda records, i: _changed(records, i, lambda v: np.interp(records.t - seconds, records.t, v))


def _misplaced(records, i):
    latitude = records.latitude.copy()
    latitude[i] += 1.0
    return replace(records, latitude=latitude)


def _slipped(records, i):
    return _changed(records, i, lambda v: v + 0.05 * (records.t >= 37), (0,))


def _frozen(records, i):
    k = int(np.searchsorted(records.t, 30.0))
    return _changed(records, i, lambda v: np.where(np.arange(len(v)) < k, v, v[k]))


def _clipped(records, i):
    limit = min(0.02, 0.25 * np.abs(records.values[i, :2]).max())
    return _changed(records, i, lambda v: np.clip(v, -limit, limit))


def _twice(records, i):
    names = np.append(records.station, "COPY")
    return replace(
        records,
        station=names,
        latitude=np.append(records.latitude, records.latitude[i] + 0.3),
        longitude=np.append(records.longitude, records.longitude[i]),
        values=np.concatenate([records.values, records.values[[i]]]),
    )


def _reversed(records, i):
    return _changed(records, i, lambda v: -v)


def _swapped(records, i):
    values = records.values.copy()
    values[i, [0, 1]] = values[i, [1, 0]]
    return replace(records, values=values)


FAULTS = {
    "clock 10 s late": (_late(10.0), "late: its clock"),
    "clock 20 s early": (_late(-20.0), "early: its clock"),
    "clock 60 s late": (_late(60.0), "its"),
    "misplaced by 111 km": (_misplaced, "its"),
    "cycle slip": (_slipped, "E: a jump of 0.0"),
    "frozen after 30 s": (_frozen, "stands still from "),
    "clipped": (_clipped, ""),
    "two names": (_twice, "repeats the record of"),
    "reversed": (_reversed, "reversed: an axis"),
    "swapped": (_swapped, "east and north are swapped"),
}
"""What is done to a station, and words of the reason that must be given."""


def _solved(records, **options):
    said: list[str] = []
    whole = Options(reach=40.0, crusts={}, **options)
    found = find(problem(records, "ENU"), start(), whole, Stages(None), said.append)
    return found.search, [line for line in said if line.startswith("left out")]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("station", [0, 4, 9])
def test_faults_are_found_named_and_harmless(large, name, station):
    spoil, words = FAULTS[name]
    spoilt = spoil(large, station)
    search, said = _solved(spoilt)
    wrong = "COPY" if name == "two names" else str(large.station[station])
    blamed = {line.split(": ")[1].split(" ")[0] for line in said}
    assert blamed == {wrong}, said
    assert any(words in line for line in said), said
    assert distance(search.state.sources, true_source()) < 3.0


def test_good_data_are_kept(records):
    search, said = _solved(records)
    assert said == [] and distance(search.state.sources, true_source()) < 2.0


def test_one_fault_each_way(records):
    """The quick part of the table: one fault that the record shows, one that only the others show."""
    for name, station in (("frozen after 30 s", 4), ("clock 10 s late", 4)):
        search, said = _solved(FAULTS[name][0](records, station))
        assert {line.split(": ")[1].split(" ")[0] for line in said} == {str(records.station[station])}
        assert distance(search.state.sources, true_source()) < 3.0


def test_one_fault_explains_what_is_left(large):
    """In the linear problem: a jump comes with its time and height, axes with their names."""
    for spoil, component, words in (
        (_slipped, "E", "a jump of 0.05"),
        (_swapped, "EN", "fits if its east and north are swapped"),
        (lambda records, i: _changed(records, i, lambda v: -v, (1,)), "N", "fits if its north is reversed"),
    ):
        found = minimise(quality.balanced(problem(spoil(large, 4), "ENU")), true_source(), 3)
        guess = guesses.wrong(found.state)
        assert guess is not None and guess.station == "S05" and guess.components == component
        assert guess.reason.startswith(words) and guess.left < 0.75
        assert component != "E" or " at 37 s" in guess.reason


def test_nothing_is_wrong_with_good_data(records, large):
    for one in (records, large):
        assert guesses.wrong(minimise(quality.balanced(problem(one, "ENU")), true_source(), 3).state) is None


def test_stations_of_two_data_sets_are_each_tried(records, monkeypatch):
    """Every station of either data set is turned around once, however many names there are."""
    one = problem(records, "ENU")
    (data,) = one.with_data([replace(one.data[0], sigma=0.005)]).data
    found = minimise(one.with_data([data, data]), true_source(), 3)
    tried = []
    monkeypatch.setattr(procedure, "minimise", lambda turned, *_, **__: tried.append(turned) or found)
    assert not any(procedure._contradicting(found.state, Stages(None), 1))
    assert len(tried) == 2 * len(records.station)


@pytest.mark.parametrize("factor", [1000.0, 100.0])
def test_networks_in_other_units_are_refused(records, factor):
    with pytest.raises(ValueError, match="displacement must be in m"):
        quality.screened(problem(replace(records, values=factor * records.values)))


def test_clean_large_displacement_in_millimetres_is_refused():
    one = clean().data[0].records
    with pytest.raises(ValueError, match=r"a peak of .* looks like millimetres"):
        control.refuse_units(replace(one, values=1e6 * one.values), np.zeros((len(one), 3)))


NOISE = 2e-3 * np.random.default_rng(5).standard_normal(200)
TIME = np.arange(-50.0, 150.0)
NEAR = TIME > -10


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda v: v, ""),
        (lambda v: np.round(v, 3), ""),
        (lambda v: v + 0.2 * (TIME > 20) * (1 - np.exp(-(np.maximum(TIME - 20, 0)) / 5)), ""),
        (lambda v: v + 0.05 * np.sin(TIME / 4) * np.exp(-((TIME - 60) ** 2) / 800), ""),
        (lambda v: v + 2e-4 * TIME, ""),
        (lambda v: np.where(TIME < -30, 0.0, v), ""),
        (lambda v: v + 0.05 * (TIME > 20), "a jump of 0.05"),
        (lambda v: v + 0.1 * np.sin(TIME / 2) * (TIME > 10) + 0.2 * (TIME > 20), ""),
        (lambda v: v - 0.05 * (TIME > 20), "a jump of -0.0"),
        (lambda v: v + 0.2 * (TIME == 20), "a spike at 20 s"),
        (lambda v: np.where(TIME > 30, 0.001, v), "stands still from 31 to 149 s"),
        (lambda v: np.clip(v + 0.2 * np.sin(TIME / 4) * (TIME > 0), -0.02, 0.02), "clipped at"),
        (lambda v: 0 * v, "never moves"),
        (lambda v: np.full_like(v, np.nan), ""),
    ],
)
def test_single_records(change, words):
    """Noise, rounding, ramps, waves, drift and a flat part long before are good; the rest has its reason."""
    got = control.of_record(TIME, change(NOISE), NEAR)
    assert got.startswith(words) if words else got == "", got


def test_neighbours_are_not_duplicates(records):
    assert control.repeated(records) == {}
    assert control.repeated(clean().data[0].records) == {}
    twice = _twice(records, 3)
    assert control.repeated(twice) == {len(records): 3}
