"""Findings of a reader: what it leaves out or finds strange; and how it is asked to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

FARTHEST = 86400.0
"""Seconds from the reference up to which samples are kept where nothing else is said."""


@dataclass
class Findings:
    """What was left out and what a reader of the result should know, each with its reason.

    Attributes
    ----------
    strict : whether leaving out is an error.
    left_out : lines of text.
    remarks : texts, and whom each is about.
    """

    strict: bool = False
    left_out: list[str] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, name: object, reason: object) -> None:
        """Note why something is not used; raise a `ValueError` instead if `strict`."""
        line = f"{name}: {reason}"
        if self.strict:
            raise ValueError(line)
        if line not in self.left_out:
            self.left_out.append(line)

    def note(self, name: object, text: str) -> None:
        """Note what is used, though it looks strange."""
        names = self.remarks.setdefault(text, [])
        if str(name) not in names:
            names.append(str(name))

    @property
    def notes(self) -> list[str]:
        """A line for every text, with all whom it is about."""
        return [f"{', '.join(names)}: {text}" for text, names in self.remarks.items()]

    def nothing(self, what: str) -> ValueError:
        """The error that says why nothing is left."""
        reasons = "; ".join(self.left_out[:5]) or "nothing came"
        more = len(self.left_out) - 5
        return ValueError(f"{what}: {reasons}" + (f"; and {more} more" if more > 0 else ""))


class Options(NamedTuple):
    """How a stream is read; see `dislok.inversion.cmt.from_obspy`."""

    reference: float
    start: float | None = None
    end: float | None = None
    quantity: str | None = None
    responses: bool = False
    unit: str | None = None
    channels: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    orientation: str = "metadata"

    @property
    def window(self) -> tuple[float, float]:
        """First and last time (s after the reference) of what is kept."""
        start = -FARTHEST if self.start is None else self.start
        return start, FARTHEST if self.end is None else self.end
