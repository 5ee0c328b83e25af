"""The guard of every input, and of `out=`: frameworks, dtypes, layouts, devices."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from dislok import arrays
from dislok.arrays import checked_out, finite_number, guard


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


class Exported:
    """An array of a library that offers nothing but DLPack."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


# dtypes


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_floats_keep_their_dtype_and_are_not_copied(dtype):
    a = np.ones((4, 3), dtype)
    space, got = guard({"a": a})
    assert space.dtype == dtype
    assert got["a"] is a


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_integers_become_float64(dtype):
    got = guard({"a": np.arange(3, dtype=dtype), "b": np.ones(3)}).arrays
    assert got["a"].dtype == np.float64
    np.testing.assert_array_equal(got["a"], [0.0, 1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float16", "complex128", "bool", "datetime64[s]", "U3", "longdouble"])
def test_other_dtypes_are_refused_by_name(dtype):
    with pytest.raises(TypeError, match=r"^a has dtype .*; float64, float32 and integers are supported$"):
        guard({"a": np.zeros(2, dtype)})


def test_two_dtypes_are_refused_and_both_named():
    with pytest.raises(TypeError, match=r"^a is float32 but b is float64; use one dtype in a call"):
        guard({"a": np.ones(2, "float32"), "b": np.ones(2)})


def test_integers_do_not_mix_with_float32():
    with pytest.raises(TypeError, match=r"^a is float32 but b is int64"):
        guard({"a": np.ones(2, "float32"), "b": np.arange(2)})


def test_numbers_and_lists_take_the_dtype_of_the_arrays():
    inputs = {"a": np.ones(2, "float32"), "b": 1.5, "c": 2, "d": [1.0, 2.0], "e": np.float64(3.0)}
    assert {array.dtype.name for array in guard(inputs).arrays.values()} == {"float32"}


def test_zero_dimensional_arrays_follow_arrays_with_dimensions():
    assert guard({"a": np.ones(2, "float32"), "b": np.array(1.0)}).space.dtype == "float32"
    assert guard({"a": 1.0, "b": np.array(1.0, "float32")}).space.dtype == "float32"
    with pytest.raises(TypeError, match="a is float64 but b is float32"):
        guard({"a": np.array(1.0), "b": np.array(1.0, "float32")})


def test_numbers_alone_are_float64():
    space, got = guard({"a": 1, "b": [1, 2]})
    assert (space.framework, space.dtype) == ("numpy", "float64")
    assert got["a"].shape == ()


def test_foreign_byte_order_is_turned():
    got = guard({"a": np.arange(3.0).astype(">f8")}).arrays["a"]
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, [0.0, 1.0, 2.0])


# layouts


def test_read_only_input_is_copied_and_left_alone():
    a = np.ones((2, 3))
    a.flags.writeable = False
    got = guard({"a": a}).arrays["a"]
    assert got.flags.writeable and not np.may_share_memory(a, got)
    assert not a.flags.writeable


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: a[::2],
        lambda a: np.asfortranarray(a),
        lambda a: a.T,
    ],
    ids=["rows reversed", "columns reversed", "every other row", "Fortran", "transposed"],
)
def test_strided_input_is_copied_in_order(view):
    a = view(np.arange(12.0).reshape(4, 3))
    got = guard({"a": a}).arrays["a"]
    assert got.flags.c_contiguous and got.flags.writeable
    np.testing.assert_array_equal(got, a)


def test_unaligned_input_is_copied():
    raw = np.zeros(8 * 3 + 1, "uint8")
    a = raw[1:].view("float64")
    assert not a.flags.aligned
    assert guard({"a": a}).arrays["a"].flags.aligned


def test_broadcast_view_is_copied():
    got = guard({"a": np.broadcast_to(2.0, (5,))}).arrays["a"]
    assert got.strides == (8,)


# what is no array


@pytest.mark.parametrize("value", [None, object(), {1.0}, {"a": 1}], ids=["None", "object", "set", "dict"])
def test_objects_are_refused(value):
    with pytest.raises(TypeError, match=r"^a must be an array or a number, got \w+$"):
        guard({"a": value})


def test_arrays_of_objects_are_refused():
    with pytest.raises(TypeError, match="^a has dtype object; float64, float32 and integers are supported$"):
        guard({"a": np.array([1.0, None])})
    with pytest.raises(TypeError, match="^a has dtype object"):
        guard({"a": [1.0, None]})


def test_text_is_refused():
    with pytest.raises(TypeError, match="^a has dtype str"):
        guard({"a": "north"})


def test_ragged_list_is_refused_by_name():
    with pytest.raises(ValueError, match="^a cannot be read as an array"):
        guard({"a": [[1.0, 2.0], [3.0]]})


def test_masked_array_is_refused_only_if_something_is_masked():
    values = np.ma.masked_greater(np.arange(3.0), 1.0)
    with pytest.raises(TypeError, match="^a is a masked array; drop or fill its masked elements first$"):
        guard({"a": values})
    assert type(guard({"a": values[:1]}).arrays["a"]) is np.ndarray


def test_array_interface_of_other_libraries_is_read_as_numpy():
    class Series:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    space, got = guard({"a": Series(), "b": np.ones(3)})
    assert space.framework == "numpy"
    np.testing.assert_array_equal(got["a"], [0.0, 1.0, 2.0])


def test_dlpack_on_the_cpu_is_read_as_numpy():
    np.testing.assert_array_equal(guard({"a": Exported(np.arange(3.0))}).arrays["a"], [0.0, 1.0, 2.0])


def test_dlpack_on_a_device_is_never_copied_to_the_cpu():
    with pytest.raises(TypeError, match=r"^a is a Exported on a device; pass cupy.from_dlpack"):
        guard({"a": Exported(np.arange(3.0), device=(2, 0))})


def test_cuda_arrays_of_other_libraries_are_refused():
    class DeviceNDArray:
        __cuda_array_interface__ = {}

    with pytest.raises(TypeError, match="^a is a DeviceNDArray on a device"):
        guard({"a": DeviceNDArray()})


# torch


def test_torch_tensors_stay_what_they_are(torch):
    a = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    space, got = guard({"a": a, "b": 2.0, "c": [1.0, 2.0]})
    assert (space.framework, space.dtype, space.on_cuda) == ("torch", "float64", False)
    assert got["a"] is a
    assert got["b"].dtype is torch.float64 and got["b"].shape == ()
    assert got["c"].shape == (2,)


def test_gradients_flow_through_the_guard_and_the_columns(torch):
    a = torch.ones((), requires_grad=True)
    b = torch.arange(3.0, dtype=torch.float64, requires_grad=True)
    space, got = guard({"a": a, "b": b, "c": 2.0})
    space.columns(list(got.values()), 3).sum().backward()
    assert float(a.grad) == 3.0
    np.testing.assert_array_equal(b.grad, [1.0, 1.0, 1.0])


@pytest.mark.parametrize("name", ["float16", "bfloat16", "complex64", "bool"])
def test_torch_dtypes_are_refused_by_name(torch, name):
    with pytest.raises(TypeError, match=f"^a has dtype {name}; float64, float32 and integers are supported$"):
        guard({"a": torch.ones(2, dtype=getattr(torch, name))})


def test_torch_integers_become_float64(torch):
    assert guard({"a": torch.arange(3)}).arrays["a"].dtype is torch.float64


def test_two_torch_dtypes_are_refused(torch):
    with pytest.raises(TypeError, match="^a is float32 but b is float64"):
        guard({"a": torch.ones(2), "b": torch.ones(2, dtype=torch.float64)})


def test_strided_tensor_is_made_contiguous(torch):
    a = torch.arange(12.0).reshape(4, 3).T
    got = guard({"a": a}).arrays["a"]
    assert got.is_contiguous() and torch.equal(got, a)


def test_sparse_tensor_is_refused(torch):
    with pytest.raises(TypeError, match="^a has layout torch.sparse_coo; only dense tensors are supported$"):
        guard({"a": torch.eye(3).to_sparse()})


def test_tensor_on_an_unknown_device_is_refused(torch):
    with pytest.raises(TypeError, match="^a is on meta; torch tensors on cpu and cuda are supported$"):
        guard({"a": torch.ones(3, device="meta")})


def test_tensors_on_two_devices_are_refused(torch):
    with pytest.raises(ValueError, match="^a is on cpu but b is on meta; use one device in a call$"):
        guard({"a": torch.ones(3), "b": torch.ones(3, device="meta")})


def test_list_of_tensors_is_refused_since_it_would_lose_gradients(torch):
    with pytest.raises(TypeError, match="^a is a list of Tensor; stack them first$"):
        guard({"a": [torch.ones(()), torch.ones(())]})
    with pytest.raises(TypeError, match="^a is a tuple of Tensor; stack them first$"):
        guard({"a": [(torch.ones(()),), (1.0,)]})


def test_numpy_and_torch_do_not_mix(torch):
    with pytest.raises(
        TypeError, match="^a is a NumPy array but b is a torch array; use one framework in a call$"
    ):
        guard({"a": np.ones(2), "b": torch.ones(2, dtype=torch.float64)})


def test_another_library_is_named_by_its_own_name(torch):
    a = Exported(np.ones(2))
    type(a).__module__ = "jax.array"
    with pytest.raises(TypeError, match="^a is a jax array but b is a torch array"):
        guard({"a": a, "b": torch.ones(2)})


# CuPy, without a device


def test_cupy_arrays_stay_on_their_device(cupy):
    a = cupy.asarray(np.ones((4, 3)))
    space, got = guard({"a": a, "b": 2.0, "c": [1.0, 2.0, 3.0, 4.0]})
    assert (space.framework, space.on_cuda) == ("cupy", True)
    assert isinstance(got["a"], cupy.ndarray) and isinstance(got["c"], cupy.ndarray)
    table = space.columns([got["b"], got["c"]], 4)
    assert isinstance(table, cupy.ndarray)
    np.testing.assert_array_equal(table, [[2, 1], [2, 2], [2, 3], [2, 4]])
    assert isinstance(space.at_surface(a[:, :2]), cupy.ndarray)


def test_values_on_a_device_are_not_looked_at_unless_fetched(cupy):
    a = cupy.asarray(np.ones(3))
    space, _ = guard({"a": a})
    assert space.peek(a) is None
    assert type(space.fetch(a)) is np.ndarray


def test_numpy_and_cupy_do_not_mix(cupy):
    with pytest.raises(
        TypeError, match="^a is a CuPy array but b is a NumPy array; use one framework in a call$"
    ):
        guard({"a": cupy.asarray(np.ones(2)), "b": np.ones(2)})


def test_cupy_array_of_another_device_is_refused(cupy):
    a = cupy.asarray(np.ones(2))
    a.device = SimpleNamespace(id=1)
    with pytest.raises(ValueError, match=r"^a is on CUDA device 1 but the current device is 0; call within"):
        guard({"a": a})
    with pytest.raises(ValueError, match="^a is on CUDA device 1 but b is on CUDA device 0"):
        guard({"a": a, "b": cupy.asarray(np.ones(2))})


# out=

SPACE = arrays.NumpySpace("float64")


def test_out_that_fits_is_returned():
    out = np.empty((4, 3))
    assert checked_out(out, (4, 3), SPACE, [np.ones(3)]) is out


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty((3, 4)), ValueError, r"^out must have shape \(4, 3\), got \(3, 4\)$"),
        (np.empty((4, 3), "float32"), TypeError, "^out must have dtype float64, got float32$"),
        (np.empty((4, 3), ">f8"), TypeError, "^out must have dtype float64, got >f8$"),
        (np.empty((3, 4)).T, ValueError, "^out must be C-contiguous$"),
        (np.empty((4, 6))[:, ::2], ValueError, "^out must be C-contiguous$"),
        ([[0.0] * 3] * 4, TypeError, "^out must be a NumPy array as the inputs are, got list$"),
    ],
)
def test_out_that_does_not_fit_is_refused(out, error, message):
    with pytest.raises(error, match=message):
        checked_out(out, (4, 3), SPACE)


def test_read_only_out_is_refused():
    out = np.empty((4, 3))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="^out is read-only$"):
        checked_out(out, (4, 3), SPACE)


def test_out_that_overlaps_an_input_is_refused():
    out = np.empty((4, 3))
    with pytest.raises(ValueError, match="^out shares memory with an input$"):
        checked_out(out, (4, 3), SPACE, [out[1:]])


def test_out_of_another_framework_is_refused(torch):
    message = r"^out must be a NumPy array as the inputs are, got Tensor of shape \(4, 3\)$"
    with pytest.raises(TypeError, match=message):
        checked_out(torch.empty(4, 3), (4, 3), SPACE)


def test_torch_out(torch):
    space = guard({"a": torch.ones(3)}).space
    out = torch.empty(4, 3)
    assert checked_out(out, (4, 3), space) is out
    with pytest.raises(TypeError, match="^out must be a torch array as the inputs are, got ndarray"):
        checked_out(np.empty((4, 3)), (4, 3), space)
    with pytest.raises(TypeError, match="^out must have dtype float32, got torch.float64$"):
        checked_out(torch.empty(4, 3, dtype=torch.float64), (4, 3), space)
    with pytest.raises(ValueError, match="^out must be C-contiguous$"):
        checked_out(torch.empty(3, 4).T, (4, 3), space)
    with pytest.raises(ValueError, match="^out must not require gradients"):
        checked_out(out.requires_grad_(), (4, 3), space)
    with pytest.raises(ValueError, match="^out is on meta but the inputs are on cpu$"):
        checked_out(torch.empty(4, 3, device="meta"), (4, 3), space)


# numbers


@pytest.mark.parametrize("value", [0.25, 1, np.float32(0.5), np.int64(2), np.array(0.25)])
def test_numbers_become_floats(value):
    assert type(finite_number("nu", value)) is float


@pytest.mark.parametrize("value", ["0.25", None, True, [0.25], 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match=r"^nu must be a number, got \w+$"):
        finite_number("nu", value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_must_be_finite(value):
    with pytest.raises(ValueError, match=f"^nu is {value}; it must be finite$"):
        finite_number("nu", value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_first_value_that_is_not_finite_is_named(bad):
    values = np.ones((5, 3))
    values[3, 1] = values[4, 0] = bad
    with pytest.raises(ValueError, match=rf"^obs\[3, 1\] is {bad}; it must be finite$"):
        arrays.check_finite("obs", values)


def test_finite_values_whose_sum_overflows_are_finite():
    arrays.check_finite("obs", np.full((5, 3), 1e70))
    arrays.check_finite("obs", np.zeros((0, 3)))


def test_opposite_infinities_do_not_cancel():
    with pytest.raises(ValueError, match=r"^obs\[0\] is inf"):
        arrays.check_finite("obs", np.array([np.inf, -np.inf]))


def test_guard_imports_no_framework():
    code = (
        "import sys, numpy as np; from dislok import arrays; arrays.guard({'a': np.ones(3), 'b': 1.0}); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'cupy', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("count", [arrays.FEW // 3, arrays.FEW + 1])
@pytest.mark.parametrize(("dtype", "large"), [("float64", 1e71), ("float32", 1e31)])
def test_few_and_many_values_are_checked_alike(count, dtype, large):
    obs = -np.ones((count, 3), dtype)
    arrays.check_observers(obs)
    for bad, error in (
        (np.nan, "it must be finite"),
        (-np.inf, "it must be finite"),
        (-large, "its size must"),
    ):
        obs[-1, 1] = bad
        with pytest.raises(ValueError, match=rf"obs\[{count - 1}, 1\] is .*; {error}"):
            arrays.check_observers(obs)
    obs[-1, 1], obs[-2:, 2] = 0.0, 0.5
    with pytest.raises(ValueError, match=rf"obs\[{count - 2}, 2\] is 0.5; observers must not be above"):
        arrays.check_observers(obs)
