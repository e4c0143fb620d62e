"""The sink `cache`: the customer 360 and its look-ups in Redis, for applications."""
