"""An operator of one's own under `torch.compile(backend="tenon")`: first in eager, then replaced by operators that Tenon
compiles.

    python examples/custom_operator.py
"""

# %% An operator that PyTorch knows by name only.
import torch

import tenon


@torch.library.custom_op("example::swoosh", mutates_args=())
def swoosh(x: torch.Tensor, sharpness: float) -> torch.Tensor:
    return x * torch.sigmoid(sharpness * x) - 0.1 * x


@swoosh.register_fake
def _(x, sharpness):
    return torch.empty_like(x)


def network(x):
    return torch.relu(swoosh(x + 1, 1.5)) * 2


x = torch.linspace(-3, 3, 1000)
expected = network(x)

# %% Tenon does not know it: it runs in eager, and that is said.
with torch.no_grad():
    torch.testing.assert_close(torch.compile(network, backend="tenon")(x), expected)
    before = tenon.explain(network, x)
print(before)
assert [f.operator for f in before.fallbacks] == ["example.swoosh.default"] and before.regions == 2

# %% The same written with operators that Tenon has: all of the network becomes one kernel.
tenon.replace(torch.ops.example.swoosh.default, lambda x, sharpness: x * torch.sigmoid(sharpness * x) - 0.1 * x)
torch._dynamo.reset()
with torch.no_grad():
    torch.testing.assert_close(torch.compile(network, backend="tenon")(x), expected)
    after = tenon.explain(network, x)
print(after)
assert not after.fallbacks and after.regions == 1
