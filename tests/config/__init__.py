"""Tests of the config room, and of the layers that bring files to it."""
