"""Seismograms and static displacement in layered half-spaces."""
