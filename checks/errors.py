"""What is wrong with a declared check; never with a row: a bad row is data.

CheckDeclarationError   a rule, argument, field or schema file is wrong   the engineer
└── ContractMalformed   a contract file names what is not declared        the engineer
"""

from __future__ import annotations


class CheckDeclarationError(Exception):
    """A rule, argument, field or schema file that does not exist or does not fit."""

    retryable: bool = False
    owner: str = "engineer"
    usual_move: str = "Correct the declaration that the message names."


class ContractMalformed(CheckDeclarationError):
    """A contract file says something about a table or column that is not declared."""

    usual_move = "Correct the contract file that the message names."
