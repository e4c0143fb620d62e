"""baselines: what is normal of each object, what the newest publication was, and one figure over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, open_door
from dataflow.cli.output import messages, write_records
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.observe.baselines import BaselineFigure


def register(app: typer.Typer) -> None:
    app.command("baselines")(baselines)


def baselines(
    context: typer.Context,
    object_name: Annotated[
        str | None, typer.Argument(metavar="[OBJECT]", help="Only this object, as source.object.")
    ] = None,
    measure: Annotated[
        str | None,
        typer.Argument(metavar="[MEASURE]", help="Over time: volume, null_share, distinct, median, category_share."),
    ] = None,
    column: Annotated[str, typer.Option("--column", help="The column that the measure is of.")] = "",
    category: Annotated[str, typer.Option("--category", help="The category whose share it is.")] = "",
    alarms: Annotated[bool, typer.Option("--alarms", help="Only what is not as usual.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what is normal of the rows that a publication adds or changes, and whether the newest one was.

    Each publication keeps, of each object: how many rows changed; of each column the share of nulls and the number of
    different values; of columns whose class in `personal` is none three quantiles; and the share of each category, of
    those columns and of those with a check `one_of`. From the last sixty publications follows a band for the next one,
    by weekday and trend. What is outside it is an alarm: the run says so and opens an incident, which resolves itself
    with the next publication that is as usual. All figures together give at most one false alarm in 100 publications.
    Nothing is judged before 14 publications are known.

    In dataflow.toml, `baselines.severity = "block"` refuses such a publication instead, and a section
    `baselines.windows.NAME` with begins, ends and reason declares a time that is known to be unusual. Alarms and
    declared times do not change what is normal; after 14 alarms in a row the new level does.

    Examples:  dataflow baselines --alarms

               dataflow baselines mysql.orders

               dataflow baselines mysql.orders volume
    """
    from dataflow.observe.baselines import read_newest, read_series
    from dataflow.tables.ops import BASELINE

    if measure is None and (column or category):
        raise UsageError("--column and --category belong to one measure of an object: name both before them.")
    with open_door(context, "baselines", reads=(BASELINE,)) as door:
        if object_name is not None and measure is not None:
            found = read_series(door.con, object_name, measure, column_name=column, category=category)
        else:
            found = read_newest(door.con, object_name=object_name)
    shown = [_row(one, over_time=measure is not None) for one in found if one.verdict == "alarm" or not alarms]
    write_records(shown, output=output, title="Over time" if measure else "Newest publication")
    if not found:
        messages.print("Nothing is kept yet: the next run that changes rows of an object keeps its figures.")
    elif {one.verdict for one in found} == {"quiet"}:
        messages.print("Nothing is judged yet: fourteen publications have to be known.")


def _row(one: BaselineFigure, *, over_time: bool) -> dict[str, Any]:
    what: dict[str, Any] = {"published_at": one.published_at} if over_time else {"object": one.object_name}
    if not over_time:
        what |= {"measure": one.measure, "column": one.column_name, "category": one.category}
    figures = {"value": one.value, "expected": one.expected, "lowest": one.lowest, "highest": one.highest}
    return what | figures | {"rows": one.row_count, "verdict": one.verdict}
