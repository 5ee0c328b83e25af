"""What the documents and the messages say of extras is what `pyproject.toml` offers; the wheel's page."""

import re
import runpy
import tomllib

import pytest

FOR_DEVELOPERS = {"test", "test-cuda", "lint", "bench", "docs"}
#: Where links of a README lead: pictures and files.
LINKS = re.compile(r"\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def extras(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return project["optional-dependencies"]


def named(text):
    """Extras in lines such as ``pip install ".[plot,torch]"`` and ``dislok[plot]``."""
    return {name for group in re.findall(r"(?:\.|dislok)\[([\w,-]+)\]", text) for name in group.split(",")}


def test_readme_names_every_extra_for_users_and_no_other(repository, extras):
    assert named((repository / "README.md").read_text()) == set(extras) - FOR_DEVELOPERS


def test_install_page_has_a_row_for_every_extra(repository, extras):
    page = (repository / "docs" / "install.rst").read_text()
    assert set(re.findall(r"^``([\w-]+)``  ", page, re.MULTILINE)) == set(extras)


def test_messages_and_documents_name_extras_that_exist(repository, extras):
    for folder in ("bindings", "inversion", "nn", "kernels", "docs", "tests"):
        for file in (repository / folder).rglob("*"):
            if file.suffix in (".py", ".rst", ".md") and "_build" not in file.parts:
                assert named(file.read_text()) <= set(extras), file


def test_info_names_extras_that_exist(extras):
    from dislok import info

    assert set(info.EXTRAS.values()) <= set(extras)


def test_the_extra_of_all_leaves_out_only_cards_and_developers(extras):
    cards = {"cuda12", "cuda13", "all"}
    assert named(str(extras["all"])) == set(extras) - FOR_DEVELOPERS - cards


@pytest.fixture(scope="module")
def setup(repository):
    return runpy.run_path(str(repository / "setup.py"), run_name="setup")


@pytest.mark.parametrize("home", ["", "https://example.org/team/dislok"])
def test_no_link_of_the_wheels_page_needs_the_checkout(repository, setup, home):
    page = setup["page"]((repository / "README.md").read_text(), home)
    links = LINKS.findall(page)
    assert all(link.startswith("https://") for link in links)
    assert ("](" in page) == bool(home) and "docs/accuracy.rst" in page
    for link in links:
        assert (repository / link.split("/HEAD/")[1]).is_file()


def test_addresses_of_the_project(repository, setup):
    assert setup["urls"]("") == {}
    for address in setup["urls"]("https://example.org/team/dislok").values():
        assert address.startswith("https://example.org/team/dislok")
        assert "HEAD" not in address or (repository / address.split("/HEAD/")[1]).is_file()
