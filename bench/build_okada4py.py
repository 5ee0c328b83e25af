"""Compiles okada4py from a checkout of it: `python -m bench.build_okada4py FOLDER`.

Its own build file does not find the headers of NumPy 2; this compiles the same three files, with more
optimisation, into the folder where the benchmarks look for codes that are not installed.
"""

import argparse
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np

from .dc3d import cache_folder

FLAGS = ("-O3", "-march=native", "-fPIC", "-shared", "-std=c++11", "-w")


def build(checkout: Path) -> Path:
    """Compile the extension; returns the package's folder."""
    target = cache_folder() / "okada4py-built" / "okada4py"
    target.mkdir(parents=True, exist_ok=True)
    include = [np.get_include(), f"{np.get_include()}/numpy", sysconfig.get_paths()["include"]]
    files = [str(checkout / "src" / name) for name in ("dc3d.cpp", "disloc3d.cpp", "okada92_py3.cpp")]
    output = target / "_okada92.so"
    subprocess.run(["g++", *FLAGS, *(f"-I{i}" for i in include), *files, "-o", str(output)], check=True)
    shutil.copy(checkout / "src" / "__init__.py", target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkout", type=Path, help="folder of an okada4py checkout")
    print(build(parser.parse_args().checkout))


if __name__ == "__main__":
    main()
