"""Turn raw rows into valid rows and dead letters; no row is lost or counted twice."""
