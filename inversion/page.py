"""Parts of self-contained HTML pages: style, tables, embedded pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dislok import __version__
from dislok.store import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #20252b; margin: 2rem auto; max-width: 1080px; padding: 0
1rem } h1 { font-size: 1.7rem; margin-bottom: 0 } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d5dae0 }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid #eceff2 }
th:first-child, td:first-child { text-align: left } th { color: #5a6572; font-weight: 600 }
.warning { background: #fff4e0; border-left: 4px solid #e09f3e; padding: .3rem .8rem; margin: .4rem 0 }
.out { color: #b3261e } img { max-width: 100%; height: auto } .quiet { color: #5a6572 }
.pair { display: flex; flex-wrap: wrap; gap: 1rem } .pair img { max-width: 32rem }
"""


def page(title: str, what: str, body: Iterable[str]) -> str:
    """A whole page under a title; `what` says what made it."""
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    top = f'<h1>{escape(title)}</h1>\n<p class="quiet">{escape(what)}, dislok {__version__}, {made}</p>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{top}\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


Drawing: TypeAlias = "Callable[[], Figure]"
"""Draws a picture."""


def warnings(lines: Iterable[str]) -> list[str]:
    """Paragraphs that nobody overlooks."""
    return [f'<p class="warning">{escape(line)}</p>' for line in lines]


def picture(path: Path) -> str:
    """A PNG file, embedded."""
    coded = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(path.stem)}" src="data:image/png;base64,{coded}">'


def drawn(pictures: Mapping[str, Drawing], folder: Path) -> dict[str, Path]:
    """Figures of Matplotlib, drawn one after the other and written as PNG; the files by name."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    files = {}
    for name, picture in pictures.items():
        figure = picture()
        files[name] = folder / f"{name}.png"
        with writing(files[name]) as draft:
            figure.savefig(draft, dpi=130, format="png")
        plt.close(figure)
    return files
