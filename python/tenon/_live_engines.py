"""Engines that run a PyTorch module itself, saved with its inputs by `torch.save`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from ._engines import Arrays, Call, Engine, Input


class LiveEager(Engine):
    """PyTorch as it is."""

    package = "torch"
    has_inputs = True

    def __init__(self, path: Path, options: Mapping[str, Any]):
        import torch

        self.version = f"torch {torch.__version__}"
        torch.set_num_threads(options.get("threads", 1))
        self.module, self.tensors = torch.load(path, weights_only=False)
        self.inputs = [Input(f"in_{k}", tuple(t.shape), str(t.dtype).removeprefix("torch.")) for k, t in enumerate(self.tensors)]
        self.function = self.compiled(options)

    def compiled(self, options: Mapping[str, Any]) -> Any:
        return self.module

    def bind(self, arrays: Arrays) -> Call:
        import torch

        function, tensors = self.function, [tensor.clone() for tensor in self.tensors]

        def call():
            with torch.no_grad():
                return function(*tensors)

        return call


class LiveInductor(LiveEager):
    """PyTorch's own compiler."""

    def compiled(self, options: Mapping[str, Any]) -> Any:
        import torch

        return torch.compile(self.module, dynamic=False)


class LiveTenon(LiveEager):
    """`torch.compile(backend="tenon")`. It compiles in the first call."""

    def compiled(self, options: Mapping[str, Any]) -> Any:
        import torch

        chosen = {name: options[name] for name in ("threads", "target", "cache") if name in options}
        chosen["without"] = tuple(options.get("without", ()))
        return torch.compile(self.module, backend="tenon", options=chosen)

    def explain(self) -> dict[str, Any]:
        """What falls back, and where PyTorch left the graph."""
        import tenon

        told = tenon.explain(self.module, *self.tensors)
        return {
            "operators": told.operators,
            "regions": told.regions,
            "graphs": told.graphs,
            "fallbacks": [{"operator": f.operator, "line": f.line, "reason": f.reason, "share": f.share} for f in told.fallbacks],
            "graph_breaks": list(told.graph_breaks),
        }


LIVE_ENGINES: dict[str, type[Engine]] = {"tenon": LiveTenon, "eager": LiveEager, "inductor": LiveInductor}
