"""Tests of the Windows backend; what needs a Windows is skipped by name elsewhere."""
