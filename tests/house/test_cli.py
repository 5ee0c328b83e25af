"""The `dislok` command as a newcomer meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dislok import cli


def test_help_names_every_command(capsys):
    assert cli.main([]) == 0
    text = capsys.readouterr().out
    assert "dislok demo" in text and "info" in text


@pytest.mark.parametrize("command", ["demo", "info"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 6


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["inof"], "invalid choice: 'inof'"),
        (["demo", "sendai"], "invalid choice: 'sendai'"),
        (["info", "--yaml"], "unrecognized arguments: --yaml"),
    ],
)
def test_unknown_input_names_itself_and_exits_with_2(argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_demo_refuses_a_folder_it_cannot_make(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert cli.main(["demo", "--out", str(file / "folder")]) == 2
    assert f"cannot write to {file / 'folder'}" in capsys.readouterr().err


def test_demo_without_matplotlib_names_the_line_that_installs_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 2
    assert 'pip install "dislok[plot]"' in capsys.readouterr().err


def test_info_as_json_holds_what_a_bug_report_needs(capsys):
    assert cli.main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["numpy"] and facts["packages"]["numba"]
    assert facts["threads"] >= 1 and facts["vector_bits"] in (64, 128, 256, 512)
    assert facts["backends"][0]["usable"], facts["backends"]
    for backend in facts["backends"]:
        assert backend["usable"] or backend["reason"]


def test_info_for_people(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    assert "Backends" in text and "threads" in text


def test_info_names_what_is_missing(monkeypatch):
    from dislok import info

    monkeypatch.setitem(info.PACKAGES, "torch", ("no-such-distribution",))
    facts = info.collect()
    assert facts["packages"]["torch"] is None
    assert any(
        "not installed" in line and 'pip install "dislok[torch]"' in line for line in info.lines(facts)
    )


def test_the_installed_script_runs():
    script = Path(sys.executable).with_name("dislok")
    out = subprocess.run([script, "--version"], check=True, capture_output=True, text=True).stdout
    assert out.startswith("dislok ")


@pytest.mark.parametrize("words", [["--help"], [], ["flow", "--help"], ["info"]])
def test_a_pipe_that_closes_early_is_no_traceback(words):
    script = Path(sys.executable).with_name("dislok")
    # As for most users: what is printed waits in a buffer until the end.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    run = subprocess.Popen(
        [script, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    assert run.stdout is not None and run.stderr is not None
    run.stdout.close()  # long before Python has started
    assert run.stderr.read() == ""
    run.stderr.close()
    run.wait()
