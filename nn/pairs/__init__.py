"""Pairs of images of the ground before and after an earthquake, with the true displacement."""
