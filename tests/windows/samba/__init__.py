"""Access lists on a real Samba server, which keeps descriptors and enforces them for every client."""
