"""Slip on faults of patches from geodetic data."""
