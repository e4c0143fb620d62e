"""The reader's API: one customer, by id or by what is known of the person, from the cache or from the lake."""

from dataflow.serve.customers import Customer, Customers

__all__ = ["Customer", "Customers"]
