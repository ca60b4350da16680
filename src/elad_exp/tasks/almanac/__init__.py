"""The almanac: a generated benchmark whose explanation steps a program can check."""

from elad_exp.tasks.almanac.task import AlmanacTask

__all__ = ["AlmanacTask"]
