"""Earthquake sources from geodetic data.

- `dislok.inversion.fault`: rectangular faults from GNSS offsets and line-of-sight displacement.
- `dislok.inversion.mesh`: fault surfaces of triangles or rectangles.
- `dislok.inversion.slip`: slip on such faults, and their shape, from GNSS, InSAR and pixel offsets.
- `dislok.inversion.quadtree`: maps made small, with the covariance of what is kept.
- `dislok.inversion.gnss`: static offsets from displacement records, and tables of them.
- `dislok.inversion.events`: offsets of real earthquakes that come with dislok.
- `dislok.inversion.plot`: pictures of an inversion.
"""
