"""How CPU kernels are compiled: Numba's options, a cache on disk that knows all the sources, and machine code
that is called by its address.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.caching import IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
    "nogil": True,
}
FOLDER = Path(__file__).resolve().parent
_IMPORT = re.compile(r"^(?:from|import)\s+(dislok\.kernels|\.)([\w.]*)(?:\s+import\s+(.*))?", re.MULTILINE)


@cache
def imports(file: Path) -> frozenset[Path]:
    """The files of the kernels that a file of theirs imports at its top level."""
    found = set()
    for root, dotted, names in _IMPORT.findall(file.read_text()):
        base = file.parent if root == "." else FOLDER
        place = base.joinpath(*dotted.strip(".").split(".")) if dotted.strip(".") else base
        candidates = [place.with_suffix(".py"), place / "__init__.py"]
        candidates += [place / f"{name}.py" for name in re.findall(r"\w+", names)]
        found |= {each for each in candidates if each.is_file()}
    return frozenset(found)


@cache
def fingerprint(file: Path) -> str:
    """Digest of a source file and of all sources of the kernels that it builds on.

    Numba's cache looks at the file of the decorated function only, but the formulas live in others.
    """
    known, new = set(), {file, Path(__file__).resolve(), *(FOLDER / "scalar").glob("*.py")}
    while new:
        known |= new
        new = {each for source in new for each in imports(source)} - known
    digest = hashlib.sha256()
    for source in sorted(known):
        digest.update(str(source.relative_to(FOLDER)).encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function for the CPU when it is first called.

    Machine code is kept on disk between processes where a folder for it can be written, and made anew when
    a source that it is made from has changed. Installations with the same sources share it where
    NUMBA_CACHE_DIR is set.
    """
    distinguish(function)
    try:
        dispatcher = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder to keep machine code in
        return numba.njit(**OPTIONS)(function)
    keep(dispatcher, Path(function.__code__.co_filename).resolve())
    return dispatcher


def distinguish(function: Callable[..., Any]) -> None:
    """Give functions that one factory makes names of their own.

    Numba numbers equal names in the order of compilation, which differs between processes: code that comes
    from the disk could then be mistaken for another.
    """
    inside = [cell.cell_contents for cell in function.__closure__ or ()]
    if inside:
        words = [getattr(each, "__qualname__", None) or repr(each) for each in inside]
        function.__qualname__ += hashlib.sha256(repr(words).encode()).hexdigest()[:12]


def address(function: Callable[..., Any], *arguments: Any) -> int:
    """Compile a function that returns nothing, for arguments of these Numba types; return its code's address.

    `call` runs it from compiled code that need not know it, so that one loop serves many formulas. Machine
    code is kept on disk as that of `kernel` is.
    """
    distinguish(function)
    options = {name: value for name, value in OPTIONS.items() if name != "nogil"}
    code = CFunc(function, (arguments, types.void), {}, options)
    try:
        code.enable_caching()
        keep(code, Path(function.__code__.co_filename).resolve())
    except RuntimeError:  # no folder to keep machine code in
        pass
    code.compile()
    _kept_alive.append(code)
    return int(code.address)


_kept_alive: list[Any] = []


@intrinsic
def call(typing: Any, where: Any, arguments: Any) -> Any:
    """Run the code at the address `where` with a tuple of arguments; of an array it gets the first element's
    address.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = []
        for kind, value in zip(arguments, cgutils.unpack_tuple(builder, args[1]), strict=True):
            is_array = isinstance(kind, types.Array)
            values.append(context.make_array(kind)(context, builder, value=value).data if is_array else value)
        function = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), values)
        return context.get_dummy_value()

    return types.none(where, arguments), generate


def keep(dispatcher: Any, file: Path) -> None:
    """Stamp the machine code that a dispatcher keeps with all of the sources behind `file`."""
    cache = dispatcher._cache
    place = cache.cache_path
    if config.CACHE_DIR:
        place = os.path.join(config.CACHE_DIR, "dislok", file.parent.name)
        os.makedirs(place, exist_ok=True)
    cache._cache_file = IndexDataCacheFile(place, cache._impl.filename_base, fingerprint(file))
