"""Tables for people, and the facts about machine and versions that make a figure worth keeping."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from .measure import processor, usable_cores
from .problems import DEPTHS, DISTRIBUTIONS, LENGTH, NU, SEED, WIDTH

ROOT = Path(__file__).resolve().parent.parent
# Processor time over wall time above which a machine counts as quiet.
QUIET = 0.95
PACKAGES = ("dislok", "numpy", "numba", "llvmlite", "torch", "scipy", "cupy", "numba-cuda")


def facts() -> dict:
    """Machine, versions, commit and date, and the problem that dislocations are measured on."""
    return machine() | {
        "problem": {
            "fault": f"{LENGTH / 1e3:g} km by {WIDTH / 1e3:g} km, reference point top left, nu {NU:g}",
            "observers": {**DISTRIBUTIONS, "depth": DEPTHS},
            "seed": SEED,
        },
    }


def machine() -> dict:
    """Machine, versions, commit and date."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "processor": processor(),
        "cores": len(usable_cores()),
        "load_at_start": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: v for name in PACKAGES if (v := _version(name))},
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def table(title: str, head: list[str], lines: list[list[str]]) -> str:
    """A table in Markdown, its columns as wide as they need to be; nothing where there is no line."""
    if not lines:
        return ""
    widths = [max(len(row[i]) for row in [head, *lines]) for i in range(len(head))]
    form = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in [head, *lines]]
    rule = " | ".join("-" * w for w in widths)
    return f"\n## {title}\n\n" + "\n".join(f"| {row} |" for row in [form[0], rule, *form[1:]]) + "\n"


def number(value: float | None) -> str:
    """Three digits, as people write them."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(spread: dict | None) -> str:
    """Median and quartiles."""
    return (
        ""
        if spread is None
        else f"{number(spread['median'])} ({number(spread['low'])} to {number(spread['high'])})"
    )


def goal(row: dict) -> str:
    """The goal and whether it was met."""
    return "" if row.get("goal") is None else f"{row['goal']:g} {'met' if row['met'] else 'MISSED'}"


def agreement(row: dict) -> str:
    return "" if not row["other"] else f"{row['difference']:.0e}{'' if row['agrees'] else ' DISAGREES'}"


def render(report: dict) -> str:
    """The whole report as text."""
    parts = [
        _head(report),
        _comparisons(report, "comparisons", "Beside other codes"),
        _comparisons(report, "triangles", "Triangles"),
        _scaling(report),
        _pairs(report, "dtypes"),
        _pairs(report, "overhead"),
    ]
    return "".join([*parts, _memory(report), _roofline(report), _gpu(report)])


def _head(report: dict) -> str:
    f = report["facts"]
    versions = ", ".join(f"{k} {v}" for k, v in f["versions"].items())
    lines = [f"{f['processor']}, {f['cores']} cores, Python {f['python']}, {versions}"]
    lines.append(
        f"commit {f['commit'][:12]}{' with changes' if f['uncommitted_changes'] else ''}, {f['date']}"
    )
    lines += [f"{k}: {v}" for k, v in report["codes"]["present"].items()]
    lines += [f"absent: {k} ({v})" for k, v in report["codes"]["absent"].items()]
    if report["quick"]:
        lines.append("QUICK RUN: shows that everything runs; too few observers and rounds for figures")
    share = min((row["processor_share"] for row in report.get("comparisons", [])), default=1.0)
    if share < QUIET:
        lines.append(f"THE MACHINE WAS BUSY: {share:.0%} of a core at the worst; look at the processor time")
    return "\n".join(lines) + "\n"


def _comparisons(report: dict, key: str, title: str) -> str:
    lines = [
        [
            row["case"],
            number(row["ours_ns"]),
            row["other"] or "(no other code)",
            number(row["other_ns"]),
            times(row["times_faster"]),
            number((row["times_faster_by_processor"] or {}).get("median")),
            goal(row),
            agreement(row),
        ]
        for row in report.get(key, [])
    ]
    head = ["one core, ns per pair", "dislok", "other", "ns", "times faster (quartiles)"]
    head += ["by processor time", "goal", "difference"]
    return table(title, head, lines)


def _scaling(report: dict) -> str:
    lines = [
        [r["case"], r["code"], number(r["one_ns"]), number(r["two_ns"]), times(r["times_faster"]), goal(r)]
        for r in report.get("scaling", [])
    ]
    return table(
        "Two threads", ["ns per pair", "code", "one", "two", "times faster (quartiles)", "goal"], lines
    )


def _pairs(report: dict, key: str) -> str:
    titles = {
        "dtypes": ("float32", "float32", "float64"),
        "overhead": ("Checks of the public functions", "kernel", "public"),
    }
    title, first, second = titles[key]
    lines = [
        [r["case"], number(r[f"{first}_ns"]), number(r[f"{second}_ns"]), times(r["ratio"])]
        for r in report.get(key, [])
    ]
    return table(title, ["one core, ns per pair", first, second, "ratio (quartiles)"], lines)


def _memory(report: dict) -> str:
    return table(
        "Memory",
        ["two threads", "result MB", "peak MB", "beyond the result MB", "bound MB", "s"],
        [_memory_line(r) for r in report.get("memory", [])],
    )


def _memory_line(r: dict) -> list[str]:
    if "error" in r:
        return [r["case"], "not measured:", r["error"], "", "", ""]
    sizes = [number(r[k] / 1e6) for k in ("output_bytes", "peak_bytes", "beyond_output_bytes", "bound_bytes")]
    sizes[-1] += " met" if r["met"] else " MISSED"
    return [r["case"], *sizes, number(r["seconds"])]


def _roofline(report: dict) -> str:
    keys = ("add", "multiply", "divide", "root", "select", "other", "ns", "gigaflops", "peak_gigaflops")
    lines = [
        [r["case"], *(number(r[k]) for k in keys), f"{r['share_of_peak']:.0%}", f"{r['share_of_bound']:.0%}"]
        for r in report.get("roofline", [])
    ]
    head = [
        "operations per pair",
        "add",
        "mul",
        "div",
        "sqrt",
        "select",
        "other",
        "ns",
        "Gflop/s",
        "peak",
        "share",
    ]
    return table("Share of the core's peak", [*head, "share of the bound with div and sqrt"], lines)


def _gpu(report: dict) -> str:
    lines = [
        [r["case"], r["dtype"], r["code"], number(r["ns"]), times(r["times_faster"])]
        for r in report.get("gpu", [])
    ]
    return table("GPU", ["case", "dtype", "code", "ns per pair", "dislok (cupy) is times faster"], lines)


def shortfalls(report: dict) -> list[str]:
    """Results that disagree: figures that must not be used."""
    rows: list[dict[str, Any]] = [*report.get("comparisons", []), *report.get("triangles", [])]
    return [f"{r['case']}: {r['other']} differs by {r['difference']:.1e}" for r in rows if not r["agrees"]]
