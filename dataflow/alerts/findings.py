"""What a run found: the causes that it saw, and those that it would have seen and did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from checks.errors import CheckDeclarationError
from dataflow.alerts.incidents import open_incidents
from dataflow.errors import AuditRefused, ConfigurationError, DataFlowError, Owner, SinkError, SourceIncomplete
from dataflow.publish.baselines.publication import RULE, UNUSUAL_FACT
from dataflow.run.session import RunSession
from dataflow.settings import Settings
from dataflow.tables.ops.runs import PUBLISHING_KINDS
from dataflow.workspace.report import BEHIND_FACT, GAP_FACT, StepReport
from dataflow.workspace.run_row import CRASHED, CrashedRun
from lakehouse import LakeError

About = tuple[str, str]
"""The object that an incident is about, and its cause."""

LAKE: About = ("lake", "lake")
AUDIT: About = ("publication", "audit")
CONFIGURATION: About = ("dataflow.toml", "configuration")

_STATES = {CRASHED: "crashed", "late": "did not begin in time", "stuck": "has not ended in its time"}
_LONGEST_SUMMARY = 1_000
_KNOWN = (DataFlowError, LakeError, CheckDeclarationError)
_GAPS = {
    "land": ("landing", "SourceIncomplete"),
    "check": ("check", "Incomplete"),
    "validate": ("validation", "ObjectHeldBack"),
}


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A cause that was seen."""

    rule: str
    about: About
    severity: str
    owner: str
    summary: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", self.summary[:_LONGEST_SUMMARY])


@dataclass(frozen=True, kw_only=True)
class Found:
    """The findings of a run, and what it looked at and found in order."""

    run_id: str
    sightings: tuple[Sighting, ...] = ()
    in_order: frozenset[About] = field(default=frozenset())


def found_without_lake(error: Exception) -> Found:
    """Return what a run found that could not begin."""
    return Found(run_id="", sightings=tuple(_of_error(error, runs_of("run"))))


def found_by(session: RunSession, error: Exception | None, settings: Settings) -> Found:
    """Return what a run found, with the error that ended it."""
    runs = runs_of(session.run.kind)
    findings = [
        *_of_landing(session, settings),
        *_of_reports(session.reports, settings, without=set(session.landing.failed)),
        *_of_crashes(session.crashed_runs),
    ]
    if error is not None and not session.landing.explains(error):
        findings += _of_error(error, runs)
    unique = {(one.rule, one.about): one for one in findings}
    return Found(
        run_id=session.run.run_id,
        sightings=tuple(unique.values()),
        in_order=frozenset(_looked_at(session, error) - {one.about for one in unique.values() if one.rule != CRASHED}),
    )


def found_crashed(runs: Iterable[CrashedRun]) -> Found:
    """Return what is found of crashed runs before a run records them."""
    return Found(run_id="", sightings=tuple(_of_crashes(runs)))


def found_in_state(state: str, kind: str, *, run_name: str) -> Found:
    """Return what Prefect saw of a run: `state` is crashed, late or stuck."""
    sighting = Sighting(
        rule=state,
        about=runs_of(kind),
        severity="warning" if state == "late" else "error",
        owner=str(Owner.ENGINEER),
        summary=f"The run {run_name} of the flow {kind} {_STATES[state]}.",
    )
    return Found(run_id="", sightings=(sighting,))


def runs_of(kind: str) -> About:
    """Return what a failure of a run of this kind is about: a later run that does the same work heals it."""
    return ("publishing runs" if kind in PUBLISHING_KINDS else "landing runs", "run")


def _looked_at(session: RunSession, error: Exception | None) -> set[About]:
    """Return what the run got to: without a finding about it, it is in order."""
    looked: set[About] = {LAKE}
    if error is None:
        looked |= {CONFIGURATION, runs_of(session.run.kind)}
        if session.run.kind in PUBLISHING_KINDS:
            looked |= {AUDIT, runs_of("ingest")}
            # A rule that was taken back has nothing left to break.
            looked |= {(one.object, "audit") for one in open_incidents(session.known_events).values()}
    looked |= {(".".join(name), "landing") for name in session.landing.attempted}
    for report in session.reports:
        if report.stage == "sink":
            looked.add((report.subject, "sink"))
        elif report.stage in ("check", "validate"):
            looked.add((_object_of(report), _GAPS[report.stage][0]))
        looked |= {(name, RULE) for name in report.facts.get(UNUSUAL_FACT, ())}
    return looked


def _of_landing(session: RunSession, settings: Settings) -> Iterator[Sighting]:
    for name, error in session.landing.failed.items():
        owner = getattr(error, "owner", Owner.ENGINEER)
        yield Sighting(
            rule=type(error).__name__,
            about=(".".join(name), "landing"),
            severity="warning" if isinstance(error, SourceIncomplete) else "error",
            owner=_owner_of_object(".".join(name), settings) or str(owner),
            summary=_text_of(error),
        )


def _of_reports(
    reports: Sequence[StepReport], settings: Settings, *, without: set[tuple[str, str]]
) -> Iterator[Sighting]:
    for report in reports:
        if behind := report.facts.get(BEHIND_FACT):
            yield Sighting(
                rule=SinkError.__name__,
                about=(report.subject, "sink"),
                severity="error",
                owner=str(Owner.ENGINEER),
                summary=f"The sink {report.subject} was not updated: {behind}",
            )
        yield from _of_baselines(report, settings)
        gap = report.facts.get(GAP_FACT)
        if gap is None or report.stage not in _GAPS or tuple(_object_of(report).split(".", 1)) in without:
            continue
        cause, rule = _GAPS[report.stage]
        name = _object_of(report)
        yield Sighting(
            rule=rule,
            about=(name, cause),
            severity="error" if report.stage == "validate" else "warning",
            owner=_owner_of_object(name, settings) or str(Owner.SOURCE),
            summary=f"{name}: {gap}",
        )


def _of_baselines(report: StepReport, settings: Settings) -> Iterator[Sighting]:
    for name, texts in report.facts.get(UNUSUAL_FACT, {}).items():
        if texts:
            yield Sighting(
                rule=RULE,
                about=(name, RULE),
                severity="warning",
                owner=_owner_of_object(name, settings) or str(Owner.SOURCE),
                summary=f"Not as usual: {'; '.join(texts)}",
            )


def _of_crashes(runs: Iterable[CrashedRun]) -> Iterator[Sighting]:
    for run in runs:
        yield Sighting(
            rule=CRASHED,
            about=runs_of(run.kind),
            severity="error",
            owner=str(Owner.ENGINEER),
            summary=f"Run {run.run_id} crashed: {run.message}",
        )


def _of_error(error: Exception, runs: About) -> Iterator[Sighting]:
    owner = str(getattr(error, "owner", Owner.ENGINEER))
    # Of a wrong command, or a lake that another run holds, the caller has the answer already.
    if owner == Owner.CALLER:
        return
    if isinstance(error, AuditRefused):
        yield from _of_rules(error)
        if error.broken and len(error.broken) == len(error.failed):
            return
    about = runs
    if isinstance(error, LakeError):
        about = LAKE
    elif isinstance(error, AuditRefused):
        about = AUDIT
    elif isinstance(error, ConfigurationError | CheckDeclarationError):
        about = CONFIGURATION
    yield Sighting(
        rule=type(error).__name__,
        about=about,
        severity="critical" if about == LAKE else "error",
        owner=owner,
        summary=_text_of(error),
    )


def _of_rules(error: AuditRefused) -> Iterator[Sighting]:
    for one in error.broken:
        yield Sighting(
            rule=one.rule,
            about=(one.on, "audit"),
            severity="error",
            owner=one.owner or str(error.owner),
            summary=f"The publication was refused: {one.found}",
        )


def _text_of(error: Exception) -> str:
    """Return the message of an error of ours; that of any other can quote a row."""
    return str(error) if isinstance(error, _KNOWN) else f"unexpected {type(error).__name__}"


def _object_of(report: StepReport) -> str:
    # The subject of a landing is its window.
    return report.subject.partition(" ")[0]


def _owner_of_object(name: str, settings: Settings) -> str:
    source, _, of_source = name.partition(".")
    declared = settings.sources.get(source)
    found = declared.objects.get(of_source) if declared else None
    return found.owner if found else ""
