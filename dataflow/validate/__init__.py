"""Raw rows become valid rows or dead letters; none is lost and none counts twice."""
