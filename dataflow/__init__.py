"""The customer pipeline: sources, validate, conform, resolve, enrich, publish. Knows no Prefect."""
