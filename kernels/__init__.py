"""Kernels: numbers in, numbers out; no checks, no framework, no units."""
