"""Machine code on disk knows every source that it is made from."""

from pathlib import Path

import pytest

from dislok.kernels import cpu
from dislok.kernels.okada import numba_cpu


@pytest.mark.parametrize("name", ["okada/formula.py", "okada/pair.py", "scalar/elementary.py", "lanes.py"])
def test_every_source_counts(name, monkeypatch):
    file = Path(numba_cpu.__file__).resolve()
    before = cpu.fingerprint.__wrapped__(file)
    changed = cpu.FOLDER / name
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == changed))
    assert cpu.fingerprint.__wrapped__(file) != before


def test_other_families_do_not_count(monkeypatch):
    file = Path(numba_cpu.__file__).resolve()
    before = cpu.fingerprint.__wrapped__(file)
    read = Path.read_bytes
    other = cpu.FOLDER / "okada" / "cupy_raw.py"
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == other))
    assert cpu.fingerprint.__wrapped__(file) == before


def test_installations_share_machine_code(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu.config, "CACHE_DIR", str(tmp_path))
    dispatcher = cpu.kernel(numba_cpu.at_surface.py_func)
    assert dispatcher._cache._cache_file._cache_path == str(tmp_path / "dislok" / "okada")
