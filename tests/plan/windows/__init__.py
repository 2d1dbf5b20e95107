"""Tests of the Windows plan: pure, on machines and worlds that are only data."""
