"""Where compiled code is kept between runs."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def separate() -> None:
    """Give Numba a cache folder named after the kernels' sources, unless the caller chose one.

    Numba's cache does not see that a formula imported from another file has changed.
    """
    digest = hashlib.sha256()
    for path in sorted((ROOT / "kernels").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba_cache" / digest.hexdigest()[:16]))
