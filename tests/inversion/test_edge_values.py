"""Edge values go through plots and writers: what has no nodal lines, no samples, no place on the map."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dislok.inversion.cmt import beachball

TENSORS = {
    "explosion": [1, 1, 1, 0, 0, 0],
    "implosion": [-1, -1, -1, 0, 0, 0],
    "crack": [1, 1, 3, 0, 0, 0],
    "clvd": [-1, -1, 2, 0, 0, 0],
    "flat thrust": [0, 0, 0, 0, 1, 0],
    "vertical strike-slip": [0, 0, 0, 1, 0, 0],
    "hardly a double couple": [1, 1, 1 + 1e-13, 0, 0, 0],
    "nothing": [0, 0, 0, 0, 0, 0],
}


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e25])
@pytest.mark.parametrize("name", TENSORS)
def test_every_tensor_has_a_beachball(name, size, tmp_path, recwarn):
    tensor = size * np.array(TENSORS[name], float)
    draws = tensor * np.linspace(0.9, 1.1, 5)[:, None]
    figure, axes = plt.subplots()
    for given in (None, draws):
        beachball.draw(axes, tensor, given)
    figure.savefig(tmp_path / "ball.png")
    plt.close(figure)
    pushes = axes.images[0].get_array()
    if name in ("explosion", "implosion"):
        inside = np.isfinite(beachball.radiation(tensor[None])[1][0])
        assert set(np.unique(pushes[inside])) == {float(name == "explosion")}
    assert not [str(w.message) for w in recwarn if "contour" in str(w.message).lower()]
