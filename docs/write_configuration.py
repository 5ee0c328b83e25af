"""Write configuration.rst from the schemas of configuration files: ``python docs/write_configuration.py``."""

import textwrap
from dataclasses import asdict
from pathlib import Path

from dislok import schema
from dislok.inversion.cmt.keys import SCHEMA as CMT
from dislok.inversion.runs.keys import FAULT, SLIP
from dislok.nn.faultdeform import Recipe
from dislok.nn.faultdeform.keys import RECIPE
from dislok.nn.train.config import RECIPES, SCHEMAS

HEAD = """\
Configuration files
===================

What the command line reads is TOML. A file is checked as a whole before anything is read or computed:
unknown keys, wrong types, values out of range, files that are not there. Every mistake is named at once,
with file, key, expectation and value. This page is made from the same tables (``python
docs/write_configuration.py``). ``[]`` after a name marks arrays of tables, ``[[waveforms]]``; ``NAME`` is
any name. Names of files are relative to the configuration's folder.
"""


def modern() -> str:
    """What ``recipe = "modern"`` changes, in words."""
    paper, ours = (asdict(RECIPES[name]) for name in ("paper", "modern"))
    changes = [
        f"``{table}.{key} = {schema.toml(value)}``"
        for table, keys in ours.items()
        for key, value in keys.items()
        if value != paper[table][key]
    ]
    words = 'See :doc:`geoflownet` for an example. ``recipe = "modern"`` changes these defaults: '
    return f"{words}{', '.join(changes)}."


PAGES = {
    "dislok cmt EVENT.toml": ("See :doc:`cmt` for an example.", CMT),
    "dislok fault CONFIG.toml": ("See :doc:`runs` for an example.", FAULT),
    "dislok slip CONFIG.toml": ("See :doc:`runs` for an example.", SLIP),
    "dislok faultdeform --recipe RECIPE.toml": (
        "See :doc:`faultdeform`. A pair is the range of a uniform distribution, unless something else is "
        "said.",
        schema.with_defaults(RECIPE, asdict(Recipe())),
    ),
    "dislok train TRAINING.toml": (modern(), SCHEMAS["paper"]),
}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, (words, table) in PAGES.items():
        parts.append(
            f"{title}\n{'-' * len(title)}\n\n{textwrap.fill(words, 110)}\n\n{schema.document(table)}"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("configuration.rst").write_text(page(), encoding="utf-8")
