"""Room: what was run, under which promises, and how it ended: an append-only log that shows when it was changed.

Knows: events, their one line of JSON, the chain of hashes.  Must not know: policies' meaning, platforms, the command
line's words.
"""
