"""A student's version names its weights."""

from __future__ import annotations

import torch

from elad_exp.student.version import weights_version


def model(kind: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(0)
    one, other = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    other.weight = one.weight
    return torch.nn.Sequential(one, other, torch.nn.BatchNorm1d(4)).to(kind)


def test_equal_weights_have_one_version() -> None:
    assert weights_version(model()) == weights_version(model())
    assert len(weights_version(model(torch.bfloat16))) == 16


def test_any_change_of_weights_makes_another() -> None:
    versions = {weights_version(model()), weights_version(model(torch.bfloat16))}
    for name in ("0.weight", "1.bias", "2.running_mean", "2.num_batches_tracked"):
        changed = model()
        tensor = dict([*changed.named_parameters(), *changed.named_buffers()])[name]
        with torch.no_grad():
            tensor.view(-1)[-1:] += 1
        versions.add(weights_version(changed))
    assert len(versions) == 6
