"""The facades' own code, called through the real calling convention with functions of ours behind it."""
