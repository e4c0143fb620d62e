"""Who is who: from customer records to permanent customers."""

from dataflow.resolve.step import resolve

__all__ = ["resolve"]
