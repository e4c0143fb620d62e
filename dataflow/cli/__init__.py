"""The command line: the one edge that sees everything. Words go to stderr, answers to stdout."""
