"""How CPU kernels are compiled: Numba's options, a cache that knows all sources, code called by address."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.caching import IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from dislok.kernels.keeping import MachineCode, distinguish, fingerprint
from dislok.kernels.names import Builder, Context, Function, Intrinsic, Kernel, Kind, Signature, Value
from dislok.kernels.waiting import interruptible

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
    "nogil": True,
}


def kernel(function: Function) -> Kernel:
    """Compile a module-level function, or one made by a factory, for the CPU when it is first called.

    Machine code is kept on disk between processes where a folder for it can be written, and made anew when
    a source that it is made from has changed (see `MachineCode`). An interrupt ends a call that compiles.
    """
    distinguish(function)
    dispatcher = numba.njit(**OPTIONS)(function)
    dispatcher._cache = MachineCode(function)
    compile_now = dispatcher.compile
    # Where signatures differ, calls with the later one wait for Numba's lock.
    dispatcher.compile = lambda signature: interruptible(
        (dispatcher, str(signature)), partial(compile_now, signature)
    )
    return dispatcher


def address(function: Function, *arguments: Any) -> int:
    """Compile a function that returns nothing, for arguments of these Numba types; return its code's address.

    `call` runs it from compiled code that need not know it, so that one loop serves many formulas. Machine
    code is kept on disk as that of `kernel` is.
    """
    distinguish(function)
    key = function.__module__, function.__qualname__, arguments
    return interruptible(key, partial(_address, function, arguments))


def _address(function: Function, arguments: tuple[Value, ...]) -> int:
    options = {name: value for name, value in OPTIONS.items() if name != "nogil"}
    code = CFunc(function, (arguments, types.void), {}, options)
    code._cache = MachineCode(function)
    code.compile()
    _kept_alive.append(code)
    return int(code.address)


_kept_alive: list[Value] = []


@intrinsic
def call(typing: Context, where: Kind, arguments: Kind) -> Intrinsic:
    """Run the code at the address `where` with a tuple of arguments; of arrays it gets their addresses."""

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        values = []
        for kind, value in zip(arguments, cgutils.unpack_tuple(builder, args[1]), strict=True):
            is_array = isinstance(kind, types.Array)
            values.append(context.make_array(kind)(context, builder, value=value).data if is_array else value)
        function = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), values)
        return context.get_dummy_value()

    return types.none(where, arguments), generate


def keep(dispatcher: Value, file: Path) -> None:
    """Stamp the machine code that a dispatcher for devices keeps with all of the sources behind `file`."""
    cache = dispatcher._cache
    place = cache.cache_path
    if config.CACHE_DIR:
        place = os.path.join(config.CACHE_DIR, "dislok", file.parent.name)
        os.makedirs(place, exist_ok=True)
    cache._cache_file = IndexDataCacheFile(place, cache._impl.filename_base, fingerprint(file))
