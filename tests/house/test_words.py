"""Plain English where a test can tell: phrases that are none, modules that begin with what they are."""

import ast
import re

import pytest

PHRASES = re.compile(
    r"\b(are|is) had (by|from)\b|\bleave it away\b|\bleft away\b|\bone less\b", re.IGNORECASE
)
ROOMS = ("bindings", "inversion", "nn")
"""The floors whose modules users meet."""


def sources(repository, *rooms):
    return [path for room in rooms for path in sorted((repository / room).rglob("*.py"))]


@pytest.mark.parametrize("room", [*ROOMS, "kernels"])
def test_no_phrase_that_is_no_english(repository, room):
    for path in sources(repository, room):
        found = PHRASES.search(" ".join(path.read_text(encoding="utf-8").split()))
        assert not found, f"{path.relative_to(repository)}: {found.group()}"


def test_documentation_likewise(repository):
    for path in [*sorted((repository / "docs").rglob("*.rst")), repository / "README.md"]:
        found = PHRASES.search(" ".join(path.read_text(encoding="utf-8").split()))
        assert not found, f"{path.name}: {found.group()}"


@pytest.mark.parametrize("path", ["it is had by", "Leave it away", "One less the ratio"])
def test_the_phrases_are_seen(path):
    assert PHRASES.search(path)


@pytest.mark.parametrize("room", ROOMS)
def test_modules_begin_with_a_noun(repository, room):
    for path in sources(repository, room):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = text.split(" ", 1)[0]
        assert first not in ("What", "How", "Which", "Where"), f"{path.relative_to(repository)}: {text[:60]}"


@pytest.mark.parametrize("room", ["bindings", "kernels", "inversion", "nn"])
def test_type_checkers_see_types(repository, room):
    """`Any` stands where it is meant; elsewhere it has a name (`kernels.names`, `arrays`, `gate`)."""
    most = {"bindings": 100, "kernels": 85, "inversion": 85, "nn": 65}
    words = sum(len(re.findall(r"\bAny\b", path.read_text())) for path in sources(repository, room))
    assert words <= most[room], words
