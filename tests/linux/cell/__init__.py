"""Tests of a cell on the running kernel: life, layers, secrets, sockets, commands, limits."""
