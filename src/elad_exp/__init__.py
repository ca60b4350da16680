"""Active distillation of large language models: ELAD and EvoKD in one metered loop."""

__version__ = "0.1.0"
