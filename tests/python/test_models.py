"""PyTorch models through both of PyTorch's exporters, compiled and compared with eager."""

import concurrent.futures
import sys
import warnings
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

import tenon

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import models  # noqa: E402

warnings.filterwarnings("ignore")


class Bottleneck(nn.Module):
    """Pointwise, depthwise and gated convolutions, as in mobile networks."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Conv2d(8, 24, 1)
        self.depthwise = nn.Conv2d(24, 24, 5, stride=2, padding=2, groups=24)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 6, 1), nn.ReLU(), nn.Conv2d(6, 24, 1), nn.Hardsigmoid())
        self.project = nn.Conv2d(24, 12, 1)

    def forward(self, x):
        x = nn.functional.hardswish(self.depthwise(nn.functional.silu(self.expand(x))))
        return self.project(x * self.gate(x))


class Shuffle(nn.Module):
    """Channel split, shuffle and concatenation."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Conv2d(4, 4, 3, padding=1, groups=2)

    def forward(self, x):
        left, right = x.chunk(2, 1)
        x = torch.cat([left, self.branch(right)], 1)
        batch, channels, height, width = x.shape
        return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


class Grouped(nn.Module):
    """Convolutions in groups of few channels, strided and dilated ones too."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(24, 48, 1),
            nn.Conv2d(48, 48, 3, padding=1, groups=24),
            nn.ReLU(),
            nn.Conv2d(48, 48, 3, padding=1, groups=12),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.Conv2d(48, 48, 3, stride=2, padding=1, groups=6),
            nn.Hardswish(),
            nn.Conv2d(48, 48, (3, 5), padding=2, dilation=(2, 1), groups=3),
            nn.Conv2d(48, 48, 3, stride=(1, 2), padding=1, groups=2),
        )

    def forward(self, x):
        return self.layers(x)


class Grouped1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(40, 40, 5, padding=2, groups=10), nn.GELU(), nn.Conv1d(40, 40, 3, stride=2, groups=5), nn.Conv1d(40, 80, 3, dilation=3, groups=5)
        )

    def forward(self, x):
        return self.layers(x)


class Attention(nn.Module):
    """A pre-norm transformer block with a causal mask."""

    def __init__(self, width=32, heads=4):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        batch, steps, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, steps, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, steps, width))
        return x + self.mlp(self.norm2(x))


class GroupedAttention(nn.Module):
    """Queries, keys and values from layers of their own, heads that share keys, and a gated MLP."""

    def __init__(self, width=32, heads=4, groups=2):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.q, self.k = nn.Linear(width, width), nn.Linear(width, groups * self.size, bias=False)
        self.v, self.out = nn.Linear(width, groups * self.size), nn.Linear(width, width)
        self.gate, self.up, self.down = nn.Linear(width, 48), nn.Linear(width, 48), nn.Linear(48, width)

    def forward(self, x):
        batch, steps, width = x.shape
        q = self.q(x).view(batch, steps, self.heads, self.size).transpose(1, 2)
        k, v = (layer(x).view(batch, steps, self.groups, self.size).transpose(1, 2) for layer in (self.k, self.v))
        k, v = (t.repeat_interleave(self.heads // self.groups, 1) for t in (k, v))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(batch, steps, width))
        return x + self.down(nn.functional.silu(self.gate(x)) * self.up(x))


class Recurrent(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.rnn = cell(6, 10, num_layers=2, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


class Decoder(nn.Module):
    """Transposed convolution, skip connection and resizing."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.merge = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x, skip):
        x = self.merge(torch.cat([self.up(x), skip], 1))
        return nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), x.mean((2, 3))


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 8)

    def forward(self, indices):
        return self.table(indices).sum(1)


CASES = {
    "simple_cnn": (models.SimpleCNN, [(2, 1, 26, 26)]),
    "bottleneck": (Bottleneck, [(1, 8, 13, 15)]),
    "shuffle": (Shuffle, [(2, 8, 6, 6)]),
    "grouped": (Grouped, [(2, 24, 17, 22)]),
    "grouped_1d": (Grouped1d, [(2, 40, 31)]),
    "attention": (Attention, [(2, 9, 32)]),
    "grouped_attention": (GroupedAttention, [(2, 9, 32)]),
    "lstm": (lambda: Recurrent(nn.LSTM), [(3, 7, 6)]),
    "gru": (lambda: Recurrent(nn.GRU), [(3, 7, 6)]),
    "decoder": (Decoder, [(1, 6, 5, 7), (1, 4, 10, 14)]),
}


def export(module, inputs, path, dynamo, **options):
    if dynamo:
        torch.onnx.export(module, inputs, path, dynamo=True, verbose=False, external_data=False, **options)
    else:
        torch.onnx.export(module, inputs, path, dynamo=False, opset_version=17, **options)


def as_list(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def assert_close(got, expected, tolerance=1e-5):
    got, expected = as_list(got), as_list(expected)
    assert len(got) == len(expected)
    for g, e in zip(got, expected):
        e = e.numpy() if isinstance(e, torch.Tensor) else e
        assert g.shape == e.shape and g.dtype == e.dtype
        assert numpy.abs(g - e).max() <= tolerance * numpy.abs(e).max()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", CASES)
def test_equals_eager(name, dynamo, threads, tmp_path):
    torch.manual_seed(0)
    build, shapes = CASES[name]
    module, inputs = build().eval(), tuple(torch.randn(s) for s in shapes)
    export(module, inputs, tmp_path / "m.onnx", dynamo)
    model = tenon.compile(tmp_path / "m.onnx", threads=threads)
    with torch.inference_mode():
        for _ in range(2):
            assert_close(model(*(x.numpy() for x in inputs)), module(*inputs))
            inputs = tuple(torch.randn(s) for s in shapes)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    path = tmp_path_factory.mktemp("cnn") / "cnn.onnx"
    torch.manual_seed(0)
    module = models.SimpleCNN().eval()
    export(module, (torch.randn(2, 1, 26, 26),), path, True)
    return path, module, tenon.compile(path)


def test_symbolic_batch_serves_every_size(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 5)).eval()
    batch = torch.export.Dim("batch", max=64)
    export(module, (torch.randn(2, 3, 6, 6),), tmp_path / "m.onnx", True, dynamic_shapes=({0: batch},))
    model = tenon.compile(tmp_path / "m.onnx")
    assert model.inputs[0].shape[0] is None
    with torch.inference_mode():
        for size in (1, 2, 7, 3):
            x = torch.randn(size, 3, 6, 6)
            assert_close(model(x.numpy()), module(x))
    fixed = tenon.compile(tmp_path / "m.onnx", shapes={"batch": 4})
    assert fixed.inputs[0].shape == (4, 3, 6, 6)


def test_saved_file_runs_the_same(cnn, tmp_path):
    _, _, model = cnn
    model.save(tmp_path / "cnn.tenon")
    loaded = tenon.load(tmp_path / "cnn.tenon", threads=2)
    x = numpy.random.randn(2, 1, 26, 26).astype("f4")
    assert (loaded(x) == model(x)).all()
    loaded.save(tmp_path / "again.tenon")
    assert (tmp_path / "again.tenon").read_bytes() == (tmp_path / "cnn.tenon").read_bytes()


def test_compiling_twice_gives_equal_bytes(cnn, tmp_path):
    path, _, model = cnn
    model.save(tmp_path / "a.tenon")
    tenon.compile(path).save(tmp_path / "b.tenon")
    assert (tmp_path / "a.tenon").read_bytes() == (tmp_path / "b.tenon").read_bytes()


def test_arguments_of_every_kind(cnn):
    _, module, model = cnn
    x = torch.randn(2, 1, 26, 26)
    expected = module(x).detach()
    name = model.inputs[0].name
    assert_close(model(**{name: x.numpy()}), expected)
    assert_close(model(numpy.asfortranarray(x.numpy())), expected)
    wide = torch.randn(2, 1, 26, 52)
    assert_close(model(wide.numpy()[..., ::2]), module(wide[..., ::2]).detach())
    result = model(x)
    assert isinstance(result, torch.Tensor)
    assert_close(result.numpy(), expected)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ((numpy.zeros((2, 1, 24, 24), "f4"),), ValueError, ["26", "24"]),
        ((numpy.zeros((2, 1, 26, 26), "f8"),), ValueError, ["f32", "f64"]),
        ((numpy.zeros((2, 26, 26), "f4"),), ValueError, ["[2, 1, 26, 26]"]),
        ((), TypeError, ["1 inputs"]),
        ((numpy.array(["a"]),), TypeError, ["dtype"]),
    ],
)
def test_wrong_calls_are_explained(cnn, arguments, error, words):
    with pytest.raises(error) as raised:
        cnn[2](*arguments)
    for word in words:
        assert word in str(raised.value)


def test_wrong_name_is_explained(cnn):
    with pytest.raises(TypeError, match="no input 'y'"):
        cnn[2](y=numpy.zeros((2, 1, 26, 26), "f4"))


def test_index_out_of_range_is_an_error(tmp_path):
    module = Embedding().eval()
    export(module, (torch.randint(0, 50, (2, 3)),), tmp_path / "m.onnx", True)
    model = tenon.compile(tmp_path / "m.onnx")
    good = numpy.array([[1, 2, 3], [4, 5, 49]])
    assert_close(model(good), module(torch.from_numpy(good)).detach())
    with pytest.raises(IndexError):
        model(numpy.array([[1, 2, 3], [4, 5, 50]]))


def test_calls_from_several_threads(cnn):
    _, module, model = cnn
    inputs = [torch.randn(2, 1, 26, 26) for _ in range(64)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda x: model(x.numpy()), inputs))
    for x, result in zip(inputs, results):
        assert_close(result, module(x).detach())


def test_wrong_size_names_the_node(tmp_path):
    """The 24 x 24 image that the quick-start network cannot take."""
    export(models.SimpleCNN().eval(), (torch.randn(1, 1, 26, 26),), tmp_path / "m.onnx", True)
    with pytest.raises(tenon.ShapeError) as raised:
        name = tenon.compile(tmp_path / "m.onnx").inputs[0].name
        tenon.compile(tmp_path / "m.onnx", shapes={name: (1, 1, 24, 24)})
    assert raised.value.kind == "bad-shape"
    text = str(raised.value)
    assert "1936 elements" in text and "2304" in text and "models.py" in text
    assert f"the shape in the file fits: {name}: f32[1, 1, 26, 26]" in text


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 0.5, 0.99])
def test_truncated_files_are_refused(cnn, tmp_path, keep):
    data = cnn[0].read_bytes()
    (tmp_path / "m.onnx").write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(tenon.ModelError):
        tenon.compile(tmp_path / "m.onnx")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(tenon.FileError) as raised:
        tenon.compile(tmp_path / "none.onnx")
    assert raised.value.kind == "io"
