"""What `torch.compile(..., backend="tenon", options={...})` takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import Any, Mapping

from . import _errors


@dataclass(frozen=True)
class Options:
    """
    threads: how many threads a call uses at most; 0: as many as `torch.get_num_threads()` says at the call.
    guard: measure compiled code against eager in the first calls, and keep the faster.
    fallback: operators that Tenon lacks run in eager; without it they are an error.
    without, target, cache: as in `tenon.compile`.
    """

    threads: int = 0
    guard: bool = False
    fallback: bool = True
    without: tuple[str, ...] = ()
    target: str = "native"
    cache: str = ""

    log = logging.getLogger("tenon")

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> "Options":
        known = [field.name for field in fields(cls)]
        for name in given or {}:
            if name not in known:
                raise _errors.UsageError(f"there is no option '{name}'; options: {', '.join(known)}")
        return cls(**(given or {}))
