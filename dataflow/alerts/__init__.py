"""Incidents, derived from what runs found, and their notifications."""
