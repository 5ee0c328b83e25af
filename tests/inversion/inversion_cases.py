"""Synthetic inversions that several tests share."""

import numpy as np

from dislok.inversion.fault import FaultModel, Gnss
from dislok.okada import Rectangle, displacement

TRUTH = Rectangle(3.0, -2.0, 2.0, 22.0, 10.0, 33.0, 50.0, 120.0, 1.5).with_origin("topcenter")
GUESS = Rectangle(0.0, 0.0, 5.0, 10.0, 5.0, 60.0, 38.0).with_origin("topcenter")
BOUNDS = {
    "x": (-20, 20),
    "y": (-20, 20),
    "depth": (0, 10),
    "length": (5, 50),
    "width": (2, 30),
    "dip": (10, 90),
}
NAMES = Rectangle._fields[:9]
LOOK = np.array([0.6, -0.1, np.sqrt(1 - 0.37)])


def stations(n=60, half_width=40.0, seed=0):
    return np.random.default_rng(seed).uniform(-half_width, half_width, (n, 2))


def moved(xy, fault=TRUTH):
    return displacement(xy, fault)


def truth_of(names, fault=TRUTH):
    return np.array([getattr(fault, name) for name in names])


def gnss(sigma=0.01, seed=None, xy=None, **options):
    """GNSS data of the true fault, with noise if a seed is given."""
    xy = stations() if xy is None else xy
    u = moved(xy)
    noise = 0.0 if seed is None else sigma * np.random.default_rng(seed).standard_normal(u.shape)
    return Gnss(xy, u + noise, sigma, **options)


def fault(**options):
    return FaultModel(GUESS, **({"bounds": BOUNDS} | options))
