"""Room: the Windows backend.  One file a DLL and subject; nothing is loaded before a call needs it."""
