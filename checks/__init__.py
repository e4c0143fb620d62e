"""Checks of data: JSON Schemas, constraint and business rules, contracts, and their runners.

Independent of the stages: a check takes relations and declarations as arguments and returns which rows break which
rule. A reason never contains a value of a row.
"""
