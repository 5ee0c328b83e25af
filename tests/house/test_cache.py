"""Machine code on disk: who shares it, what it knows of its sources, what happens when it cannot be kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dislok.kernels import cpu, keeping
from dislok.kernels.okada import numba_cpu
from dislok.kernels.propagator.numba_cpu import sweep

SMALL = (
    "from dislok.kernels import limits; import numpy as np; limits.count_not_finite(np.ones(9999), 1e70)\n"
)
TELL = "import json; from dislok.kernels import keeping; print(json.dumps(keeping.compiled))\n"


def run(code, folder=None, **environment):
    """Run Python code in a process of its own, with a folder for machine code; its words and warnings."""
    environment |= {} if folder is None else {"NUMBA_CACHE_DIR": str(folder)}
    given = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def compiled(*given, **keywords):
    """What a process had to compile."""
    return json.loads(run(*given, **keywords)[0].splitlines()[-1])


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------- what it knows


@pytest.mark.parametrize("name", ["okada/formula.py", "okada/pair.py", "scalar/elementary.py", "lanes.py"])
def test_every_source_counts(name, monkeypatch):
    file = Path(numba_cpu.__file__).resolve()
    before = keeping.fingerprint.__wrapped__(file)
    changed = keeping.FOLDER / name
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == changed))
    assert keeping.fingerprint.__wrapped__(file) != before


@pytest.mark.parametrize("name", ["okada/cupy_raw.py", "waiting.py", "tde/pair.py"])
def test_sources_without_a_part_in_it_do_not_count(name, monkeypatch):
    file = Path(numba_cpu.__file__).resolve()
    before = keeping.fingerprint.__wrapped__(file)
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == keeping.FOLDER / name))
    assert keeping.fingerprint.__wrapped__(file) == before


def test_installations_share_machine_code(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.config, "CACHE_DIR", str(tmp_path))
    dispatcher = cpu.kernel(numba_cpu.fill_points.py_func)
    assert dispatcher.stats.cache_path == str(tmp_path / "dislok" / "okada")


def test_what_functions_enclose_tells_them_apart():
    def factory(value):
        return lambda: value

    values = [1, 1.0, True, "1", (1, 2), (1, (2,)), np.arange(3.0), np.arange(3), np.array([0.0, 1.0, 2.5])]
    names = [keeping.identity(factory(value)) for value in values]
    assert len(set(names)) == len(names)
    # large arrays differ in the middle, which their `repr` leaves out
    first, second = np.zeros(5000), np.zeros(5000)
    second[2500] = 1e-30
    assert keeping.identity(first) != keeping.identity(second)
    with pytest.raises(TypeError, match="cannot be kept"):
        keeping.identity(object())


def test_kernels_made_of_kernels_have_the_same_name_in_every_process():
    code = "from dislok.kernels.propagator.numba_cpu import sweep; print(sweep(0, 0, False).__qualname__)"
    names = {run(code, PYTHONHASHSEED=seed)[0].strip() for seed in ("1", "2")}
    assert names == {sweep(0, 0, False).__qualname__}


# ------------------------------------------------------------------------------- the second process

EVERY = """
from dislok import rehearsal
for family, operation in {some}:
    rehearsal.rehearse(rehearsal.Task(family, operation, "float64"))
"""
#: Kernels made of others, and code at addresses, of every family.
SOME = [("okada", "displacement"), ("tde", "displacement"), ("propagator", "statics")]


def _unfinished(place, names):
    """Files that are not machine code: drafts of other processes, which come and go."""
    return [name for name in names if not name.endswith(".code") and not Path(place, name).is_dir()]


def check_second_process(code, folder):
    """Nothing is compiled by the second process, and nothing is added to the folder.

    The folder begins as a copy of the one that all tests share, in which others write meanwhile.
    """
    compiled(code + TELL)
    shutil.copytree(os.environ["NUMBA_CACHE_DIR"], folder, ignore=_unfinished)
    compiled(code + TELL, folder)
    before = files(folder)
    for _ in range(2):
        assert compiled(code + TELL, folder) == []
    assert files(folder) == before


def test_second_process_compiles_nothing(tmp_path):
    check_second_process(EVERY.format(some=SOME), tmp_path / "code")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["okada", "tde", "propagator"])
def test_second_process_compiles_nothing_of_any_operation(family, tmp_path):
    from dislok import rehearsal

    some = [(family, operation) for operation in rehearsal.FAMILIES[family][1]]
    check_second_process(EVERY.format(some=some), tmp_path / "code")


def test_a_process_compiles_anew_what_is_of_other_sources(tmp_path):
    assert compiled(SMALL + TELL, tmp_path) == ["count_not_finite"]
    (file,) = files(tmp_path)
    content = file.read_bytes()
    file.write_bytes(b"0" * 64 + content[64:])
    assert compiled(SMALL + TELL, tmp_path) == ["count_not_finite"]
    assert files(tmp_path) == [file] and file.read_bytes()[:64] == content[:64]


# ----------------------------------------------------------------------- folders that cannot be used


def full_disk(folder):
    """Code that lets every write of a process fail as on a full disk."""
    return (
        "import errno, os, pathlib\n"
        "def fail(self, *rest): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "pathlib.Path.write_bytes = fail\n"
    )


def a_file(folder):
    (folder / "cache").write_text("no folder")
    return ""


def dangling(folder):
    (folder / "cache").symlink_to("/proc/nowhere/at/all")
    return ""


def read_only(folder):
    """The superuser may write everywhere: a file system that refuses even that, if there is one."""
    (folder / "cache").symlink_to("/sys/kernel")
    return ""


def damaged(folder):
    """Every file cut short."""
    run(SMALL, folder / "cache")
    for file in files(folder):
        file.write_bytes(file.read_bytes()[:200])
    return ""


def garbage(folder):
    """Every file with a byte changed in its middle."""
    run(SMALL, folder / "cache")
    for file in files(folder):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    return ""


@pytest.mark.parametrize("fault", [full_disk, a_file, dangling, read_only, damaged, garbage])
def test_computing_goes_on_with_one_warning(tmp_path, fault):
    before = fault(tmp_path)
    code = before + SMALL.replace("import numpy as np;", "import numpy as np; print(7);")
    code += "from dislok.kernels.pairs import blocks; print(blocks.at_surface(np.zeros((2, 3))))\n"
    words, warned = run(code, tmp_path / "cache")
    assert words.split() == ["7", "True"]
    assert warned.count("RuntimeWarning") == 1 and "machine code" in warned


def test_damaged_files_are_made_anew(tmp_path):
    damaged(tmp_path)
    run(SMALL, tmp_path / "cache")
    assert compiled(SMALL + TELL, tmp_path / "cache") == []
    assert run(SMALL, tmp_path / "cache")[1] == ""


def test_no_half_written_file_is_left(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        keeping.write(tmp_path / "code", b"abc")
    assert files(tmp_path) == []


def test_a_second_folder_serves_where_the_first_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = Path(numba_cpu.__file__).resolve()
    assert keeping.folders(file) == [file.parent / "__pycache__", tmp_path / "dislok" / "okada"]


# ------------------------------------------------------------------------------ interrupts, notices

INTERRUPTED = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background of a shell ignore it
import numpy as np
from dislok.kernels import limits
started = threading.Event()
from dislok.kernels import waiting
begin = waiting.Progress.begin
def begun():
    started.set()
    begin()
    if threading.current_thread() is not threading.main_thread():
        time.sleep(0.5)  # however fast the machine compiles
waiting.Progress.begin = begun
def shoot():
    global at
    started.wait()
    time.sleep(0.05)
    at = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=shoot, daemon=True).start()
try:
    limits.count_not_finite(np.ones(10_000), 1e70)
except KeyboardInterrupt:
    print(time.monotonic() - at)
"""


def test_an_interrupt_ends_a_call_that_compiles_at_once_and_the_next_call_works(tmp_path):
    again = "print(limits.count_not_finite(np.r_[np.ones(9_998), np.nan, np.inf], 1e70))"
    delay, count = map(float, run(INTERRUPTED + again, tmp_path)[0].split())
    assert delay < 0.5 and count == 2


def test_an_interrupt_ends_the_process(tmp_path):
    code = INTERRUPTED.replace("print(time.monotonic() - at)", "raise")
    given = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True)
    # CPython forgets that an interrupt ended the main thread, and says 1, when another thread executes text
    # meanwhile.
    assert done.returncode in (-signal.SIGINT, 130, 1) and done.stderr.endswith("KeyboardInterrupt\n")
    assert time.monotonic() - start < 60.0


def test_threads_of_a_call_that_ended_do_not_wait_for_compilers():
    from dislok.kernels import waiting

    group, release = waiting.Group(), __import__("threading").Event()
    waiting.here.group = group
    try:
        group.give_up()
        with pytest.raises(waiting.GivenUp):
            waiting.interruptible("key", release.wait)
    finally:
        waiting.here.group = None
        release.set()
    assert waiting.interruptible("another", lambda: 5) == 5


def test_calls_with_the_same_key_share_the_work():
    import threading

    from dislok.kernels import waiting

    release, made = threading.Event(), []

    def work():
        release.wait()
        made.append(1)
        return len(made)

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(waiting.interruptible("shared", work))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    release.set()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1]
    with pytest.raises(ZeroDivisionError):
        waiting.interruptible("shared", lambda: 1 // 0)


class Terminal:
    def __init__(self, is_terminal=True):
        self.is_terminal, self.words = is_terminal, []

    def isatty(self):
        return self.is_terminal

    def write(self, words):
        self.words.append(words)

    def flush(self):
        pass


@pytest.mark.parametrize(("is_terminal", "wait", "told"), [(True, 0.2, 1), (True, 0.0, 0), (False, 0.2, 0)])
def test_a_terminal_is_told_once_that_compilers_run(monkeypatch, is_terminal, wait, told):
    from dislok.kernels import waiting

    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = type("Fresh", (waiting.Progress,), {"told": False, "spent": 0.0, "depth": 0, "timer": None})
    for _ in range(2):
        progress.begin()
        time.sleep(wait)
        progress.end()
    assert terminal.words == [waiting.NOTICE] * told


def test_compile_command(tmp_path):
    words, _ = run("import sys; from dislok.cli import main; sys.exit(main(['compile', '--list']))", tmp_path)
    assert {"okada.displacement, float64", "tde.jacobian, float64", "propagator.statics, float64"} <= set(
        words.splitlines()
    )
    assert files(tmp_path) == []


@pytest.mark.slow
def test_compile_command_compiles_for_the_next_process(tmp_path):
    run("import sys; from dislok.cli import main; sys.exit(main(['compile', 'propagator']))", tmp_path)
    code = EVERY.format(some=[("propagator", "statics"), ("propagator", "seismograms")])
    assert compiled(code + TELL, tmp_path) == []
