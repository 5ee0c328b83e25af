"""Rectangular and point dislocations in a half-space (Okada 1992)."""
