"""An operator in index notation, under `torch.compile(backend="tenon")` and in a `.tenon` file.

    python examples/tensor_expression.py
"""

# %% The operator as PyTorch sees it: how much each element differs from the mean of its neighbours in a row.
import os
import tempfile

import torch

import tenon


@torch.library.custom_op("example::contrast", mutates_args=())
def contrast(x: torch.Tensor, reach: int) -> torch.Tensor:
    around = torch.nn.functional.pad(x, (reach, reach)).unfold(1, 2 * reach + 1, 1)
    return x - around.mean(2)


contrast.register_fake(lambda x, reach: torch.empty_like(x))

# %% What it means: a size for each name, an index for each axis, and zeros where a row has ended.
tenon.implement("""
example::contrast(x: f32[n, c]; reach) -> f32[n, c][i, j] =
    x[i, j] - sum(k < 2 * $reach + 1)
        select(j + k < $reach | j + k >= c + $reach, 0, x[i, j + k - $reach]) / (2 * $reach + 1)
""")


# %% Compiled to loops, which take the operators after it along.
class Network(torch.nn.Module):
    def forward(self, x):
        return torch.relu(contrast(x * 2, 3)) + 1


network, x = Network(), torch.randn(16, 100)
with torch.no_grad():
    torch.testing.assert_close(torch.compile(network, backend="tenon", options={"fallback": False})(x), network(x))

# %% The file has its code; nothing else is needed.
with tempfile.TemporaryDirectory() as folder:
    tenon.compile(network, (x,)).save(path := os.path.join(folder, "network.tenon"))
    torch.testing.assert_close(tenon.load(path)(x), network(x))
