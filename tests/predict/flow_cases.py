"""Textures, motions and benchmark samples that the tests of displacement maps share."""

import json

import numpy as np
from scipy import ndimage


def texture(rng, shape, slope=1.4):
    """A rough surface: noise whose amplitude falls with frequency, less steeply than that of real ground."""
    noise = np.fft.rfft2(rng.standard_normal(shape))
    f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    f[0, 0] = 1
    image = np.fft.irfft2(noise / f**slope * np.exp(-((f / 0.42) ** 8)), s=shape)
    return (1000 + 200 * image / image.std()).astype(np.float32)


def shifted(image, right, down):
    """The periodic image moved by a constant, exactly: what was at (r, c) is at (r + down, c + right)."""
    return np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), (down, right))).real.astype(np.float32)


def moved(image, right, down):
    """The second image of a field given on the first: found by inverting the field point by point."""
    rows, columns = np.indices(image.shape).astype(float)
    r, c = rows.copy(), columns.copy()
    for _ in range(30):
        r = rows - ndimage.map_coordinates(down, [r, c], order=1, mode="nearest")
        c = columns - ndimage.map_coordinates(right, [r, c], order=1, mode="nearest")
    return ndimage.map_coordinates(image, [r, c], order=5, mode="reflect").astype(np.float32)


def bench_samples(shared, ranges, kind="single", most=3, file="flow_bench.npz"):
    """Samples (pre, post, right, down, usable, near) of a range of amplitudes."""
    with np.load(shared / "refs" / file) as data:
        meta = json.loads(str(data["meta"]))
        chosen = [i for i, m in enumerate(meta) if m["range"] == ranges and m["kind"] == kind][:most]
        pre, post, flow = data["pre"], data["post"], data["flow"]
        valid, distance = data["valid"].astype(bool), data["dist"]
        return [(pre[i], post[i], flow[i, 0], flow[i, 1], valid[i], np.abs(distance[i]) <= 8) for i in chosen]


def inner(plane):
    """The central 128 x 128 of 256 x 256 pixels."""
    return plane[64:192, 64:192]


def end_point_error(found, right, down):
    """Length of the error of each pixel."""
    return np.hypot(found.right - right, found.down - down)
