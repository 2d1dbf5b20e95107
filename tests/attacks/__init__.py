"""The project's own attack suite for Linux: one test a row of `docs/attacks.md`, judged from outside the sandbox."""
