"""For tests of configuration files: files with one mistake each, made from a good one and its schema."""

import tomllib

import numpy as np
import pytest

from dislok import schema

# What no value of a kind may be, by how its words begin.
WRONG = {
    "a number, or a date": ["x", True, [1.0], {"a": 1}, np.nan, 1e300],
    "a number": ["x", True, [1.0], {"a": 1}, np.nan, 1e300, -1e300],
    "a whole number": ["3", True, [3], {}, 2.5, np.nan, -3, 1e300],
    "true or false": ["true", 1, 0.0, [True], {}],
    '"': ["somethng", "", 3, True, ["x"], {}],
    "text, or": [3, True, {}, [3], [True]],
    "text": [3, True, ["x"], {}, "", "  "],
    "some of the letters": ["", "X", "EE", "e", 3, True, ["E"], {}],
    "a date and time": ["soon", 2016, True, ["2016-04-15"], "2016-13-01T00:00:00"],
    "[low, high]": [
        "x", 3, True, [1], [1, 2, 3], [2, 1], [1, 1], ["a", "b"], [True, False], [np.nan, 1.0], {},
    ],
    "[least, most]": [
        "x", 3, True, [1], [1, 2, 3], [0.4, 0.3], ["a", "b"], [True, False], [np.nan, 1.0], {}, [-1e9, 1e9],
    ],
    "two values": ["x", 3, [1], ["a", 1], [True, 1]],
    "mean and standard deviation": ["x", 3, True, [1], [1, 2, 3], [1, 0], [1, -2], [1, "a"], [1, np.inf]],
    "true, event": ["x", 3, [1], ["a", 1], [1, 2, 3], [True, 1], [91, 0]],
    "a list": ["x", 3, True, {}, [[]], [{}], [True], [np.nan]],
    "a table": ["x", 3, True, [1], {"strange": 1}],
    "cpu": ["gpu", "", "cuda:", "cuda:x", 0, True, ["cpu"], {}],
}  # fmt: skip


def written(value):
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{k}" = {written(v)}' for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def whole(table):
    """A file that holds a table."""
    return "\n".join(f"{key} = {written(part)}" for key, part in table.items())


def changed(good, name, value):
    """A good configuration with one key changed."""
    table = tomllib.loads(whole(good))
    *tables, last = name.split(".")
    here = table
    for part in tables:
        word, _, place = part.partition("[")
        here = here[word][int(place[:-1])] if place else here.setdefault(word, {})
    here[last] = value
    return table


def cases(places):
    """Every key with every wrong value, as parameters of a test; `places` gives names and keys."""
    for name, key in places:
        start = next(start for start in WRONG if key.kind.words.startswith(start))
        for value in WRONG[start]:
            yield pytest.param(name, value, id=f"{name}={value!r:.20}")


def tables(table, name=""):
    """The tables of a schema with their names."""
    yield name, table
    for key, one in table.keys.items():
        if isinstance(one, schema.Table):
            here = f"{name}.{key}" if name else key
            here = f"{here}[0]" if one.several else f"{here}.other" if one.named else here
            yield from tables(one, here)


def typos(table):
    """Names of keys with their last letter doubled, and what was meant."""
    return [
        (known[:-1] + known[-1] * 2, known) for known in table.keys if known + known[-1] not in table.keys
    ]


def refused(read, path, text):
    """The message by which `read` refuses a file, every line of which names the file."""
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    with pytest.raises(ValueError) as caught:
        read(path)
    message = str(caught.value)
    assert all(line.startswith((str(path), "and ")) for line in message.splitlines()), message
    return message


def names_the_mistake(message, name, value):
    """Whether a message says which key is wrong, what is expected, and the value."""
    said = [line for line in message.splitlines() if name in line]
    assert said, message
    assert "must" in said[0] or "unknown key" in said[0], said[0]
    parts = value if isinstance(value, list) and value else value if isinstance(value, dict) else [value]
    return any(str(part)[:20] in said[0] for part in (value, *parts))


NO_TOML = [
    "[event", "event = ", "a = 1\na = 2", "[event]\nname = 'x", b"\xff\xfe\x00", b"name = \"\xe9\"\n",
    "a = " + "[" * 3000, "a = " + "9" * 6000, "\x00", "{}",
]  # fmt: skip
