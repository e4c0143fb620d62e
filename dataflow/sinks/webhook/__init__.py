"""The sink `webhook`: one signed event per publication, to whoever waits for it."""
