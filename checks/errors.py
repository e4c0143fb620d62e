"""Errors of declared checks. A bad row is data and never an error.

CheckDeclarationError   a rule, argument, field or schema file is wrong   the engineer
└── ContractMalformed   a contract file names an undeclared column        the engineer
"""

from __future__ import annotations


class CheckDeclarationError(Exception):
    """A rule, argument, field or schema file that does not exist or does not fit."""

    retryable: bool = False
    owner: str = "engineer"
    usual_move: str = "Correct the declaration that the message names."


class ContractMalformed(CheckDeclarationError):
    """A contract file names a table or column that is not declared."""

    usual_move = "Correct the contract file that the message names."
