"""From golden customers to what readers see: build the tables, audit and commit them, feed the sinks."""

from dataflow.publish.build import build
from dataflow.publish.commit import Publication, commit
from dataflow.publish.content import content_hash

__all__ = ["Publication", "build", "commit", "content_hash"]
