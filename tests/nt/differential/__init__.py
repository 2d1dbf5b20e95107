"""Other engines as oracles: the same random question to both, every class of difference named and judged."""
