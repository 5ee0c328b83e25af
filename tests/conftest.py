"""What every test may use: the reference data, a seeded generator, and the rule for tests that need a GPU."""

import ctypes
import os
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


# Beside the package the machine code would go with every new editable install.
os.environ.setdefault("NUMBA_CACHE_DIR", str(REPOSITORY / ".numba_cache"))


def cuda_problem() -> str | None:
    """Why no CUDA device can be used, or None when one can."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no CUDA driver"
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "no CUDA device"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is None:
        return
    problem = cuda_problem()
    if problem and os.environ.get("DISLOK_REQUIRE_GPU") == "1":
        pytest.fail(f"{problem}, and DISLOK_REQUIRE_GPU=1 asks for one", pytrace=False)
    if problem:
        pytest.skip(problem)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that holds these tests."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference data: DISLOK_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("DISLOK_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"reference data not found in {folder}; set DISLOK_SHARED to its folder")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts at the same point in every test."""
    return np.random.default_rng(20160416)


@pytest.fixture(autouse=True)
def gradients_are_recorded():
    """Torch records gradients when a test begins, whatever those before it made torch give up."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
    else:
        with torch.inference_mode(False), torch.enable_grad():
            yield
