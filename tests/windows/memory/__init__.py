"""A Windows in memory, behind the facades' own Protocols: what set-up, status and uninstall change, and who may."""
