"""The map in CONTRIBUTING.md is the tree: every module has its place there, and nothing else has."""

import re
from pathlib import Path

import pytest

FLOORS = ("bindings", "kernels", "inversion", "nn")


@pytest.fixture(scope="module")
def places(repository: Path) -> dict[str, set[str]]:
    """Names of modules by the folders of the map; words in brackets are modules without their ending."""
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    found: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=\w)", text.removeprefix("text\n")):
        folder = entry.split()[0].rstrip("/")
        bracketed = " ".join(re.findall(r"\[([^\]]*)\]", entry)).split()
        found[folder] = {*re.findall(r"(?<![\w/])\w+(?=\.py\b)", entry), *bracketed}
    return found


def test_the_map_is_read(places):
    assert "okada" in places["bindings"] and "sgm" in places["kernels/images"]
    assert {"formula", "third_derivatives"} <= places["kernels/okada"]


@pytest.mark.parametrize("floor", FLOORS)
def test_the_map_is_the_tree(repository, places, floor):
    tree: dict[str, set[str]] = {}
    for path in (repository / floor).rglob("*.py"):
        folder = tree.setdefault(str(path.parent.relative_to(repository)), set())
        if path.stem != "__init__":
            folder.add(path.stem)
    on_map = {folder: names for folder, names in places.items() if folder.split("/")[0] == floor}
    shared = {"formula", "pair", "numba_cpu", "numba_cuda", "cupy_raw"}  # described once, with okada's
    for folder, names in tree.items():
        assert names - shared == on_map.get(folder, set()) - shared, folder
