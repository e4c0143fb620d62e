"""A MySQL or MariaDB database as a source, preferably a read replica."""

from dataflow.sources.mysql.adapter import MySQLSource

__all__ = ["MySQLSource"]
