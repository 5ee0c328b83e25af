"""Kernels on images: interpolation and matching, on planes of float32 or float64 numbers."""
