"""Sub-pixel shift of windows from the phase of their cross-spectrum (Leprince et al. 2007).

References
----------
Leprince, S., Barbot, S., Ayoub, F. and Avouac, J.-P. (2007). Automatic and precise orthorectification,
coregistration, and subpixel correlation of satellite images, application to ground deformation measurements.
IEEE Trans. Geosci. Remote Sens. 45(6), 1529-1558.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel

_STEPS = 6
_POWER = 6


@kernel
def windows(image, rows, columns, taper, out):
    """Copy the windows centred at pixels into ``out (b, n, n)``, without their mean and tapered.

    Window and taper are centred at the pixel ``[n // 2, n // 2]`` of the window; all windows lie inside.
    """
    n = taper.size
    for b in range(rows.size):
        top, left = rows[b] - n // 2, columns[b] - n // 2
        total = np.float32(0)
        for i in range(n):
            for j in range(n):
                total += image[top + i, left + j]
        mean = total / np.float32(n * n)
        for i in range(n):
            for j in range(n):
                out[b, i, j] = (image[top + i, left + j] - mean) * taper[i] * taper[j]


@kernel
def normalise(pre, post, threshold, cross, weight):
    """Normalised cross-spectrum Q (eq. 2) of one window and the mask of its frequencies (eq. 17)."""
    largest, total = np.float32(-1e30), np.float32(0)
    for i in range(pre.shape[0]):
        for j in range(pre.shape[1]):
            product = pre[i, j] * post[i, j].conjugate()
            length = np.float32(np.sqrt(product.real**2 + product.imag**2)) + np.float32(1e-30)
            cross[i, j] = product / length
            level = np.float32(np.log10(length))
            weight[i, j] = level
            total += level
            largest = max(largest, level)
    limit = np.float32(threshold) * (total / np.float32(weight.size) - largest)
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] = np.float32(1) if weight[i, j] - largest > limit else np.float32(0)
    weight[0, 0] = np.float32(0)


@kernel
def waves(shift, omega, wave):
    """exp(-i ω Δ) of each frequency of an axis."""
    for k in range(omega.size):
        wave[k] = np.complex64(complex(np.cos(omega[k] * shift), -np.sin(omega[k] * shift)))


@kernel
def sums(cross, weight, down, right, omega_down, omega_right, found):
    """Gradient and Gauss-Newton matrix of Σ W (1 - cos r), r the residual phase; Σ W; the sum itself."""
    for k in range(found.size):
        found[k] = np.float32(0)
    for i in range(cross.shape[0]):
        wi = omega_down[i]
        gradient = curvature = mixed = second = total = misfit = scatter = np.float32(0)
        for j in range(cross.shape[1]):
            turned = cross[i, j] * (down[i] * right[j])
            w, wj = weight[i, j], omega_right[j]
            pull, stiff = w * turned.imag, w * max(turned.real, np.float32(0.05))
            gradient += pull * wj
            second += pull
            curvature += stiff * wj * wj
            mixed += stiff * wj
            total += stiff
            misfit += w * (np.float32(1) - turned.real)
            scatter += w
        found[0] += gradient
        found[1] += second * wi
        found[2] += curvature
        found[3] += mixed * wi
        found[4] += total * wi * wi
        found[5] += scatter
        found[6] += misfit


@kernel
def newton(cross, weight, omega_down, omega_right, down, right, found, shift):
    """Shift (right, down) that minimises the weighted misfit of phases, from the one given."""
    for _ in range(_STEPS):
        waves(shift[0], omega_right, right)
        waves(shift[1], omega_down, down)
        sums(cross, weight, down, right, omega_down, omega_right, found)
        det = found[2] * found[4] - found[3] * found[3]
        if not det > np.float32(1e-12):
            break
        x = (found[4] * found[0] - found[3] * found[1]) / det
        y = (found[2] * found[1] - found[3] * found[0]) / det
        length = max(np.float32(1), np.float32(2) * max(abs(x), abs(y)))
        shift[0] += x / length
        shift[1] += y / length
        if max(abs(x), abs(y)) < np.float32(1e-4):
            break


@kernel
def reweigh(cross, weight, down, right):
    """Weights that let frequencies go whose phase does not fit: W (1 - φ/4)^6, φ the squared misfit."""
    for i in range(cross.shape[0]):
        for j in range(cross.shape[1]):
            turned = cross[i, j] * (down[i] * right[j])
            weight[i, j] *= (np.float32(0.5) * (np.float32(1) + turned.real)) ** _POWER


@kernel
def fit(pre, post, threshold, rounds, omega_down, omega_right, out):
    """Residual shift of each pair of windows from their half spectra ``(b, n, n // 2 + 1)``.

    ``out (b, 5)``: right and down (px; post lies there), their variances for independent frequencies, and the
    agreement of the phases: 1 - Σ W φ / (4 Σ W) over the frequencies of the mask.
    """
    shape = pre.shape[1:]
    cross, weight = np.empty(shape, np.complex64), np.empty(shape, np.float32)
    down, right = np.empty(shape[0], np.complex64), np.empty(shape[1], np.complex64)
    found, shift = np.empty(7, np.float32), np.empty(2, np.float32)
    for b in range(pre.shape[0]):
        normalise(pre[b], post[b], threshold, cross, weight)
        shift[:] = np.float32(0)
        newton(cross, weight, omega_down, omega_right, down, right, found, shift)
        noise = found[6] / max(found[5], np.float32(1e-6))
        det = max(found[2] * found[4] - found[3] * found[3], np.float32(1e-12))
        # A share 1 - noise of the phases' lengths is left: what they tell falls with its square.
        spread = noise / max(np.float32(1) - noise, np.float32(0.02)) ** 2
        out[b, 2], out[b, 3] = spread * found[4] / det, spread * found[2] / det
        for _ in range(rounds):
            reweigh(cross, weight, down, right)
            newton(cross, weight, omega_down, omega_right, down, right, found, shift)
        out[b, 0], out[b, 1] = shift[0], shift[1]
        out[b, 4] = np.float32(1) - np.float32(0.5) * noise


@kernel
def peaks(surface, out):
    """Integer shift ``(b, 2)`` right, down of the highest point of each correlation surface, wrapped."""
    rows, columns = surface.shape[1:]
    for b in range(surface.shape[0]):
        best, at, to = surface[b, 0, 0], 0, 0
        for i in range(rows):
            for j in range(columns):
                if surface[b, i, j] > best:
                    best, at, to = surface[b, i, j], i, j
        out[b, 0] = to - columns if to > columns // 2 else to
        out[b, 1] = at - rows if at > rows // 2 else at
