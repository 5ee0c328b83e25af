"""The page of configuration files is what the schemas say."""

import importlib.util
from pathlib import Path

import pytest

from dislok import schema

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def writer():
    path = DOCS / "write_configuration.py"
    if not path.exists():
        pytest.skip("no documentation beside the tests")
    spec = importlib.util.spec_from_file_location("write_configuration", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_key_is_documented_and_nothing_else(writer):
    written = (DOCS / "configuration.rst").read_text(encoding="utf-8")
    assert written == writer.page(), "run python docs/write_configuration.py"
    names = {name for _, table in writer.PAGES.values() for name, _ in schema.paths(table)}
    said = {line.split("``")[1] for line in written.splitlines() if line.startswith("   * - ``")}
    assert said == names and len(names) > 60


def test_the_guide_leads_to_it():
    guide = DOCS / "guide.rst"
    if not guide.exists():
        pytest.skip("no documentation beside the tests")
    assert "configuration" in guide.read_text(encoding="utf-8").split()
