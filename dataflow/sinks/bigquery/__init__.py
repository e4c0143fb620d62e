"""The warehouse in BigQuery: the published tables and views of one publication in a dataset."""
