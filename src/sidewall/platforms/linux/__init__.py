"""Room: Linux.  One file a facility; ``init`` is the program inside a cell, ``cell`` the owner's handle on it."""
