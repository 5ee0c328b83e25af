"""The `dislok` command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from dislok import __version__
from dislok.nn import datasets

DESCRIPTION = """\
dislok computes how the ground moves when faults slip, with exact derivatives,
and finds the faults behind measured movements.

Start with `dislok demo`: it finds the fault of a real earthquake and draws it.
"""
DEMO = """\
Read the static GNSS offsets of a real earthquake, find the fault that made them
with its uncertainty, print the result, and write it as pictures and JSON.

  kumamoto    the Mw 7.0 Kumamoto earthquake, Japan, 2016; takes about a minute
  slip        where on its fault that earthquake slipped, and how much
  cmt         centroid moment tensor from waveforms: a synthetic earthquake, or with
              --data a real one from a folder with an event.toml and its waveforms
"""
CMT = """\
Find the centroid moment tensor of an earthquake from high-rate displacement,
static offsets and accelerometer records, as a TOML file says, and write result,
uncertainty and pictures into one folder. A run that was stopped goes on where it
was when it is started again.
"""
FAULT = """\
Find rectangular faults, their geometry and their slip, from GNSS offsets,
interferograms and displacement maps, as a TOML file says, and write result,
uncertainty, tables, pictures and a page into one folder. A run that was stopped
goes on where it was when it is started again.
"""
SLIP = """\
Find how slip is distributed on faults of many patches, rectangles, meshes or
surfaces below a trace, from GNSS offsets, interferograms and displacement maps, as
a TOML file says, and write everything into one folder. A run that was stopped goes
on where it was when it is started again.
"""
COMPILE = """\
Compile the kernels of all operations, or of some families, and keep the machine
code, so that no later call waits for a compiler: for images of containers and for
clusters. NUMBA_CACHE_DIR names the folder; by default the code lies beside the
package or, where that cannot be written, in the user's cache folder.
"""
TRAIN = """\
Train a network that measures displacement, as a TOML file says: by the published
recipe or by a better one, on pairs that are made on the way. Metrics, pictures and
checkpoints go into one folder. A training that was stopped, or killed, goes on
where it was when it is started again. torchrun shares it among processes.
"""
INFO = """\
Show the versions of dislok and of what it builds on, the backends that can be
used here and why the others cannot, devices, threads, and the folder that keeps
the compiled kernels. Include this output in a bug report.
"""


def info(arguments: argparse.Namespace) -> int:
    """Print what is installed here."""
    from dislok.info import collect, lines

    facts = collect()
    print(json.dumps(facts, indent=2) if arguments.json else "\n".join(lines(facts)))
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Run a demonstration."""
    if find_spec("matplotlib") is None:
        return fail('the demo draws its result with matplotlib: pip install "dislok[plot]"')
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return fail(f"cannot write to {arguments.out}: {error.strerror}")
    if arguments.name == "cmt":
        from dislok.inversion.cmt.demo import run_demo

        return _refusals(lambda: run_demo(arguments.out, arguments.data))
    if arguments.data is not None:
        return fail("--data belongs to `dislok demo cmt`")
    if arguments.name == "slip":
        from dislok.inversion.slip.demo import run as run_slip

        return run_slip(arguments.out)
    from dislok.inversion.demo import run

    return run(arguments.out)


def cmt(arguments: argparse.Namespace) -> int:
    """Run what a configuration file says."""
    from dislok.inversion.cmt.stages import run

    out = arguments.out or arguments.event.with_suffix("")

    def work() -> int:
        run(arguments.event, out, None if arguments.quiet else _say)
        return 0

    return _refusals(work)


def fault(arguments: argparse.Namespace) -> int:
    """Run a fault inversion from a configuration file."""
    from dislok.inversion.runs import run_fault

    return _run_config(run_fault, arguments)


def slip(arguments: argparse.Namespace) -> int:
    """Run a slip inversion from a configuration file."""
    from dislok.inversion.runs import run_slip

    return _run_config(run_slip, arguments)


def _run_config(run: Callable[..., object], arguments: argparse.Namespace) -> int:
    out = arguments.out or arguments.config.with_suffix("")

    def work() -> int:
        run(arguments.config, out, None if arguments.quiet else _say)
        return 0

    return _refusals(work)


def compile_kernels(arguments: argparse.Namespace) -> int:
    """Compile kernels before they are needed."""
    from dislok import rehearsal

    families = arguments.families or list(rehearsal.FAMILIES)
    unknown = sorted(set(families) - set(rehearsal.FAMILIES))
    if unknown:
        return fail(f"unknown family {unknown[0]!r}; choose from {', '.join(rehearsal.FAMILIES)}")
    if arguments.jobs < 1:
        return fail(f"--jobs must be at least 1, not {arguments.jobs}")
    if arguments.ship is not None:
        for level, done in rehearsal.ship(arguments.ship, arguments.jobs):
            _say(f"{level}  {done.task}: {done.compiled} compiled, {done.seconds:.1f} s")
        return 0
    dtypes = rehearsal.DTYPES if arguments.float32 else rehearsal.DTYPES[:1]
    wanted = rehearsal.tasks(families, dtypes)
    if arguments.list:
        print("\n".join(map(str, wanted)))
        return 0
    for number, done in enumerate(rehearsal.compile_all(families, dtypes, arguments.jobs), 1):
        _say(f"{number}/{len(wanted)}  {done.task}: {done.compiled} compiled, {done.seconds:.1f} s")
    return 0


def train(arguments: argparse.Namespace) -> int:
    """Train a network."""
    if find_spec("torch") is None or find_spec("safetensors") is None:
        return fail('trainings need torch and safetensors: pip install "dislok[nn]"')
    from dislok.nn.train.command import train as work

    say = None if arguments.quiet else _say
    return _refusals(lambda: work(arguments.config, bank=arguments.bank, say=say))


def flow(arguments: argparse.Namespace) -> int:
    """Measure the displacement between two images."""
    from dislok.nn.predict.command import run

    return _refusals(lambda: run(arguments, (lambda line: None) if arguments.quiet else _say))


def faultdeform(arguments: argparse.Namespace) -> int:
    """Draw earthquakes."""
    return _refusals(lambda: datasets.run(arguments, _say))


def _say(line: str) -> None:
    print(line, flush=True)


def _refusals(work: Callable[[], int]) -> int:
    """Run something whose errors are about what the user gave: one line of text instead of a traceback."""
    try:
        return work()
    except (ImportError, OSError, ValueError) as error:
        return fail(str(error))


def fail(message: str) -> int:
    """Print an error; returns the exit status."""
    print(f"dislok: error: {message}", file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("dislok", description=DESCRIPTION, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"dislok {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    command = commands.add_parser(
        "demo", help="invert a real earthquake", description=DEMO, formatter_class=raw
    )
    command.add_argument(
        "name", nargs="?", choices=["kumamoto", "slip", "cmt"], default="kumamoto", help="which"
    )
    command.add_argument(
        "--data", type=Path, metavar="FOLDER", help="cmt: folder with an event.toml and waveforms"
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("dislok-demo"),
        metavar="FOLDER",
        help="where pictures and result go (default: %(default)s)",
    )
    command.set_defaults(run=demo)

    command = commands.add_parser(
        "cmt", help="moment tensor of an event from its waveforms", description=CMT, formatter_class=raw
    )
    command.add_argument("event", type=Path, metavar="EVENT.toml", help="configuration")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="where results go (default: EVENT)")
    command.add_argument("--quiet", action="store_true", help="say nothing on the way")
    command.set_defaults(run=cmt)

    for name, words, text, work in (
        ("fault", "rectangular faults from displacement", FAULT, fault),
        ("slip", "slip on faults from displacement", SLIP, slip),
    ):
        command = commands.add_parser(name, help=words, description=text, formatter_class=raw)
        command.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration")
        command.add_argument("--out", type=Path, metavar="FOLDER", help="where results go (default: CONFIG)")
        command.add_argument("--quiet", action="store_true", help="say nothing on the way")
        command.set_defaults(run=work)

    command = commands.add_parser(
        "compile", help="compile kernels before they are needed", description=COMPILE, formatter_class=raw
    )
    command.add_argument("families", nargs="*", metavar="FAMILY", help="okada, tde, propagator; default: all")
    command.add_argument("--float32", action="store_true", help="single precision as well")
    command.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    command.add_argument("--list", action="store_true", help="say what would be compiled")
    command.add_argument(
        "--ship", type=Path, metavar="FOLDER", help="what first calls need, for several kinds of processors"
    )
    command.set_defaults(run=compile_kernels)

    from dislok.nn.predict import command as flow_command

    flow_command.add(commands, raw).set_defaults(run=flow)

    command = commands.add_parser(
        "train", help="train a network on generated pairs", description=TRAIN, formatter_class=raw
    )
    command.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration")
    command.add_argument(
        "--bank", action="store_true", help="make the bank of pairs that the configuration trains on"
    )
    command.add_argument("--quiet", action="store_true", help="say nothing on the way")
    command.set_defaults(run=train)

    command = commands.add_parser(
        "faultdeform",
        help="data sets of synthetic earthquakes and pairs of images",
        description=datasets.DESCRIPTION,
        formatter_class=raw,
    )
    datasets.arguments(command)
    command.set_defaults(run=faultdeform)

    command = commands.add_parser(
        "info", help="versions, backends, devices", description=INFO, formatter_class=raw
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=info)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return the exit status."""
    try:
        try:
            return _run(argv)
        finally:
            # Help is printed while words are parsed, which ends in SystemExit.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe went away; nobody is left to tell. What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: Sequence[str] | None) -> int:
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command is None:
        top.print_help()
        return 0
    status: int = arguments.run(arguments)
    return status
