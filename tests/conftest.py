"""What every test may use: the reference data, a seeded generator, and the rule for tests that need a GPU."""

import ctypes
import importlib.util
import json
import os
import shutil
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))  # what tests of several folders share


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


@cache
def absent(tool: str) -> str | None:
    """Why `g++`, `numba-cuda` or a compiler of NVIDIA's (`nvrtc`, `nvvm`, `nvJitLink`) is not there."""
    if tool == "g++":
        return None if shutil.which(tool) else f"{tool} not found"
    if tool == "numba-cuda":  # numba has a `numba.cuda` of its own, which is another
        return None if importlib.util.find_spec("numba_cuda") else "numba-cuda is not installed"
    try:
        parts = [importlib.util.find_spec(f"cuda.{name}") for name in ("bindings", "core", "pathfinder")]
    except ModuleNotFoundError:
        parts = [None]
    if None in parts:
        return f"NVIDIA's compiler {tool} is not installed"
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        load_nvidia_dynamic_lib(tool)
    except DynamicLibNotFoundError:
        return f"NVIDIA's compiler {tool} does not load"
    return None


def require(problem: str | None, variable: str) -> None:
    """Skip the test for a problem, or fail it where a variable of the environment asks for that."""
    if problem and os.environ.get(variable) == "1":
        pytest.fail(f"{problem}, and {variable}=1 asks for it", pytrace=False)
    if problem:
        pytest.skip(problem)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is not None:
        require(cuda_problem(), "DISLOK_REQUIRE_GPU")
    for marker in item.iter_markers("needs"):
        for tool in marker.args:
            require(absent(tool), "DISLOK_REQUIRE_COMPILERS")


class Passed:
    """Writes which tests passed into pytest's cache, so that another run can leave them out."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.passed = config, set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if self.config.cache is not None:
            self.config.cache.set("dislok/passed", sorted(self.passed))


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "leave out the tests that passed when they were run last in another checkout of the same commit"
    parser.addoption("--passed-in", metavar="CHECKOUT", type=Path, help=words)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Passed(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    checkout = config.getoption("--passed-in")
    if checkout is None:
        return
    passed = set(json.loads((checkout / ".pytest_cache" / "v" / "dislok" / "passed").read_text()))
    # What looks at the installation itself is for every installation.
    known = [item for item in items if item.nodeid in passed and "/house/" not in item.nodeid]
    config.hook.pytest_deselected(items=known)
    items[:] = [item for item in items if item not in known]


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


@pytest.fixture(scope="session")
def dislocations() -> dict[str, np.ndarray]:
    """Truth of rectangles, points and triangles by category; `tests/reference/make.py` says the fields."""
    with np.load(REPOSITORY / "tests" / "data" / "dislocations.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def compiler() -> None:
    """The host's C++ compiler."""
    require(absent("g++"), "DISLOK_REQUIRE_COMPILERS")


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
