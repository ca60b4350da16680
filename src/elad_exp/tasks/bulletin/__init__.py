"""The bulletin: generated notices whose class and entities a program can read."""

from elad_exp.tasks.bulletin.entities import BulletinEntitiesTask
from elad_exp.tasks.bulletin.task import BulletinTask

__all__ = ["BulletinEntitiesTask", "BulletinTask"]
