"""The Windows security model, executable on any operating system: SIDs, ACLs, descriptors, tokens, access checks.

Pure and of the standard library only.  Each module says which document it follows; `docs/nt-model.md` says how each was
tested, and against what.  Import the modules, not this package: it is empty on purpose.
"""
