"""Errors of the pipeline: whether a retry can help, the exit code, and who acts.

DataFlowError
├── UsageError              the command or call is wrong                    exit 2   the caller
├── ConfigurationError      dataflow.toml or a variable is wrong or absent  exit 2   the engineer
│   └── MappingError        a mapping names what its source does not have   exit 2   the engineer
├── AccessRefused           the reader's role may not see what was asked    exit 2   the engineer
│   └── MartDiffers         a role mart is not the one its role declares    exit 2   the engineer
├── SourceError             a source cannot be read                         exit 1   the engineer
│   ├── SourceUnavailable   not reached, timed out or too busy              exit 1   the source's owner, retry helps
│   ├── SourceRefused       wrong secret, certificate or permission         exit 1   the engineer
│   ├── SourceMissing       a file, table or object does not exist          exit 1   the source's owner
│   ├── SourceMalformed     it exists, but not in the expected format       exit 1   the source's owner
│   └── SourceIncomplete    budget spent or fewer rows than promised        exit 4   the source's owner
├── ObjectHeldBack          rows of an object cannot be told apart          exit 4   the engineer
├── SchemaDrift             unknown, missing or retyped columns             exit 1   the engineer
├── ConservationError       rows in ≠ rows out + set aside + merged         exit 1   the engineer
├── GrainError              two rows with one key                           exit 1   the engineer
├── AuditRefused            the publication broke a contract or invariant   exit 3   the engineer
├── SinkError               a sink was not updated to the publication       exit 1   the engineer, retry helps
│   ├── WarehouseDiffers    its tables would not hold what the lake has     exit 1   the engineer
│   ├── AccessDiffers       who may read it is not as declared              exit 1   the engineer
│   └── SinkTimeout         a sink did not answer within its timeout        exit 1   the engineer
├── AccessLogError          the access log does not hold what it should     exit 1   the engineer
│   ├── AccessLogUnwritable it cannot be written, so nothing is read        exit 1   the engineer, retry helps
│   └── AccessLogDamaged    an entry was changed, removed, inserted or cut  exit 1   the engineer
├── StepDefect              a step failed with an unexpected error          exit 1   the engineer
├── OutOfMemory             a step needed more memory than its limit        exit 1   the engineer
├── OrchestratorUnavailable no Prefect server is set, or it did not deploy  exit 1   the engineer, retry helps
├── ShareLost               a worker pool did not answer for its windows    exit 1   the engineer, retry helps
├── ShareOver               the backfill of a share of windows has ended    exit 1   the engineer
├── ChunkFailed             a worker pool did not score a chunk of pairs    exit 1   the engineer, retry helps
└── BenchmarkFailed         a command of the benchmark failed               exit 1   the engineer

Packages that this one imports have error trees of their own, with the same attributes:
LakeError (lakehouse/errors.py): LakeLocked, LakeConflict, LakeUnreachable, LakeUnwritable, LakeIncompatible,
    MessageTooLarge, SnapshotNotFound, TableNotFound
CheckDeclarationError (checks/errors.py): ContractMalformed

Messages name what was being done, where, what was expected and found, and the next move; never a customer's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; every error class carries one."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    PARTIAL = 4


class Owner(StrEnum):
    """Who acts on an error."""

    CALLER = "caller"
    ENGINEER = "engineer"
    SOURCE = "source's owner"


class DataFlowError(Exception):
    """The root of the pipeline's errors.

    `next_move` is the sentence that says what to do; `usual_move` is the one of the class, where an error has none.
    """

    retryable: bool = False
    exit_code: ExitCode = ExitCode.FAILED
    owner: Owner = Owner.ENGINEER
    usual_move: str = "Read the message, correct the cause and run again."

    def __init__(self, message: str, *, next_move: str = "") -> None:
        super().__init__(f"{message} {next_move}".rstrip())
        self.message = message
        self.next_move = next_move


class UsageError(DataFlowError):
    """The command or call is wrong."""

    exit_code = ExitCode.USAGE
    owner = Owner.CALLER
    usual_move = "Correct the command; `--help` shows an example."


class ConfigurationError(DataFlowError):
    """dataflow.toml or a variable is wrong or missing."""

    exit_code = ExitCode.USAGE
    usual_move = "Correct the setting that the message names; `dataflow describe setting` lists them."


class MappingError(ConfigurationError):
    """A mapping names what its source or target does not have."""

    usual_move = "Correct the mapping; `dataflow describe operator` and `dataflow describe table` list what exists."


class AccessRefused(DataFlowError):
    """The reader's role may not see what was asked for."""

    exit_code = ExitCode.USAGE
    usual_move = "`dataflow describe role NAME` shows what a role sees; access.users of dataflow.toml gives roles."


class MartDiffers(AccessRefused):
    """A role's mart is missing, or is not of its present declaration, lake or key."""

    usual_move = "The next `dataflow run` writes the marts; a user who reads the lake's files writes it when reading."


class SourceError(DataFlowError):
    """A source cannot be read."""

    usual_move = "Run `dataflow doctor`, which probes each source."


class SourceUnavailable(SourceError):
    """The source was not reached, timed out or is too busy.

    `retry_after_seconds` is the wait that the source asked for, if it did.
    """

    retryable = True
    owner = Owner.SOURCE
    usual_move = "Run again later; if it fails again, ask the source's owner."
    retry_after_seconds: float | None = None


class SourceRefused(SourceError):
    """The source refused the call, or its certificate failed the check; a retry gets the same answer."""

    usual_move = "Correct the secret, certificate or permission, then run `dataflow doctor`."


class SourceMissing(SourceError):
    """A file, table or object does not exist."""

    owner = Owner.SOURCE
    usual_move = "Have it delivered, or correct its declaration in dataflow.toml."


class SourceMalformed(SourceError):
    """A file, table or answer exists, but not in the expected format."""

    owner = Owner.SOURCE
    usual_move = "Have it delivered again."


class SourceIncomplete(SourceError):
    """The budget of calls is spent, or fewer rows came than were announced; the next run reads the rest."""

    exit_code = ExitCode.PARTIAL
    owner = Owner.SOURCE
    usual_move = "Run again later: the next run continues where this one stopped."


class ObjectHeldBack(DataFlowError):
    """An object is held back: its key is not unique, or not the key of its rows in raw. The others go on."""

    exit_code = ExitCode.PARTIAL
    usual_move = "Correct the key in dataflow.toml; what was published of the object stays."


class SchemaDrift(DataFlowError):
    """A source has unknown, missing or retyped columns and its declaration freezes them."""

    usual_move = "Look with `dataflow drift list`, then `dataflow drift accept SOURCE OBJECT`."


class ConservationError(DataFlowError):
    """Rows in differ from rows out + set aside + merged."""

    usual_move = "Nothing was published; report it as a defect of the step."


class GrainError(DataFlowError):
    """Two rows have the same key."""

    usual_move = "Nothing was published; correct the key of the object or mapping that the message names."


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """A rule of the company that stopped a publication: of which object or table, who acts, what was found."""

    rule: str
    on: str
    owner: str
    found: str


@dataclass(frozen=True, kw_only=True)
class FailedCheck:
    """A check that stopped a publication: of which table or object and column, and how many rows break it.

    `categories` are the commonest values among them with their counts, never of a column with a class of personal data;
    `settles` is the line of configuration that would settle it, empty where none would.
    """

    check: str
    on: str
    column: str = ""
    rows: int | None = None
    categories: tuple[tuple[str, int], ...] = ()
    settles: str = ""

    def __str__(self) -> str:
        """Return what the message adds to the check: its commonest values, and what settles it."""
        values = ", ".join(f"{value} ({count:,})" for value, count in self.categories)
        named = f"{self.on}: {self.column} has {values}. " if values else ""
        return f"{named}{f'To settle it, {self.settles}.' if self.settles else ''}".rstrip()


class AuditRefused(DataFlowError):
    """The publication broke a contract, invariant or rule.

    `failed` names each check that failed, with table and counts; `broken` are those among them that are rules; `checks`
    explains each.
    """

    exit_code = ExitCode.REFUSED
    usual_move = "The lake is as it was. Look at the named tables' stages in the run report, then run again."

    def __init__(
        self,
        message: str,
        *,
        next_move: str = "",
        failed: tuple[str, ...] = (),
        broken: tuple[BrokenRule, ...] = (),
        checks: tuple[FailedCheck, ...] = (),
    ) -> None:
        # Checks of one cause, such as those of two tables, can say the same.
        explained = " ".join(dict.fromkeys(filter(None, map(str, checks))))
        super().__init__(f"{message} {explained}".rstrip(), next_move=next_move)
        self.failed = failed
        self.broken = broken
        self.checks = checks


class SinkError(DataFlowError):
    """A sink was not updated; the publication is committed, and the next run updates the sink."""

    retryable = True
    usual_move = "Repair the sink (`dataflow doctor`) and run again, even with nothing new."
    cost: Mapping[str, object] | None = None
    """What the sink has used of a service that bills by use, until it failed."""


class WarehouseDiffers(SinkError):
    """A check in the transaction found other rows than the lake's; it was rolled back."""

    retryable = False
    usual_move = "Its tables were changed by hand: `dataflow sinks adopt warehouse` empties it; then run again."


class AccessDiffers(SinkError):
    """Row policies, tags, views or grants of the warehouse are not those that the settings declare."""

    retryable = False
    usual_move = "`dataflow warehouse plan` lists the differences, `dataflow warehouse apply` corrects them."


class SinkTimeout(SinkError):
    """A sink did not answer within its timeout. An immediate retry would wait as long; its lease can still be held."""

    retryable = False
    usual_move = "Find what it waits for, or raise sinks.timeout_seconds; the next run updates it."


class AccessLogError(DataFlowError):
    """The access log does not hold what it should."""

    usual_move = "Run `dataflow audit verify`."


class AccessLogUnwritable(AccessLogError):
    """The access log cannot be written, so the read is refused."""

    retryable = True
    usual_move = "Free space on the disk of the access log or give this user write access, then run again."


class AccessLogDamaged(AccessLogError):
    """An entry of the access log was changed, removed, inserted or cut off."""

    usual_move = "Keep the log as evidence; `dataflow audit verify` names the entries."


class StepDefect(DataFlowError):
    """A step failed with an unexpected error."""

    usual_move = "Run again with `dataflow --debug` to see the whole error (it can show customer data), and report it."


class OutOfMemory(DataFlowError):
    """A step needed more memory than its limit."""

    usual_move = "Raise lake.memory_limit, lower lake.threads, or load fewer days at once with `dataflow backfill`."


class OrchestratorUnavailable(DataFlowError):
    """No Prefect server is set, or it did not take the deployments."""

    retryable = True
    usual_move = "Set PREFECT_API_URL to the server that the workers ask, and deploy again."


class ShareLost(DataFlowError):
    """A worker pool did not answer for its share of windows."""

    retryable = True
    usual_move = "Look at the pool's workers in Prefect; the next run reads the windows again."


class ShareOver(DataFlowError):
    """The backfill that this share of windows belongs to has ended and no longer waits for it."""

    usual_move = "Nothing to do: a later backfill creates its own shares."


class ChunkFailed(DataFlowError):
    """A worker pool did not score a chunk of pairs."""

    retryable = True
    usual_move = "Look at the pool's workers in Prefect, then run again."


class BenchmarkFailed(DataFlowError):
    """A command of the benchmark failed."""

    usual_move = "Run the command of the message by itself."
