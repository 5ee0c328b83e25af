"""Recipes of earthquakes, from Python and from files: understood, or every mistake named."""

from dataclasses import asdict

import numpy as np
import pytest
import toml_cases
from toml_cases import NO_TOML, cases, changed, names_the_mistake, typos, whole

from dislok import schema
from dislok.nn.faultdeform import PAPER, Recipe
from dislok.nn.faultdeform.keys import RECIPE
from dislok.nn.faultdeform.recipe import read, recipe_of

GOOD = schema.plain(asdict(Recipe()))


def refused(tmp_path, text):
    return toml_cases.refused(read, tmp_path / "recipe.toml", text)


def test_the_default_is_what_a_file_of_it_says(tmp_path):
    (tmp_path / "recipe.toml").write_text(whole(GOOD))
    assert read(tmp_path / "recipe.toml") == Recipe()
    (tmp_path / "recipe.toml").write_text("")
    assert read(tmp_path / "recipe.toml") == Recipe()


def test_keys_and_fields_are_the_same():
    assert list(RECIPE.keys) == list(GOOD)


def test_numbers_are_the_same_whoever_says_them(tmp_path):
    (tmp_path / "recipe.toml").write_text("length = [20, 30]\nbends = 1\nsegments = [1]\n")
    recipes = [
        read(tmp_path / "recipe.toml"),
        Recipe(length=(20, 30), bends=1, segments=(1,)),
        Recipe(length=[20.0, 30.0], bends=np.float64(1), segments=(np.int64(1),)),
        recipe_of(None, {"length": [20, 30], "bends": 1.0, "segments": [1.0]}),
    ]
    assert all(recipe == recipes[0] and repr(recipe) == repr(recipes[0]) for recipe in recipes)


def test_a_file_changes_the_papers_recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text("branch = 0.5")
    found = read(tmp_path / "recipe.toml", Recipe(**PAPER))
    assert found == Recipe(**{**PAPER, "branch": 0.5})


@pytest.mark.parametrize(("name", "value"), list(cases(schema.paths(RECIPE))))
def test_every_mistake_is_named(tmp_path, name, value):
    message = refused(tmp_path, whole(changed(GOOD, name, value)))
    assert names_the_mistake(message, name, value), message


def test_unknown_keys_are_named_with_what_was_meant(tmp_path):
    for typo, known in typos(RECIPE):
        message = refused(tmp_path, whole(changed(GOOD, typo, 1)))
        assert f"unknown key {typo!r}; did you mean {known}?" in message
    assert "unknown key 'xyzzy'; there are length" in refused(tmp_path, "xyzzy = 1")
    message = refused(tmp_path, "[mechanism]\nthrust = 1.0")
    assert "unknown key 'mechanism.thrust' in the table [mechanism]" in message


@pytest.mark.parametrize("content", NO_TOML)
def test_what_is_no_toml_is_said(tmp_path, content):
    assert "is no TOML file" in refused(tmp_path, content)


@pytest.mark.parametrize("shares", [{}, {"normal": 0.0}, {"normal": -1.0}, {"normal": 1.5}, 3, [1]])
def test_shares_of_mechanisms(tmp_path, shares):
    assert "mechanism" in refused(tmp_path, whole({"mechanism": shares}))
    with pytest.raises(ValueError, match="mechanism"):
        Recipe(mechanism=shares)


def test_all_mistakes_are_said_at_once(tmp_path):
    message = refused(tmp_path, "aspect = 'x'\nblind = 2\ntriangles = 1.5")
    assert len(message.splitlines()) == 3
