"""What is installed is what lies in the folders, and nothing heavy loads before it is needed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dislok

FOLDERS = {
    "bindings": "dislok",
    "kernels": "dislok.kernels",
    "inversion": "dislok.inversion",
    "nn": "dislok.nn",
}
DATA = {".cu", ".cuh", ".csv", ".safetensors", ".typed"}
HEAVY = ["cupy", "matplotlib", "numba", "scipy", "torch"]


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def packages_in(repository: Path) -> set[str]:
    found = set()
    for folder, package in FOLDERS.items():
        for init in (repository / folder).rglob("__init__.py"):
            found.add(".".join([package, *init.parent.relative_to(repository / folder).parts]))
    return found


def test_every_subpackage_is_listed(repository, project):
    assert set(project["tool"]["setuptools"]["packages"]) == packages_in(repository)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_installed(repository, folder):
    installed = Path(dislok.__file__).parent.joinpath(*FOLDERS[folder].split(".")[1:])
    for path in (repository / folder).rglob("*"):
        if path.suffix == ".py" or path.suffix in DATA:
            copy = installed / path.relative_to(repository / folder)
            assert copy.is_file(), f"{path.relative_to(repository)} is not installed"
            assert copy.read_bytes() == path.read_bytes(), f"{copy} differs from the repository"


def test_every_extra_that_others_name_exists(project):
    extras = project["project"]["optional-dependencies"]
    named = re.findall(r"dislok\[([\w,]+)\]", str(extras))
    assert {extra for group in named for extra in group.split(",")} <= set(extras)


def test_versions_agree(repository):
    citation = (repository / "CITATION.cff").read_text()
    changelog = (repository / "CHANGELOG.md").read_text()
    assert f"\nversion: {dislok.__version__}\n" in citation
    assert f"## [{dislok.__version__}]" in changelog


def test_import_loads_nothing_heavy():
    loaded = run_python(f"import dislok, sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_okada_loads_no_framework():
    loaded = run_python(
        "import sys; from dislok import okada; "
        "print([m for m in ['cupy', 'matplotlib', 'numba_cuda', 'numba.cuda', 'torch'] if m in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_import_takes_less_than_half_a_second():
    code = "import time; t = time.perf_counter(); import dislok; print(time.perf_counter() - t)"
    assert min(float(run_python(code)) for _ in range(3)) < 0.5


def test_submodules_load_on_first_use():
    assert run_python("import dislok; print(dislok.okada.__name__)").strip() == "dislok.okada"


def test_unknown_name_is_refused_with_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'okda'.*okada"):
        dislok.okda  # noqa: B018
