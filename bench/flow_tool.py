"""`python -m bench.flow_tool`: `dislok flow` by each method as a user runs it, files read and written.

Two images of procedural ground, across which a fault has slipped, go through the command line once with each
method: wall time, processor time, memory, and the estimates per second that they make. Machine code is
compiled before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dislok import raster
from dislok.nn import pairs
from dislok.nn.predict.methods import METHODS

from .flow_cost import faulted
from .report import machine, table

SMALL = 320  # pixels: what machine code is compiled on
SLIP = 5.0  # pixels
COMMAND = "import sys; from dislok.cli import main; sys.exit(main(sys.argv[1:]))"


def written(folder: Path, size: int, seed: int) -> tuple[Path, Path]:
    """Both images as files of 16-bit numbers."""
    rng = np.random.default_rng(seed)
    ground = pairs.Terrain().draw(rng, (size, size)).albedo
    files = folder / f"before{size}.tif", folder / f"after{size}.tif"
    for file, image in zip(files, faulted(ground.astype(np.float32), SLIP, rng), strict=True):
        low, high = np.percentile(image, (0.1, 99.9))
        counts = np.clip(1000 + 8000 * (image - low) / (high - low), 1, 65535).astype(np.uint16)
        raster.write(file, raster.Raster(counts, (15.0, 0.0, 5e5, 0.0, -15.0, 4e6), "EPSG:32611", 0))
    return files


def timed(method: str, images: tuple[Path, Path], out: Path) -> dict[str, float]:
    """One run of the command line: seconds, processor seconds, GiB at most."""
    words = ["flow", *map(str, images), "--out", str(out), "--method", method, "--no-picture", "--quiet"]
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *words])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"dislok flow --method {method} ended with status {process.returncode}")
    wall = time.perf_counter() - begin
    out.unlink()
    return {"wall": wall, "processor": used.ru_utime + used.ru_stime, "gib": used.ru_maxrss / 2**20}


def main(words: list[str] | None = None) -> int:
    """Run every method, print the table, and write it where that is asked for."""
    options = parser().parse_args(words)
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, small = (written(folder, size, options.seed) for size in (options.size, SMALL))
        for method in options.method or list(METHODS):
            timed(method, small, folder / "small.tif")
            found = timed(method, images, folder / "out.tif")
            rows[method] = found | {"rate": options.size**2 / found["wall"]}
            print(method, rows[method], flush=True)
    lines = [[name, *(f"{r[k]:.1f}" for k in ("wall", "processor", "gib")), f"{r['rate'] / 1e3:.0f} k"]
             for name, r in rows.items()]  # fmt: skip
    title = f"{options.size} by {options.size} pixels, files read and written"
    print(table(title, ["method", "wall s", "processor s", "GiB", "estimates / s"], lines))
    if options.json:
        result: dict[str, Any] = {"facts": machine(), "size": options.size, "methods": rows}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m bench.flow_tool", description=__doc__)
    result.add_argument("--size", type=int, default=2048, help="side of the images (default: %(default)s)")
    result.add_argument("--seed", type=int, default=1, help="of ground and noise")
    result.add_argument("--method", action="append", choices=list(METHODS), help="this one; repeatable")
    result.add_argument("--json", type=Path, help="also write everything to this file")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
