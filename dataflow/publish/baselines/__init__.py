"""Baselines: what is normal of each object, and which publication is not."""
