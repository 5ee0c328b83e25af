"""Configurations are read word by word; what is wrong is said before anything begins."""

import pytest

from dislok.nn.train.config import MODERN, Config, parse, read, words


def test_the_paper_is_the_default():
    config = parse({})
    assert config == Config()
    schedule = config.schedule
    assert (schedule.optimiser, schedule.rate, schedule.halve_every) == ("adam", 5e-4, 20)
    assert (schedule.epochs, schedule.steps, schedule.batch, config.data.crop) == (40, 1250, 32, 256)
    assert config.loss.weights == (6, 1, 1, 1, 1) and config.loss.relative == 0


def test_a_recipe_and_changes_on_top():
    config = parse({"recipe": "modern", "schedule": {"rate": 1, "stages": [[0.5, 2], [1.0, 4]]}})
    assert config.schedule.rate == 1.0 and config.schedule.optimiser == "adamw"
    assert config.schedule.stages == ((0.5, 2), (1.0, 4))
    assert config.data == MODERN.data


@pytest.mark.parametrize(
    "text, message",
    [
        ("recipe = 'old'", "recipe must be one of paper, modern, not 'old'"),
        ("[shedule]", "unknown word shedule; did you mean schedule?"),
        ("[schedule]\nrates = 1.0", "unknown word schedule.rates; did you mean schedule.rate?"),
        ("[run]\nxyz = 1", "unknown word run.xyz; there are out, seed"),
        ("schedule = 3", r"schedule must be a table, \[schedule\], not 3"),
        ("[schedule]\nbatch = 1.5", "schedule.batch must be a whole number, not 1.5"),
        ("[schedule]\nbatch = true", "schedule.batch must be a whole number, not True"),
        ("[schedule]\nbatch = 0", "schedule.batch must be positive, not 0"),
        ("[schedule]\nrate = nan", "schedule.rate must be positive, not nan"),
        ("[schedule]\nclip = -1", "schedule.clip must be zero or more, not -1"),
        ("[schedule]\noptimiser = 'sgd'", "schedule.optimiser must be one of adam, adamw, not 'sgd'"),
        ("[schedule]\nstages = [[2.0, 1]]", r"schedule.stages: \[2.0, 1\] is not a share"),
        ("[schedule]\nstages = [[0.5, 9]]", r"schedule.stages: \[0.5, 9\] is not a share"),
        ("[network]\nwidth = 'half'", "network.width must be a number, not 'half'"),
        ("[data]\nranges = [[1, 0]]", "data.ranges: from 1.0 to 0.0 is no range"),
        ("[data]\nranges = [[1, 2, 3]]", r"data.ranges\[0\] must be a list of 2"),
        ("[data]\ntextures = 'a.tif'", "data.textures must be a list, not 'a.tif'"),
        ("[data]\nkind = 'bank'", "data.folder must name the bank"),
        ("[network]\narchitecture = 'scarp'", "scarp refines what the engine found"),
        ("[loss]\nweights = [1, 2]", "loss.weights must have five numbers, not 2"),
        ("[run", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    path = tmp_path / "training.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(error.value).startswith(str(path))


def test_every_word_is_listed():
    listed = words()
    assert set(listed) == {"network", "data", "schedule", "loss", "run"}
    assert listed["schedule"]["rate"] == 5e-4
