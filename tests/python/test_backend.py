"""torch.compile(backend="tenon") against eager: values, strides, aliases, mutation, changing weights, shapes, threads."""

import gc
import logging
import threading
import weakref

import pytest
import torch
from torch import nn

import tenon


@pytest.fixture(autouse=True)
def fresh():
    torch.manual_seed(0)
    torch._dynamo.reset()


def compiled(function, **options):
    return torch.compile(function, backend="tenon", **options)


def assert_same(got, expected):
    got, expected = torch.utils._pytree.tree_leaves(got), torch.utils._pytree.tree_leaves(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        if isinstance(b, torch.Tensor):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
            assert a.stride() == b.stride()
        else:
            assert a == b


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.linear = nn.Linear(8, 5)

    def forward(self, x):
        return self.linear(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@torch.no_grad()
def test_a_module_gives_what_eager_gives_without_fallbacks(caplog):
    module, x = Convolutional().eval(), torch.randn(2, 3, 8, 8)
    with caplog.at_level(logging.WARNING, "tenon"):
        assert_same(compiled(module, fullgraph=True)(x), module(x))
    assert not caplog.records
    explanation = tenon.explain(module, x)
    assert explanation.fallbacks == [] and explanation.graphs == explanation.regions == 1


@torch.no_grad()
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.to(memory_format=torch.channels_last) * 2,
        lambda x: (x + 1).permute(0, 2, 3, 1),
        lambda x: (x[:, ::2], x * 2),
        lambda x: (x, x * 2, None, 3),
        lambda x: [x.sum(), x.mean(1)],
        lambda x: {"a": x + 1, "b": (x - 1, 2.5)},
        lambda x: torch.empty(0, 4) + x.sum(),
        lambda x: (x * 2).expand(2, *x.shape),
    ],
)
def test_results_keep_structure_and_strides(function):
    x = torch.randn(2, 4, 6, 5)
    assert_same(compiled(function, fullgraph=True)(x), function(x))
    x = x.to(memory_format=torch.channels_last)
    assert_same(compiled(function, fullgraph=True)(x), function(x))


@torch.no_grad()
def test_results_that_alias_in_eager_alias():
    def function(x):
        y = x * 2
        return x.view(-1), y, y[0], x

    x = torch.randn(3, 4)
    flat, y, row, same = compiled(function)(x)
    assert flat.data_ptr() == x.data_ptr() and same is x
    assert row.data_ptr() == y.data_ptr()
    again = compiled(function)(x)[1]
    assert again.data_ptr() != y.data_ptr()


@torch.no_grad()
def test_mutated_inputs_and_buffers_are_mutated():
    def function(x, y):
        x.add_(y)
        y[0] = 5
        return x * 2

    x, y = torch.randn(3, 4), torch.randn(3, 4)
    expected_x, expected_y = x.clone(), y.clone()
    expected = function(expected_x, expected_y)
    assert_same([compiled(function)(x, y), x, y], [expected, expected_x, expected_y])

    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count += 1
            return x * self.count

    module = Counter()
    function = compiled(module)
    for turn in (1, 2, 3):
        assert function(torch.ones(2)).tolist() == [turn, turn]
    assert module.count.item() == 3


CHANGES = {
    "load_state_dict": lambda linear: linear.load_state_dict({k: v + 1 for k, v in linear.state_dict().items()}),
    "in place": lambda linear: linear.weight.mul_(2),
    "data": lambda linear: setattr(linear.weight, "data", torch.randn_like(linear.weight)),
    "data in place": lambda linear: linear.weight.data.add_(0.5),
    "numpy": lambda linear: linear.weight.numpy().fill(3),
    "new parameter": lambda linear: setattr(linear, "weight", nn.Parameter(torch.randn_like(linear.weight))),
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_weights_are_seen(change):
    module, x = nn.Linear(6, 5), torch.randn(3, 6)
    function = compiled(module)
    assert_same(function(x), module(x))
    for _ in range(6):  # more often than weights are packed anew
        change(module)
        assert_same(function(x), module(x))


@torch.no_grad()
def test_parameters_that_the_compiler_refuses_later_run_in_eager(monkeypatch, caplog):
    from tenon import _region

    module, x = nn.Linear(6, 5), torch.randn(3, 6)
    function = compiled(module)
    function(x)

    def refuse(region, arguments):
        raise _region.Refused({"addmm": "not today"})

    monkeypatch.setattr(_region.Region, "compile", refuse)
    module.weight.mul_(2)
    with caplog.at_level(logging.WARNING, "tenon"):
        for _ in range(2):
            assert_same(function(x), module(x))
    (record,) = [record for record in caplog.records if record.name == "tenon"]
    assert "runs in eager from now on: addmm: not today" in record.getMessage()


@torch.no_grad()
def test_repack_sees_what_a_look_misses():
    module, x = nn.Linear(64, 64), torch.randn(3, 64)
    function = compiled(module)
    function(x)
    module.weight.numpy()[0, 0] += 100
    assert not torch.allclose(function(x), module(x)), "the look at one line of memory saw it: change another element"
    tenon.repack()
    assert_same(function(x), module(x))


@torch.no_grad()
def test_operators_that_tenon_lacks_run_in_eager_and_are_counted(caplog):
    def function(x):
        y = torch.relu(x) + 1
        z = torch.linalg.matrix_exp(y)
        return z * 2

    x = torch.randn(4, 4)
    with caplog.at_level(logging.WARNING, "tenon"):
        assert_same(compiled(function, fullgraph=True)(x), function(x))
    (record,) = caplog.records
    assert "1 operators run in eager: aten.linalg_matrix_exp.default" in record.getMessage()
    assert "test_backend.py" in record.getMessage() and "matrix_exp(y)" in record.getMessage()
    explanation = tenon.explain(function, x)
    (fallback,) = explanation.fallbacks
    assert fallback.operator == "aten.linalg_matrix_exp.default" and 0 < fallback.share < 1
    assert explanation.regions == 2 and "matrix_exp" in str(explanation)
    with pytest.raises(Exception, match="matrix_exp"):
        compiled(function, options={"fallback": False})(x)


def test_unknown_options_are_errors():
    with pytest.raises(Exception, match="there is no option 'gaurd'"):
        compiled(lambda x: x + 1, options={"gaurd": True})(torch.ones(2))


@torch.no_grad()
def test_sizes_may_change_without_compiling_again():
    module = Convolutional().eval()
    function = compiled(module, dynamic=True)
    for batch, size in [(2, 8), (3, 9), (5, 16)]:
        x = torch.randn(batch, 3, size, size + 1)
        with torch.compiler.set_stance("default" if batch == 2 else "fail_on_recompile"):
            assert_same(function(x), module(x))


@torch.no_grad()
def test_marked_dynamic_sizes():
    module, x = Convolutional().eval(), torch.randn(4, 3, 8, 8)
    torch._dynamo.mark_dynamic(x, 0)
    function = compiled(module)
    assert_same(function(x), module(x))
    with torch.compiler.set_stance("fail_on_recompile"):
        for batch in (2, 7):
            x = torch.randn(batch, 3, 8, 8)
            assert_same(function(x), module(x))


@torch.no_grad()
def test_calls_from_several_threads():
    module = Convolutional().eval()
    function = compiled(module)
    inputs = [torch.randn(2, 3, 8, 8) for _ in range(8)]
    expected = [module(x) for x in inputs]
    function(inputs[0])
    wrong = []

    def work(k):
        for _ in range(20):
            if not torch.allclose(function(inputs[k]), expected[k], atol=1e-5):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_training_compiles_the_forward_pass():
    module = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3))
    x = torch.randn(4, 6)
    module(x).square().sum().backward()
    expected = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    function = compiled(module)
    function(x).square().sum().backward()
    for p, grad in zip(module.parameters(), expected):
        torch.testing.assert_close(p.grad, grad, rtol=1e-4, atol=1e-5)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(8):
        optimizer.zero_grad()
        function(x).square().sum().backward()
        optimizer.step()
    assert_same(function(x), module(x))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_modes_without_gradients(mode):
    module, x = Convolutional().eval(), torch.randn(2, 3, 8, 8)
    with mode():
        got = compiled(module)(x)
        assert_same(got, module(x))
        assert not got.requires_grad


@torch.no_grad()
def test_autocast():
    module, x = nn.Linear(16, 8), torch.randn(4, 16)
    with torch.autocast("cpu", torch.bfloat16):
        got, expected = compiled(module)(x), module(x)
    assert got.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(got, expected, rtol=2e-2, atol=2e-2)


@torch.no_grad()
def test_hooks_run():
    module, x, seen = nn.Linear(4, 3), torch.randn(2, 4), []
    module.register_forward_hook(lambda module, arguments, result: result + 1)
    assert_same(compiled(module)(x), module(x))
    module.register_forward_pre_hook(lambda module, arguments: seen.append(1))
    torch._dynamo.reset()
    compiled(module)(x)
    assert seen


@torch.no_grad()
def test_stances():
    calls = []

    def function(x):
        calls.append(torch.compiler.is_compiling())
        return x + 1

    fast = compiled(function)
    with torch.compiler.set_stance("force_eager"):
        fast(torch.ones(2))
    assert calls == [False]
    assert fast(torch.ones(2)).tolist() == [2, 2]
    with torch.compiler.set_stance("eager_on_recompile"):
        assert fast(torch.ones(3, 3, dtype=torch.float64)).shape == (3, 3)


@torch.no_grad()
def test_reset_frees_what_was_compiled():
    from tenon import _region

    gc.collect()
    before = weakref.WeakSet(_region.live)
    module, x = nn.Linear(4, 3), torch.randn(2, 4)
    function = compiled(module)
    function(x)
    assert len(_region.live) == len(before) + 1
    torch._dynamo.reset()
    del function
    gc.collect()
    assert len(_region.live) <= len(before)


@torch.no_grad()
def test_strided_and_offset_inputs():
    module = nn.Linear(4, 3)
    base = torch.randn(6, 9)
    for x in (base[:, 2:6], base.t()[:4].t(), base[1::2, 5:9], base[:0, :4], base[2, 1:5]):
        torch._dynamo.reset()
        assert_same(compiled(module)(x), module(x))


@torch.no_grad()
def test_the_guard_decides_and_tells():
    module, x = Convolutional().eval(), torch.randn(2, 3, 8, 8)
    function = compiled(module, options={"guard": True})
    for _ in range(30):
        assert_same(function(x), module(x))
    decision = [d for d in tenon.decisions() if d.shapes == ((2, 3, 8, 8),)][-1]
    assert decision.keeps == ("compiled" if decision.ratio >= 1 else "eager")
    assert decision.rounds >= 10 and decision.low <= decision.ratio <= decision.high


def test_the_number_of_threads_is_torchs():
    before = torch.get_num_threads()
    module, x = nn.Linear(256, 256), torch.randn(512, 256)
    try:
        with torch.no_grad():
            function = compiled(module)
            for threads in (1, 2, 1):
                torch.set_num_threads(threads)
                assert_same(function(x), module(x))
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_operators_that_pytorch_fuses_for_itself_are_compiled(norm_first, activation):
    layer = nn.TransformerEncoderLayer(16, 4, 32, activation=activation, batch_first=True, norm_first=norm_first).eval()
    attention = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    x = torch.randn(2, 5, 16)
    assert_same(compiled(layer, fullgraph=True)(x), layer(x))
    assert_same(compiled(lambda x: attention(x, x, x, need_weights=False)[0])(x), attention(x, x, x, need_weights=False)[0])
    assert not tenon.explain(layer, x).fallbacks


@torch.no_grad()
def test_strides_of_axes_of_one_element_are_no_operator():
    def function(x):  # the mean of a channels-last tensor is followed by as_strided
        return nn.functional.adaptive_avg_pool2d(x, 1).permute(0, 2, 3, 1) * 2

    x = torch.randn(2, 6, 4, 4).to(memory_format=torch.channels_last)
    assert_same(compiled(function, fullgraph=True)(x), function(x))
    assert not tenon.explain(function, x).fallbacks
    mixed = torch.randn(3, 4)
    assert_same(compiled(lambda x: x.as_strided((2, 2), (1, 2)) * 2)(mixed), mixed.as_strided((2, 2), (1, 2)) * 2)


@torch.no_grad()
def test_an_operator_can_be_replaced():
    @torch.library.custom_op("tenon_tests::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    twice.register_fake(torch.empty_like)

    def function(x):
        return twice(x + 1) + 1

    x = torch.randn(5)
    assert [f.operator for f in tenon.explain(function, x).fallbacks] == ["tenon_tests.twice.default"]
    tenon.replace(torch.ops.tenon_tests.twice.default, lambda x: x + x)
    torch._dynamo.reset()
    assert_same(compiled(function)(x), function(x))
    assert not tenon.explain(function, x).fallbacks


class Recurrent(nn.Module):
    """A recurrent layer between elementwise operators, all of its results put out."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, *states):
        output, last = self.layer(torch.tanh(x), *states)
        return output * 2, last


@pytest.fixture
def recurrent_layers():
    """Dynamo puts them into graphs."""
    with torch._dynamo.config.patch(allow_rnn=True):
        yield


RECURRENT = {
    "lstm": lambda: nn.LSTM(6, 5, num_layers=2, batch_first=True),
    "lstm, both ways": lambda: nn.LSTM(6, 5, bidirectional=True, bias=False),
    "gru": lambda: nn.GRU(6, 5, num_layers=2, bidirectional=True, batch_first=True),
    "tanh": lambda: nn.RNN(6, 5, batch_first=True),
    "relu": lambda: nn.RNN(6, 5, nonlinearity="relu"),
}


@torch.no_grad()
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_stay_whole(name, recurrent_layers):
    module = Recurrent(RECURRENT[name]()).eval()
    fast = compiled(module, fullgraph=True)
    for length in (7, 9, 12):
        x = torch.randn(3, length, 6)
        assert_same(fast(x), module(x))
    explanation = tenon.explain(module, x)
    assert explanation.fallbacks == [] and explanation.graphs == 1
    assert explanation.operators < 20  # not one for each step


@torch.no_grad()
def test_recurrent_layers_start_from_given_states(recurrent_layers):
    module, x = Recurrent(nn.LSTM(6, 5)).eval(), torch.randn(4, 3, 6)
    states = torch.randn(1, 3, 5), torch.randn(1, 3, 5)
    assert_same(compiled(module, fullgraph=True)(x, states), module(x, states))


@torch.no_grad()
def test_recurrent_layers_of_other_kinds_run_in_eager_or_unrolled(recurrent_layers):
    projected, x = Recurrent(nn.LSTM(6, 5, proj_size=3)).eval(), torch.randn(4, 3, 6)
    assert_same(compiled(projected)(x), projected(x))
    with torch.autocast("cpu"):
        module = Recurrent(nn.GRU(6, 5)).eval()
        got, expected = compiled(module)(x), module(x)
    torch.testing.assert_close(got, expected, rtol=2e-2, atol=2e-2)


def test_recurrent_layers_are_trained(recurrent_layers):
    module, x = Recurrent(nn.GRU(6, 5)), torch.randn(4, 3, 6)
    compiled(module)(x)[0].sum().backward()
    got = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    module(x)[0].sum().backward()
    for gradient, parameter in zip(got, module.parameters()):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-5)
