"""Ground displacement between two satellite images, and the synthetic earthquakes that teach how to measure it.

Importing this package loads neither torch nor rasterio; modules load when they are first used.
"""
