"""No source of dislok calls what can run a program out of a file; one module reads files from outside."""

import ast

import pytest

PACKAGES = ("bindings", "inversion", "kernels", "nn", "docs/examples")
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
CALLS = {
    "eval", "exec", "compile", "os.system", "obspy.read", "obspy.read_events", "obspy.read_inventory",
    "meshio.read", "tarfile.open", "zipfile.ZipFile", "pandas.read_pickle",
}  # fmt: skip
# The modules that read files from outside.
READERS = ("bindings/foreign.py", "bindings/raster.py")
# Machine code that this user's own process wrote, as Numba keeps it.
COMPILED = ("kernels/keeping.py",)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def keyword(call: ast.Call, name: str):
    return next(
        (k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None
    )


def offences(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"line {node.lineno}: imports {n}" for n in names if n.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        bad = name in CALLS
        bad |= name in ("np.load", "numpy.load") and keyword(node, "allow_pickle") is not False
        bad |= name.endswith("rasterio.open") and len(node.args) < 2
        bad |= name == "torch.load" and keyword(node, "weights_only") is not True
        bad |= keyword(node, "shell") is True or keyword(node, "allow_pickle") is True
        found += [f"line {node.lineno}: calls {name}"] * bad
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_sources(repository, package):
    files = sorted((repository / package).rglob("*.py"))
    assert files
    bad = {
        str(file.relative_to(repository)): found
        for file in files
        if str(file.relative_to(repository)) not in READERS + COMPILED
        and (found := offences(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert not bad


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from yaml import load", "eval(x)", "np.load(p)", "np.load(p, allow_pickle=True)",
        "torch.load(p)", "rasterio.open(p)", "torch.load(p, weights_only=False)", "obspy.read(p)",
        "run(c, shell=True)",
    ],
)  # fmt: skip
def test_the_test_sees(line):
    assert offences(ast.parse(line))
