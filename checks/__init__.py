"""What must hold: JSON Schemas, constraint and business rules, contracts, and their runners.

Knows no stage: a check takes relations and declarations as arguments and says which rows break which rule. No reason
holds a value of a row.
"""
