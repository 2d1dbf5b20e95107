"""Tests that run in a Windows Python: under Wine from ``tests/windows/test_lane.py``, and on Windows itself."""
