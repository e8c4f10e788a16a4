"""A classifier of images: compiled live, compared with eager, judged, and saved as one file.

    python examples/image_classifier.py
"""

# %% A network as anybody writes it.
import tempfile

import models
import torch

import tenon

torch.manual_seed(0)
torch.set_num_threads(1)
name, module, (x,) = list(models.examples())[1]
expected = module(x)

# %% Live: PyTorch traces the module, Tenon compiles what it gets.
fast = torch.compile(module, backend="tenon")
with torch.inference_mode():
    error = (fast(x) - expected).abs().max() / expected.abs().max()
print(f"{name}: largest difference to eager {error:.1e}")
assert error < 1e-4

# %% What became of it: nothing should run in eager.
explanation = tenon.explain(module, x)
print(explanation)
assert not explanation.fallbacks

# %% As one file that runs without PyTorch.
model = tenon.compile(module, (x,))
with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/{name}.tenon")
    again = tenon.load(f"{folder}/{name}.tenon")
    assert torch.equal(again(x), model(x))

# %% Where the time goes, by step.
for step in sorted(model.profile(x), key=lambda step: -step.seconds)[:5]:
    print(f"{1e3 * step.seconds:8.3f} ms  {step.flops / step.seconds / 1e9:7.1f} GFLOP/s  {step.nodes}")
