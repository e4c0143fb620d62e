"""Orchestration: order, retries, limits, artifacts; by Prefect where an API is set. `dataflow` has what steps do."""
