"""Derivatives of torch tensors that go through compiled kernels; its modules need torch."""
