"""The facades' declarations against Microsoft's own description of the Windows API (win32metadata)."""
