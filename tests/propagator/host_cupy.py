"""CuPy on host memory, as far as the propagator uses it; its arrays do not mix with NumPy's either."""

import importlib.machinery
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import scipy.special


def _check(values):
    """Raise what CuPy raises where it meets an array of NumPy."""
    for value in values:
        if isinstance(value, (list, tuple)):
            _check(value)
        elif type(value) is np.ndarray and value.ndim:
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")


class DeviceArray(np.ndarray):
    """An array that stands for one on a device."""

    device = SimpleNamespace(id=0)

    @property
    def __cuda_array_interface__(self):
        return self.__array_interface__

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        _check(inputs)
        plain = [x.view(np.ndarray) if isinstance(x, DeviceArray) else x for x in inputs]
        if out is not None:
            keywords["out"] = tuple(x.view(np.ndarray) for x in out)
        return on_device(getattr(ufunc, method)(*plain, **keywords))

    def __getitem__(self, index):
        _check(index if isinstance(index, tuple) else (index,))
        return super().__getitem__(index)

    def __setitem__(self, index, value):
        _check((*(index if isinstance(index, tuple) else (index,)), value))
        super().__setitem__(index, value)

    def get(self):
        return np.array(self)


def on_device(value):
    """A result of NumPy as one of CuPy."""
    return value.view(DeviceArray) if isinstance(value, np.ndarray) else value


class HostCupy(ModuleType):
    """NumPy's functions under CuPy's name."""

    ndarray = DeviceArray
    cuda = SimpleNamespace(
        runtime=SimpleNamespace(getDevice=lambda: 0), get_current_stream=lambda: SimpleNamespace(ptr=0)
    )

    def __getattr__(self, name):
        function = getattr(np, name)

        def call(*arguments, **keywords):
            _check(arguments)
            return on_device(function(*arguments, **keywords))

        return call

    @staticmethod
    def asarray(value, dtype=None, order=None):
        return on_device(np.array(value, dtype, order=order))


def install(put=sys.modules.__setitem__):
    """Let ``import cupy`` find it."""
    special = ModuleType("cupyx.scipy.special")
    special.j0, special.j1 = scipy.special.j0, scipy.special.j1
    found = {"cupy": HostCupy("cupy"), "cupyx.scipy.special": special}
    for name in ("cupyx", "cupyx.scipy"):
        found[name] = ModuleType(name)
    for name, module in found.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        put(name, module)
    return found["cupy"]
