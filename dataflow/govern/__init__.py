"""Decisions of people about the data: dead letters, drift, restores, reviews."""
