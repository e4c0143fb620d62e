"""Import what a run needs in a thread, while the process waits for Prefect."""

from __future__ import annotations

import threading
from importlib import import_module


def start_warm_up() -> None:
    """Import and compile in a thread what a run needs once: stages, Soda, charts."""
    threading.Thread(target=_load, name="warm-up", daemon=True).start()


def _load() -> None:
    # Arrow imports pandas with the first array of Python values, when every fetching thread would wait for it.
    import_module("pandas")
    import_module("pyarrow.dataset")
    import_module("dataflow.publish").compile_builders()
    import_module("checks.soda").load_soda()
    import_module("dataflow.observe.report_page").warm_up()
