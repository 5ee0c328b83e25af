"""Finite-fault models from and to files; the content says which format it is."""

from __future__ import annotations

from pathlib import Path

from dislok import foreign
from dislok import gate as gates
from dislok.store import write_text

from . import fsp, param, srf
from .model import FiniteFault

WRITERS = {".param": param.text, ".fsp": fsp.text, ".srf": srf.text}


@gates.gate(path=gates.path())
def read(path: str | Path) -> FiniteFault:
    """Read a finite-fault model: ``.param`` of the USGS, ``.fsp`` of SRCMOD, or SRF of version 1 or 2.

    Returns
    -------
    FiniteFault
        Places are the middles of patches, whatever the file has. Several time windows add up. Moments are
        those of the file; SRF 1 has none.

    Raises
    ------
    ValueError
        If the file is none of these or damaged; the message names it.
    """
    file = Path(path)
    lines = foreign.text_lines(file)
    for module in (param, fsp, srf):
        if module.recognised(lines):
            try:
                return module.parsed(lines)
            except (IndexError, ValueError) as error:
                raise ValueError(f"{file}: {error}") from None
    raise ValueError(f"{file}: neither .param, .fsp nor SRF; it begins {(lines or [''])[0][:60]!r}")


@gates.gate(path=gates.path(), model=gates.instance(FiniteFault))
def write(path: str | Path, model: FiniteFault) -> None:
    """Write a finite-fault model; the ending chooses ``.param``, ``.fsp`` or ``.srf`` (version 2).

    Parameters
    ----------
    path : path
    model : FiniteFault
        With moments (`FiniteFault.with_moment`). In ``.param`` and ``.fsp`` the patches of a segment must be
        of one size, in ``.fsp`` of one strike and dip. SRF has no unknown rupture times.
    """
    file = Path(path)
    writer = WRITERS.get(file.suffix.lower())
    if writer is None:
        raise ValueError(f"{file}: the ending {file.suffix!r} is none of {', '.join(WRITERS)}")
    model.total_moment  # noqa: B018 - raises where a moment is missing
    write_text(file, writer(model))
