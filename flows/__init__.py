"""Orchestration: when, in which order, with which retries. The work itself is dataflow's."""
