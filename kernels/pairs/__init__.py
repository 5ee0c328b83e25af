"""All pairs of an observer and a source, on the processor: one way from pairs to results for every family."""
