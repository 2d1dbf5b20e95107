"""Tests of the Windows security model: uses, attacks, vectors, properties, other engines as oracles."""
