"""Run the command line as `python -m dataflow.cli`, for where the script is not on the path."""

from dataflow.cli.main import main

main()
