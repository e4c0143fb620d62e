"""review: list, explain and decide the pairs of records of which the model is uncertain."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import Output, OutputOption, open_door, open_door_to_decide, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.access.door import Door
    from dataflow.govern.review.decisions import Decision
    from dataflow.govern.review.review import Case, ReviewPair
    from dataflow.resolve.judgements.explain import Explanation
    from dataflow.resolve.judgements.messages import JudgementsNow

_BAR_WIDTH = 44

PairArgument = Annotated[str, typer.Argument(help="Id of the pair, or its beginning; with --with, one of the records.")]
WithOption = Annotated[str | None, typer.Option("--with", help="The other record; PAIR is then source|object|key.")]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who decides; default: the logged-in user.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason; kept with the judgement.")]


class Verdict(StrEnum):
    """The judgement of a pair."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"


class Purpose(StrEnum):
    """What the decisions are used for."""

    CUSTOMERS = "customers"
    TRAINING = "training"


def register(app: typer.Typer) -> None:
    review = typer.Typer(
        help="Clerical review of uncertain pairs: list, explain, decide, also during a run; the next run applies it.",
        no_args_is_help=True,
    )
    review.command("list")(list_waiting)
    review.command("show")(show)
    review.command("decide")(decide)
    review.command("undo")(undo)
    review.command("decided")(decided)
    app.add_typer(review, name="review")


def list_waiting(
    context: typer.Context,
    purpose: Annotated[
        Purpose,
        typer.Option("--for", help="customers: most valuable first; training: most useful for the model first."),
    ] = Purpose.CUSTOMERS,
    entity_type: Annotated[
        str | None, typer.Option("--type", help="Only pairs of this type: person or company.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only pairs queued for this reason.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the pairs that wait for a decision, most valuable first.

    The value is the uncertainty of the model, times orders, revenue and records at stake, times the time waited.

    Example:  dataflow review list --reason "weak bridge" -o json
    """
    from dataflow.govern.review.review import list_pairs
    from dataflow.govern.review.training import list_for_training

    now = datetime.now(UTC)
    if purpose is Purpose.TRAINING and (entity_type or reason):
        raise UsageError("--type and --reason choose from the review queue, which --for training does not use.")
    with _reading(context) as (door, judgements):
        con = door.con
        if purpose is Purpose.TRAINING:
            found = list_for_training(con, now=now, limit=limit, judgements=judgements)
        else:
            found = list_pairs(con, now=now, entity_type=entity_type, reason=reason, limit=limit, judgements=judgements)
    if output is Output.TABLE:
        write_records([_row(pair) for pair in found], output=output, title="Pairs to review")
        messages.print(
            "`dataflow review show PAIR` explains one; `dataflow review decide PAIR same|different --why …` decides it."
        )
    else:
        write_records([asdict(pair) for pair in found], output=output)


def show(
    context: typer.Context, pair: PairArgument, other: WithOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show both records of a pair, the model's explanation and the judgements so far. Shows customer data.

    Example:  dataflow review show 3f2a91
    """
    from dataflow.govern.review.review import show_pair

    if output is Output.CSV:
        raise UsageError("A pair has several parts and cannot be one CSV.", next_move="Use -o json.")
    large = settings_of(context).resolve.second_person_from_records
    with _reading(context) as (door, judgements):
        case = show_pair(door.con, _named(pair, other), large=large, judgements=judgements)
        door.recorder.about([str(customer["customer_id"]) for customer in case.customers])
    if output is Output.JSON:
        explained = case.explanation.as_dict() if case.explanation else None
        write_json(asdict(case) | {"explanation": explained, "reason_text": case.reason_text})
    else:
        _write_case(case)


def decide(
    context: typer.Context,
    pair: PairArgument,
    verdict: Annotated[Verdict, typer.Argument(help="What the two records are.")],
    why: WhyOption,
    who: WhoOption = None,
    other: WithOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Judge a pair; the next run applies the judgement. It outranks the model, also after retraining.

    Works while a run is going on, and is shown as waiting until the next run. Two large customers are merged only after
    a second person has judged the same.

    Example:  dataflow review decide 3f2a91 same --why "called both numbers, one person"
    """
    _write_decision(_decide(context, _named(pair, other), verdict.value, who=who, why=why), output=output)


def undo(
    context: typer.Context,
    pair: PairArgument,
    why: WhyOption,
    who: WhoOption = None,
    other: WithOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Withdraw the judgement on a pair: the next run decides by the model again. The judgement stays on record.

    Example:  dataflow review undo 3f2a91 --why "the number was given to another customer"
    """
    _write_decision(_decide(context, _named(pair, other), "withdrawn", who=who, why=why), output=output)


def decided(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the judgements, newest first: who, when, why, whether it is in force, whether it waits for the next run.

    Example:  dataflow review decided -o csv
    """
    from dataflow.govern.review.decisions import list_judgements

    with _reading(context) as (door, judgements):
        found = list_judgements(door.con, limit=limit, judgements=judgements)
    write_records(found, output=output, title="Judgements")


@contextmanager
def _reading(context: typer.Context) -> Iterator[tuple[Door, JudgementsNow]]:
    """Open the published lake; yield the door, and the judgements with the waiting ones applied."""
    from dataflow.govern.review.review import READS
    from dataflow.resolve.judgements.messages import lay_over_judgements

    with open_door(context, "review", reads=READS) as door:
        yield door, lay_over_judgements(door.con, door.waiting)


def _named(pair: str, other: str | None) -> list[str]:
    return [pair] if other is None else [pair, other]


def _decide(context: typer.Context, named: list[str], verdict: str, *, who: str | None, why: str) -> Decision:
    from dataflow.govern.review.decisions import decide_pair
    from dataflow.govern.review.review import READS
    from dataflow.resolve.judgements.messages import lay_over_judgements

    settings = settings_of(context)
    with open_door_to_decide(context, "review", reads=READS) as (door, inbox):
        return decide_pair(
            door.con,
            inbox,
            named,
            verdict,
            who=who or getpass.getuser(),
            why=why,
            now=datetime.now(UTC),
            large=settings.resolve.second_person_from_records,
            judgements=lay_over_judgements(door.con, door.waiting),
        )


def _write_decision(decision: Decision, *, output: Output) -> None:
    if output is not Output.TABLE:
        write_records([asdict(decision)], output=output)
    if decision.is_waiting:
        messages.print(
            "On record. It would merge two large customers: it takes effect when a second person has judged the same."
        )
    else:
        messages.print(f"On record: {decision.verdict}. The next `dataflow run` applies it.")
    if decision.overruled:
        messages.print(
            f"It contradicts the judgements on {', '.join(decision.overruled)}, which are no longer in force: "
            "`dataflow review show` shows who made them. Undo the wrong one."
        )


def _row(pair: ReviewPair) -> dict[str, object]:
    return {
        "pair": pair.pair_id,
        "reason": pair.reason + (", a steward was unsure" if pair.is_unsure else ""),
        "type": pair.entity_type,
        "chance": f"{100 * pair.chance:.0f} %",
        "value": round(pair.value, 2),
        "orders": pair.orders,
        "revenue": round(pair.order_amount),
        "records": pair.records,
        "days": int(pair.waiting_days),
        "left": _origin(pair.left),
        "right": _origin(pair.right),
    }


def _origin(record: str) -> str:
    """Return source and object of a record, without its key."""
    return " ".join(record.split("|")[:2])


def _write_case(case: Case) -> None:
    write_line((f"Pair {case.pair_id}", "bold"), f"  {case.reason_text}")
    if case.standing:
        by = f" ({', '.join(case.ruled_out_by)})" if case.ruled_out_by else ""
        write_line(f"Judgement: {case.standing}{by}")
    write_line()
    marks = {True: "=", False: "≠", None: ""}
    records = [
        {"field": name, "": marks[None if a is None or b is None else a == b], case.left: a, case.right: b}
        for name, a, b in case.fields
    ]
    write_records(records, output=Output.TABLE, title="Records")
    write_line()
    write_records([dict(customer) for customer in case.customers], output=Output.TABLE, title="Customers")
    if case.explanation is not None:
        write_line()
        _write_explanation(case.explanation)
    else:
        write_line("No explanation: this version has no model for the type yet; the next run trains one.")
    if case.judgements:
        write_line()
        write_records([asdict(one) for one in case.judgements], output=Output.TABLE, title="Judgements so far")
    if case.needs_second:
        write_line()
        write_line("`same` would merge two large customers: a second person has to agree.")


def _write_explanation(explanation: Explanation) -> None:
    """Write the reasons, then the weights as bars; each bar starts where the one before ends."""
    write_line(("Why", "bold"))
    for step in explanation.steps:
        write_line(f"  {step.text}")
    if explanation.not_compared:
        write_line(f"  Not compared, as one of the records lacks it: {', '.join(explanation.not_compared)}.")
    write_line(f"  {explanation.summary}")
    write_line()
    write_line(
        ("How it adds up", "bold"), "  each step of 1 doubles the odds; right of 0, a match is more likely than not"
    )
    for line in waterfall_lines(explanation):
        write_line(*line)


def waterfall_lines(explanation: Explanation) -> list[list[str | tuple[str, str]]]:
    """Return the parts of a line for each step: name, weight, and a bar from the weight before to the weight after."""
    stands, spans = 0.0, []
    for step in explanation.steps:
        spans.append((step.name, step.weight, stands, stands + step.weight))
        stands += step.weight
    spans.append(("Total", explanation.weight, 0.0, explanation.weight))
    ends = [end for _, _, *span in spans for end in span]
    low, high = min(*ends, 0.0), max(*ends, explanation.link_weight)
    scale = (_BAR_WIDTH - 1) / (high - low)

    def column(weight: float) -> int:
        return round((weight - low) * scale)

    return [
        [f"  {name:<34.34} {weight:>+7.1f}  ", *_bar(column(begin), column(end), zero=column(0.0))]
        for name, weight, begin, end in spans
    ]


def _bar(begin: int, end: int, *, zero: int) -> list[str | tuple[str, str]]:
    """Return the parts of a bar over an axis that marks zero: green to the right, red to the left."""
    cells = [" "] * _BAR_WIDTH
    cells[zero] = "│"
    first, last = sorted((begin, end))
    for place in range(first, max(last, first + 1)):
        cells[place] = "█"
    text = "".join(cells)
    colour = "green" if end >= begin else "red"
    last = max(last, first + 1)
    return [text[:first], (text[first:last], colour), text[last:].rstrip()]
