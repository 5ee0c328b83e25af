"""The Makefile and the script of all checks say what they do and can be run."""

import os
import re
import shutil
import subprocess

import pytest


def test_help_of_make_names_every_target(repository):
    makefile = (repository / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())
    explained = set(re.findall(r'@echo "make ([\w-]+)', makefile))
    assert targets - explained == {"help", "wheel"}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["demo", "test", "test-all", "bench", "docs", "lint", "wheel-test"])
def test_every_target_can_be_made(repository, target):
    subprocess.run(["make", "--dry-run", target], cwd=repository, check=True, capture_output=True)


def test_the_script_of_all_checks_runs_each_of_them(repository):
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert {"lint", "test", "wheel-test"} <= set(re.findall(r"make ([\w-]+)", script.read_text()))
