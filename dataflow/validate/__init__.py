"""Raw rows become valid rows or dead letters; none is lost and none counts twice."""

from dataflow.validate.plan import ObjectPlan, plan_objects
from dataflow.validate.step import validate

__all__ = ["ObjectPlan", "plan_objects", "validate"]
