"""`python -m bench`: the tables of speed, memory and share of the peak; see `--help`."""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

from . import gpu, memory, peers, report, roofline, suite, triangles

SECTIONS = ("comparisons", "triangles", "scaling", "dtypes", "overhead", "memory", "roofline")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m bench", description="Speed of dislok beside that of other codes."
    )
    result.add_argument("--json", type=Path, metavar="FILE", help="also write everything to FILE")
    result.add_argument("--quick", action="store_true", help="show in a minute or two that everything runs")
    result.add_argument(
        "--only", action="append", default=[], metavar="WORDS", help="cases whose name holds WORDS"
    )
    result.add_argument(
        "--section", action="append", default=[], choices=SECTIONS, help="this part alone; repeatable"
    )
    result.add_argument("--gpu", action="store_true", help="the GPU part, and nothing else")
    return result


def main(words: list[str] | None = None) -> int:
    """Measure and print.

    Returns
    -------
    int
        0; 1 where another code's numbers disagree with ours, so that its times mean nothing; 2 without a GPU
        for `--gpu`.
    """
    options = parser().parse_args(words)
    # Some codes warn about the versions that they were built with; the report names what is absent.
    warnings.simplefilter("ignore")
    settings = suite.Settings(options.quick, options.only)
    begin = time.perf_counter()
    try:
        found = measure_gpu(settings) if options.gpu else measure(settings, options.section or list(SECTIONS))
    except gpu.NoDevice as error:
        print(f"no GPU to measure: {error}", file=sys.stderr)
        return 2
    found["seconds"] = time.perf_counter() - begin
    print(report.render(found))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    wrong = report.shortfalls(found)
    for line in wrong:
        print(f"DISAGREES: {line}", file=sys.stderr)
    return 1 if wrong else 0


def measure(settings: suite.Settings, sections: list[str]) -> dict:
    """The CPU part: facts, the codes that were found, and one list of rows for each section."""
    facts = report.facts()
    present, absent = peers.find()
    cutde = triangles.find()
    steps = {
        "comparisons": lambda: suite.compare(present, settings, say),
        "triangles": lambda: triangles.compare(settings, say),
        "scaling": lambda: suite.scaling(present, settings, say) + triangles.scaling(settings, say),
        "dtypes": lambda: suite.dtypes(settings, say),
        "overhead": lambda: suite.overhead(settings, say),
        "memory": lambda: memory.rows(loads(settings), settings.quick, say),
        "roofline": lambda: roofline.rows(settings, say),
    }
    found = {
        "facts": facts,
        "quick": settings.quick,
        "codes": suite.presence(
            present + ([] if isinstance(cutde, peers.Absent) else [cutde]),
            absent + ([cutde] if isinstance(cutde, peers.Absent) else []),
        ),
        "notes": peers.NOTES,
    }
    return found | {name: step() for name, step in steps.items() if name in sections}


def measure_gpu(settings: suite.Settings) -> dict:
    """The GPU part."""
    devices = {name: list(s.devices) for name, s in gpu.usable().items()}
    facts = report.facts() | {"devices": devices}
    return {
        "facts": facts,
        "quick": settings.quick,
        "codes": suite.presence([], []),
        "gpu": gpu.rows(settings, say),
    }


def loads(settings: suite.Settings) -> list[str]:
    """The memory loads that `--only` keeps."""
    return [
        n for n in memory.LOADS if not settings.only or any(w.lower() in n.lower() for w in settings.only)
    ]


def say(text: str) -> None:
    """Tell on the terminal what is being measured."""
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
