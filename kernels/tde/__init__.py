"""Triangular dislocations in a half-space or a full space."""
