"""Write configuration.rst from the schemas of configuration files: ``python docs/write_configuration.py``."""

from pathlib import Path

from dislok import schema
from dislok.inversion.cmt.keys import SCHEMA as CMT

HEAD = """\
Configuration files
===================

What the command line reads is TOML. A file is checked as a whole before anything is read or computed:
unknown keys, wrong types, values out of range, files that are not there. Every mistake is named at once,
with file, key, expectation and value. This page is made from the same tables (``python
docs/write_configuration.py``). ``[]`` after a name marks arrays of tables, ``[[waveforms]]``; ``NAME`` is
any name. Names of files are relative to the configuration's folder.
"""
PAGES = {"dislok cmt EVENT.toml": ("See :doc:`cmt` for an example.", CMT)}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, (words, table) in PAGES.items():
        parts.append(f"{title}\n{'-' * len(title)}\n\n{words}\n\n{schema.document(table)}")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("configuration.rst").write_text(page(), encoding="utf-8")
