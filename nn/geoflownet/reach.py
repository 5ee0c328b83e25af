"""The reach of a network, from its layer table alone."""

from __future__ import annotations

from dislok.nn.geoflownet.tables import Conv, Table

Span = tuple[int, int]


def receptive_field(table: Table, low: int = 0, high: int | None = None) -> Span:
    """First and last input pixel, along one axis, that the finest output's pixels `low` to `high` depend on.

    Parameters
    ----------
    table : Table
        The architecture.
    low, high : int
        First and last pixel of the finest output; `high` is `low` when left out.
    """
    bottom = len(table.stages) - 1
    return _input(table, _flow(table, bottom - 4, (low, low if high is None else high)))


def halo(table: Table) -> int:
    """Pixels that a tile must have around it to be equal to the whole image's result.

    The tile's origin, and that of its surroundings, must lie on multiples of the network's largest stride,
    because only shifts by that many pixels shift the result; the halo is such a multiple too.
    """
    period, finest = table.strides[-1], table.strides[0]
    # Far from a border one period is like another, in the input and, by `finest` fewer pixels, in the output.
    low, high = receptive_field(table, 0, period // finest - 1)
    return -(-max(-low, high - period + 1) // period) * period


def _flow(table: Table, stage: int, span: Span) -> dict[int, Span]:
    """Pixels of each stage's features that a displacement at one stage depends on."""
    span = _widen(span, 1)
    if stage == len(table.stages) - 1:
        return {stage: span}
    return _joined(table, stage, _widen(span, 1) if table.joined else span)


def _joined(table: Table, stage: int, span: Span) -> dict[int, Span]:
    """The same of the features after joining: skip, raised features, raised displacement."""
    raised = _transposed(span)
    below = stage + 1
    inner = {below: raised} if below == len(table.stages) - 1 else _joined(table, below, raised)
    return _merge({stage: span}, inner, _flow(table, below, raised))


def _input(table: Table, needed: dict[int, Span]) -> Span:
    spans = [_encoded(table.stages[: stage + 1], span) for stage, span in needed.items()]
    return min(low for low, _ in spans), max(high for _, high in spans)


def _encoded(stages: tuple[tuple[Conv, ...], ...], span: Span) -> Span:
    for conv in [conv for stage in stages for conv in stage][::-1]:
        pad = (conv.kernel - 1) // 2
        span = span[0] * conv.stride - pad, span[1] * conv.stride + pad
    return span


def _transposed(span: Span) -> Span:
    """Inputs of a transposed convolution of kernel 4, stride 2, padding 1."""
    return -((2 - span[0]) // 2), (span[1] + 1) // 2


def _widen(span: Span, pad: int) -> Span:
    return span[0] - pad, span[1] + pad


def _merge(*parts: dict[int, Span]) -> dict[int, Span]:
    merged: dict[int, Span] = {}
    for stage, (low, high) in (item for part in parts for item in part.items()):
        old = merged.get(stage, (low, high))
        merged[stage] = min(low, old[0]), max(high, old[1])
    return merged
