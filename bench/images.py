"""`python -m bench.images`: warped images beside SciPy, OpenCV and torch; training crops per second; on one
core.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from dislok import images
from dislok.nn import pairs

from .large import table
from .report import machine


def processor_time(call: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Least processor seconds of one call, after one that is not counted; and what it returned."""
    result, least = call(), np.inf
    for _ in range(rounds):
        begin = time.process_time()
        result = call()
        least = min(least, time.process_time() - begin)
    return least, result


class Waves:
    """An image that is known everywhere: waves of all directions, none shorter than four pixels."""

    def __init__(self, rng: np.random.Generator, count: int = 40) -> None:
        length, turn = 1 / rng.uniform(1 / 64, 1 / 4, count), rng.uniform(0, 2 * np.pi, count)
        self.k = 2 * np.pi / length * np.array([np.cos(turn), np.sin(turn)])
        self.phase, self.size = rng.uniform(0, 2 * np.pi, count), rng.normal(size=count)

    def __call__(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Values at places."""
        waves = zip(self.size, *self.k, self.phase, strict=True)
        return sum(a * np.sin(ky * row + kx * column + p) for a, ky, kx, p in waves)  # type: ignore[return-value]

    def slope(self) -> float:
        """Root mean square of the derivative along an axis."""
        return float(np.sqrt((self.size**2 * (self.k**2).sum(0)).sum() / 4))


def methods(image: np.ndarray, right: np.ndarray, down: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """What is compared, the filter included; each returns the warped image."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    at = rows + down, columns + right
    found: dict[str, Callable[[], np.ndarray]] = {
        "dislok, order 5": lambda: images.warp(image, right, down, order=5, threads=1).values,
        "scipy map_coordinates, order 5": lambda: ndimage.map_coordinates(image, at, order=5, mode="mirror"),
        "dislok, order 3": lambda: images.warp(image, right, down, order=3, threads=1).values,
        "scipy map_coordinates, order 3": lambda: ndimage.map_coordinates(image, at, order=3, mode="mirror"),
    }
    try:
        cv2 = importlib.import_module("cv2")
        cv2.setNumThreads(1)
        for name, flag in (("cubic", cv2.INTER_CUBIC), ("Lanczos 4", cv2.INTER_LANCZOS4)):
            found[f"OpenCV remap, {name}"] = lambda f=flag: cv2.remap(  # type: ignore[misc]
                image, at[1], at[0], f, borderMode=cv2.BORDER_REFLECT_101
            )
    except ImportError as error:
        print(f"OpenCV: {error}")
    try:
        torch = importlib.import_module("torch")
        torch.set_num_threads(1)
        size = np.array(image.shape[::-1], np.float32)
        grid = torch.from_numpy(np.stack([at[1], at[0]], -1) / (size - 1) * 2 - 1)[None]
        plane = torch.from_numpy(image)[None, None]
        sample = torch.nn.functional.grid_sample
        found["torch grid_sample, bicubic"] = lambda: sample(
            plane, grid, "bicubic", "reflection", align_corners=True
        )[0, 0].numpy()
    except ImportError as error:
        print(f"torch: {error}")
    return found


def warps(size: int, rounds: int) -> list[dict]:
    """Speed and error of every method, one core, displacement of up to 12 pixels."""
    rng = np.random.default_rng(1)
    waves = Waves(rng)
    rows, columns = np.mgrid[:size, :size].astype(np.float64)
    right, down = (12 * np.sin(rows / 91 + columns / 77 + p) for p in (0.4, 2.1))
    image = waves(rows, columns).astype(np.float32)
    right, down = right.astype(np.float32), down.astype(np.float32)
    truth = waves(rows + down, columns + right)
    inner = (slice(30, -30),) * 2
    calls = methods(image, right, down)
    seconds = {name: np.inf for name in calls}
    errors: dict[str, float] = {}
    for name, call in calls.items():
        errors[name] = float(np.sqrt(np.mean((call() - truth)[inner] ** 2)) / waves.slope())
    for _ in range(rounds):  # in turns
        for name, call in calls.items():
            seconds[name] = min(seconds[name], processor_time(call, 1)[0])
    reference = seconds["scipy map_coordinates, order 5"]
    return [
        {
            "warp": name,
            "ns_per_pixel": seconds[name] / size**2 * 1e9,
            "error_px": errors[name],
            "times_faster_than_scipy_5": reference / seconds[name],
        }
        for name in calls
    ]


def agreement(size: int) -> dict:
    """Largest difference from SciPy's quintic splines as a part of the range, on white noise."""
    rng = np.random.default_rng(2)
    image = rng.uniform(0, 1, (size, size))
    right, down = rng.uniform(-9, 9, (2, size, size))
    rows, columns = np.mgrid[:size, :size]
    want = ndimage.map_coordinates(image, (rows + down, columns + right), order=5, mode="mirror")
    row: dict[str, Any] = {"agreement": "scipy map_coordinates, order 5"}
    for dtype in (np.float64, np.float32):
        got = images.warp(*(a.astype(dtype) for a in (image, right, down)))
        row[np.dtype(dtype).name] = float(np.abs(got.values - want)[got.valid].max() / np.ptp(image))
    return row


def crops(groups: int) -> list[dict]:
    """Finished training crops, one core: million pixels per second of processor time."""
    found = []
    small = ((0.01, 1.0), (1.0, 5.0), (5.0, 15.0))
    plain = pairs.Recipe.plain()
    scenarios = {
        "four ranges, all that differs": pairs.Scenario(),
        "to 15 px": pairs.Scenario(ranges=small, margin=24),
        "to 15 px, nothing but displacement": pairs.Scenario(ranges=small, margin=24, recipe=plain),
        **{
            f"earthquakes, a map for {reuse} pairs": pairs.Scenario(
                fault=pairs.Earthquakes(), window=1024, reuse=reuse, same_fault=True
            )
            for reuse in (32, 64)
        },
    }
    for name, scenario in scenarios.items():
        # of groups of many pairs as many crops are measured
        few = max(1, groups * 4 // scenario.reuse * 512**2 // scenario.window**2) if groups > 1 else 1
        for number in range(1000, 1001 if scenario.same_fault else 1004):
            list(
                scenario.group(0, number, skip=max(0, scenario.crops_of_group - 64))
            )  # compile, each kind of ground
        begin, pixels = time.process_time(), 0
        for number in range(few):
            pixels += sum(crop.valid.size for crop in scenario.group(0, number))
        found.append({"crops": name, "Mpx_per_s": pixels / (time.process_time() - begin) / 1e6})
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.images", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small images, few rounds")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    size, rounds, groups = (256, 2, 1) if options.quick else (2048, 5, 32)
    found = {"warps": warps(size, rounds), "agreement": [agreement(256)], "crops": crops(groups)}
    for rows in found.values():
        print(table(rows), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"facts": machine(), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
