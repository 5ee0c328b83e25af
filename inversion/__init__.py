"""Earthquake sources from geodetic data.

- `dislok.inversion.fault`: rectangular faults from GNSS offsets and line-of-sight displacement.
- `dislok.inversion.gnss`: static offsets from displacement records, and tables of them.
- `dislok.inversion.events`: offsets of real earthquakes that come with dislok.
- `dislok.inversion.plot`: pictures of an inversion.
"""
