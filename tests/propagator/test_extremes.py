"""Random inputs far from any earthquake: each call is right away refused, announced as long, or soon done."""

import json
import os
import time
import warnings

import numpy as np
import pytest

from dislok import okada, propagator
from dislok.kernels.propagator import cost
from dislok.layers import LayeredModel

resource = pytest.importorskip("resource", reason="limits of time and memory need a Unix")

SECONDS, BYTES = 40, 4 << 30
NAMES = [
    "seismograms", "kernels", "statics", "static_kernels", "layer_kernels", "static_layer_kernels", "spectra",
    "spectral_kernels", "greens", "static_table",
]  # fmt: skip
EACH = 20


def log(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def layers(rng):
    """Layers of a millimetre to hundreds of kilometres, of mud, rock and nothing known."""
    count = int(rng.integers(1, 6))
    slow, fast = ((0.011, 6.0), (1.0, 5.0))[int(rng.random() < 0.5)]
    vs = [log(rng, slow, fast) for _ in range(count)]
    if rng.random() < 0.3:
        vs[int(rng.integers(count))] = log(rng, 0.011, 0.1)
    if count > 1 and rng.random() < 0.15:
        vs[0] = 0.0
    vp = [min(1.5 if v == 0 else v * log(rng, 1.3, 5.0), 20.0) for v in vs]
    rows = {
        "thickness": [log(rng, 1e-3, 300.0) for _ in range(count - 1)] + [np.inf],
        "vp": vp, "vs": vs, "rho": [log(rng, 0.6, 9.0) for _ in range(count)],
    }  # fmt: skip
    if rng.random() < 0.4:
        rows |= {name: [log(rng, 5.0, 1e4) for _ in range(count)] for name in ("qp", "qs")}
    return rows


def call(name, rng):
    """A call of a function with random arguments."""
    rows, depth = layers(rng), [log(rng, 1e-6, 700.0) for _ in range(int(rng.integers(1, 3)))]
    count, far = int(rng.integers(1, 4)), log(rng, 1e-6, 5000.0)
    x, y = rng.uniform(-far, far, (2, count)) * (rng.random((2, count)) < 0.8)
    stations = propagator.Stations(x, y, None if rng.random() < 0.7 else log(rng, 1e-3, 50.0))
    source = propagator.PointSource(0.0, 0.0, depth, moment=[1e18, -1e18, 0.0, 0.0, 1e17, 0.0])
    accuracy = log(rng, 1e-12, 0.5) if rng.random() < 0.5 else 1e-3
    dt = log(rng, 1e-6, 1e6) if rng.random() < 0.5 else log(rng, 0.05, 5.0)
    n = int(log(rng, 2, 2**24)) if rng.random() < 0.5 else int(log(rng, 2, 1000))
    edge = log(rng, 1e-6, 1e4) if rng.random() < 0.2 else log(rng, 1e-3, 0.4) / dt
    lowpass = (edge, edge * log(rng, 1.001, 3.0)) if rng.random() < 0.5 else None
    function, model = getattr(propagator, name), lambda: LayeredModel(**rows)
    if name in ("seismograms", "kernels", "layer_kernels"):
        return lambda: function(model(), source, stations, dt, n, lowpass=lowpass, accuracy=accuracy)
    if name.startswith("spectr"):
        omega = [log(rng, 1e-6, 1e4) - 1j * log(rng, 1e-6, 1e2) for _ in range(3)]
        return lambda: function(model(), source, stations, omega, accuracy=accuracy)
    if name == "greens":
        size = log(rng, 1e-3, 300.0), log(rng, 1e-3, 100.0)
        patch = okada.Rectangle(0.0, 0.0, depth[0], *size, 30.0, 40.0, 90.0, 1.0, 0.0)
        return lambda: function(model(), patch, stations, accuracy=accuracy)
    if name == "static_table":
        return lambda: function(model(), (min(depth), 1.5 * max(depth)), far, accuracy=accuracy)
    return lambda: function(model(), source, stations, accuracy=accuracy)


def limited(work):
    """What a call in a process of its own came to, and its seconds; None where it exceeded a limit."""
    inside, outside = os.pipe()
    child = os.fork()
    if child:
        os.close(outside)
        _, status = os.waitpid(child, 0)
        with os.fdopen(inside) as pipe:
            said = pipe.read()
        return json.loads(said) if said and not status else None
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    start = time.process_time()
    try:
        outcome = "done" if finite(work()) else "not finite"
    except RuntimeWarning as warning:
        outcome = "announced" if str(warning).startswith("to plan this takes") else f"warned: {warning}"
    except (ValueError, propagator.PlanError) as error:
        outcome = "refused" if str(error) else "refused without a word"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    os.write(outside, json.dumps([outcome, time.process_time() - start]).encode())
    os._exit(0)


def finite(result):
    fields = result if isinstance(result, tuple) else (result,)
    return all(np.isfinite(f).all() for f in fields if isinstance(f, np.ndarray))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads memory from /proc")
@pytest.mark.parametrize("name", NAMES)
def test_extreme_inputs_cost_little(name, monkeypatch):
    monkeypatch.setattr(cost, "LONG", 5e5)
    usual = propagator.PointSource(0.0, 0.0, 5.0, moment=[1.0, 0, 0, 0, 0, 0])
    model = LayeredModel([10.0, np.inf], [5.0, 7.0], [3.0, 4.0], [2.6, 3.0])
    for once in (propagator.kernels, propagator.layer_kernels):  # compiled before time is measured
        once(model, usual, propagator.Stations([20.0], [0.0]), 1.0, 16)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for seed in range(EACH):
            work = call(name, np.random.default_rng([NAMES.index(name), seed]))
            found.append((seed, limited(work)))
    wrong = [each for each in found if each[1] is None or each[1][0] not in ("done", "announced", "refused")]
    assert not wrong
    assert {"done", "announced"} & {outcome for _, (outcome, _) in found}
