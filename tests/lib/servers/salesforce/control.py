"""The address by which another process moves the clock, changes records and requests faults: JSON in, JSON out."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tests.lib.servers.salesforce.answers import Answer
from tests.lib.servers.salesforce.clock import api_time
from tests.lib.servers.salesforce.faults import Fault
from tests.lib.servers.salesforce.org import RecordLocked

if TYPE_CHECKING:
    from tests.lib.servers.salesforce.api import Call
    from tests.lib.servers.salesforce.server import Simulator

_CHANGES = ("insert", "update", "delete", "undelete", "purge", "hard_delete", "merge")


def control(simulator: Simulator, call: Call) -> Answer:
    """POST /simulator/clock {"advance": s} · /simulator/faults [{kind, …}] · /simulator/expire {} ·
    /simulator/records [{"do": "insert", "type": …, "id": …, "values": {…}, "commit_after": s}]."""
    try:
        wish = json.loads(call.body or b"{}")
        match call.path.rsplit("/", 1)[-1]:
            case "clock":
                return Answer.of_json({"now": api_time(simulator.org.clock.advance(float(wish.get("advance", 0))))})
            case "faults":
                known = {one.name for one in fields(Fault)}
                simulator.faults.add(*(Fault(**{k: v for k, v in one.items() if k in known}) for one in wish))
                return Answer.of_json({"added": len(wish)})
            case "expire":
                simulator.door.expire()
                return Answer.of_json({})
            case "records":
                return Answer.of_json({"ids": [_change(simulator, one) for one in wish]})
    except (KeyError, TypeError, ValueError, RecordLocked) as error:
        return Answer.of_error(400, "SIMULATOR", f"{type(error).__name__}: {error}")
    return Answer.of_error(404, "SIMULATOR", "known are clock, faults, expire and records")


def _change(simulator: Simulator, wish: dict[str, Any]) -> str:
    org, verb = simulator.org, wish["do"]
    if verb not in _CHANGES:
        raise ValueError(f"do is one of {', '.join(_CHANGES)}")
    names = [wish["type"], *([wish["id"]] if verb != "insert" else []), *([wish["loser"]] if verb == "merge" else [])]
    given = dict(wish.get("values", {})) if verb in ("insert", "update") else {}
    if "commit_after" in wish:
        given["commit_after"] = float(wish["commit_after"])
    return getattr(org, verb)(*names, **given) or wish.get("id", "")
