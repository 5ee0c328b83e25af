r"""Tables of keys that configuration files may have, all checked before anything is read or computed.

A schema is data: a :class:`Table` of :class:`Key`\ s, each with its kind, unit, default and meaning::

    EVENT = Table("The earthquake.", {
        "name": Key(text(), "how results call it", needed=True),
        "depth": Key(number(least=0, most=800), "of the hypocentre", unit="km", needed=True),
    })

`read` parses a TOML file and holds it against a schema. It reports every mistake at once, each with file,
key, expectation and value, and for unknown keys what may have been meant. `document` writes a reference.
"""

from __future__ import annotations

import copy
import datetime
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from dislok import gate as gates
from dislok.gate import Given

_MOST = 12  # mistakes in one message
_LARGEST = 10_000_000  # bytes of a configuration


@dataclass(frozen=True)
class Kind:
    """Values of a kind.

    Attributes
    ----------
    words : for documentation and errors: "a number above 0".
    check : takes name and value, returns the value to use, raises TypeError or ValueError naming both.
    table : what it holds where it is a table.
    """

    words: str
    check: Callable[[str, Given], Given]
    table: Table | None = None

    def __call__(self, name: str, value: Given) -> Given:
        """The value, if it is of this kind; else an error that says what was expected."""
        return self.check(name, value)


@dataclass(frozen=True)
class Key:
    """One key of a table.

    Attributes
    ----------
    kind : what its value may be.
    about : what it means, for the documentation.
    default : what is used where it is not given; None for nothing.
    needed : whether it must be given.
    unit : of the value.
    file : whether the value names a file or folder, beside the configuration, which must exist; or several.
    """

    kind: Kind
    about: str
    default: Given = None
    needed: bool = False
    unit: str = ""
    file: bool = False


@dataclass(frozen=True)
class Table:
    """A table and what it may hold.

    Attributes
    ----------
    about : what it means, for the documentation.
    keys : keys and inner tables by name.
    several : whether it may be an array of tables, ``[[name]]``.
    named : whether it holds tables of any name, each with these keys.
    needed : whether it must be there.
    one_of : keys of which exactly one must be given.
    not_both : pairs of keys that exclude each other.
    check : called with name and checked values where every key is right; raises ValueError.
    always : whether its defaults hold where the table is not there.
    """

    about: str
    keys: Mapping[str, Key | Table]
    several: bool = False
    named: bool = False
    needed: bool = False
    one_of: tuple[str, ...] = ()
    not_both: tuple[tuple[str, str], ...] = ()
    check: Callable[[str, dict[str, Given]], None] | None = None
    always: bool = False


def number(**limits: Given) -> Kind:
    """A number within limits, as of `dislok.gate.number`."""
    words, inner = _limited("a number", limits), gates.number(**limits)

    def check(name: str, value: Given) -> float:
        if type(value) not in (int, float):
            raise ValueError(f"{name} must be {words}, got {value!r:.60}")
        return float(inner(name, value))

    return Kind(words, check)


def count(least: int = 0, most: int | None = None) -> Kind:
    """A whole number."""
    inner = gates.count(least, most)

    def check(name: str, value: Given) -> int:
        if type(value) is not int:
            raise ValueError(f"{name} must be a whole number, got {value!r}")
        return int(inner(name, value))

    return Kind(_limited("a whole number", {"least": least, "most": most}), check)


def flag() -> Kind:
    """true or false."""

    def check(name: str, value: Given) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, got {value!r:.60}")
        return value

    return Kind("true or false", check)


def choice(*words: str) -> Kind:
    """One of some words."""

    def check(name: str, value: Given) -> str:
        if value in words if isinstance(value, str) else False:
            return str(value)
        raise ValueError(f"{name} must be one of {', '.join(words)}{_meant(value, words)}, got {value!r:.60}")

    return Kind(" or ".join(f'"{word}"' for word in words), check)


def text(empty: bool = False) -> Kind:
    """Text."""

    def check(name: str, value: Given) -> str:
        if not isinstance(value, str) or "\0" in value or not (value.strip() or empty):
            raise ValueError(f"{name} must be text{'' if empty else ' that is not empty'}, got {value!r:.60}")
        return value

    return Kind("text", check)


def letters(allowed: str) -> Kind:
    """Some of a few letters, each once."""

    def check(name: str, value: Given) -> str:
        fine = (
            isinstance(value, str) and value and set(value) <= set(allowed) and len(set(value)) == len(value)
        )
        if not fine:
            raise ValueError(f"{name} must be some of the letters {', '.join(allowed)}, got {value!r:.60}")
        return str(value)

    return Kind(f"some of the letters {', '.join(allowed)}", check)


def moment() -> Kind:
    """A date and time: one of TOML's, or text in ISO 8601."""

    def check(name: str, value: Given) -> str:
        try:
            if type(value) not in (str, datetime.datetime):
                raise ValueError
            datetime.datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError(
                f"{name} must be a date and time like 2016-04-15T16:25:06, got {value!r:.60}"
            ) from None
        return str(value)

    return Kind("a date and time (UTC)", check)


def pair(kind: Kind, *, rising: bool = False) -> Kind:
    """Two values of a kind, the first below the second where `rising`."""
    inner = listed(kind, 2, 2)

    def check(name: str, value: Given) -> tuple[Given, Given]:
        first, second = inner(name, value)
        if rising and not first < second:
            raise ValueError(f"{name} must be two rising numbers, got {value!r:.60}")
        return first, second

    return Kind(f"[low, high], each {kind.words}" if rising else f"two values, each {kind.words}", check)


def span(kind: Kind) -> Kind:
    """Two values of a kind, the first not above the second."""
    two = pair(kind)

    def check(name: str, value: Given) -> tuple[Given, Given]:
        low, high = two(name, value)
        if low > high:
            raise ValueError(f"{name} must be two numbers, the second not below the first, got {value!r:.60}")
        return low, high

    return Kind(f"[least, most], each {kind.words}", check)


def listed(kind: Kind, least: int = 0, most: int | None = None, *, rising: bool = False) -> Kind:
    """A list of values of a kind."""
    counted = f"{least} " if least == most else f"at least {least} " if least else ""

    def check(name: str, value: Given) -> list[Given]:
        if not isinstance(value, list) or len(value) < least or len(value) > (most or len(value)):
            raise ValueError(f"{name} must be a list of {counted}values, got {value!r:.60}")
        found = [kind(f"{name}[{i}]", each) for i, each in enumerate(value)]
        if rising and any(b <= a for a, b in zip(found, found[1:], strict=False)):
            raise ValueError(f"{name} must rise from value to value, got {value!r:.60}")
        return found

    return Kind(f"a list of {counted}values, each {kind.words}", check)


def inner(table: Table) -> Kind:
    """A table in the place of a value, where another kind would do too: see `either`."""

    def check(name: str, value: Given) -> dict[str, Given]:
        mistakes: list[str] = []
        found = _table(name, table, value, None, mistakes)
        if mistakes:
            raise ValueError(mistakes[0])
        return dict(found)

    return Kind(f"a table {{ {', '.join(table.keys)} }}", check, table)


def either(table: Kind, other: Kind) -> Kind:
    """A table, or a value of another kind."""
    words = f"{other.words}, or {table.words}"

    def check(name: str, value: Given) -> Given:
        return table(name, value) if isinstance(value, dict) else other(name, value)

    return Kind(words, check, table.table)


def read(path: str | Path, schema: Table) -> dict[str, Given]:
    """The checked values of a TOML file, with the schema's defaults where it says nothing.

    Parameters
    ----------
    path : path
        The file. Names of files in it are relative to its folder.
    schema : Table
        What it may hold.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not TOML or holds something else; every mistake is named.
    """
    return checked(values_of(path), schema, folder=Path(path).parent, file=str(path))


def values_of(path: str | Path) -> dict[str, Given]:
    """What a TOML file says, unchecked; raises as `read` does where it cannot be read or is no TOML."""
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder; expected a TOML file")
    if file.stat().st_size > _LARGEST:
        raise ValueError(f"{file} has {file.stat().st_size} bytes; a configuration has at most {_LARGEST}")
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no TOML file: {error}") from None


def checked(
    values: Mapping[str, Given], schema: Table, *, folder: Path | None = None, file: str = ""
) -> dict[str, Given]:
    """Checked values; see `read`. Without a `folder`, nobody looks whether files exist."""
    mistakes: list[str] = []
    found = _table("", schema, values, folder, mistakes)
    if mistakes:
        lines = [f"{file}: {line}" if file else line for line in mistakes[:_MOST]]
        more = [f"and {len(mistakes) - _MOST} more mistakes"] if len(mistakes) > _MOST else []
        raise ValueError("\n".join(lines + more))
    return found


def _table(
    name: str, table: Table, value: Given, folder: Path | None, mistakes: list[str]
) -> dict[str, Given]:
    if not isinstance(value, Mapping):
        mistakes.append(f"{name} must be a table, [{name}], got {value!r:.60}")
        return {}
    before = len(mistakes)
    if table.named:
        one = Table(table.about, table.keys, one_of=table.one_of, not_both=table.not_both, check=table.check)
        return {key: _table(_under(name, key), one, each, folder, mistakes) for key, each in value.items()}
    _unknown(name, table, value, mistakes)
    found = {
        key: _value(_under(name, key), expected, value[key], folder, mistakes)
        for key, expected in table.keys.items()
        if key in value
    }
    _missing(name, table, value, mistakes)
    if table.check is not None and len(mistakes) == before:
        try:
            table.check(name, found)
        except ValueError as error:
            mistakes.append(str(error))
    return _defaults(table) | found


def _defaults(table: Table) -> dict[str, Given]:
    """What holds where a table says nothing."""
    found: dict[str, Given] = {}
    for key, expected in table.keys.items():
        if isinstance(expected, Table):
            found |= {key: _defaults(expected)} if expected.always else {}
        elif expected.default is not None:
            found[key] = copy.deepcopy(expected.default)
    return found


def _value(name: str, expected: Key | Table, value: Given, folder: Path | None, mistakes: list[str]) -> Given:
    if isinstance(expected, Table):
        if not expected.several:
            return _table(name, expected, value, folder, mistakes)
        each = value if isinstance(value, list) else [value]
        return [_table(f"{name}[{i}]", expected, one, folder, mistakes) for i, one in enumerate(each)]
    try:
        found = expected.kind(name, value)
        if expected.file and folder is not None:
            _there(name, found, folder)
    except (TypeError, ValueError, OverflowError) as error:
        unit = f"{expected.unit}: " if expected.unit else ""
        line = str(error) if name in str(error) else f"{name}: {error}, got {value!r:.60}"
        mistakes.append(f"{line} ({unit}{expected.about})")
        return None
    return found


def _there(name: str, found: Given, folder: Path) -> None:
    """Refuse names of files that are not there."""
    for each in _names(found):
        if not (folder / each).exists():
            raise ValueError(
                f"{name} must name a file or folder in {folder}, got {each!r}, which is not there"
            )


def _names(value: Given) -> Iterator[str]:
    """The words in a value, however deep in lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _names(each)


def _unknown(name: str, table: Table, value: Mapping[str, Given], mistakes: list[str]) -> None:
    for key in value:
        if key not in table.keys:
            where = f" in the table [{name}]" if name else ""
            near = _meant(key, table.keys) or f"; there are {', '.join(table.keys)}"
            mistakes.append(f"unknown key {_under(name, key)!r}{where}{near}, got {value[key]!r:.60}")


def _missing(name: str, table: Table, value: Mapping[str, Given], mistakes: list[str]) -> None:
    for key, expected in table.keys.items():
        if expected.needed and key not in value:
            what = "table" if isinstance(expected, Table) else "key"
            words = "" if isinstance(expected, Table) else f", {expected.kind.words}"
            mistakes.append(f"the {what} {_under(name, key)!r} is missing{words} ({expected.about})")
    if table.one_of:
        given = [key for key in table.one_of if value.get(key, False) is not False]
        if len(given) != 1:
            names = ", ".join(table.one_of)
            mistakes.append(f"{name} needs exactly one of {names}; got {' and '.join(given) or 'none'}")
    for a, b in table.not_both:
        if a in value and b in value:
            mistakes.append(
                f"{name} must not hold both {a} and {b}, got {value[a]!r:.40} and {value[b]!r:.40}"
            )


def _under(name: str, key: str) -> str:
    return f"{name}.{key}" if name else str(key)


def _meant(value: Given, known: Collection[str]) -> str:
    near = get_close_matches(str(value), list(known), 1, 0.7)
    return f"; did you mean {near[0]}?" if near else ""


def _limited(what: str, limits: Mapping[str, Given]) -> str:
    words = (("at least", "least"), ("above", "above"), ("at most", "most"), ("below", "below"))
    rule = " and ".join(f"{word} {limits[k]:g}" for word, k in words if limits.get(k) is not None)
    return f"{what} {rule}".strip()


def with_defaults(table: Table, values: Mapping[str, Given]) -> Table:
    """A table whose keys have these defaults; where one is empty text or an empty list, there is none."""
    keys: dict[str, Key | Table] = {}
    for name, expected in table.keys.items():
        value = values.get(name)
        if isinstance(expected, Table):
            keys[name] = with_defaults(expected, value or {})
        else:
            keys[name] = replace(expected, default=None if value in ("", (), []) else plain(value))
    return replace(table, keys=keys)


def plain(value: Given) -> Given:
    """A value as a file would have it: lists for tuples, Python's numbers for NumPy's."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def fixed(value: Given) -> Given:
    """A value with tuples for lists."""
    return tuple(map(fixed, value)) if isinstance(value, (list, tuple)) else value


def paths(schema: Table, name: str = "") -> Iterator[tuple[str, Key]]:
    """Every key of a schema with its full name."""
    for key, expected in schema.keys.items():
        here = _under(name, key)
        if isinstance(expected, Table):
            tail = "[]" if expected.several else ".NAME" if expected.named else ""
            yield from paths(expected, here + tail)
            continue
        yield here, expected
        if expected.kind.table is not None:
            yield from paths(expected.kind.table, here)


def files(schema: Table, values: Mapping[str, Given]) -> Iterator[str]:
    """Names of all files and folders that checked values give."""
    for key, expected in schema.keys.items():
        value = values.get(key)
        inner = expected if isinstance(expected, Table) else expected.kind.table
        if isinstance(expected, Key) and expected.file:
            yield from _names(value)
        elif inner is not None:
            parts = value if isinstance(value, list) else [value]
            if isinstance(expected, Table) and expected.named and isinstance(value, Mapping):
                parts = list(value.values())
            for part in parts:
                if isinstance(part, Mapping):
                    yield from files(inner, part)


def document(schema: Table) -> str:
    """The keys of a schema as a table in reStructuredText."""
    rows = [".. list-table::", "   :header-rows: 1", "   :widths: 24 26 12 38", ""]
    rows += _row("key", "value", "default", "meaning")
    for name, key in paths(schema):
        unit = f", {key.unit}" if key.unit else ""
        default = "needed" if key.needed else "" if key.default is None else f"``{toml(key.default)}``"
        rows += _row(f"``{name}``", f"{key.kind.words}{unit}", default, key.about)
    return "\n".join(rows) + "\n"


def _row(*cells: str) -> list[str]:
    return [f"   {'* -' if i == 0 else '  -'} {cell}".rstrip() for i, cell in enumerate(cells)]


def toml(value: Given) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )
