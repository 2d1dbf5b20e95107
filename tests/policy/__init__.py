"""Tests of the policy room: uses, attacks, and properties that hold for every policy."""
