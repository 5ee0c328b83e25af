"""Arrays in, arrays out: framework, dtype, device and memory layout of what a caller passes in.

Every input of a public function goes through :func:`guard`, and every ``out=`` through :func:`checked_out`.

Frameworks
    The output is what the input is. NumPy arrays, torch tensors and CuPy arrays have a framework; Python
    numbers, NumPy scalars, lists and tuples have none and follow the others. Everything else that offers
    ``__array__`` or DLPack on the CPU (pandas, xarray, JAX) is read as NumPy, without a copy where that can
    be done, and gives NumPy. Two frameworks in one call are a `TypeError` that names both.
Dtypes
    float64 and float32 are kept, integers count as float64, anything else is a `TypeError`. Arrays of two
    dtypes in one call are a `TypeError` that names both. Zero-dimensional arrays follow arrays with
    dimensions, and numbers and lists follow both, so ``torch.tensor(1.0)`` goes with float64 coordinates.
Layout
    What is not C-contiguous, aligned, native and writeable is copied; inputs are never written to.
Devices
    A CUDA array stays on its device and on the caller's current stream. Its values are never looked at,
    because that would make the stream wait.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from dislok.kernels.names import Namespace

Array: TypeAlias = Any
"""A NumPy array, torch tensor or CuPy array."""

HostArray: TypeAlias = NDArray[np.float64]
"""A NumPy array in double precision."""

Values: TypeAlias = Mapping[str, Any]
"""Values by name, each of its own kind: a table of a configuration, the numbers of a record."""

Record: TypeAlias = dict[str, Any]
"""Such values to be filled in, changed or written."""

ArrayLike: TypeAlias = Any
"""An `Array`, a number, a sequence of numbers, or an object with ``__array__`` or DLPack on the CPU."""

P = ParamSpec("P")
R = TypeVar("R")

TITLES = {"numpy": "NumPy", "torch": "torch", "cupy": "CuPy"}
_LARGEST_INTEGER = 1 << 63
# Numbers that are checked by NumPy: no code need be compiled for them.
FEW = 1 << 12
_CPU_DEVICE = 1  # kDLCPU of the DLPack specification


class NumpySpace:
    """Where the arrays of a call live, for NumPy and, through its subclass, CuPy."""

    framework = "numpy"
    on_cuda = False

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.number = np.dtype(dtype).type
        """A plain number as a zero-dimensional value of this space."""
        self.xp: Namespace = np

    def asarray(self, value: ArrayLike) -> Array:
        """`value` as a C-contiguous array of this space; copied if it is read-only or laid out otherwise."""
        if type(value) is np.ndarray and value.dtype == self.number and value.flags.carray:
            return value
        if not value.ndim:
            return self.number(value)
        return np.require(value, self.dtype, ["C", "A", "W", "E"])

    def empty(self, shape: Sequence[int]) -> Array:
        """A new array, not initialised."""
        return self.xp.empty(tuple(shape), dtype=self.dtype)

    def at_surface(self, horizontal: Array) -> Array:
        """East and north (n, 2) with zero height appended (n, 3)."""
        obs = self.xp.zeros((horizontal.shape[0], 3), dtype=self.dtype)
        obs[:, :2] = horizontal
        return obs

    def columns(self, fields: Sequence[Array], rows: int) -> Array:
        """Scalars and vectors side by side, shape (rows, len(fields))."""
        table = self.empty((rows, len(fields)))
        for k, field in enumerate(fields):
            table[:, k] = field
        return table

    def repeated(self, numbers: Sequence[float], rows: int) -> Array:
        """Plain numbers as so many equal rows."""
        table = self.empty((rows, len(numbers)))
        table[:] = numbers
        return table

    def peek(self, array: Array) -> np.ndarray | None:
        """The values as a NumPy array, or None where they cannot be looked at without waiting."""
        return array

    def fetch(self, array: Array) -> np.ndarray | None:
        """The values as a NumPy array, waiting for the device; None inside a transform of `torch.func`."""
        return array


class CupySpace(NumpySpace):
    """CuPy arrays of one device; new arrays are made on the caller's current device and stream."""

    framework = "cupy"
    on_cuda = True

    def __init__(self, dtype: str) -> None:
        super().__init__(dtype)
        self.xp = sys.modules["cupy"]

    def asarray(self, value: ArrayLike) -> Array:
        """The value as an array of this space."""
        if not _is_cupy(value) and not value.ndim:
            return self.number(value)
        # ascontiguousarray makes vectors of scalars; asarray with order="C" does not.
        return self.xp.asarray(value, dtype=self.dtype, order="C")

    def columns(self, fields: Sequence[Array], rows: int) -> Array:
        """Arrays of one number or of `rows` numbers, side by side: (rows, fields)."""
        # Numbers stay on the host until here: to fill with one needs no copy to the device.
        return super().columns([field if _is_cupy(field) else field.item() for field in fields], rows)

    def repeated(self, numbers: Sequence[float], rows: int) -> Array:
        """Rows that all hold these numbers."""
        return super().columns(numbers, rows)

    def peek(self, array: Array) -> np.ndarray | None:
        """The values where they can be seen without waiting for a device, else None."""
        return None

    def fetch(self, array: Array) -> np.ndarray | None:
        """The values, whatever has to be waited for; None where they are not real."""
        return self.xp.asnumpy(array)


class TorchSpace:
    """torch tensors of one device; every operation here is differentiable and knows `torch.func`."""

    framework = "torch"

    def __init__(self, dtype: str, device: Any) -> None:
        self.torch: Any = sys.modules["torch"]
        self.dtype = dtype
        self.torch_dtype = getattr(self.torch, dtype)
        self.device = device
        self.on_cuda = device.type == "cuda"

    def asarray(self, value: ArrayLike) -> Array:
        """The value as an array of this space."""
        kind = {"dtype": self.torch_dtype, "device": self.device}
        if is_tensor(value):
            # Asked first, because a call that changes nothing takes a microsecond.
            same = value.dtype is self.torch_dtype and value.device == self.device
            return value if same and value.is_contiguous() else value.to(**kind).contiguous()
        if not value.ndim:
            return self.number(value)
        return self.torch.tensor(np.ascontiguousarray(value, self.dtype), **kind)

    def number(self, value: float) -> Array:
        """A plain number as a zero-dimensional tensor."""
        # To fill with a number does not make the stream wait, as a copy to the device would.
        return self.torch.full((), float(value), dtype=self.torch_dtype, device=self.device)

    def empty(self, shape: Sequence[int]) -> Array:
        """A new array."""
        return self.torch.empty(tuple(shape), dtype=self.torch_dtype, device=self.device)

    def at_surface(self, horizontal: Array) -> Array:
        """Observers (n, 3) from their horizontal coordinates (n, 2), with z = 0."""
        return self.torch.cat([horizontal, self.torch.zeros_like(horizontal[:, :1])], dim=1)

    def columns(self, fields: Sequence[Array], rows: int) -> Array:
        """Arrays of one number or of `rows` numbers, side by side: (rows, fields)."""
        if all(not field.ndim for field in fields):
            return self.torch.stack(list(fields)).expand(rows, len(fields)).contiguous()
        return self.torch.stack([field.expand(rows) for field in fields], dim=1)

    def repeated(self, numbers: Sequence[float], rows: int) -> Array:
        """Rows that all hold these numbers."""
        if self.on_cuda:
            return self.columns([self.number(x) for x in numbers], rows)
        return self.torch.tensor([numbers], dtype=self.torch_dtype).repeat(rows, 1)

    def peek(self, array: Array) -> np.ndarray | None:
        """The values where they can be seen without waiting for a device, else None."""
        return None if self.on_cuda else self.fetch(array)

    def fetch(self, array: Array) -> np.ndarray | None:
        """The values, whatever has to be waited for; None where they are not real."""
        plain = array.detach().resolve_neg().cpu()
        # Inside torch.func a tensor stands for a batch, or for a value with its tangent.
        if self.torch._C._functorch.is_functorch_wrapped_tensor(plain):
            return None
        return plain.numpy()


Space: TypeAlias = NumpySpace | TorchSpace


class Guarded(NamedTuple):
    """What :func:`guard` returns: the space of a call and its inputs as arrays of that space, by name."""

    space: Space
    arrays: dict[str, Array]


def guard(inputs: Mapping[str, ArrayLike]) -> Guarded:
    """Bring all inputs of a call to one framework, dtype and device, C-contiguous.

    Parameters
    ----------
    inputs : mapping of str to array_like
        The inputs by the name that an error message shall use.

    Returns
    -------
    Guarded
        The space and the arrays. Arrays that are right already are passed on without a copy.

    Raises
    ------
    TypeError
        If the inputs mix frameworks or dtypes, or if a dtype, device or kind of object is not supported.
    ValueError
        If a list is ragged, or if CUDA arrays lie on different devices.
    """
    # Plain numbers have neither framework nor dtype; a source has many of them.
    others = {name: value for name, value in inputs.items() if not is_plain(value)}
    framework = common_framework(others)
    values = {name: _readable(name, value) for name, value in others.items()}
    dtype = _common_dtype(others, values)
    space = _space(framework, dtype, values)
    arrays = {
        name: space.asarray(values[name]) if name in values else space.number(value)
        for name, value in inputs.items()
    }
    return Guarded(space, arrays)


def checked_out(out: Array, shape: Sequence[int], space: Space, inputs: Iterable[Array] = ()) -> Array:
    """`out` itself, if results of this shape can be written there; otherwise an error that says why not.

    Parameters
    ----------
    out : array
        The caller's ``out=``.
    shape : sequence of int
        Shape of the result.
    space : Space
        Framework, dtype and device of the result.
    inputs : iterable of array
        Arrays that are read while `out` is written; `out` must not share memory with them.

    Raises
    ------
    TypeError
        If `out` has another framework or dtype than the inputs.
    ValueError
        If its shape differs, if it is read-only, not C-contiguous or on another device, or overlaps an input.
    """
    _check_kind_of_out(out, space)
    if tuple(out.shape) != tuple(shape):
        raise ValueError(f"out must have shape {tuple(shape)}, got {tuple(out.shape)}")
    if isinstance(space, TorchSpace):
        return _checked_torch_out(out, space)
    if not out.flags.c_contiguous:
        raise ValueError("out must be C-contiguous")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError("out is read-only")
    if any(space.xp.may_share_memory(out, array) for array in inputs):
        raise ValueError("out shares memory with an input")
    return out


def check_apart(first: ArrayLike, second: ArrayLike) -> None:
    """Raise a `ValueError` if two arrays to write to share memory."""
    if is_tensor(first) and is_tensor(second):
        (a, b), (c, d) = _span(first), _span(second)
        shared = first.device == second.device and a < d and c < b
    else:
        both = isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
        xp = np if both else sys.modules.get("cupy", np)
        same = both or (_is_cupy(first) and _is_cupy(second))
        shared = same and bool(xp.may_share_memory(first, second))
    if shared:
        raise ValueError("out[0] and out[1] share memory")


def _span(tensor: ArrayLike) -> tuple[int, int]:
    """Addresses from the first byte of a contiguous tensor to behind its last one."""
    begin = tensor.data_ptr()
    return begin, begin + tensor.numel() * tensor.element_size()


def flag(name: str, value: ArrayLike) -> bool:
    """`value`, if it is True or False; otherwise a `TypeError`."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r:.60}")
    return bool(value)


def eager(function: Callable[P, R]) -> Callable[P, R]:
    """Let `torch.compile` break its graph at a function, and run it as it is.

    What the function does to tensors cannot be traced, and half of it traced would be slower, not faster. A
    program that does not use torch is not made to import it.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        torch = sys.modules.get("torch")
        if torch is not None and torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def is_tensor(value: ArrayLike) -> bool:
    """Whether `value` is a torch tensor; imports nothing."""
    return _array_type(type(value)) == "torch"


def is_plain(value: ArrayLike) -> bool:
    """Whether `value` is a Python number that every dtype can take."""
    return type(value) is float or (type(value) is int and abs(value) < _LARGEST_INTEGER)


def finite_number(name: str, value: ArrayLike) -> float:
    """`value` as a Python float; `TypeError` if it is not a real number, `ValueError` if it is not finite."""
    scalar = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not scalar and not (isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"):
        raise TypeError(f"{name} must be a number, got {_describe(value)}")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {float(value)}; it must be finite")
    return float(value)


def check_finite(name: str, values: np.ndarray, labels: Sequence[str] | None = None) -> None:
    """Raise a `ValueError` that names the first value that is NaN, infinite or too large.

    Powers of what is too large would overflow.
    With `labels`, the columns of `values` are called ``name.label``, as the fields of a source are.
    """
    flat, limits = np.ascontiguousarray(values).reshape(-1), _limits()
    if flat.size <= FEW:
        fine = bool((np.abs(flat) <= limits.LARGEST[flat.itemsize]).all())
    else:
        fine = limits.first_not_finite(flat) < 0
    if not fine:
        if not np.isfinite(values).all():
            reject(name, values, ~np.isfinite(values), "it must be finite", labels)
        limit = limits.LARGEST[values.itemsize]
        reject(name, values, np.abs(values) > limit, f"its size must be at most {limit:g}", labels)


def check_observers(obs: np.ndarray) -> None:
    """Raise a `ValueError` that names the first observer (n, 3) that is not finite or above the surface."""
    check_finite("obs", obs)
    if len(obs) <= FEW:
        high = obs[:, 2] > 0.0
        above = int(np.argmax(high)) if high.any() else -1
    else:
        above = _limits().first_above(obs)
    if above >= 0:
        height = float(obs[above, 2])
        raise ValueError(f"obs[{above}, 2] is {height!r}; observers must not be above the surface (z <= 0)")


def reject(
    name: str, values: np.ndarray, bad: np.ndarray, rule: str, labels: Sequence[str] | None = None
) -> None:
    """Raise a `ValueError` that names the first of `values` where `bad` holds, its value and the rule."""
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    value = float(values[index])
    if labels is not None:
        name, index = f"{name}.{labels[index[-1]]}", index[:-1]
    where = f"[{', '.join(map(str, index))}]" if index else ""
    raise ValueError(f"{name}{where} is {value!r}; {rule}")


@functools.cache
def _limits() -> ModuleType:
    # Imported only when there are values to look at: importing it imports Numba.
    from dislok.kernels import limits

    return limits


def _find_array_type(kind: type) -> str | None:
    """Framework whose arrays are of this type, or None; imports nothing."""
    for framework, name in (("torch", "Tensor"), ("cupy", "ndarray"), ("numpy", "ndarray")):
        # A module that is not imported has no instances.
        if issubclass(kind, getattr(sys.modules.get(framework), name, ())):
            return framework
    return None


_array_type: Callable[[Any], str | None] = functools.cache(_find_array_type)


def _is_cupy(value: ArrayLike) -> bool:
    return _array_type(type(value)) == "cupy"


def _framework(value: ArrayLike) -> str | None:
    framework = _array_type(type(value))
    if framework is not None:
        return framework
    if isinstance(value, (float, int, np.generic)):
        return None
    has_array = hasattr(value, "__array__") or hasattr(value, "__dlpack__")
    return "numpy" if has_array or hasattr(value, "__cuda_array_interface__") else None


def common_framework(inputs: Values) -> str:
    """The one framework of some inputs, "numpy" for numbers; `TypeError` where they are of two."""
    owner: dict[str, str] = {}
    for name, value in inputs.items():
        framework = _framework(value)
        if framework is not None:
            owner.setdefault(framework, name)
    if len(owner) > 1:
        (first, a), (second, b) = list(owner.items())[:2]
        raise TypeError(
            f"{a} is a {_title(inputs[a], first)} array but {b} is a {_title(inputs[b], second)} array; "
            "use one framework in a call"
        )
    return next(iter(owner), "numpy")


def _title(value: ArrayLike, framework: str) -> str:
    if framework == "numpy" and not isinstance(value, np.ndarray):
        return type(value).__module__.partition(".")[0]
    return TITLES[framework]


def _describe(value: ArrayLike) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"


def _readable(name: str, value: ArrayLike) -> Array:
    """A torch tensor or CuPy array as it is; everything else as a NumPy array."""
    if type(value) is np.ndarray:
        return value
    if is_tensor(value):
        if value.layout is not sys.modules["torch"].strided:
            raise TypeError(f"{name} has layout {value.layout}; only dense tensors are supported")
        return value
    if _is_cupy(value):
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{name} is a masked array; drop or fill its masked elements first")
    if isinstance(value, (list, tuple)):
        _refuse_arrays_inside(name, value)
    if isinstance(value, np.ndarray):
        return value
    return _from_elsewhere(name, value)


def _refuse_arrays_inside(name: str, values: Sequence[ArrayLike]) -> None:
    """A list of tensors would be read element by element and lose its gradients without a word."""
    for value in values:
        if isinstance(value, (list, tuple)):
            _refuse_arrays_inside(name, value)
        elif _framework(value) in ("torch", "cupy"):
            raise TypeError(
                f"{name} is a {type(values).__name__} of {type(value).__name__}; stack them first"
            )


def _from_elsewhere(name: str, value: ArrayLike) -> np.ndarray:
    """Numbers, sequences and arrays of other libraries as NumPy; never a copy from another device."""
    if _on_another_device(value):
        raise TypeError(
            f"{name} is a {_describe(value)} on a device; pass cupy.from_dlpack(...) of it instead"
        )
    try:
        by_dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        array = np.from_dlpack(value) if by_dlpack else np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None
    if array.dtype == object and not array.ndim:
        raise TypeError(f"{name} must be an array or a number, got {_describe(value)}")
    return array


def _on_another_device(value: ArrayLike) -> bool:
    if hasattr(value, "__dlpack_device__"):
        return int(value.__dlpack_device__()[0]) != _CPU_DEVICE
    return hasattr(value, "__cuda_array_interface__")


def _dtype_name(value: Array) -> str:
    return _name_of(value.dtype)


@functools.cache
def _name_of(dtype: Any) -> str:
    """Name of a dtype of NumPy or torch; kept, because it takes microseconds to make."""
    return dtype.name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")


def _counts_as(name: str, value: Array) -> str:
    dtype = _dtype_name(value)
    if dtype in ("float64", "float32"):
        return dtype
    if dtype.startswith(("int", "uint")):
        return "float64"
    raise TypeError(f"{name} has dtype {dtype}; float64, float32 and integers are supported")


def _weight(original: ArrayLike, value: Array) -> int:
    """Whose dtype decides: arrays with dimensions (2), zero-dimensional arrays (1), numbers and lists (0)."""
    if _framework(original) is None:
        return 0
    return 2 if value.ndim else 1


def _common_dtype(inputs: Values, values: Mapping[str, Array]) -> str:
    names: dict[int, dict[str, str]] = {0: {}, 1: {}, 2: {}}
    for name, value in values.items():
        names[_weight(inputs[name], value)].setdefault(_counts_as(name, value), name)
    owner = names[2] or names[1]
    if len(owner) > 1:
        a, b = owner.values()
        raise TypeError(
            f"{a} is {_dtype_name(values[a])} but {b} is {_dtype_name(values[b])}; "
            "use one dtype in a call (integers count as float64)"
        )
    return next(iter(owner), "float64")


def _space(framework: str, dtype: str, values: Mapping[str, Array]) -> Space:
    if framework == "numpy":
        return NumpySpace(dtype)
    device = _common_device(framework, values)
    return CupySpace(dtype) if framework == "cupy" else TorchSpace(dtype, device)


def _common_device(framework: str, values: Mapping[str, Array]) -> Any:
    """The one device of all arrays; zero-dimensional tensors on the CPU may follow, as torch has it."""
    mine = is_tensor if framework == "torch" else _is_cupy
    arrays = {name: value for name, value in values.items() if mine(value)}
    leading = {name: value for name, value in arrays.items() if value.ndim or framework == "cupy"}
    owner: dict[Any, str] = {}
    for name, value in (leading or arrays).items():
        owner.setdefault(value.device if framework == "torch" else f"CUDA device {value.device.id}", name)
    if len(owner) > 1:
        (first, a), (second, b) = list(owner.items())[:2]
        raise ValueError(f"{a} is on {first} but {b} is on {second}; use one device in a call")
    device = next(iter(owner))
    if framework == "torch" and device.type not in ("cpu", "cuda"):
        raise TypeError(f"{owner[device]} is on {device}; torch tensors on cpu and cuda are supported")
    if framework == "cupy":
        _check_current(owner[device], values[owner[device]])
    return device


def _check_current(name: str, array: Array) -> None:
    """Kernels are launched, and results made, on the current device."""
    current = sys.modules["cupy"].cuda.runtime.getDevice()
    if array.device.id != current:
        raise ValueError(
            f"{name} is on CUDA device {array.device.id} but the current device is {current}; "
            f"call within `with cupy.cuda.Device({array.device.id}):`"
        )


def _check_kind_of_out(out: ArrayLike, space: Space) -> None:
    kinds = {"numpy": lambda a: isinstance(a, np.ndarray), "torch": is_tensor, "cupy": _is_cupy}
    if not kinds[space.framework](out):
        raise TypeError(
            f"out must be a {TITLES[space.framework]} array as the inputs are, got {_describe(out)}"
        )
    native = space.framework != "numpy" or out.dtype.isnative
    if _dtype_name(out) != space.dtype or not native:
        raise TypeError(f"out must have dtype {space.dtype}, got {out.dtype}")


def _checked_torch_out(out: Array, space: TorchSpace) -> Array:
    if out.device != space.device:
        raise ValueError(f"out is on {out.device} but the inputs are on {space.device}")
    if not out.is_contiguous():
        raise ValueError("out must be C-contiguous")
    if out.requires_grad:
        raise ValueError("out must not require gradients; leave out= away to get a differentiable result")
    return out
