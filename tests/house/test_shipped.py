"""Machine code that comes with a package: who uses it, that it gives the same numbers, what else is done."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dislok.kernels import keeping

SMALL = """
import numpy as np
from dislok.kernels import limits
print(limits.count_not_finite(np.ones(3), 1e70))
"""
TELL = "import json; from dislok.kernels import keeping; print(json.dumps(keeping.compiled))\n"
# Near and far, at the surface and inside, with all that a first call most often is.
FIELDS = """
import hashlib
import numpy as np
from dislok import okada, tde
rng = np.random.default_rng(5)
obs = rng.normal(size=(3000, 3)) * 10.0 ** rng.uniform(-1, 3, (3000, 1))
obs[:, 2] = -np.abs(obs[:, 2])
fault = okada.Rectangle(0.0, 0.0, 3.0, 4.0, 2.0, 30.0, 40.0, 20.0, 1.0, 0.1)
triangle, slip = np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]]]), np.array([1.0, 2.0, 0.5])
found = []
for places in (obs, obs[:, :2].copy()):
    found += [okada.fields(places, fault)[1], okada.displacement(places, fault)]
    found += [okada.jacobian(places, fault), tde.displacement(places, triangle, slip)]
    found += [tde.strain(places, triangle, slip)]
    found += [okada.greens(places, fault), tde.greens(places, triangle), tde.jacobian(places, triangle, slip)]
print(hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in found)).hexdigest())
"""

needs_levels = pytest.mark.skipif(not keeping.levels(), reason="no machine code is made for this processor")


def run(code, folder, shipped=None, **environment):
    """The last two lines that a process prints: its result, and what it had to compile."""
    use = "from pathlib import Path\nfrom dislok.kernels import keeping\n"
    use += f"keeping.SHIPPED = Path({str(shipped)!r})\n"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), **environment}
    command = [sys.executable, "-c", ("" if shipped is None else use) + code + TELL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result, compiled = done.stdout.splitlines()[-2:]
    return result, json.loads(compiled)


def made_for(level, code, folder):
    """Machine code of a level, as a package has it."""
    told = {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": ""}
    result, _ = run(code, folder / "made" / level, **told)
    shutil.copytree(folder / "made" / level / "dislok", folder / "code" / level)
    return result


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder of machine code for the plainest level."""
    folder = tmp_path_factory.mktemp("package")
    made_for("x86-64-v3", SMALL, folder)
    return folder / "code"


@needs_levels
def test_code_of_the_package_is_used_and_nothing_is_written(package, tmp_path):
    assert run(SMALL, tmp_path, package) == ("0", [])
    assert not list(tmp_path.rglob("*.code"))


@needs_levels
def test_this_machines_own_code_comes_first(package, tmp_path):
    assert run(SMALL, tmp_path)[1] == ["count_not_finite"]
    shutil.copytree(package, tmp_path / "damaged")
    for file in (tmp_path / "damaged").rglob("*.code"):
        file.write_bytes(file.read_bytes()[:-1])
    assert run(SMALL, tmp_path, tmp_path / "damaged") == ("0", [])


@needs_levels
@pytest.mark.parametrize(
    "spoil", [lambda code: code[:-1], lambda code: b"0" * 64 + code[64:], lambda code: b""]
)
def test_what_is_damaged_or_of_other_sources_is_compiled(package, tmp_path, spoil):
    shutil.copytree(package, tmp_path / "code")
    for file in (tmp_path / "code").rglob("*.code"):
        file.write_bytes(spoil(file.read_bytes()))
    assert run(SMALL, tmp_path / "own", tmp_path / "code") == ("0", ["count_not_finite"])


@needs_levels
def test_not_used_where_numba_was_told_the_processor(package, tmp_path):
    assert run(SMALL, tmp_path, package, NUMBA_CPU_NAME="x86-64")[1] == ["count_not_finite"]


def test_levels_are_what_the_processor_can_do(monkeypatch):
    words = keeping.LEVELS["x86-64-v3"].split()
    monkeypatch.setattr(keeping, "get_process_triple", lambda: "x86_64-unknown-linux-gnu")
    for features, expected in (
        ({}, ()),
        (dict.fromkeys(words, True), ("x86-64-v3",)),
        (dict.fromkeys(words, True) | {"fma": False}, ()),
        (dict.fromkeys(keeping.LEVELS["x86-64-v4"].split(), True), ("x86-64-v4", "x86-64-v3")),
    ):
        monkeypatch.setattr(keeping, "get_host_cpu_features", lambda found=features: found)
        assert keeping.levels.__wrapped__() == expected
    monkeypatch.setattr(keeping, "get_process_triple", lambda: "aarch64-unknown-linux-gnu")
    assert keeping.levels.__wrapped__() == ()


@needs_levels
@pytest.mark.slow
def test_the_same_numbers_on_every_level(tmp_path):
    own, _ = run(FIELDS, os.environ.get("NUMBA_CACHE_DIR", tmp_path / "own"))
    for level in keeping.levels():
        assert made_for(level, FIELDS, tmp_path) == own
    assert run(FIELDS, tmp_path / "first", tmp_path / "code") == (own, [])
    assert len(own) == 2 * hashlib.sha256().digest_size and not Path(tmp_path / "first").exists()
