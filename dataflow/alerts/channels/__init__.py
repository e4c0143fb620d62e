"""The kinds of channels that notify of incidents; their clients are imported when one is opened."""
