"""The sockets that DataFlow opens: TLS 1.3 alone, the meaning of their errors, clients of AWS."""
