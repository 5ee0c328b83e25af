"""Builds Okada's Fortran (as okada-wrapper distributes it) at run time, behind a loop that costs no Python
per call.

The source is downloaded or already lies in the cache folder; nothing of it is kept in this repository. Its
arguments are single precision around a double precision body: for a like comparison they are made double
precision in the temporary copy.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.ctypeslib import ndpointer
from numpy.typing import NDArray

PACKAGE = "okada-wrapper==24.6.15"
FLAGS = ("-O3", "-march=native", "-fPIC", "-shared")

# The loops take observers in the fault's frame (x along strike): rotations are not charged to the Fortran.
DRIVER = """
subroutine loop_rectangle(n, m, alpha, obs, src, out, failed) bind(c)
  use iso_c_binding
  implicit none
  integer(c_int64_t), value :: n, m
  real(c_double), value :: alpha
  real(c_double), intent(in) :: obs(3, n), src(11, m)
  real(c_double), intent(out) :: out(12, n)
  integer(c_int64_t), intent(out) :: failed
  real(c_double) :: u(12)
  integer(c_int64_t) :: i, j
  integer :: iret
  failed = 0
  do i = 1, n
    out(:, i) = 0
    do j = 1, m
      call dc3d(alpha, obs(1, i) - src(1, j), obs(2, i) - src(2, j), obs(3, i), src(3, j), src(4, j), &
        src(5, j), src(6, j), src(7, j), src(8, j), src(9, j), src(10, j), src(11, j), &
        u(1), u(2), u(3), u(4), u(5), u(6), u(7), u(8), u(9), u(10), u(11), u(12), iret)
      if (iret /= 0) failed = failed + 1
      out(:, i) = out(:, i) + u
    end do
  end do
end subroutine

subroutine loop_greens(n, m, alpha, obs, src, out, failed) bind(c)
  use iso_c_binding
  implicit none
  integer(c_int64_t), value :: n, m
  real(c_double), value :: alpha
  real(c_double), intent(in) :: obs(3, n), src(11, m)
  real(c_double), intent(out) :: out(3, m, 3, n)
  integer(c_int64_t), intent(out) :: failed
  real(c_double) :: u(12), s(3)
  integer(c_int64_t) :: i, j
  integer :: k, iret
  failed = 0
  do i = 1, n
    do j = 1, m
      do k = 1, 3
        s = 0
        s(k) = 1
        call dc3d(alpha, obs(1, i) - src(1, j), obs(2, i) - src(2, j), obs(3, i), src(3, j), src(4, j), &
          src(5, j), src(6, j), src(7, j), src(8, j), s(1), s(2), s(3), &
          u(1), u(2), u(3), u(4), u(5), u(6), u(7), u(8), u(9), u(10), u(11), u(12), iret)
        if (iret /= 0) failed = failed + 1
        out(k, j, :, i) = u(1:3)
      end do
    end do
  end do
end subroutine

subroutine loop_point(n, m, alpha, obs, src, out, failed) bind(c)
  use iso_c_binding
  implicit none
  integer(c_int64_t), value :: n, m
  real(c_double), value :: alpha
  real(c_double), intent(in) :: obs(3, n), src(8, m)
  real(c_double), intent(out) :: out(12, n)
  integer(c_int64_t), intent(out) :: failed
  real(c_double) :: u(12)
  integer(c_int64_t) :: i, j
  integer :: iret
  failed = 0
  do i = 1, n
    out(:, i) = 0
    do j = 1, m
      call dc3d0(alpha, obs(1, i) - src(1, j), obs(2, i) - src(2, j), obs(3, i), src(3, j), src(4, j), &
        src(5, j), src(6, j), src(7, j), src(8, j), &
        u(1), u(2), u(3), u(4), u(5), u(6), u(7), u(8), u(9), u(10), u(11), u(12), iret)
      if (iret /= 0) failed = failed + 1
      out(:, i) = out(:, i) + u
    end do
  end do
end subroutine
"""


class Unavailable(RuntimeError):
    """The Fortran cannot be built here; the message says why."""


def cache_folder() -> Path:
    """Where other codes that are not installed are looked for (`DISLOK_BENCH_CACHE`)."""
    return Path(os.environ.get("DISLOK_BENCH_CACHE", Path.home() / ".cache" / "dislok-bench"))


@cache
def library() -> ctypes.CDLL:
    """The compiled loops over DC3D and DC3D0.

    Raises
    ------
    Unavailable
        Without gfortran, or where the source can neither be found nor downloaded.
    """
    compiler = shutil.which("gfortran")
    if compiler is None:
        raise Unavailable("gfortran is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dc3d.f").write_text(double_precision(source().read_text()))
        (folder / "driver.f90").write_text(DRIVER)
        target = folder / "dc3d.so"
        _run(
            [compiler, *FLAGS, "-std=legacy", "-w", "-J", name, "dc3d.f", "driver.f90", "-o", str(target)],
            folder,
        )
        loaded = ctypes.CDLL(str(target))
    for loop in (loaded.loop_rectangle, loaded.loop_greens, loaded.loop_point):
        loop.argtypes = [
            ctypes.c_int64,
            ctypes.c_int64,
            ctypes.c_double,
            *[ndpointer(np.float64)] * 3,
            ctypes.c_void_p,
        ]
        loop.restype = None
    return loaded


def double_precision(text: str) -> str:
    """The Fortran text with double precision arguments."""
    changed, count = re.subn(r"REAL\*4", "REAL*8", text)
    if count != 2:
        raise Unavailable(f"the source of {PACKAGE} looks different: REAL*4 occurs {count} times, not 2")
    return changed


def source() -> Path:
    """DC3D.f in the cache folder, downloaded there with the package's source distribution when it is
    missing.
    """
    path = cache_folder() / "DC3D.f"
    if path.is_file():
        return path
    with tempfile.TemporaryDirectory() as name:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        _run([*pip, "--no-binary", "okada-wrapper", "--dest", name, PACKAGE], Path(name))
        with tarfile.open(next(Path(name).glob("*.tar.gz"))) as archive:
            member = next(m for m in archive.getmembers() if m.name.endswith("/DC3D.f"))
            extracted = archive.extractfile(member)
            if extracted is None:
                raise Unavailable(f"{PACKAGE} holds no DC3D.f")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(extracted.read())
    return path


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"{Path(command[0]).name} {'download ' if 'pip' in command else ''}failed: {last}")


def compiler_version() -> str:
    """First line of `gfortran --version`."""
    done = subprocess.run(["gfortran", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def alpha(nu: float) -> float:
    """Okada's medium constant (lambda + mu) / (lambda + 2 mu)."""
    return 1.0 / (2.0 * (1.0 - nu))


def frame(xy: NDArray, strike: float) -> NDArray:
    """East and north turned into along-strike and up-dip side coordinates."""
    s, c = np.sin(np.deg2rad(strike)), np.cos(np.deg2rad(strike))
    return xy @ np.array([[s, -c], [c, s]])


def call(name: str, obs: NDArray, src: NDArray, nu: float, out: NDArray) -> NDArray:
    """Run one of the loops: obs (n, 3) and src (m, 11 or 8) in the fault's frame, into `out`."""
    failed = ctypes.c_int64()
    loop = getattr(library(), f"loop_{name}")
    loop(len(obs), len(src), alpha(nu), obs, src, out, ctypes.addressof(failed))
    return out
