"""`dislok fault` and `dislok slip`: truth found from files, everything written, resumed, refused by key."""

import csv
import re

import numpy as np
import pytest
import run_cases
import toml_cases
from run_cases import TRUTH

from dislok import schema
from dislok.cli import main
from dislok.inversion.fault import Samples, load, search
from dislok.inversion.runs import keys, progress, run_fault, run_slip
from dislok.inversion.slip import choice
from dislok.inversion.slip import load as load_slip

pytest.importorskip("rasterio", reason="runs read rasters")
pytest.importorskip("matplotlib", reason="runs draw with matplotlib")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    run_cases.write(folder, np.random.default_rng(5))
    return folder


@pytest.fixture
def folder(files, tmp_path):
    for name in ("offsets.csv", "unw.tif", "map.tif"):
        (tmp_path / name).symlink_to(files / name)
    (tmp_path / "fault.toml").write_text(run_cases.FAULT)
    (tmp_path / "slip.toml").write_text(run_cases.SLIP)
    return tmp_path


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_fault_of_files(folder, capsys, monkeypatch):
    assert main(["fault", str(folder / "fault.toml")]) == 0
    said, out = capsys.readouterr().out, folder / "fault"
    assert "relative weights of data sets:" in said and "errors measured beyond 18 km" in said
    result = load(out / "result.json")
    truth = np.array([getattr(TRUTH, name) for name in result.names])
    off = result.values - truth
    assert off @ np.linalg.solve(result.covariance, off) < 25
    table = {row["parameter"]: row for row in rows(out / "faults.csv")}
    i = result.names.index("dip")
    assert float(table["dip"]["value"]) == pytest.approx(result.values[i], rel=1e-4)
    assert float(table["dip"]["low_95"]) < 60 < float(table["dip"]["high_95"])
    assert float(table["latitude"]["value"]) == pytest.approx(32.7 - 2 / 111, abs=0.02)
    data = rows(out / "data-GNSS.csv")
    assert [row["name"] for row in data] == [f"S{i:02d}" for i in range(run_cases.STATIONS)]
    np.testing.assert_allclose(float(data[3]["observed_N"]), result.fits[0].observed[3, 1], atol=1e-5)
    _check_cells(out / "cells-unw.tif", result.fits[1])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Test &lt;quake&gt;" in page and page.count("data:image/png;base64,") == 4
    assert "src=" not in page.replace('src="data:', "")
    for name in ("marginals", "map-GNSS", "residuals-GNSS", "data-unw"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert result.summary() in (out / "summary.txt").read_text(encoding="utf-8")
    # A second run takes everything from the first, and says so.
    monkeypatch.setattr(search, "_descend", lambda *_: pytest.fail("the search was done before"))
    monkeypatch.setattr(progress.weights, "estimate", lambda *_, **__: pytest.fail("done before"))
    lines = []
    again = run_fault(folder / "fault.toml", out, lines.append)
    np.testing.assert_array_equal(again.values, result.values)
    assert any(line.startswith("going on where an earlier run was stopped") for line in lines)


def _check_cells(path, fit):
    import rasterio

    with rasterio.open(path) as file:
        assert file.descriptions == ("observed LOS (m)", "predicted LOS (m)", "residual LOS (m)")
        planes = file.read()
    known = np.isfinite(planes[0])
    assert known.mean() > 0.95
    np.testing.assert_allclose((planes[0] - planes[1])[known], planes[2][known], atol=1e-6)
    assert set(np.unique(planes[1][known])) <= set(fit.predicted[:, 0].astype(np.float32))


def test_a_run_depends_on_the_files_of_its_keys_alone(folder):
    found = schema.read(folder / "fault.toml", SCHEMAS["fault"])
    found["event"]["name"] = "fault"  # as the folder of its own results is called
    (folder / "fault").mkdir()
    assert set(schema.files(SCHEMAS["fault"], found)) == {"offsets.csv", "unw.tif"}
    before = progress.facts(SCHEMAS["fault"], found, folder)
    (folder / "fault" / "summary.txt").write_text("a result")
    assert progress.facts(SCHEMAS["fault"], found, folder) == before
    text = (folder / "offsets.csv").read_text()
    (folder / "offsets.csv").unlink()
    (folder / "offsets.csv").write_text(text.replace("S01", "T01"))
    assert progress.facts(SCHEMAS["fault"], found, folder) != before


@pytest.mark.slow
def test_draws_and_other_runs(folder):
    pytest.importorskip("mici", reason="draws need mici")
    one = run_cases.FAULT.replace("starts = 2", 'starts = 1\nweights = "given"')
    one = one.replace("strike = 50", 'strike = 40\nfixed = ["x", "y", "depth", "length", "width"]')
    for name in ("x", "y", "depth", "length", "width"):
        value = getattr(TRUTH, name)
        one = re.sub(rf"^{name} = [\d.]+$", f"{name} = {value}", one, flags=re.M)
        one = re.sub(rf"^{name} = \[.*\]$", "", one, flags=re.M)
    path, out = folder / "fault.toml", folder / "out"
    path.write_text(one + "[samples]\ndraws = 60\nwarmup = 40\nchains = 2\n")
    run_fault(path, out)
    samples = Samples.load(out / "samples.npz")
    assert samples.values.shape == (2, 60, 4) and "R-hat" in (out / "summary.txt").read_text()
    (out / "mine.txt").write_text("keep")
    path.write_text(one)
    lines = []
    run_fault(path, out, lines.append)
    assert any(re.match(r"removed \d+ files of another run", line) for line in lines)
    assert not (out / "samples.npz").exists() and (out / "mine.txt").exists()
    assert (out / "result.json").exists()


def test_slip_of_files(folder, monkeypatch):
    out, lines = folder / "out", []
    result = run_slip(folder / "slip.toml", out, lines.append)
    assert result.magnitude == pytest.approx(6.29, abs=0.03)
    table = rows(out / "patches.csv")
    assert len(table) == 24
    total = sum(float(row["moment_Nm"]) for row in table)
    assert total == pytest.approx(result.moment.sum(), rel=1e-3)
    inside = (
        np.hypot(*(np.array([[float(r["east_km"]), float(r["north_km"])] for r in table]) - [3, -4]).T) < 3
    )
    slip = np.array([float(row["dip_slip_m"]) for row in table])
    assert slip[inside].mean() == pytest.approx(1.2 * np.sin(np.deg2rad(80)), abs=0.4)
    np.testing.assert_array_equal(load_slip(out / "slip.npz").coefficients, result.coefficients)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 7 and "cells-map.tif" in {p.name for p in out.iterdir()}
    monkeypatch.setattr(choice, "stacked", lambda *_: pytest.fail("the smoothing was chosen before"))
    again, said = run_slip(folder / "slip.toml", out, (said := []).append), said
    np.testing.assert_array_equal(again.coefficients, result.coefficients)
    assert any("earlier run was stopped: 1 parts of smoothing" in line for line in said)


@pytest.mark.parametrize("kind", ["trace", "mesh", "crust"])
def test_every_kind_of_fault(folder, kind):
    words = run_cases.SLIP
    start = words.index("[[faults]]")
    if kind == "trace":
        words = words[:start] + (
            "[[faults]]\ntrace = [[130.77, 32.64], [130.85, 32.72]]\nto_depth = 9\ntop = 1.0\n"
            'dips = [70, 50]\npatch = 4\nrake = 80\nedges = "free"\n'
        )
    elif kind == "mesh":
        points = [[1, -8, -1.5], [8, 0, -1.5], [7, -12, -9], [14, -4, -9]]
        vertices = "\n".join(f"VRTX {i + 1} {x} {y} {z}" for i, (x, y, z) in enumerate(points))
        (folder / "fault.ts").write_text(f"GOCAD TSurf 1\nTFACE\n{vertices}\nTRGL 1 2 3\nTRGL 2 4 3\nEND\n")
        words = words[:start] + '[[faults]]\nmesh = "fault.ts"\ngeographic = false\norder = 1\n'
    else:
        words += "[crust]\nlayers = [[8, 5.5, 3.2, 2.6], [inf, 6.5, 3.8, 2.9]]\n"
    words = words.replace('[[offset_maps]]\nfile = "map.tif"\nsmallest = 16\nlargest = 32\n', "")
    (folder / "slip.toml").write_text(words + "[smoothing]\nvalue = 0.1\n")
    result = run_slip(folder / "slip.toml", folder / "out")
    assert result.smoothing == 0.1
    # Two triangles that hardly lie where the fault does.
    assert result.patches[0].size == 2 if kind == "mesh" else result.variance_reduction > 0.5


GOOD = {
    "fault": {
        "event": {"name": "T", "latitude": 32.7, "longitude": 130.8, "origin_time": "2016-04-15T16:25:06"},
        "gnss": [{
            "file": "offsets.csv", "name": "A", "components": "EN", "nearest": 1, "farthest": 90.0,
            "only": ["S01"], "exclude": ["S02"], "common_error": 0.001, "model_error": 0.1,
            "nuisance": "offset", "before": 300, "after": 200, "strict": True,
        }],
        "interferograms": [{
            "file": "unw.tif", "variable": "z", "band": 1, "maker": "heading", "look": [38.0, "map.tif"],
            "wavelength": 0.236, "metres": False, "name": "B", "threshold": 0.01, "smallest": 4,
            "largest": 64, "nearest": 0, "farthest": 50, "nuisance": "none", "variogram": "karman",
            "noise": {"white": 0.002, "correlated": 0.005, "distance": 4.0, "kind": "spherical",
                      "hurst": 0.4},
        }],
        "offset_maps": [{
            "file": "map.tif", "name": "C", "threshold": 0.2, "smallest": 8, "largest": 16, "nearest": 1,
            "farthest": 40, "rest": 15, "correlation": 20, "nuisance": "ramp",
            "rupture": [[130.7, 32.6], [130.8, 32.7]], "margin": 12,
        }],
        "faults": [{
            "x": 0, "y": 1.0, "depth": 2, "length": 8, "width": 5, "strike": 50, "dip": 50, "rake": 90,
            "slip": 1, "opening": 0, "origin": "topleft", "fixed": ["rake"],
            "bounds": {name: [-1, 5] if name in "xy" else [0, 80] for name in keys.PARAMETERS},
            "prior": {name: [1, 5] for name in keys.PARAMETERS},
        }],
        "elastic": {"nu": 0.25, "shear_modulus": 3e10},
        "search": {"starts": 4, "seed": 1, "loss": "huber", "loss_scale": 2.0, "weights": "given"},
        "samples": {"draws": 100, "chains": 2, "warmup": 50},
    },
    "slip": {
        "event": {"name": "T", "latitude": 32.7, "longitude": 130.8},
        "gnss": [{"file": "offsets.csv"}],
        "faults": [
            {"x": 0, "y": 1.0, "depth": 2, "length": 8, "width": 5, "strike": 50, "dip": 50, "origin":
             "topright", "n_strike": 4, "n_dip": 3, "rake": 90, "spread": 30, "opening": True, "order": 1,
             "edges": "free", "weight": 2.0, "mesh_unit": 0.001, "geographic": False, "to_depth": 9,
             "top": 0.5, "dips": [70, 40], "patch": 2.0},
            {"mesh": "map.tif"},
            {"trace": [[130.7, 32.6], [130.8, 32.7]], "to_depth": 10, "dips": [60, 40], "patch": 3},
        ],
        "elastic": {"nu": 0.25},
        "crust": {"layers": [[8, 5.5, 3.2, 2.6], [np.inf, 6.5, 3.8, 2.9]]},
        "smoothing": {"method": "cv", "join": False, "weights": "components"},
    },
}  # fmt: skip
SCHEMAS = {"fault": keys.FAULT, "slip": keys.SLIP}


def spoilt():
    for what, one in SCHEMAS.items():
        for name, key in schema.paths(one):
            # The tables of data are the same in both; those of the crust are tested with moment tensors.
            if what == "slip" and name.startswith(
                ("gnss", "interf", "offset", "event", "crust", "smoothing.v")
            ):
                continue
            place = name.replace("[]", "[0]")
            for case in toml_cases.cases([(place, key)]):
                yield pytest.param(what, *case.values, id=f"{what}-{case.id}")


@pytest.mark.parametrize("what", SCHEMAS)
def test_good_configurations(files, what):
    found = schema.checked(GOOD[what], SCHEMAS[what], folder=files)
    assert {name for name in GOOD[what]} <= set(found)


@pytest.mark.parametrize(("what", "name", "value"), list(spoilt()))
def test_every_wrong_value_is_named(files, what, name, value):
    if name.endswith(".look") and value == "x":
        value = "xx"
    with pytest.raises(ValueError) as caught:
        schema.checked(toml_cases.changed(GOOD[what], name, value), SCHEMAS[what], folder=files)
    assert toml_cases.names_the_mistake(str(caught.value), name.split("[")[0], value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('file = "offsets.csv"', 'file = "none.csv"', "gnss[0].file must name a file"),
        ("depth = 2.0", "depth = 12.0", "faults[0].depth must lie in faults[0].bounds.depth, 0 to 6, got"),
        (
            "starts = 2",
            "startz = 2",
            "unknown key 'search.startz' in the table [search]; did you mean",
        ),
        ("rest = 18", "", "interferograms[0] needs exactly one of noise, rest; got neither"),
        ("rest = 18", "rest = 1800", "interferograms[0]: rest: fewer than 100 pixels lie"),
        (
            "look = [38.0, -12.0]",
            "look = [38.0, -12.0, 1]",
            "interferograms[0].look must be a list of 2",
        ),
        (
            "largest = 32",
            "largest = 24",
            "largest must be interferograms[0].smallest, 8, times",
        ),
        ("common_error", 'exclude = ["XX"]\ncommon_error', "gnss[0]: exclude: no station is called 'XX'"),
        ("common_error", "nearest = 900\ncommon_error", "gnss[0]: offsets.csv: no station is left of 24"),
        ('file = "unw.tif"', 'file = "offsets.csv"', "interferograms[0]: "),
        ("length = 8.0", "", "the key 'faults[0].length' is missing"),
        ("dip = 50", "dip = 95", "faults[0].dip must be at least 0 and at most 90, got 95"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(folder, capsys, old, new, message):
    text = run_cases.FAULT.replace(old, new, 1)
    assert text != run_cases.FAULT
    (folder / "fault.toml").write_text(text)
    assert main(["fault", str(folder / "fault.toml")]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "fault").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_dip = 4", "", "the key 'faults[0].n_dip' is missing: a rectangle needs it"),
        (
            "rake = 80",
            'rake = 80\nmesh = "map.tif"',
            "faults[0] needs exactly one of mesh, trace",
        ),
        ("rake = 80", "spread = 30", "faults[0].spread needs faults[0].rake, got 30"),
        ("length = 16", "trace = [[130, 32], [131, 33]]", "the key 'faults[0].to_depth' is missing: a trace"),
        ("rake = 80", "[smoothing]\nmethod = 'abic'\nvalue = 1", "must not hold both method and value"),
        ('file = "map.tif"', 'file = "unw.tif"', "offset_maps[0]: "),
    ],
)
def test_mistakes_of_slip_are_named(folder, capsys, old, new, message):
    (folder / "slip.toml").write_text(run_cases.SLIP.replace(old, new, 1))
    assert main(["slip", str(folder / "slip.toml"), "--out", str(folder / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()
