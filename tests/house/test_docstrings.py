"""Every public docstring can be read by numpydoc, and names the parameters that the signature has."""

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

numpydoc = pytest.importorskip("numpydoc.docscrape")
ROOTS = ("dislok", "dislok.inversion", "dislok.nn")
MARKED = "Parameters\n----"


def modules() -> Iterator[Any]:
    """The modules of the public packages; those whose extra is not installed are left out."""
    for root in ROOTS:
        for info in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
            if info.name.startswith("dislok.kernels"):
                continue
            try:
                yield importlib.import_module(info.name)
            except ImportError as error:
                if (error.name or "dislok").startswith("dislok"):
                    raise


def public() -> Iterator[tuple[str, Any]]:
    """Functions, classes and methods with a docstring that lists parameters."""
    for module in modules():
        for name, found in vars(module).items():
            if name.startswith("_") or getattr(found, "__module__", None) != module.__name__:
                continue
            yield from _with_parameters(f"{module.__name__}.{name}", found)
            if inspect.isclass(found):
                for method, body in vars(found).items():
                    if not method.startswith("_"):
                        yield from _with_parameters(f"{module.__name__}.{name}.{method}", body)


def _with_parameters(name: str, found: Any) -> Iterator[tuple[str, Any]]:
    plain = inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else found
    if (inspect.isfunction(plain) or inspect.isclass(plain)) and MARKED in (inspect.getdoc(plain) or ""):
        yield name, plain


def parsed(found: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return numpydoc.FunctionDoc(found, inspect.getdoc(found))


def differences(found: Any) -> tuple[set[str], set[str]]:
    """Names that only the docstring has, and names that only the signature has."""
    rows = parsed(found)["Parameters"] + parsed(found)["Other Parameters"]
    described = {name.strip().lstrip("*") for row in rows for name in row.name.split(",")}
    parameters = inspect.signature(found).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {p for p in parameters if p not in ("self", "cls") and not p.startswith("_")}
    # A class may describe once what its methods share.
    bodies = vars(found).values() if inspect.isclass(found) else ()
    shared = {p for body in bodies if inspect.isfunction(body) for p in inspect.signature(body).parameters}
    catch_all = {p.name for p in parameters.values() if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    return set() if open_ended else described - named - shared, named - described - catch_all


def test_docstrings_and_signatures_agree():
    wrong = {}
    for name, found in public():
        only_described, only_named = differences(found)
        if only_described or only_named:
            wrong[name] = f"described only: {only_described or '-'}; undescribed: {only_named or '-'}"
    assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())


def test_the_comparison_sees_a_difference():
    def example(a: int, b: int) -> None:
        """Do nothing.

        Parameters
        ----------
        a, c : int
        """

    assert differences(example) == ({"c"}, {"b"})


def test_there_is_something_to_compare():
    assert sum(1 for _ in public()) > 150
