"""`dislok fault` and `dislok slip`: from a TOML file and files of data to a folder of results.

`run_fault` and `run_slip` do what the commands do; what files may say is in `keys`, one table of keys each.
"""

from .fault import run_fault
from .slip import run_slip

__all__ = ["run_fault", "run_slip"]
