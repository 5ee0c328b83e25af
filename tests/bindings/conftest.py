"""What the tests of the bindings share."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest


class DeviceArray(np.ndarray):
    """Stands for a CuPy array on a machine without CUDA: another type, with a device."""

    device = SimpleNamespace(id=0)


@pytest.fixture
def cupy(monkeypatch):
    """A module with the names of CuPy that the guard uses, on host memory."""
    module = ModuleType("cupy")
    module.ndarray = DeviceArray
    module.asarray = lambda a, dtype=None, order=None: np.array(a, dtype, order=order).view(DeviceArray)
    module.empty = lambda shape, dtype: np.empty(shape, dtype).view(DeviceArray)
    module.zeros = lambda shape, dtype: np.zeros(shape, dtype).view(DeviceArray)
    module.asnumpy = lambda a: np.array(a).view(np.ndarray)
    module.may_share_memory = np.may_share_memory
    module.cuda = SimpleNamespace(runtime=SimpleNamespace(getDevice=lambda: 0))
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module
