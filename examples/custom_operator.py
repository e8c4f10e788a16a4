"""Three ways for an operator that only PyTorch knows, under `torch.compile(backend="tenon")`: it runs in eager; it is
implemented in Tenon; it is replaced by operators that Tenon has. And the same operator in an ONNX file.

    python examples/custom_operator.py
"""

# %% An operator that PyTorch knows by name only.
import os
import tempfile

import torch

import tenon


@torch.library.custom_op("example::swoosh", mutates_args=())
def swoosh(x: torch.Tensor, sharpness: float = 1.0) -> torch.Tensor:
    return x * torch.sigmoid(sharpness * x) - 0.1 * x


@swoosh.register_fake
def _(x, sharpness=1.0):
    return torch.empty_like(x)


def network(x):
    return torch.relu(swoosh(x + 1, 1.5)) * 2


x = torch.linspace(-3, 3, 1000)
expected = network(x)


def compiled():
    torch._dynamo.reset()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(network, backend="tenon")(x), expected)
        return tenon.explain(network, x)


# %% Way 1: Tenon does not know it, so it runs in eager, and that is said.
before = compiled()
print(before)
assert [f.operator for f in before.fallbacks] == ["example.swoosh.default"] and before.regions == 2

# %% Way 2: one line says what it means. All of the network becomes one kernel.
tenon.implement("example::swoosh(x; sharpness = 1) = x / (1 + exp(-($sharpness * x))) - 0.1 * x")
implemented = compiled()
print(implemented)
assert not implemented.fallbacks and implemented.regions == 1

# %% The definition serves ONNX files, too: domain `example`, operator `swoosh`.
from onnx import TensorProto, helper, save  # noqa: E402

values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
node = helper.make_node("swoosh", ["x"], ["y"], domain="example", sharpness=1.5)
opsets = [helper.make_opsetid("", 20), helper.make_opsetid("example", 1)]
model = helper.make_model(helper.make_graph([node], "net", values[:1], values[1:]), opset_imports=opsets)
with tempfile.TemporaryDirectory() as folder:
    save(model, path := os.path.join(folder, "swoosh.onnx"))
    torch.testing.assert_close(tenon.compile(path)(x), swoosh(x, 1.5))

# %% Way 3: written with operators of PyTorch that Tenon has.
tenon.replace(torch.ops.example.swoosh.default, lambda x, sharpness=1.0: x * torch.sigmoid(sharpness * x) - 0.1 * x)
replaced = compiled()
print(replaced)
assert not replaced.fallbacks and replaced.regions == 1
