"""Records cut out of a page against a dull twin: the standard library's parser of the whole page."""

import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources import FetchReport
from dataflow.sources.files import rest_json
from dataflow.sources.files.store import Folder
from tests.lib.deliveries import PERSON, deliver_pages, parts_of, read_rows

# Surrogates cannot be written as UTF-8; as escapes they are what complete() wraps.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBER = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=4).map(float)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
LAYOUT = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(records=st.lists(JSON, max_size=5), layout=LAYOUT)
def test_each_record_is_cut_where_it_begins_and_ends(records: list[Any], layout: dict[str, Any]) -> None:
    response = {"records": records, "totalSize": len(records), "done": True}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        [file] = deliver_pages(root, [])
        file.write_text(json.dumps(response, **layout), encoding="utf-8")
        # Whatever its columns: this is about text, and drift is told elsewhere.
        declared = PERSON.model_copy(update={"on_drift": "set_aside"})
        rows = read_rows(rest_json.read_pages(Folder(root), parts_of(root, file), declared, FetchReport()))
    twin = json.loads(json.dumps(response), parse_float=Decimal)["records"]
    assert [json.loads(row["payload"], parse_float=Decimal) for row in rows] == twin
