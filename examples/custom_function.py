"""An operator whose inside is a C function of yours, under `torch.compile(backend="tenon")` and in a `.tenon` file.

    python examples/custom_function.py
"""

# %% The function, a kernel of src/runtime/abi.h: of each row the largest of every `size` elements.
import pathlib
import subprocess
import tempfile

import torch

import tenon

folder = pathlib.Path(tempfile.mkdtemp())
(folder / "pool.c").write_text("""
#include "abi.h"
int32_t pool(const tenon_args* args, int64_t begin, int64_t end) {
  (void)begin, (void)end; /* the one task */
  const float* x = args->buffers[0];
  float* y = args->buffers[1];
  const int64_t rows = args->params[0], columns = args->params[1], size = (int64_t)tenon_number(args, 2);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns / size; ++c) {
      float most = x[r * columns + c * size];
      for (int64_t i = 1; i < size; ++i) most = x[r * columns + c * size + i] > most ? x[r * columns + c * size + i] : most;
      y[r * (columns / size) + c] = most;
    }
  return TENON_KERNEL_OK;
}
""")
library, headers = folder / "libpool.so", pathlib.Path(__file__).resolve().parents[1] / "src/runtime"
subprocess.run(["cc", "-shared", "-fPIC", "-O3", "-I", headers, folder / "pool.c", "-o", library], check=True)


# %% The operator as PyTorch sees it.
@torch.library.custom_op("example::pool", mutates_args=())
def pool(x: torch.Tensor, size: int) -> torch.Tensor:
    return x.unflatten(1, (-1, size)).amax(2)


@pool.register_fake
def _(x, size):
    return x.new_empty(x.shape[0], x.shape[1] // size)


# %% Its shape rule, and where the function is.
tenon.implement(f'example::pool(x: f32[n, c]; size) -> f32[n, floor_div(c, $size)] = pool in "{library}"')


def network(x):
    return torch.relu(pool((x + 1).t(), 4)) * 2


x = torch.randn(32, 8)
with torch.no_grad():
    torch.testing.assert_close(torch.compile(network, backend="tenon", options={"fallback": False})(x), network(x))


# %% A file names the library and the function, which are looked for when it is loaded.
class Network(torch.nn.Module):
    def forward(self, x):
        return network(x)


tenon.compile(Network(), (x,)).save(folder / "net.tenon")
torch.testing.assert_close(tenon.load(folder / "net.tenon")(x), network(x))
