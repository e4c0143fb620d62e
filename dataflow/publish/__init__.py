"""Build the published tables from golden records, audit and commit them."""

from dataflow.publish.build import build, compile_builders
from dataflow.publish.commit import Publication, commit
from dataflow.publish.content import content_hash
from dataflow.publish.diff import Diff, diff, diff_staged

__all__ = [
    "Diff",
    "Publication",
    "build",
    "commit",
    "compile_builders",
    "content_hash",
    "diff",
    "diff_staged",
]
