"""
The fault of the 2013 Nantou earthquake
=======================================

On 2 June 2013 a magnitude 6.2 earthquake under Nantou moved GNSS stations of Taiwan by centimetres.
Which fault slipped, ten kilometres down? The offsets are the example of the program GPSCMT
(github.com/jiunting/GPSCMT, ``example/Nantou0602/Coseis_0602.gam``); they have no licence and so do not
come with dislok. The script reads them from the CSV file that the environment variable
``DISLOK_NANTOU_CSV`` names: two lines of heading, then longitude, latitude, offsets east, north, up and
their three standard deviations in mm, and the station.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from dislok.convert import to_local
from dislok.inversion import plot
from dislok.inversion.fault import FaultModel, Gnss, Problem
from dislok.okada import Rectangle

beside = Path.cwd().resolve().parents
places = [folder / "shared" / "real" / "nantou2013_static_gnss.csv" for folder in beside]
places.insert(0, Path(os.environ.get("DISLOK_NANTOU_CSV", "nantou2013_static_gnss.csv")))
path = next((place for place in places if place.is_file()), None)
if path is None:
    print("No offsets here: name their CSV file in the environment variable DISLOK_NANTOU_CSV.")

# %%
# The data
# --------
# Stations within 100 km of the epicentre, in kilometres around it and metres of offset.


def read(path):
    table = np.loadtxt(path, delimiter=",", skiprows=2, usecols=range(8))
    xy = np.stack(to_local(table[:, 0], table[:, 1], 120.97, 23.86), axis=-1) / 1000
    near = np.hypot(*xy.T) < 100
    return xy[near], table[near, 2:5] / 1000, table[near, 5:8] / 1000


if path is not None:
    stations, offsets, sigma = read(path)
    print(f"{len(stations)} stations, largest offset {1000 * np.abs(offsets).max():.0f} mm")

# %%
# The question
# ------------
# The network may have shifted as a whole: a common offset of each component is solved with the fault. From
# far away only the area times the slip is seen, so length and width get prior knowledge: 12 km, give or
# take 4, as is usual for this magnitude.

fault = FaultModel(
    Rectangle(x=0.0, y=0.0, depth=10.0, length=12.0, width=12.0, strike=0.0, dip=30.0).with_origin(
        "topcenter"
    ),
    bounds={
        "x": (-30.0, 30.0),
        "y": (-30.0, 30.0),
        "depth": (0.0, 30.0),
        "length": (2.0, 50.0),
        "width": (2.0, 50.0),
        "dip": (5.0, 85.0),
        "rake": (0.0, 180.0),
        "slip": (0.0, 5.0),
    },
    prior={"length": (12.0, 4.0), "width": (12.0, 4.0)},
)

# %%
# The answer
# ----------
# Chi-square is far below the number of data: the stated errors are nearly three times as large as the
# scatter, and the uncertainties below are too large by the same factor.

if path is not None:
    data = Gnss(stations, offsets, sigma, nuisance="offset")
    problem = Problem(data, fault, loss="soft_l1", loss_scale=2.0, length_unit=1000)
    result = problem.solve(starts=8, seed=1)
    print(result.summary())
    plot.fit_map(result, radius=60, title=f"Nantou 2013: Mw {result.magnitude:.2f}")
    plt.show()

# %%
# Everything at once
# ------------------
# How the unknowns hang together: the Laplace approximation and draws of the No-U-Turn sampler.

if path is not None:
    samples = problem.sample(result, chains=4, draws=250, warmup=100, seed=1)
    print(samples.summary())
    plot.marginals(result, samples)
    plt.show()
