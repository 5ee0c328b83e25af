"""The matching engine: search, carry across the fault, refine."""
