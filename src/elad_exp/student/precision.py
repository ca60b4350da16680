"""The number format of inference, and a model that is ready for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from elad_exp.errors import ConfigError
from elad_exp.student.memory import release_memory

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Below this size a copy in bfloat16 does not pay: arithmetic is not what takes the time.
BF16_PARAMETERS = 20_000_000


def choose_dtype(model: nn.Module, wanted: str) -> torch.dtype:
    """The number format of inference.

    `auto`: bfloat16 on a GPU, and for models above 20 M parameters on a CPU with instructions for
    it; otherwise the model's own.

    Raises:
        ConfigError: `wanted` is neither `auto` nor a format.
    """
    if wanted in DTYPES:
        return DTYPES[wanted]
    if wanted != "auto":
        raise ConfigError(f"student.inference_dtype={wanted}: choose auto, {', '.join(DTYPES)}")
    parameter = next(model.parameters())
    if parameter.is_cuda:
        return torch.bfloat16
    large = sum(p.numel() for p in model.parameters()) > BF16_PARAMETERS
    return torch.bfloat16 if large and cpu_has_bf16() else parameter.dtype


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 numbers in hardware, as far as torch can tell."""
    if not hasattr(torch.cpu, "get_capabilities"):  # older torch
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@contextmanager
def for_inference(model: Any, wanted: str) -> Iterator[Any]:
    """The model in eval mode and in the number format `wanted`: itself, or a copy.

    The weights must not change while the context is open. Its mode is put back.
    """
    training = model.training
    release_memory()
    ready = _converted(model, choose_dtype(model, wanted))
    # Of the last positions of a batch, which are a view with gaps, torch would multiply each row
    # with a copy of the whole output matrix: gigabytes, and most of the time.
    head = ready.get_output_embeddings()
    hooks = [] if head is None else [head.register_forward_pre_hook(_dense)]
    try:
        # A trainer validates under autocast and scores without; both must give the same.
        with torch.autocast(model.device.type, enabled=False):
            yield ready
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)
        release_memory()


def _converted(model: Any, dtype: torch.dtype) -> Any:
    if dtype == next(model.parameters()).dtype:
        return model.eval()
    # Parameters are converted, not copied first; buffers (rotary frequencies) stay precise.
    converted: dict[int, Any] = {
        id(p): nn.Parameter(p.detach().to(dtype), requires_grad=False) for p in model.parameters()
    }
    return copy.deepcopy(model, converted).eval()


def _dense(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return (given[0].contiguous(),)
