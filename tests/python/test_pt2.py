"""`.pt2` files against eager: one module per operator family, in the training dialect and decomposed to core ATen."""

import io
import json
import zipfile

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import tenon

torch.manual_seed(0)


class Of(nn.Module):
    """A module without weights of its own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def arithmetic(x, y):
    return (
        x + y, x - 2, 3 - x, x * y, x / y, torch.div(x, y, rounding_mode="floor"), torch.add(x, y, alpha=2), x**2, x**0.5, 2**x,
        torch.maximum(x, y), torch.remainder(x, y), -x, x.abs(), x.sqrt(), x.rsqrt(), x.reciprocal(), x.floor(), x.exp(), x.log(),
        x.log1p(), x.expm1(), x.sin(), x.tanh(), x.erf(), x.clamp(0.5, 1.0), x.clamp_min(0.7), torch.lerp(x, y, 0.3),
        torch.addcmul(x, y, y, value=0.5), torch.where(x > y, x, 0.0), x.masked_fill(x < 1, -1.0), torch.square(x), x.log2(), x.exp2(),
    )  # fmt: skip


def comparisons(x, n):
    b = n > 1
    return (
        x > 1, x <= 0.5, n == 1, n != 2, b & (n < 3), b | (n == 0), ~b, torch.logical_xor(b, n == 2), torch.logical_not(n),
        x.isnan(), x.isinf(), n + 1.5, n / 2, n // 2, n % 2, n.sin(), x + n, b + n, n.to(torch.float32), x.to(torch.int32),
        n.bitwise_and(3),
    )  # fmt: skip


def activations(x):
    return (
        F.relu(x), F.gelu(x), F.gelu(x, approximate="tanh"), F.silu(x), F.leaky_relu(x, 0.1), F.elu(x), F.selu(x), F.celu(x, 0.5),
        F.hardtanh(x), F.relu6(x), F.hardswish(x), F.hardsigmoid(x), F.softplus(x), F.softplus(x, beta=2), F.mish(x), F.glu(x),
        F.softmax(x, -1), F.log_softmax(x, 1), F.sigmoid(x), F.softshrink(x), F.hardshrink(x), F.threshold(x, 0.1, 2.0),
    )  # fmt: skip


def views(x):
    return (
        x.view(2, -1), x.reshape(3, 8), x.permute(2, 0, 1), x.transpose(1, 2), x.flatten(1), x.unflatten(2, (2, 2)), x.unsqueeze(1),
        x[:, :1].squeeze(1), x.expand(5, -1, -1, -1), x[0], x[:, -1], x[..., 1:3], x[:, ::2], *x.split(2, 2), *x.chunk(2, 1),
        *x.unbind(0), x.narrow(2, 1, 2), x.movedim(0, 2), x[:, 0].t(),
    )  # fmt: skip


def movement(x):
    return (
        torch.cat([x, x + 1], 1), torch.stack([x, x * 2], 1), F.pad(x, (1, 2, 0, 1)), F.pad(x, (1, 1), mode="reflect"),
        F.pad(x, (2, 1), mode="replicate"), x.flip(0, 2), x.roll(1, 2), x.roll(3), x.repeat(1, 2, 1), x.tile(2),
        x.repeat_interleave(2, 1), x.tril(), x.triu(1), torch.zeros_like(x) + torch.ones(4), torch.full((2, 2), 3.0),
        torch.arange(4) + x, torch.arange(1, 3, 0.5), torch.eye(3), torch.linspace(0, 1, 5), *torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij"),
    )  # fmt: skip


def places(x, i):
    return (
        x[i], x[:, i], x[i, i], x[:, i, i], x[i, :, i], x.index_select(1, i), torch.gather(x, 2, i.view(1, 1, 3).expand(4, 4, 3)),
        x.scatter(1, i.view(1, 3, 1), x[:1, :3, :1]), x.scatter_add(0, i.view(3, 1, 1), x[:3, :1, :1]), x.index_put((i,), x[:3] * 2),
        x.index_put((i, i), torch.tensor(1.0), accumulate=True), torch.slice_scatter(x, x[:2] * 3, 0, 1, 3), torch.select_scatter(x, x[0], 1, 2),
        x.topk(2, 1)[0], x.sort(2)[0], x.argmax(1), x.argmin(), x.max(1)[0], x.min(2)[1],
    )  # fmt: skip


def reductions(x):
    return (
        x.sum(), x.sum(1), x.mean((0, 2)), x.amax(1, keepdim=True), x.amin(), x.prod(1), x.var(1), x.std(), x.var(2, unbiased=False),
        *torch.var_mean(x, 1), x.logsumexp(1), x.norm(dim=1), torch.linalg.vector_norm(x, 3, dim=2), x.cumsum(1), x.diff(dim=1),
        (x > 0).any(), (x > 0).all(1), (x > 0).sum(),
    )  # fmt: skip


def products(a, b, v):
    return a @ b, a[0] @ b[0], a @ v, torch.addmm(v[:3], a[0], b[0]), torch.baddbmm(b[:, :1, :1], a, b), torch.outer(v, v), a[0].mv(v), v @ v


def pools(x):
    return (
        F.max_pool2d(x, 2), F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 2), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, 4), F.adaptive_avg_pool2d(x, 3), F.adaptive_max_pool2d(x, 3),
        F.max_pool1d(x[0], 2), F.avg_pool1d(x[0], 2), F.interpolate(x, scale_factor=2), F.interpolate(x, size=(5, 11), mode="bilinear"),
        F.interpolate(x, size=(5, 11), mode="bilinear", align_corners=True), F.interpolate(x, scale_factor=2, mode="bicubic"),
        F.pixel_shuffle(x, 2),
    )  # fmt: skip


def attention(q, k, v, mask):
    rows = torch.arange(5).view(5, 1) >= torch.arange(5)
    return (
        F.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        F.scaled_dot_product_attention(q, k, v, is_causal=True), F.scaled_dot_product_attention(q[0], k[0], v[0], scale=0.3),
        F.scaled_dot_product_attention(q[:, :, :5], k[:, :, :5], v[:, :, :5], attn_mask=rows),
        F.scaled_dot_product_attention(q[:, :, :3], k, v, is_causal=True),
    )  # fmt: skip


def writes(x):
    """Writes in place, through views of views, to memory that is read again later."""
    a = x * 1
    a.add_(1).mul_(2)
    F.dropout(a, training=False, inplace=True)
    a[:, 1].fill_(3)
    a.view(2, -1)[0, 2:4] += 5
    b = a.transpose(1, 2)
    b[..., 0].zero_()
    c = torch.zeros(3, 4)
    c[1:, ::2] = a[0, 1:, ::2]
    c.t()[0].copy_(x[0, :, 0])
    d = x.clone()
    d[x > 0] = 0.5
    return a, b, c, F.relu(d, inplace=True), d


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.b = nn.Conv2d(4, 8, 3, padding="same", groups=4, bias=False)
        self.c = nn.ConvTranspose2d(4, 3, 2, stride=2, output_padding=1)
        self.d = nn.Conv1d(4, 5, 3, dilation=2)

    def forward(self, x):
        return self.a(x), self.b(x), self.c(x), self.d(x[:, :, 0]), self.a(x[0])


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(
            [nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.LayerNorm(8), nn.LayerNorm((8, 8), elementwise_affine=False), nn.GroupNorm(2, 4),
             nn.InstanceNorm2d(4), nn.RMSNorm(8)]  # fmt: skip
        )
        for norm in self.norms[:2]:
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x):
        return [norm(x) for norm in self.norms]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(5, 6)
        self.rnn = nn.RNN(5, 6, nonlinearity="relu", bias=False)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        return y, h, c, *self.gru(x), *self.rnn(x)


class Weights(nn.Module):
    """Weights that share storage, are not dense there, or are no parameters."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 8)
        self.head = nn.Linear(8, 7, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("turned", torch.randn(8, 40).t()[::2])
        self.register_buffer("hidden", torch.randn(20), persistent=False)

    def forward(self, i):
        return self.head(self.table(i)), self.table(i) @ self.turned.t() + self.hidden * torch.tensor([2.0])


def rand(*shape):
    return torch.rand(*shape) + 0.25


FAMILIES = {
    "arithmetic": (Of(arithmetic), rand(3, 4), rand(4)),
    "comparisons": (Of(comparisons), rand(2, 4), torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]])),
    "activations": (Of(activations), torch.randn(3, 8)),
    "views": (Of(views), torch.randn(2, 3, 4)),
    "movement": (Of(movement), torch.randn(2, 3, 4)),
    "places": (Of(places), torch.randn(4, 4, 4), torch.tensor([0, 2, 3])),
    "reductions": (Of(reductions), torch.randn(3, 5, 4)),
    "products": (Of(products), torch.randn(2, 3, 4), torch.randn(2, 4, 3), torch.randn(4)),
    "pools": (Of(pools), torch.randn(2, 4, 8, 8)),
    "attention": (Of(attention), *(torch.randn(2, 3, 6, 8) for _ in range(3)), torch.randn(6, 6)),
    "writes": (Of(writes), torch.randn(2, 3, 4)),
    "convolutions": (Convolutions(), torch.randn(2, 4, 8, 8)),
    "norms": (Norms(), torch.randn(2, 4, 8, 8)),
    "recurrent": (Recurrent(), torch.randn(3, 4, 5)),
    "weights": (Weights(), torch.tensor([[1, 2, 6]])),
}


def save(path, module, inputs, decompose=False, **options):
    with torch.no_grad():
        program = torch.export.export(module.eval(), inputs, **options)
        if decompose:
            program = program.run_decompositions()
    torch.export.save(program, path)
    return str(path)


def agree(got, expected):
    got = got if isinstance(got, list) else [got]
    expected = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    assert len(got) == len(expected)
    for number, (g, e) in enumerate(zip(got, expected)):
        assert g.shape == e.shape and g.dtype == e.dtype, number
        torch.testing.assert_close(g, e, rtol=1e-4, atol=1e-5, msg=lambda text, n=number: f"output {n}: {text}")


@pytest.mark.parametrize("decompose", [False, True], ids=["training", "core"])
@pytest.mark.parametrize("family", FAMILIES)
def test_family_equals_eager(family, decompose, tmp_path):
    module, *inputs = FAMILIES[family]
    model = tenon.compile(save(tmp_path / "model.pt2", module, tuple(inputs), decompose))
    with torch.no_grad():
        expected = module.eval()(*inputs)
    agree(model(*inputs), expected)


def test_open_sizes_are_symbols_with_their_range(tmp_path):
    module = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.ReLU(inplace=True), nn.Flatten(1), nn.Softmax(1)).eval()
    path = save(tmp_path / "model.pt2", module, (torch.randn(2, 1, 9, 9),), dynamic_shapes=({0: torch.export.Dim("batch", max=16)},))
    model = tenon.compile(path)
    for batch in (1, 5, 16):
        x = torch.randn(batch, 1, 9, 9)
        agree(model(x), module(x))
    with pytest.raises(tenon.InputError):
        model(torch.randn(17, 1, 9, 9))
    fixed = tenon.compile(path, shapes={model.inputs[0].name: (3, 1, 9, 9)})
    assert fixed.inputs[0].shape == (3, 1, 9, 9)


def test_a_shape_that_does_not_fit_is_told_with_the_line(tmp_path):
    path = save(tmp_path / "model.pt2", nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), (torch.randn(1, 4, 4),))
    with pytest.raises(tenon.ShapeError, match="linear"):
        tenon.compile(path, shapes={"input": (1, 5, 5)})


def test_everything_unsupported_is_listed_with_its_line(tmp_path):
    path = save(tmp_path / "model.pt2", Of(lambda x: (torch.fft.fft(x).real, x.nonzero(), torch.linalg.inv(x))), (torch.randn(3, 3),))
    with pytest.raises(tenon.UnsupportedError) as error:
        tenon.compile(path)
    for part in ("linalg_inv", "nonzero", "fft", "test_pt2.py"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "function, what",
    [(lambda x: x.add_(1) * 2, "input 'inputs_0'"), (lambda x: F.batch_norm(x, None, None, training=True), "batch's own statistics")],
)
def test_writes_that_would_be_lost_are_refused(function, what, tmp_path):
    with pytest.raises(tenon.UnsupportedError, match=what):
        tenon.compile(save(tmp_path / "model.pt2", Of(function), (torch.randn(3, 3),)))


def test_buffers_that_change_are_refused(tmp_path):
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count.add_(1)
            return x + self.count

    for decompose in (False, True):
        with pytest.raises(tenon.UnsupportedError, match="count"):
            tenon.compile(save(tmp_path / "model.pt2", Counter(), (torch.randn(3),), decompose))


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """The entries of a small archive, by path."""
    path = save(tmp_path_factory.mktemp("archive") / "model.pt2", nn.Linear(3, 2), (torch.randn(1, 3),))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def compile_entries(entries, folder, compression=zipfile.ZIP_STORED):
    path = folder / "model.pt2"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return tenon.compile(path)


def test_a_compressed_archive_is_read(entries, tmp_path):
    compile_entries(entries, tmp_path, zipfile.ZIP_DEFLATED)(torch.ones(1, 3))


def changed_config(entries, change):
    """The archive with a change to the description of its weight."""
    result = dict(entries)
    name = next(n for n in entries if n.endswith("weights_config.json"))
    config = json.loads(entries[name])
    change(config["config"]["weight"])
    result[name] = json.dumps(config)
    return result


def only(entries, words):
    return {name: data for name, data in entries.items() if any(word in name for word in words)}


HOSTILE = {
    "pickled weight": (lambda e: changed_config(e, lambda w: w.update(use_pickle=True)), "is a pickle"),
    "sizes beyond the storage": (lambda e: changed_config(e, lambda w: w["tensor_meta"]["storage_offset"].update(as_int=1)), "beyond the end"),
    "huge offset": (lambda e: changed_config(e, lambda w: w["tensor_meta"]["storage_offset"].update(as_int=2**62)), "beyond the end|larger than"),
    "negative stride": (lambda e: changed_config(e, lambda w: w["tensor_meta"]["strides"][0].update(as_int=-3)), "no numbers"),
    "no such storage": (lambda e: changed_config(e, lambda w: w.update(path_name="../../etc/passwd")), "not in the archive"),
    "path that leaves": (lambda e: {**e, "model/../../x": b""}, "leaves it"),
    "absolute path": (lambda e: {**e, "/etc/x": b""}, "leaves it"),
    "old layout": (lambda e: {"model/serialized_exported_program.json": b"{}", "model/serialized_state_dict.pt": b""}, "2.7 or older"),
    "pickled weights of 2.8": (lambda e: {**only(e, ["models/", "archive_", "byteorder"]), "model/data/weights/model.pt": b""}, "PyTorch 2.9 or newer"),
    "TorchScript": (lambda e: {"m/data.pkl": b"", "m/constants.pkl": b"", "m/code/x.py": b""}, "TorchScript"),
    "checkpoint": (lambda e: {"m/data.pkl": b"", "m/data/0": b""}, "checkpoint"),
    "AOTInductor": (lambda e: {**only(e, ["archive_", "byteorder"]), "model/data/aotinductor/model/x.so": b""}, "AOTInductor"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(kind, entries, tmp_path):
    change, message = HOSTILE[kind]
    with pytest.raises(tenon.Error, match=message):
        compile_entries(change(entries), tmp_path)


def test_truncated_and_damaged_archives_are_refused(entries, tmp_path):
    path = tmp_path / "model.pt2"
    compile_entries(entries, tmp_path)
    whole = path.read_bytes()
    weight = whole.index(next(data for name, data in entries.items() if name.endswith("weight_0")))
    damaged = whole[:weight] + bytes([whole[weight] ^ 1]) + whole[weight + 1 :]
    for data, message in ((whole[:-30], "no zip archive|without entries"), (whole[: len(whole) // 2], "no zip archive|without entries"), (damaged, "checksum"), (b"PK", "no zip archive")):
        path.write_bytes(data)
        with pytest.raises(tenon.ModelError, match=message):
            tenon.compile(path)


def test_a_bomb_is_refused(entries, tmp_path):
    bomb = changed_config(entries, lambda w: w["tensor_meta"].update(sizes=[{"as_int": 2**30}, {"as_int": 3}], strides=[{"as_int": 0}, {"as_int": 0}]))
    with pytest.raises(tenon.ModelError):
        compile_entries(bomb, tmp_path, zipfile.ZIP_DEFLATED)


def test_signatures_are_pytorchs():
    """Names and defaults of arguments, against this PyTorch's own schemas."""
    import pathlib
    import re

    placement = {"device", "pin_memory", "non_blocking", "memory_format", "layout", "generator"}
    table = (pathlib.Path(__file__).parents[2] / "src/import/pt2/operators.def").read_text()
    rows = re.findall(r'^ATEN_OPERATOR\("([^"]+)", "([^"]*)", \w+\)', table, re.M)
    assert len(rows) > 200
    literals = {"None": None, "True": True, "False": False}
    for name, signature in rows:
        base, _, overload = name.partition(".")
        packet = getattr(torch.ops.aten, base, None)
        schema = getattr(packet, overload or "default")._schema
        theirs = {a.name: a.default_value if a.has_default_value() else "required" for a in schema.arguments if a.name not in placement}
        ours = {}
        for entry in re.split(r", (?![^\[]*\])", signature):
            argument, _, default = entry.partition("=")
            ours[argument] = eval(default, {"inf": float("inf")}, literals) if default else "required"
        assert ours == theirs, name
