"""A demonstration on real input: `make demo`."""
