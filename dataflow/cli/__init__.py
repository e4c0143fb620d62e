"""The command line: answers on stdout, messages on stderr."""
