"""Machine code on disk: where it is kept and under which name, and what is done where it cannot be kept."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite.binding import get_host_cpu_features, get_process_triple
from numba.core import compiler, config, serialize, types
from numba.core.dispatcher import Dispatcher
from numba.core.runtime.nrt import rtsys

from dislok.kernels.names import Context, Function, Signature
from dislok.kernels.waiting import Progress

FOLDER = Path(__file__).resolve().parent
_IMPORT = re.compile(r"^(?:from|import)\s+(dislok\.kernels|\.)([\w.]*)(?:\s+import\s+(.*))?", re.MULTILINE)
_VERSIONS = (numba.__version__, llvmlite.__version__, sys.implementation.cache_tag)
_DIGEST = 32  # bytes
# On the code itself.
_WITHOUT_EFFECT = {FOLDER / "keeping.py", FOLDER / "waiting.py", FOLDER / "threads.py"}


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
    """Digest of a source file and of all sources of the kernels that it builds on."""
    known, new = set(), {file, FOLDER / "cpu.py", *(FOLDER / "scalar").glob("*.py")}
    while new:
        known |= new
        new = {each for source in new for each in imports(source)} - known - _WITHOUT_EFFECT
    digest = hashlib.sha256()
    for source in sorted(known):
        digest.update(str(source.relative_to(FOLDER)).encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def identity(value: Any) -> str:
    """What tells apart the values that functions made by one factory enclose, alike in every process.

    Raises
    ------
    TypeError
        For a value that cannot be told apart from others of its kind.
    """
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(identity, value))})"
    if isinstance(value, (bool, int, float, complex, str, bytes, np.generic, types.Type, type(None))):
        return repr(value)
    function = value.py_func if isinstance(value, Dispatcher) else value
    name, home = getattr(function, "__qualname__", None), getattr(function, "__module__", None)
    if name is None or home is None:
        raise TypeError(f"machine code of a function that encloses {value!r} cannot be kept")
    return f"{home}.{name}({', '.join(map(identity, enclosed(function)))})"


def enclosed(function: Function) -> list[Any]:
    """The values that a function encloses."""
    return [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]


def distinguish(function: Function) -> None:
    """Give functions that one factory makes names of their own.

    Numba numbers equal names in the order of compilation, which differs between processes: code that comes
    from the disk could then be mistaken for another.
    """
    inside = enclosed(function)
    if inside:
        words = "\n".join(map(identity, inside))
        function.__qualname__ += hashlib.sha256(words.encode()).hexdigest()[:12]


def folders(file: Path) -> list[Path]:
    """Where machine code of a source file may be kept, the best place first."""
    if config.CACHE_DIR:
        return [Path(config.CACHE_DIR, "dislok", file.parent.name)]
    own = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return [file.parent / "__pycache__", *([Path(own, "dislok", file.parent.name)] if own[0] != "~" else [])]


#: Machine code that a built package brings along, in folders named by levels and families.
SHIPPED = FOLDER / "code"
#: Kinds of processors that such code is for, by LLVM's names, the best first, and what they can do.
LEVELS = {
    "x86-64-v4": "avx2 bmi bmi2 f16c fma lzcnt movbe avx512f avx512bw avx512cd avx512dq avx512vl",
    "x86-64-v3": "avx2 bmi bmi2 f16c fma lzcnt movbe",
}


@cache
def levels() -> tuple[str, ...]:
    """The `LEVELS` of this processor."""
    if not get_process_triple().startswith("x86_64"):
        return ()
    able = get_host_cpu_features()
    return tuple(level for level, needed in LEVELS.items() if all(able.get(each) for each in needed.split()))


@cache
def shipped() -> tuple[str, ...]:
    """The levels whose machine code is at hand and can be used; none where Numba was told the processor."""
    told = config.CPU_NAME is not None or config.CPU_FEATURES is not None
    return () if told else tuple(level for level in levels() if (SHIPPED / level).is_dir())


#: Names of the functions that this process has compiled.
compiled: list[str] = []


class MachineCode:
    """What Numba asks for compiled code (its `_Cache`), one file for each function and signature.

    A file's name says function, signature, processor and versions, and its content the sources: the files of
    one installation do not grow in number, and what cannot be read, is damaged or is of other sources is made
    anew. Files are replaced as a whole, so that processes may write at once.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.file = Path(function.__code__.co_filename).resolve()

    @property
    def cache_path(self) -> str:
        """The first folder that machine code is looked for in."""
        return str(folders(self.file)[0])

    def enable(self) -> None:
        """Nothing: it always is."""

    disable = flush = enable

    def name(self, signature: Signature, context: Context, level: str | None = None) -> str:
        """Name of the file for a signature, for this processor or a level."""
        triple, *processor = context.codegen().magic_tuple()
        processor = processor if level is None else [level, ""]
        words = (self.function.__qualname__, str(signature), triple, *processor, *_VERSIONS)
        digest = hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()[:24]
        return f"{self.file.stem}.{self.function.__name__}-{digest}.code"

    def places(self, signature: Signature, context: Context) -> Iterator[Path]:
        """Files that may hold the code: this machine's, then those that came with the package."""
        name = self.name(signature, context)
        yield from (folder / name for folder in folders(self.file))
        for level in shipped():
            yield SHIPPED / level / self.file.parent.name / self.name(signature, context, level)

    def load_overload(self, signature: Signature, context: Context) -> Any:
        """The compiled function, None where it has to be compiled."""
        # What `context.refresh` loads besides is for compiling, and takes as long as all the rest.
        rtsys.initialize(context)
        for path in self.places(signature, context):
            try:
                content = path.read_bytes()
                if content.startswith(fingerprint(self.file).encode()):
                    return compiler.CompileResult._rebuild(context, *self._opened(content, signature))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except Exception as error:
                # Whatever it is that is wrong with the file, the code can be made anew.
                complain(f"machine code in {path.parent} cannot be read and is made anew: {error}")
        Progress.begin()
        return None

    def _opened(self, content: bytes, signature: Signature) -> Any:
        body = content[len(fingerprint(self.file)) :]
        if hashlib.sha256(body[_DIGEST:]).digest() != body[:_DIGEST]:
            raise ValueError("a file is damaged")
        kept, code = pickle.loads(body[_DIGEST:])
        if kept != signature:
            raise ValueError(f"a file holds code for {kept}, not {signature}")
        return code

    def save_overload(self, signature: Signature, result: Any) -> None:
        """Keep a compiled function."""
        Progress.end()
        compiled.append(self.function.__qualname__)
        if result.library.has_dynamic_globals or any(not lifted.can_cache for lifted in result.lifted):
            return
        body = serialize.dumps((signature, result._reduce()))
        content = fingerprint(self.file).encode() + hashlib.sha256(body).digest() + body
        name, problems = self.name(signature, result.target_context), []
        for folder in folders(self.file):
            try:
                return write(folder / name, content)
            except OSError as error:
                problems.append(f"{folder} ({error.strerror})")
        complain(f"machine code cannot be kept in {' or '.join(problems)}: every process compiles it anew")


def write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


_complaints: set[bool] = set()


def complain(words: str) -> None:
    """Warn of what is wrong with the folder of machine code, once in a process."""
    if not _complaints:
        _complaints.add(True)
        warnings.warn(words, RuntimeWarning, stacklevel=2)
