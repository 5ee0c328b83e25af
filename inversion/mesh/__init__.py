"""Fault surfaces as patches of constant slip: triangulated meshes and grids of rectangles.

Examples
--------
>>> from dislok.inversion.mesh import listric, trace_mesh
>>> profile = listric(depth=12.0, dips=(65.0, 30.0))
>>> mesh = trace_mesh([[0.0, 0.0], [2.0, 10.0], [6.0, 20.0]], profile, patch=2.0)
>>> mesh.size, round(float(mesh.areas.sum()))
(180, 356)
"""

from .build import listric, merge, mesh_of_rectangle, refine, trace_mesh
from .files import read_mesh, read_mesh_values, write_mesh
from .grid import Grid
from .mesh import Mesh
from .operators import gradient, laplacian, mass
from .patches import Adjacency, Patches

__all__ = [
    "Adjacency",
    "Grid",
    "Mesh",
    "Patches",
    "gradient",
    "laplacian",
    "listric",
    "mass",
    "merge",
    "mesh_of_rectangle",
    "read_mesh",
    "read_mesh_values",
    "refine",
    "trace_mesh",
    "write_mesh",
]
