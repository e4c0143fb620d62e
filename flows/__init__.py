"""Orchestration with Prefect: order, retries, limits, artifacts. The steps themselves are in `dataflow`."""
