"""Tests of the plan: pure, on machines and disks that are only data."""
