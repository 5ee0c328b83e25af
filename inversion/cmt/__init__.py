"""Centroid moment tensors from high-rate GNSS displacement, static offsets and accelerometer records."""
