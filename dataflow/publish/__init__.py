"""Build the published tables from golden records, audit and commit them."""

from dataflow.publish.build import build
from dataflow.publish.commit import Publication, commit
from dataflow.publish.content import content_hash
from dataflow.publish.diff import Diff, diff, diff_staged

__all__ = [
    "Diff",
    "Publication",
    "build",
    "commit",
    "content_hash",
    "diff",
    "diff_staged",
]
