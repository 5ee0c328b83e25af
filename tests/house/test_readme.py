"""The first screen of the README runs, and its pictures are there."""

import re
from runpy import run_path

import numpy as np


def test_the_ten_lines_are_those_that_made_the_picture(repository):
    example = (repository / "docs" / "readme_example.py").read_text()
    assert example in (repository / "README.md").read_text()


def test_the_ten_lines_run(repository):
    run = run_path(str(repository / "docs" / "readme_example.py"))
    n = len(run["obs"])
    assert [run[name].shape for name in ("u", "strain", "jacobian")] == [(n, 3), (n, 6), (n, 3, 1, 10)]
    assert all(np.isfinite(run[name]).all() for name in ("u", "strain", "jacobian"))


def test_every_file_that_the_readme_names_is_there(repository):
    text = (repository / "README.md").read_text() + (repository / "CONTRIBUTING.md").read_text()
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    assert links and all((repository / link).is_file() for link in links)


def test_pictures_are_small(repository):
    pictures = list((repository / "docs" / "images").glob("*.png"))
    assert pictures and all(picture.stat().st_size < 300_000 for picture in pictures)
