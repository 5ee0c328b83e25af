"""Displacement between two satellite images, and synthetic earthquakes to learn it from.

Importing this package loads neither torch nor rasterio; modules load when they are first used.
"""
