"""Displacement maps from image files of any size, and what is measured on them."""
