"""The study: a declared grid of runs, carried out, measured, and what it answers."""

from rftools.study.api import rebuild, study
from rftools.study.plan import StudyPlan, read_plan

__all__ = ["StudyPlan", "read_plan", "rebuild", "study"]
