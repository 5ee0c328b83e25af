"""The `dislok` command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dislok import __version__

DESCRIPTION = """\
dislok computes how the ground moves when faults slip, with exact derivatives,
and finds the faults behind measured movements.

Start with `dislok demo`: it finds the fault of a real earthquake and draws it.
"""
DEMO = """\
Read the static GNSS offsets of a real earthquake, find the fault that made them
with its uncertainty, print the result, and write it as pictures and JSON.

  kumamoto    the Mw 7.0 Kumamoto earthquake, Japan, 2016; takes about a minute
"""
INFO = """\
Show the versions of dislok and of what it builds on, the backends that can be
used here and why the others cannot, devices, threads, and the folder that keeps
the compiled kernels. Include this output in a bug report.
"""


def info(arguments: argparse.Namespace) -> int:
    from dislok.info import collect, lines

    facts = collect()
    print(json.dumps(facts, indent=2) if arguments.json else "\n".join(lines(facts)))
    return 0


def demo(arguments: argparse.Namespace) -> int:
    if find_spec("matplotlib") is None:
        return fail('the demo draws its result with matplotlib: pip install "dislok[plot]"')
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return fail(f"cannot write to {arguments.out}: {error.strerror}")
    from dislok.inversion.demo import run

    return run(arguments.out)


def fail(message: str) -> int:
    print(f"dislok: error: {message}", file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("dislok", description=DESCRIPTION, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"dislok {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    command = commands.add_parser(
        "demo", help="invert a real earthquake", description=DEMO, formatter_class=raw
    )
    command.add_argument("name", nargs="?", choices=["kumamoto"], default="kumamoto", help="which earthquake")
    command.add_argument(
        "--out",
        type=Path,
        default=Path("dislok-demo"),
        metavar="FOLDER",
        help="where pictures and result go (default: %(default)s)",
    )
    command.set_defaults(run=demo)

    command = commands.add_parser(
        "info", help="versions, backends, devices", description=INFO, formatter_class=raw
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=info)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return the exit status."""
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command is None:
        top.print_help()
        return 0
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe went away; nobody is left to tell. What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status
