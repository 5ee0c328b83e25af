"""Elementary functions on `Lane`: polynomials and selects only, so that LLVM vectorises loops that call them.

No branch, no table, no call into a mathematical library. Measured errors are in tests/scalar; each function
states its range. Special values (zeros, infinities, NaN, subnormals) follow C99.
"""

from collections.abc import Sequence
from fractions import Fraction

from . import coefficients
from .lane import Bits, Lane, Truth

# ln 2, π/2, π/4 and π/180 as exact fractions good to 10**-60.
LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009")
PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494459")


def split(number: Fraction, bits: Sequence[int]) -> list[float]:
    """`number` as a sum of floats of `bits` significant bits each, all but the last one truncated."""
    parts = []
    for count in bits[:-1]:
        scale = Fraction(2) ** (count - 1 - _exponent(number))
        part = Fraction(int(number * scale)) / scale
        parts.append(float(part))
        number -= part
    return [*parts, float(number)]


def _exponent(number: Fraction) -> int:
    exponent = 0
    while abs(number) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(number) < Fraction(2) ** exponent:
        exponent -= 1
    return exponent


# A few bits fewer than the mantissa leaves room for an exact product with the reduction's integer.
LN2_PARTS = {64: split(LN2, (41, 53)), 32: split(LN2, (15, 24))}
QUARTER_PI_PARTS = {64: split(PI / 4, (50, 53)), 32: split(PI / 4, (21, 24))}
HALF_PI_PARTS = {64: split(PI / 2, (33, 33, 33, 53)), 32: split(PI / 2, (8, 8, 8, 8, 8, 24))}
DEGREE_PARTS = {64: split(PI / 180, (26, 53)), 32: split(PI / 180, (12, 24))}


def horner(x: Lane, terms: Sequence[float]) -> Lane:
    """Polynomial with `terms`, lowest power first."""
    total = x.constant(terms[-1])
    for term in reversed(terms[:-1]):
        total = total * x + term
    return total


def sqrt(x: Lane) -> Lane:
    """Square root, correctly rounded."""
    return x.intrinsic("sqrt")


def fma(a: Lane, b: Lane, c: Lane) -> Lane:
    """a b + c, correctly rounded."""
    return a.intrinsic("fma", b, c)


def absolute(x: Lane) -> Lane:
    """Absolute value."""
    return x.intrinsic("fabs")


def copysign(a: Lane, b: Lane) -> Lane:
    """Magnitude of `a`, sign of `b`."""
    return a.intrinsic("copysign", b)


def sign_flip(x: Lane, condition: Truth) -> Lane:
    """-x where `condition`."""
    return (-x).select(condition, x)


def _log_parts(x: Lane) -> tuple[Lane, Lane]:
    """Exponent k and mantissa m of a positive normal number: x = 2**k m, m in [√½, √2)."""
    fmt = x.format
    one = fmt.bias << fmt.mantissa
    root_half = x.constant(0.5**0.5).bits()
    shifted = x.bits() + one - root_half
    # The exponent becomes a float by being the low bits of 2**mantissa: no integer conversion to vectorise.
    anchor = x.constant(2.0**fmt.mantissa).bits()
    k = ((shifted >> fmt.mantissa) | anchor).floating() - (2.0**fmt.mantissa + fmt.bias)
    m = ((shifted & ((1 << fmt.mantissa) - 1)) + root_half).floating()
    return k, m


def _log_reduced(f: Lane, k: Lane) -> Lane:
    """log((1 + f) 2**k) for 1 + f in [√½, √2): f - f²/2 + s (f²/2 + R(s²)) with s = f / (2 + f)."""
    high, low = LN2_PARTS[f.format.bits]
    s = f / (2.0 + f)
    z = s * s
    tail = z * horner(z, coefficients.LOG[f.format.bits])
    half_square = 0.5 * f * f
    return k * high - ((half_square - (s * (half_square + tail) + k * low)) - f)


def log(x: Lane) -> Lane:
    """Natural logarithm; -inf at 0, NaN below."""
    fmt = x.format
    tiny = x < fmt.min_normal
    grow = fmt.mantissa + 2
    k, m = _log_parts((x * 2.0**grow).select(tiny, x))
    k = (k - grow).select(tiny, k)
    return _log_ends(x, x, _log_reduced(m - 1.0, k))


def binade(x: Lane) -> Lane:
    """The largest power of two that is not above |x|; 0 for subnormals, infinity for NaN."""
    return (x.bits() & (((1 << (x.format.bits - 1 - x.format.mantissa)) - 1) << x.format.mantissa)).floating()


def log1p(x: Lane) -> Lane:
    """log(1 + x), accurate near 0; -inf at -1, NaN below."""
    fmt = x.format
    u = 1.0 + x
    back = u - 1.0
    error = (1.0 - (u - back)) + (x - back)
    k, m = _log_parts(u)
    # 2**-k, exact; where k is larger the rounding error of 1 + x no longer counts.
    bounded = k.constant(64.0).select(k > 64.0, k)
    shrink = (_exponent_bits(-bounded) + (fmt.bias << fmt.mantissa)).floating()
    return _log_ends(x, u, _log_reduced((m - 1.0) + error * shrink, k))


def _exponent_bits(k: Lane) -> Bits:
    """The small integer `k` (held as a float) moved to the exponent field."""
    fmt = k.format
    return (k + fmt.round_magic).bits() << fmt.mantissa


def _log_ends(x: Lane, argument: Lane, result: Lane) -> Lane:
    """The logarithm's special values: +inf and NaN pass through, 0 gives -inf, negative gives NaN."""
    result = result.select(argument < float("inf"), x)
    result = result.constant(float("-inf")).select(argument == 0.0, result)
    return result.constant(float("nan")).select(argument < 0.0, result)


def exp(x: Lane) -> Lane:
    """Exponential; overflows to inf, underflows gradually to 0."""
    fmt = x.format
    high, low = LN2_PARTS[fmt.bits]
    top = (fmt.bias + 2.0) * 0.6931471805599453
    bottom = -(fmt.bias + fmt.mantissa + 3.0) * 0.6931471805599453
    clamped = x.constant(top).select(x > top, x)
    clamped = clamped.constant(bottom).select(x < bottom, clamped)
    shifted = clamped * 1.4426950408889634 + fmt.round_magic
    n = shifted - fmt.round_magic
    r = (clamped - n * high) - n * low
    value = 1.0 + (r + r * r * horner(r, coefficients.EXP[fmt.bits]))
    # 2**n in two factors: both are normal numbers, the product may be subnormal or infinite.
    half = (n * 0.5 + fmt.round_magic) - fmt.round_magic
    one = fmt.bias << fmt.mantissa
    return value * (_exponent_bits(half) + one).floating() * (_exponent_bits(n - half) + one).floating()


def _atan_small(q: Lane) -> Lane:
    """(atan(q) - q) for abs(q) <= 1/2."""
    z = q * q
    return q * (z * horner(z, coefficients.ATAN[q.format.bits]))


def _eighths(result_of: Lane, turn: Lane, flip: Truth) -> Lane:
    """turn · π/4 ± atan(q), the product in two parts."""
    high, low = QUARTER_PI_PARTS[result_of.format.bits]
    q = sign_flip(result_of, flip)
    return turn * high + (q + (_atan_small(q) + turn * low))


def _octant(small: Lane, large: Lane) -> tuple[Lane, Truth]:
    """For 0 <= small <= large: atan(small / large) = (π/4 where the flag) + atan(q), abs(q) <= 1/2."""
    steep = small + small > large
    numerator = (small - large).select(steep, small)
    denominator = (small + large).select(steep, large)
    return numerator / denominator, steep


def atan(x: Lane) -> Lane:
    """Inverse tangent, in (-π/2, π/2)."""
    size = absolute(x)
    inverted = size > 1.0
    one = x.constant(1.0)
    q, steep = _octant(one.select(inverted, size), size.select(inverted, one))
    # 1/inf: numerator and denominator stay finite because 1 + 1 > inf is false.
    turn = x.constant(1.0).select(steep, 0.0)
    turn = (2.0 - turn).select(inverted, turn)
    return copysign(_eighths(q, turn, inverted), x)


def atan2(y: Lane, x: Lane) -> Lane:
    """Angle of the point (x, y), in [-π, π]; all of C99's special values."""
    across, up = absolute(x), absolute(y)
    swapped = up > across
    small, large = across.select(swapped, up), up.select(swapped, across)
    # The sum of both must not overflow.
    shrink = large.constant(0.25).select(large > 2.0 ** (x.format.max_exponent - 1), 1.0)
    small, large = small * shrink, large * shrink
    equal = small == large
    q, steep = _octant(small, large)
    q = q.constant(0.0).select(equal, q)
    behind = x.bits().negative()
    turn = q.constant(1.0).select(steep | (equal & (large > 0.0)), 0.0)
    turn = (2.0 - turn).select(swapped, turn)
    turn = (4.0 - turn).select(behind, turn)
    return copysign(_eighths(q, turn, swapped ^ behind), y)


def _quadrant(shifted: Lane, sine: Lane, cosine: Lane, advance: int) -> Lane:
    """sin (advance 0) or cos (advance 1) after the quarter turns in the low bits of `shifted`."""
    turns = shifted.bits() + advance
    chosen = cosine.select((turns & 1).nonzero(), sine)
    return sign_flip(chosen, (turns & 2).nonzero())


def _sine_cosine(high: Lane, low: Lane) -> tuple[Lane, Lane]:
    """sin and cos of high + low, abs(high) <= π/4 and a little more, low a correction to it."""
    bits = high.format.bits
    angle = high + low
    z = angle * angle
    rest = (high - angle) + low
    sine = high + (low + angle * (z * horner(z, coefficients.SIN[bits])))
    half = 0.5 * z
    near = 1.0 - half
    cosine = near + (((1.0 - near) - half) + (z * z * horner(z, coefficients.COS[bits]) - angle * rest))
    return sine, cosine


def _reduced(x: Lane) -> tuple[Lane, Lane, Lane]:
    """Quarter turns (in the low bits) and the remaining angle in two parts, from radians.

    The products of the quarter turns with all parts of π/2 but the last are exact up to the angles that `sin`
    promises, and the rounding of every difference is kept.
    """
    fmt = x.format
    *exact, last = HALF_PI_PARTS[fmt.bits]
    shifted = x * float(2 / PI) + fmt.round_magic
    n = shifted - fmt.round_magic
    high, low = x, n * -last
    for part in exact:
        high, error = _difference(high, n * part)
        low = low + error
    return shifted, high, low


def _difference(a: Lane, b: Lane) -> tuple[Lane, Lane]:
    """a - b rounded, and the rounding error."""
    total = a - b
    back = total - a
    return total, (a - (total - back)) - (b + back)


def sin(x: Lane) -> Lane:
    """Sine of radians, to 1 ulp for abs(x) <= 1e6 (float32: 1e5), less beyond; NaN at infinity."""
    shifted, high, low = _reduced(x)
    return _quadrant(shifted, *_sine_cosine(high, low), 0)


def cos(x: Lane) -> Lane:
    """Cosine of radians; range as `sin`."""
    shifted, high, low = _reduced(x)
    return _quadrant(shifted, *_sine_cosine(high, low), 1)


def _reduced_degrees(x: Lane) -> tuple[Lane, Lane, Lane]:
    """Quarter turns (in the low bits) and the remaining angle in radians in two parts, from degrees.

    The remainder in degrees is exact; its leading bits times the leading bits of π/180 too.
    """
    fmt = x.format
    high, low = DEGREE_PARTS[fmt.bits]
    shifted = x * (1.0 / 90.0) + fmt.round_magic
    rest = x - (shifted - fmt.round_magic) * 90.0
    keep = (fmt.mantissa + 1) // 2
    mask = ((1 << fmt.bits) - 1) ^ ((1 << keep) - 1)
    lead = (rest.bits() & mask).floating()
    return shifted, lead * high, (rest - lead) * high + rest * low


def sin_degrees(x: Lane) -> Lane:
    """Sine of degrees, exact at multiples of 30 where rational; a zero has the sign of `x`."""
    shifted, high, low = _reduced_degrees(x)
    result = _quadrant(shifted, *_sine_cosine(high, low), 0)
    return copysign(result.constant(0.0), x).select(result == 0.0, result)


def cos_degrees(x: Lane) -> Lane:
    """Cosine of degrees, exact at multiples of 30 where rational; a zero is positive."""
    shifted, high, low = _reduced_degrees(x)
    result = _quadrant(shifted, *_sine_cosine(high, low), 1)
    return result.constant(0.0).select(result == 0.0, result)
