"""The page of the built package: the README, with links that lead somewhere away from the checkout.

`make wheel REPOSITORY=https://...` names where the sources are published: links become absolute, and the
package says where it comes from. Without it pictures are left out and links to files become plain words.
"""

import os
import re
from pathlib import Path

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def page(readme: str, repository: str) -> str:
    """The README for readers who have no checkout; `repository` is an address or empty."""

    def absolute(link: re.Match) -> str:
        picture, words, path = link.groups()
        if repository:
            return f"{picture}[{words}]({repository}/{'raw' if picture else 'blob'}/HEAD/{path})"
        return "" if picture else words

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(absolute, readme))


def urls(repository: str) -> dict[str, str]:
    """The project's addresses, as package indexes show them; `repository` is an address or empty."""
    if not repository:
        return {}
    files = {"Documentation": "docs/index.rst", "Changelog": "CHANGELOG.md"}
    return {"Source": repository} | {name: f"{repository}/blob/HEAD/{file}" for name, file in files.items()}


if __name__ == "__main__":
    from setuptools import Distribution, setup

    class Package(Distribution):
        """For one platform where machine code comes along (`make wheel-native`)."""

        def has_ext_modules(self) -> bool:
            return any(Path("kernels/code").rglob("*.code"))

    home = os.environ.get("DISLOK_REPOSITORY", "").rstrip("/")
    setup(
        long_description=page(Path("README.md").read_text(encoding="utf-8"), home),
        long_description_content_type="text/markdown",
        project_urls=urls(home),
        distclass=Package,
    )
