"""Room: the command line.  One file a verb: parse, call, print.

Knows: words, options, exit codes, terminals.  Must not know: how a policy, a plan or a cell works.  Nothing imports
this room.
"""
