"""Networks that measure displacement."""
