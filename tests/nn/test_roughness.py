"""Random fields and scaling laws against what is asked of them and what is published."""

import numpy as np
import pytest

from dislok.convert import moment_from_magnitude
from dislok.nn.faultdeform import LAWS, PAPER, Recipe, draw, draw_rupture
from dislok.nn.faultdeform.roughness import Field, hurst_of, self_affine, von_karman
from dislok.nn.faultdeform.scaling import MECHANISMS, law, mean_slip
from dislok.nn.faultdeform.show import straightened
from dislok.nn.faultdeform.slip import areas
from dislok.nn.faultdeform.trace import Line

# ------------------------------------------------------------------------------------- roughness


@pytest.mark.parametrize("hurst", [(0.8, 0.8), (0.6, 0.8), (0.5, 0.9)])
def test_sections_have_the_hurst_exponents_that_were_asked_for(rng, hurst):
    found = []
    along, down = np.arange(0.0, 60.0, 0.1), np.arange(0.0, 40.0, 0.1)
    for _ in range(12):
        field = Field(rng, (60.0, 40.0), self_affine(hurst), 0.4)
        sections = [hurst_of(field(along, np.full_like(along, d)), 0.8, 20.0, 0.1) for d in (0.0, 11.0, 23.0)]
        columns = [hurst_of(field(np.full_like(down, x), down), 0.8, 14.0, 0.1) for x in (5.0, 30.0, 47.0)]
        found.append([np.mean(sections), np.mean(columns)])
    np.testing.assert_allclose(np.mean(found, axis=0), hurst, atol=0.1)


def test_traces_of_long_faults_have_the_hurst_exponent():
    found = []
    for seed in range(30):
        quake = draw(np.random.default_rng(seed), **PAPER, length=(120.0, 150.0), triangles=12_000)
        profile, step = straightened(quake.trace[0])
        shortest = quake.metadata["recipe"]["shortest_wave"] * quake.metadata["element"]
        found.append(hurst_of(profile, 1.5 * shortest, 30.0, step))
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_roughness_has_the_root_mean_square_that_was_asked_for(rng):
    x = np.arange(0.0, 50.0, 0.1)
    field = Field(rng, (50.0, 15.0), self_affine((0.8, 0.8)), 0.5).levelled(x, 0.2)
    top = field(x, np.zeros_like(x))
    assert np.polyfit(x, top, 1) == pytest.approx([0.0, 0.0], abs=1e-12)
    found = []
    for d in np.linspace(0.0, 15.0, 40):
        section = field(x, np.full_like(x, d))
        found.append(np.mean((section - np.polyval(np.polyfit(x, section, 1), x)) ** 2))
    assert np.sqrt(np.mean(found)) == pytest.approx(0.2, rel=0.1)


def test_waves_that_are_too_short_are_left_out(rng):
    field = Field(rng, (80.0, 40.0), self_affine((0.8, 0.8)), 0.5)
    x = np.arange(0.0, 80.0, 0.1)
    power = {}
    for wavelength in (0.0, 4.0):
        values = field(x, np.full_like(x, 10.0), wavelength)
        power[wavelength] = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(x)))) ** 2
    k = np.fft.rfftfreq(len(x), 0.1)
    short, long = (k > 0.35) & (k < 1.0), (k > 0.03) & (k < 0.15)
    assert power[4.0][short].sum() < 1e-3 * power[0.0][short].sum()
    assert power[4.0][long].sum() == pytest.approx(power[0.0][long].sum(), rel=0.2)


def test_slip_varies_as_von_karman_says(rng):
    """The correlation at a distance of the correlation length is that of the field's Hurst exponent."""
    from scipy.special import gamma, kv

    hurst, length = 0.75, 3.0
    r = length
    want = 2.0 ** (1 - hurst) / gamma(hurst) * (r / length) ** hurst * kv(hurst, r / length)
    found = []
    for _ in range(30):
        field = Field(rng, (60.0, 30.0), von_karman(hurst, length, length), 0.5)
        x, d = np.meshgrid(np.arange(0.0, 56.0, 1.0), np.arange(0.0, 30.0, 1.0))
        a, b = field(x, d).ravel(), field(x + r, d).ravel()
        found.append([np.mean(a * b), 0.5 * np.mean(a * a + b * b)])
    covariance, variance = np.mean(found, axis=0)
    assert covariance / variance == pytest.approx(want, abs=0.06)


def test_slip_has_the_variation_of_the_recipe():
    found = []
    for seed in range(12):
        options = {**PAPER, "length": (60.0, 60.0), "triangles": 6000, "deficit_share": 0.0, "taper": 0.01}
        quake = draw(np.random.default_rng(seed), slip_variation=0.4, **options)
        size = np.linalg.norm(quake.slip, axis=1)
        middle = -quake.triangles[..., 2].mean(axis=1)
        weight = np.where(middle < 0.9 * middle.max(), areas(quake.triangles), 0.0)
        mean = np.average(size, weights=weight)
        found.append(np.sqrt(np.average((size - mean) ** 2, weights=weight)) / mean)
    assert np.mean(found) == pytest.approx(0.4, abs=0.08)


def test_deficit_is_that_of_the_metadata():
    options = {**PAPER, "length": (60.0, 60.0), "slip_variation": 0.0, "triangles": 6000}
    options |= {"deficit_share": 1.0, "deficit": (0.5, 0.5), "deficit_depth": (2.0, 2.0)}
    quake = draw(np.random.default_rng(1), **options)
    size, depth = np.linalg.norm(quake.slip, axis=1), -quake.triangles[..., 2].mean(axis=1)
    strike = np.deg2rad(quake.metadata["strike"])
    along = quake.triangles.mean(axis=1)[:, :2] @ [np.sin(strike), np.cos(strike)]
    inner = np.abs(along) < 10.0
    shallow, deep = inner & (depth < 0.1), inner & (depth > 3.9) & (depth < 4.1)
    want = (1 - 0.5 * np.exp(-0.05 / 2)) / (1 - 0.5 * np.exp(-4.0 / 2))
    assert size[shallow].mean() / size[deep].mean() == pytest.approx(want, abs=0.02)


# --------------------------------------------------------------------------------------- scaling


@pytest.mark.parametrize(
    ("name", "length", "mechanism", "magnitude", "width"),
    [
        # by hand from the published coefficients
        ("wesnousky2008", 100.0, "strike-slip", 7.30, 100.0 / (0.088 * 100.0**0.96)),
        ("wesnousky2008", 10.0, "normal", 6.59, None),
        ("wesnousky2008", 10.0, "reverse", 5.99, None),
        ("wells1994", 100.0, "strike-slip", 7.40, 10.0 ** (-0.76 + 0.27 * 7.40)),
        ("wells1994", 10.0, "reverse", 6.22, 10.0 ** (-1.61 + 0.41 * 6.22)),
        ("leonard2014", 10.0, "strike-slip", 5.837, 15.0 * 1e4 ** (2 / 3) / 1e3),
        ("leonard2014", 100.0, "strike-slip", 7.27, 15.0 * 45e3 ** (2 / 3) / 1e3),
        (
            "thingbaijam2017",
            10.0 ** (-2.943 + 0.681 * 7.0),
            "strike-slip",
            7.0,
            10.0 ** (-0.543 + 0.261 * 7.0),
        ),
        ("thingbaijam2017", 10.0 ** (-2.693 + 0.614 * 6.5), "reverse", 6.5, 10.0 ** (-1.669 + 0.435 * 6.5)),
    ],
)
def test_laws_are_those_of_the_papers(name, length, mechanism, magnitude, width):
    found = law(name).magnitude(length, 12.0, mechanism)
    assert found == pytest.approx(magnitude, abs=1e-3)
    if width is not None:
        assert law(name).width(length, found, mechanism) == pytest.approx(width, rel=1e-3)


def test_scholz_slip_is_a_share_of_the_length():
    for length in (10.0, 100.0):
        magnitude = law("scholz").magnitude(length, 12.0, "strike-slip")
        assert mean_slip(magnitude, length, 12.0) == pytest.approx(2.7e-5 * length * 1e3)


def test_laws_agree_where_their_data_are():
    """Published laws differ by less than their scatters at 50 km, in every mechanism that they tell apart."""
    for mechanism in MECHANISMS:
        found = [each.magnitude(50.0, 14.0, mechanism) for each in LAWS.values()]
        assert np.ptp(found) < 0.65, (mechanism, found)
        assert all(each.source and each.sigma[mechanism] > 0.05 for each in LAWS.values())


def test_magnitudes_scatter_as_published(rng):
    recipe = Recipe(**PAPER)
    off = [(r := draw_rupture(rng, recipe)).magnitude - r.median for _ in range(600)]
    # a normal distribution that is cut at two standard deviations has 0.95 of its own, with the tails there
    assert np.std(off) == pytest.approx(0.95 * 0.24, rel=0.08)
    assert np.mean(off) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("name", LAWS)
def test_every_law_makes_earthquakes(name):
    quake = draw(np.random.default_rng(2), **PAPER, law=name, length=(20.0, 20.0), scatter=0.0, pixel=0.1)
    told = quake.metadata
    want = law(name).magnitude(told["length"], told["width"], "strike-slip")
    assert quake.magnitude == pytest.approx(want, abs=1e-9)
    assert quake.moment == pytest.approx(float(moment_from_magnitude(want)), rel=1e-9)


# ----------------------------------------------------------------------------------------- trace


def test_nearest_points_of_a_line_are_those_of_all_its_pieces(rng):
    line = Line(np.column_stack([np.arange(0.0, 10.1, 0.5), 0.2 * rng.standard_normal(21)]))
    places = rng.uniform([-2, -3], [12, 3], (400, 2))
    start, step = line.points[:-1], line.steps
    t = np.einsum("nka,ka->nk", places[:, None] - start, step) / line.lengths**2
    off = places[:, None] - start - np.clip(t, 0, 1)[..., None] * step
    want = np.linalg.norm(off, axis=2).min(axis=1)
    got = line.nearest(places)
    close = want < 0.3
    np.testing.assert_allclose(np.abs(got.distance)[close], want[close], rtol=1e-12)
    # farther away a piece with no vertex among the two nearest may be a little nearer
    np.testing.assert_allclose(np.abs(got.distance), want, rtol=0.05)


def test_side_of_a_corner():
    """Beside a sharp corner the nearest point is the corner itself, which belongs to both pieces."""
    line = Line(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    places = np.array([[-0.3, 1.3], [0.3, 0.7], [-0.3, 0.5], [0.5, 1.3], [0.0, 2.0], [-1.0, 1.0]])
    np.testing.assert_array_equal(np.sign(line.nearest(places).distance), [-1, 1, -1, -1, -1, -1])
    ends = line.nearest(np.array([[0.1, -1.0], [2.0, 0.9], [0.2, 0.5]]))
    assert ends.beyond.tolist() == [True, True, False]
