"""The benchmarks' own parts: problems, clocks, counting, comparison of results, report."""

import json
import math
import mmap
import os
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch):
    """The benchmarks are not installed: they are run from the checkout."""
    if not (ROOT / "bench").is_dir():
        pytest.skip("no checkout beside the tests")
    monkeypatch.syspath_prepend(str(ROOT))


def load(name):
    return import_module(f"bench.{name}")


# --- problems ---


@pytest.mark.parametrize(
    ("where", "low", "high"), [("near", 0, 142e3), ("far", 300e3, 3000e3), ("mixed", 10e3, 1000e3)]
)
def test_observers_follow_their_distribution(where, low, high):
    obs = load("problems").observers(where, 4000, surface=False)
    distance = np.hypot(obs[:, 0], obs[:, 1])
    assert low <= distance.min() and distance.max() <= high
    assert -20e3 <= obs[:, 2].min() and obs[:, 2].max() <= 0
    assert np.array_equal(obs, load("problems").observers(where, 4000, surface=False))


def test_unknown_distribution_is_named():
    with pytest.raises(ValueError, match="near, far, mixed, not 'close'"):
        load("problems").observers("close", 1, surface=True)


def test_patches_tile_the_fault():
    problems, peers = load("problems"), load("peers")
    whole, parts = problems.fault(), problems.patches()
    assert len(parts) == 50
    assert np.isclose((parts[:, 3] * parts[:, 4]).sum(), whole[0, 3] * whole[0, 4])
    assert np.allclose(peers.centre(parts).mean(axis=0), peers.centre(whole)[0])


def test_middle_of_the_fault_lies_at_the_origin():
    x, y, depth = load("peers").centre(load("problems").fault())[0]
    assert np.allclose([x, y], 0, atol=1e-6)
    assert np.isclose(depth, 3e3 + 10e3 * math.sin(math.radians(40)))


# --- clocks ---


def test_duels_measure_both_and_divide_round_by_round():
    measure = load("measure")
    works = {"other": measure.Work((lambda: time.sleep(0.02),))}
    duel = measure.duels(lambda: time.sleep(0.005), works, budget=0.2)["other"]
    assert len(duel.ours.seconds) == len(duel.theirs.seconds) >= 3
    assert 2.5 < duel.faster.median < 6
    assert duel.ours.share < 0.5  # it slept


def test_pieces_are_timed_once_each_and_scaled_to_the_whole():
    measure, seen = load("measure"), []
    pieces = tuple(lambda k=k: (seen.append(k), time.sleep(0.01)) for k in range(3))
    duel = measure.duels(lambda: time.sleep(0.003), {"other": measure.Work(pieces, share=9)}, budget=0.0)[
        "other"
    ]
    assert seen == [0, 1, 2]
    assert all(0.085 < s < 0.2 for s in duel.theirs.seconds)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be pinned here")
def test_pinning_is_undone():
    measure = load("measure")
    before = os.sched_getaffinity(0)
    core = measure.usable_cores()[-1]
    with measure.pinned({core}):
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before


def test_spread_is_median_and_quartiles():
    assert tuple(load("measure").spread([4, 1, 3, 2, 5])) == (3, 2, 4)


# --- counting ---


def test_common_operations_count_once_and_unused_ones_not_at_all():
    record = load("counting").Recorder()
    x, y = record.variable("x"), record.variable("y")
    z = x * y + y * x  # one product, one sum
    (x - y) / y
    counted = record.count([z])
    assert (counted.add, counted.multiply, counted.divide) == (1, 1, 0)
    assert counted.flops == 2


def test_what_depends_on_the_source_alone_does_not_count():
    record = load("counting").Recorder()
    x, depth = record.variable("x"), record.variable("depth", per_pair=False)
    counted = record.count([x * (depth * depth + 1.0)])
    assert (counted.add, counted.multiply) == (0, 1)


def test_elementary_functions_are_counted_inside():
    from dislok.kernels.scalar import log, sqrt

    record = load("counting").Recorder()
    x = record.variable("x")
    assert record.count([sqrt(x)]).flops == 1
    assert record.count([log(x)]).flops > 10


def test_derivatives_add_operations():
    formulas = load("formulas")
    levels = ("value", "gradient", "first", "second")
    value, gradient, first, second = (formulas.closed_form(level) for level in levels)
    surface = formulas.closed_form("value", surface=True)
    assert 500 < surface.flops < value.flops < gradient.flops < first.flops < second.flops
    # The closed forms share roots and arc tangents among all first derivatives.
    assert value.root == first.root


# --- comparison ---


def test_difference_is_that_of_the_worst_parameter():
    suite = load("suite")
    mine = np.ones((5, 3, 4))
    theirs = mine[:, :, :3].copy()
    theirs[:, :, 1] *= 1.001
    assert np.isclose(suite.difference(theirs, mine), 0.001, rtol=0.01)
    theirs[:, :, 1] = np.nan  # not said
    assert suite.difference(theirs, mine) == 0


def test_difference_looks_at_displacement_and_gradient_apart():
    mine = np.ones((5, 12))
    mine[:, 3:] = 1e-6
    theirs = mine.copy()
    theirs[:, 3:] *= 1.5
    assert np.isclose(load("suite").difference(theirs, mine), 1 / 3)


def test_missing_codes_are_named_with_the_reason(monkeypatch):
    peers = load("peers")

    class Nowhere:
        name = "nowhere"

        def __init__(self):
            raise ImportError("No module named 'nowhere'")

    monkeypatch.setattr(peers, "KNOWN", (Nowhere,))
    assert peers.find() == ([], [peers.Absent("nowhere", "ImportError: No module named 'nowhere'")])


def test_fortran_that_has_changed_is_refused():
    dc3d = load("dc3d")
    assert dc3d.double_precision("REAL*4 A\nREAL*4 B") == "REAL*8 A\nREAL*8 B"
    with pytest.raises(dc3d.Unavailable, match="occurs 1 times"):
        dc3d.double_precision("REAL*4 A")


@pytest.mark.slow
def test_fortran_that_is_timed_gives_the_reference_values(shared):
    dc3d, reference = load("dc3d"), np.load(shared / "refs" / "okada_tde.npz")
    try:
        dc3d.library()
    except dc3d.Unavailable as error:
        pytest.skip(str(error))
    generic = reference["rect_cat"] == list(reference["rect_catnames"]).index("generic")
    for row, truth in zip(reference["rect_in"][generic], reference["rect_f77"][generic], strict=True):
        alpha, x, y, z, *source = row
        at, out = np.array([[x, y, z]]), np.empty((1, 12))
        dc3d.call("rectangle", at, np.array([[0.0, 0.0, *source]]), 1 - 0.5 / alpha, out)
        assert np.allclose(out[0], truth, rtol=1e-9, atol=1e-12 * np.abs(truth).max())


@pytest.mark.slow
@pytest.mark.parametrize("surface", (False, True))
@pytest.mark.parametrize("operation", ("displacement", "fields"))
def test_other_codes_are_asked_the_same_question(operation, surface):
    peers, problems, suite = load("peers"), load("problems"), load("suite")
    present, absent = peers.find()
    problem = problems.problem("rectangle", "near", surface, 2, 200, np.float64)
    runs = {p.name: p.run(operation, problem, 1) for p in present}
    results = {name: suite.result(run) for name, run in runs.items() if run is not None}
    if len(results) < 2:
        pytest.skip("; ".join(f"{a.name}: {a.reason}" for a in absent))
    first, *others = results.values()
    assert all(suite.difference(other, first) < 1e-10 for other in others)


def test_every_case_has_a_name_of_its_own_and_can_be_chosen():
    cases = load("cases")
    names = [c.name for c in cases.CASES]
    assert len(set(names)) == len(names)
    assert {c.operation for c in cases.chosen(cases.CASES, ["hessian"])} == {"hessian"}
    assert cases.chosen(cases.CASES, []) == list(cases.CASES)


# --- the command ---


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A real run of one case without any other code."""
    file = tmp_path_factory.mktemp("bench") / "run.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        patch.setattr(load("peers"), "KNOWN", ())
        sections = ["--section=comparisons", "--section=roofline"]
        status = load("__main__").main(["--quick", "--only", "slip", *sections, "--json", str(file)])
    return status, json.loads(file.read_text())


def test_run_writes_machine_versions_commit_and_figures(quick):
    status, found = quick
    assert status == 0
    assert found["facts"]["processor"] and found["facts"]["versions"]["numpy"] == np.__version__
    assert "commit" in found["facts"] and found["facts"]["date"].endswith("+00:00")
    rows = {row["case"]: row for row in found["comparisons"]}
    assert rows["displacement + gradient, inside, 1 slip"]["ours_ns"] > 0
    assert all(0 < row["share_of_peak"] < 1 for row in found["roofline"])


def test_report_is_a_table_of_what_was_measured(quick):
    text = load("report").render(quick[1])
    assert "| displacement + gradient, inside, 1 slip" in text and "(no other code)" in text


def test_disagreement_is_a_failure():
    report = load("report")
    row = {"case": "a", "other": "b", "difference": 0.5, "agrees": False}
    assert report.shortfalls({"comparisons": [row]}) == ["a: b differs by 5.0e-01"]
    assert "DISAGREES" in report.agreement(row)


def test_gpu_part_refuses_without_a_gpu(capsys):
    gpu = load("gpu")
    try:
        gpu.usable()
    except gpu.NoDevice:
        assert load("__main__").main(["--gpu"]) == 2
        assert "no GPU to measure" in capsys.readouterr().err
    else:
        pytest.skip("there is a GPU")


def test_memory_reads_its_own_peak():
    memory = load("memory")
    try:
        memory.forget_peak()
    except memory.NotMeasurable as error:
        pytest.skip(str(error))
    before = memory.status("VmRSS")
    # Not an array: the allocator may serve that from pages that are held already.
    with mmap.mmap(-1, 40_000_000) as block:
        block.write(bytes(len(block)))
    assert memory.status("VmHWM") - before > 30e6


# --- coverage of fault inversions ---


@pytest.mark.slow
def test_coverage_of_faults():
    coverage = load("fault_coverage")
    found = coverage.study(3, coverage.CASES[:1])
    one = found["errors as stated"]
    assert 1 <= one["events"] <= one["of"] == 3 and len(one["factors"]) == 2
    assert all(0 <= low <= high <= 1 for low, high in one["inside"].values())
    assert "the fault as a whole" in coverage.table(found)


# --- displacement between images ---


def test_operations_of_the_engine_are_counted_by_its_formulas(rng):
    cost = load("flow_cost")
    assert cost.flops(lambda a, b: a * b + b, 2) == 2
    assert cost.flops(lambda a: a * a * a * a, 1) == 3
    image = rng.random((96, 96)).astype(np.float32)
    found = cost.census(image, image)
    steps = {name: value for name, value in found.items() if name != "all"}
    assert found["all"] == pytest.approx(sum(steps.values())) and min(steps.values()) >= 0
    # Relaxation alone: rounds of all levels times sweeps times some thirty operations.
    assert 3e3 < found["relaxation"] < 2e4


def test_images_of_a_fault_differ_by_it(rng):
    cost = load("flow_cost")
    image = np.float32(rng.random((64, 80)))
    pre, post = cost.faulted(image, 0.0, rng, noise=0.0)
    np.testing.assert_allclose(pre, image)
    np.testing.assert_allclose(post, image, atol=1e-5)
    assert np.abs(cost.faulted(image, 4.0, rng, noise=0.0)[1] - image).max() > 0.1


def test_coverage_is_the_share_within_what_is_stated():
    checks = load("flow_checks")
    away, error = np.array([[0.5, -0.5], [1.5, 3.0]]), np.ones((2, 2))
    assert checks.covered(away, error) == [0.5, 0.75]


def test_a_known_shift_is_measured_from_the_truth(rng):
    from scipy import ndimage

    checks = load("flow_checks")
    ground = ndimage.gaussian_filter(rng.standard_normal((160, 168)), 1.2).astype(np.float32)
    found = checks.measured(ground[:, 2:162], ground[:, :160], (2.0, 0.0))
    assert np.abs(np.array(found["median"]) - (2, 0)).max() < 0.01
    assert found["wild"] == 0 and found["valid"] > 0.9
    assert "refused" in checks.measured(ground, rng.standard_normal(ground.shape))
