"""A BERT-like encoder of text whose sentences have any length.

    python examples/text_encoder.py
"""

# %% An encoder, with random weights.
import torch
from torch import nn

import tenon

torch.manual_seed(0)


class Encoder(nn.Module):
    def __init__(self, words=1000, width=64, layers=2):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Embedding(128, width)
        self.norm = nn.LayerNorm(width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, ids):
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.layers(self.norm(self.words(ids) + self.places(places)))


module = Encoder().eval()

# %% One compiled region for all lengths.
fast = torch.compile(module, backend="tenon", dynamic=True)
with torch.no_grad():
    for batch, length in [(1, 12), (4, 7), (2, 30)]:
        ids = torch.randint(1000, (batch, length))
        expected = module(ids)
        error = (fast(ids) - expected).abs().max() / expected.abs().max()
        print(f"batch {batch}, length {length}: largest difference to eager {error:.1e}")
        assert error < 1e-4

# %% What runs in eager, if anything, and why.
print(tenon.explain(module, ids))
