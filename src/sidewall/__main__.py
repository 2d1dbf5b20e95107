"""``python -P -m sidewall``: the command line without the console script.

Without ``-P`` Python itself puts the current directory in front of its import path, and that directory is the
workspace: a command may have left a ``sidewall`` package there, which would be found before this file.  From here on
the workspace is off the path; only ``-P`` (or the console script) closes the gap before it.

Knows: the import path.  Must not know: any verb.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

from sidewall.cli.main import entry

if __name__ == "__main__":
    entry()
