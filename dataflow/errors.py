"""What can go wrong in the pipeline, whether trying again can help, and who acts.

DataFlowError
├── UsageError              the call's words are wrong                      exit 2   the caller
├── ConfigurationError      dataflow.toml or a variable is wrong or missing exit 2   the engineer
│   └── MappingError        a mapping names what its source does not have   exit 2   the engineer
├── SourceError             a source cannot be read                         exit 1
│   ├── SourceUnavailable   not reached, timed out, too busy                exit 1   retry helps
│   ├── SourceRefused       wrong secret, certificate or permission         exit 1   the engineer
│   ├── SourceMissing       a file, table or object is not there            exit 1   owner of the source
│   ├── SourceMalformed     it is there and is not what it claims to be     exit 1   owner of the source
│   └── SourceIncomplete    budget spent or fewer rows than promised        exit 4   run again later
├── SchemaDrift             unknown, missing or retyped columns             exit 1   the engineer
├── TooManyDeadLetters      more rows set aside than the limit allows       exit 3   the steward
├── ConservationError       rows in ≠ rows out + set aside + merged         exit 1   the engineer
├── GrainError              two rows with one key                           exit 1   the engineer
├── AuditRefused            the publication broke a contract or invariant   exit 3   the engineer
└── SinkError               a sink did not take the publication             exit 1   retry helps

Messages name what was being done, where, what was expected and found, and the next move; never a customer's value.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; every error class carries one."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    PARTIAL = 4


class DataFlowError(Exception):
    """Anything the pipeline refuses. `next_move` is the sentence that tells the reader what to do."""

    retryable: bool = False
    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, next_move: str = "") -> None:
        super().__init__(f"{message} {next_move}".rstrip())
        self.next_move = next_move


class UsageError(DataFlowError):
    exit_code = ExitCode.USAGE


class ConfigurationError(DataFlowError):
    exit_code = ExitCode.USAGE


class MappingError(ConfigurationError):
    pass


class SourceError(DataFlowError):
    pass


class SourceUnavailable(SourceError):
    """`retry_after_seconds` is how long the source asked to be left alone, where it did."""

    retryable = True
    retry_after_seconds: float | None = None


class SourceRefused(SourceError):
    """The source, or the check of its certificate, said no: the same call again gets the same answer."""


class SourceMissing(SourceError):
    pass


class SourceMalformed(SourceError):
    pass


class SourceIncomplete(SourceError):
    exit_code = ExitCode.PARTIAL


class SchemaDrift(DataFlowError):
    pass


class TooManyDeadLetters(DataFlowError):
    exit_code = ExitCode.REFUSED


class ConservationError(DataFlowError):
    pass


class GrainError(DataFlowError):
    pass


class AuditRefused(DataFlowError):
    """`failed` names every check that failed, with its table and counts."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, *, next_move: str = "", failed: tuple[str, ...] = ()) -> None:
        super().__init__(message, next_move=next_move)
        self.failed = failed


class SinkError(DataFlowError):
    retryable = True
