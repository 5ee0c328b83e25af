"""Who imports whom: no circles, and nothing from a floor above, also where an import waits for its call."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "kernels": "dislok.kernels",
    "bindings": "dislok",
    "inversion": "dislok.inversion",
    "nn": "dislok.nn",
}
# From the ground up; what is named first counts.
FLOORS = [
    ["dislok.kernels.names"],
    ["dislok.kernels.scalar"],
    ["dislok.kernels"],
    ["dislok"],
    ["dislok.inversion"],
    ["dislok.nn"],
]
# Doors of the house: what calls any floor by the word of a user.
DOORS = {"dislok.cli", "dislok.rehearsal", "dislok.info"}
# Families of kernels know nothing of each other.
FAMILIES = {"okada", "tde", "propagator", "images"}


def named(path: Path, folder: str) -> str:
    parts = path.relative_to(ROOT / folder).with_suffix("").parts
    return ".".join([PACKAGES[folder], *(parts[:-1] if parts[-1] == "__init__" else parts)])


MODULES = {named(path, folder): path for folder in PACKAGES for path in sorted((ROOT / folder).rglob("*.py"))}


def only_for_types(tree: ast.AST) -> set[int]:
    blocks = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    return {id(inner) for block in blocks for inner in ast.walk(block)}


def targets(node: ast.AST, module: str, path: Path) -> Iterator[str]:
    """What a statement may import, by full names; also ``import_module("a.b")``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = module.split(".")
        if path.name != "__init__.py" and node.level:
            base = base[:-1]
        base = base[: len(base) - (node.level - 1)] if node.level else []
        start = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            whole = f"{start}.{alias.name}"
            yield whole if whole in MODULES else start
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "import_module" and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def imports(module: str) -> dict[str, int]:
    """Modules of the project that a module imports, and in which line."""
    path, found = MODULES[module], {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = only_for_types(tree)
    for node in ast.walk(tree):
        if id(node) not in skipped:
            for target in targets(node, module, path):
                if target in MODULES and target != module:
                    found.setdefault(target, node.lineno)
    return found


GRAPH = {module: imports(module) for module in MODULES}


def circles(graph: dict[str, dict[str, int]]) -> list[list[str]]:
    """Sets of modules that import each other in a circle (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            circle = []
            while not circle or circle[-1] != module:
                circle.append(stack.pop())
            if len(circle) > 1:
                found.append(circle)

    for module in graph:
        if module not in index:
            visit(module)
    return found


def floor(module: str) -> int:
    fits = [
        (len(prefix), k)
        for k, row in enumerate(FLOORS)
        for prefix in row
        if f"{module}.".startswith(f"{prefix}.")
    ]
    return max(fits)[1]


def test_the_tree_is_read():
    assert len(MODULES) > 150
    assert "dislok.kernels.okada.formula" in GRAPH["dislok.kernels.okada.pair"]
    assert "dislok.kernels.cpu" in GRAPH["dislok.kernels.pairs.blocks"]
    assert "dislok.large.grid" in GRAPH["dislok.okada"]  # by import_module


def test_circles_are_found():
    graph = {"a": {"b": 1}, "b": {"c": 1}, "c": {"a": 1}, "d": {"a": 1}}
    assert [sorted(circle) for circle in circles(graph)] == [["a", "b", "c"]]


def test_no_circles():
    lines = [
        f"{module} line {line}: imports {other}"
        for circle in circles(GRAPH)
        for module in circle
        for other, line in GRAPH[module].items()
        if other in circle
    ]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("name", [row[0] for row in FLOORS])
def test_nothing_from_a_floor_above(name):
    level = [row[0] for row in FLOORS].index(name)
    wrong = [
        f"{module} line {line}: imports {other}"
        for module, found in GRAPH.items()
        for other, line in found.items()
        if floor(module) == level < floor(other) and module not in DOORS
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_doors():
    wrong = [
        f"{m}: {other}" for m, found in GRAPH.items() for other in found if other in DOORS and m not in DOORS
    ]
    assert not wrong, "\n".join(wrong)


def test_families_of_kernels_are_apart():
    def family(module: str) -> str:
        parts = module.split(".")
        return parts[2] if module.startswith("dislok.kernels.") and parts[2] in FAMILIES else ""

    wrong = [
        f"{module}: {other}"
        for module, found in GRAPH.items()
        for other in found
        if family(module) and family(other) and family(module) != family(other)
    ]
    assert not wrong, "\n".join(wrong)
