"""Which formulas the roofline counts, and the measured case that each belongs to."""

from collections.abc import Callable

from dislok.kernels.okada import formula
from dislok.kernels.scalar import first, real

from .cases import Case, named
from .counting import Operations, Recorder

# Partial derivatives of a jet of the rectangle: x, y, z, c, dip, length, width.
SPACE, ALL = range(3), range(7)


def rectangle(partials: range, surface: bool = False) -> Operations:
    """Displacement of a rectangle in its own frame and some of its partial derivatives, for one pair.

    What depends on the source alone is not counted: it is computed once for all observers. Nor are the few
    operations that turn the observer into the fault's frame and the result back.
    """
    record = Recorder()
    x, y, z = (record.variable(name) for name in "xyz")
    c, sd, cd, al1, al2, aw1, aw2, eps = (record.variable(f"source{i}", False) for i in range(8))
    u1, u2, u3 = (record.variable(f"slip{i}", False) for i in range(3))
    medium = tuple(record.variable(f"medium{i}", False) for i in range(6))
    # The reference point lies top left: lengthening moves the far end, widening the lower edge.
    edges, rates = (al1, al2, aw1, aw2), (c.constant(0.0), c.constant(1.0), c.constant(-1.0), c.constant(0.0))
    if surface:
        fields = formula.surface_fields(x, y, c, sd, cd, edges, rates, eps)
        u = formula.surface_slip(fields, u1, u2, u3, medium)
    else:
        fields = formula.rectangle_fields(x, y, z, c, sd, cd, edges, rates, eps)
        u = formula.rectangle_slip(fields, u1, u2, u3, medium)
    return record.count(
        [real(component) for component in u] + [first(component, k) for component in u for k in partials]
    )


def _of(name: str, *arguments: object, **options: object) -> tuple[Case, Callable[[], Operations]]:
    return named(name), lambda: rectangle(*arguments, **options)  # type: ignore[arg-type]


COUNTED: dict[str, tuple[Case, Callable[[], Operations]]] = {
    "displacement, surface": _of("displacement, surface", range(0), surface=True),
    "displacement, inside": _of("displacement, inside", range(0)),
    "displacement + gradient, inside, 2 slips": _of("displacement + gradient, inside, 2 slips", SPACE),
    "Jacobian of displacement, surface": _of("Jacobian of displacement, surface", ALL, surface=True),
    "Jacobian of displacement, inside": _of("Jacobian of displacement, inside", ALL),
}
