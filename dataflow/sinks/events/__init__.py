"""The sink `events`: one event per publication to each declared endpoint, in order, at least once."""
