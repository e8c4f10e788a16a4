"""Results whose sizes the data decides, as PyTorch's exporters write them, against eager; by hand where they do not."""

import threading

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from test_cli import tenon as command
from test_cli import tenon_json
from test_models import export

import tenon


class Masked(torch.nn.Module):
    def forward(self, x):
        return x[x > 0] * 2


class Places(torch.nn.Module):
    def forward(self, x):
        return torch.nonzero(x), (x > 0).nonzero(as_tuple=True)[1]


class Rows(torch.nn.Module):
    """The same mask twice, and a model on the rows that are left."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 24)

    def forward(self, x):
        rows = x[x.sum(1) > 0]
        return self.linear(rows).softmax(-1), rows.sum(0), rows + x[x.sum(1) > 0].exp()


class Joined(torch.nn.Module):
    """Rows that are left beside rows that are there from the start."""

    def forward(self, x):
        return torch.cat([x[x[:, 0] > 0], x.exp()]), torch.cat([x.sigmoid(), x[x[:, 1] > 0]])


class Experts(torch.nn.Module):
    """Each row goes through the experts that its gate chooses."""

    def __init__(self):
        super().__init__()
        self.gate = torch.nn.Linear(4, 3)
        self.experts = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        weights, chosen = torch.topk(self.gate(x).softmax(-1), 2)
        mask = torch.nn.functional.one_hot(chosen, 3).permute(2, 1, 0)
        result = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rank, row = torch.where(mask[number])
            result = result.index_add(0, row, expert(x[row]) * weights[row, rank, None])
        return result


class Distinct(torch.nn.Module):
    def forward(self, x):
        return torch.unique(x.flatten(), return_inverse=True, return_counts=True)


MIXED = torch.tensor([[1.0, -2, 3, 0.5], [-1, -2, -3, -4], [0, 1, 0, -0.5], [2, -1, -1, 4], [0, 0, 0, 0]])
DATA = {"mixed": MIXED, "none": -MIXED.abs(), "all": MIXED.abs() + 1, "other": MIXED.flip(0, 1)}
MODELS = {"Masked": Masked, "Places": Places, "Rows": Rows, "Joined": Joined, "Experts": Experts, "Distinct": Distinct}


@pytest.fixture(scope="module", params=["dynamo", "torchscript"])
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)

    def model(name):
        torch.manual_seed(0)
        module = MODELS[name]().eval()
        path = folder / f"{name}.onnx"
        if not path.exists():
            export(module, (MIXED,), path, request.param == "dynamo")
        return module, path

    return model


@pytest.mark.parametrize("name", MODELS)
def test_results_are_as_long_as_in_eager(exported, name):
    module, path = exported(name)
    model = tenon.compile(path)
    for x in DATA.values():
        with torch.inference_mode():
            expected = module(x)
        expected = list(expected) if isinstance(expected, tuple) else [expected]
        got = model(x)
        got = got if isinstance(got, list) else [got]
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("name", MODELS)
def test_native_code_equals_reference(exported, name, tmp_path):
    _, path = exported(name)
    for kind, x in DATA.items():
        numpy.savez(tmp_path / f"{kind}.npz", in_0=x.numpy())
        command("check", path, "--checked", "--layers", "--inputs", tmp_path / f"{kind}.npz")


def test_calls_at_the_same_time_have_sizes_of_their_own(exported):
    module, path = exported("Rows")
    model = tenon.compile(path, threads=2)
    wrong = []

    def caller(x):
        expected = list(module(x))
        for _ in range(200):
            if any(a.shape != b.shape or not torch.allclose(a, b, atol=1e-5) for a, b in zip(model(x), expected)):
                wrong.append(x)

    with torch.inference_mode():
        callers = [threading.Thread(target=caller, args=(x,)) for x in DATA.values()]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert not wrong


def test_the_command_line_tells_and_writes_them(exported, tmp_path):
    _, path = exported("Masked")
    assert tenon_json("inspect", path)["sizes that data decides"] == ["u0 <= 20"]
    numpy.savez(tmp_path / "in.npz", in_0=MIXED.numpy())
    said = tenon_json("run", path, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    assert said["outputs"][0]["shape"] == [6]
    written = numpy.load(tmp_path / "out.npz")
    assert (written[written.files[0]] == (MIXED[MIXED > 0] * 2).numpy()).all()
    command("bench", path, "--inputs", tmp_path / "in.npz", "--seconds", "0.1")


def overlap(a, b):
    sides = numpy.minimum(a[2:], b[2:]) - numpy.maximum(a[:2], b[:2])
    common = numpy.maximum(sides, 0).prod()
    return common / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common)


def best_boxes(boxes, scores):
    """The indices that torchvision.ops.nms(boxes, scores, 0.5) gives, of scores above 0.2."""
    kept = []
    for i in numpy.argsort(-scores, kind="stable"):
        if scores[i] > 0.2 and all(overlap(boxes[i], boxes[k]) <= 0.5 for k in kept):
            kept.append(i)
    return kept


def detection(path):
    """What torchvision exports for nms, and then the best three boxes; the number of boxes is free."""

    def constant(name, value):
        return helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(numpy.array(value)))

    constants = {"zero": [0], "first": [0, 1], "most": 2**62, "overlap": numpy.float32([0.5]), "least": numpy.float32([0.2])}
    constants |= {"two": [2], "three": [3], "one": [1]}
    nodes = [constant(name, value) for name, value in constants.items()] + [
        helper.make_node("Unsqueeze", ["boxes", "zero"], ["batch_boxes"]),
        helper.make_node("Unsqueeze", ["scores", "first"], ["batch_scores"]),
        helper.make_node("NonMaxSuppression", ["batch_boxes", "batch_scores", "most", "overlap", "least"], ["selected"]),
        helper.make_node("Slice", ["selected", "two", "three", "one"], ["column"]),
        helper.make_node("Squeeze", ["column", "one"], ["kept"]),
        helper.make_node("Gather", ["boxes", "kept"], ["kept_boxes"]),
        helper.make_node("Gather", ["scores", "kept"], ["kept_scores"]),
        helper.make_node("Shape", ["kept_scores"], ["count"]),
        helper.make_node("Min", ["count", "three"], ["k"]),
        helper.make_node("TopK", ["kept_scores", "k"], ["best_scores", "order"]),
        helper.make_node("Gather", ["kept_boxes", "order"], ["best_boxes"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "detection",
        [tensor("boxes", TensorProto.FLOAT, ["n", 4]), tensor("scores", TensorProto.FLOAT, ["n"])],
        [tensor(name, kind, None) for name, kind in [("kept", 7), ("best_scores", 1), ("best_boxes", 1), ("k", 7)]],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_detection_keeps_the_best_boxes(tmp_path):
    model = tenon.compile(detection(tmp_path / "m.onnx"))
    random = numpy.random.default_rng(0)
    for count, largest in [(40, 1), (300, 1), (40, 0.2), (2, 1), (1, 1)]:
        corners = random.uniform(0, 4, (count, 2))
        boxes = numpy.concatenate([corners, corners + random.uniform(1, 2, (count, 2))], 1).astype(numpy.float32)
        scores = random.uniform(0, largest, count).astype(numpy.float32)
        expected = best_boxes(boxes, scores)
        kept, best, best_of, k = model(boxes, scores)
        assert list(kept) == expected
        assert list(k) == [min(len(expected), 3)]
        assert (best == scores[expected[:3]]).all() and (best_of == boxes[expected[:3]]).all()
        assert best_of.shape == (min(len(expected), 3), 4)
