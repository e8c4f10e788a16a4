"""ONNX's own node cases, compiled to native code and compared with the outputs that ONNX states. A case that runs does so
once more with all its inputs as constants of the file, and then it is reference evaluation that gives the outputs.

What Tenon lacks is a rule below: a case must be refused where the rule says so, and right everywhere else.
"""

import collections
import fnmatch
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

import tenon

# Element types that Tenon has none of.
LACKED_TYPES = {
    TensorProto.STRING,
    TensorProto.COMPLEX64,
    TensorProto.COMPLEX128,
    TensorProto.FLOAT8E4M3FN,
    TensorProto.FLOAT8E4M3FNUZ,
    TensorProto.FLOAT8E5M2,
    TensorProto.FLOAT8E5M2FNUZ,
    TensorProto.FLOAT8E8M0,
    TensorProto.FLOAT4E2M1,
    TensorProto.INT4,
    TensorProto.UINT4,
    TensorProto.INT2,
    TensorProto.UINT2,
}

# Domains and operators that Tenon does not import.
LACKED_DOMAINS = {"ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training"}
LACKED_OPERATORS = {
    # Values that may be absent, pictures and texts.
    *("SequenceMap", "OptionalHasElement", "OptionalGetElement"),
    *("ImageDecoder", "TfIdfVectorizer"),
    # Random numbers.
    *("Bernoulli", "RandomUniformLike"),
}

# Cases that need something of an operator that Tenon lacks.
LACKED_CASES = {
    "test_training_dropout*default*": "random numbers",
    "test_training_dropout": "random numbers",
    "test_training_dropout_mask": "random numbers",
    "test_lstm_with_peepholes": "peepholes",
    "test_roialign_mode_max": "the mode max",
    "test_scan_sum": "Scan of version 8",
    "test_not_?d": "operator set 1",
}

# PyTorch and ONNX Runtime divide by the result's whole size less one, these cases by the unrounded size.
DIFFERENT = {"test_resize_downsample_scales_linear_align_corners", "test_resize_downsample_scales_cubic_align_corners"}

# What a result may differ by relative to itself: the rounding of a few operations in the type of the result.
TOLERANCES = {"float16": 2**-9, "bfloat16": 2**-6}
# And absolutely, where sums of terms that cancel are rounded.
ABSOLUTE = {"test_dft*": 1e-6}


def operators_of(graph, functions):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in [attribute.g, *attribute.graphs]:
                yield from operators_of(body, functions)


def lacks(case):
    """Why Tenon must refuse the case, or None."""
    graph = case.model.graph
    for node in operators_of(graph, case.model.functions):
        if node.domain in LACKED_DOMAINS or node.op_type in LACKED_OPERATORS:
            return f"operator {node.domain}.{node.op_type}"
    types = [value.type for value in [*graph.input, *graph.output]]
    if any(not kind.HasField("tensor_type") or kind.tensor_type.elem_type in LACKED_TYPES for kind in types):
        return "type of an input or output"
    for pattern, reason in LACKED_CASES.items():
        if fnmatch.fnmatch(case.name, pattern):
            return reason
    return None


def array(value):
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else numpy.asarray(value)


def tensor(value):
    """torch has bfloat16, numpy has not; both lack nothing else that Tenon has."""
    value = array(value)
    if value.dtype.name == "bfloat16":
        return torch.from_numpy(value.view(numpy.int16)).view(torch.bfloat16)
    return torch.from_numpy(value.copy())


def is_parameter(place, data):
    """Whether PyTorch's exporters would write the input as a constant: sizes, axes, scales and the like, which have one
    axis at most."""
    return data.ndim == 0 or data.ndim == 1 and (place > 0 or data.dtype.kind in "iub")


def is_any(place, data):
    return True


def with_constants(model, inputs, is_constant):
    """The model with the inputs that `is_constant` chooses in the file."""
    frozen = onnx.ModelProto()
    frozen.CopyFrom(model)
    frozen.ir_version = max(frozen.ir_version, 4)
    graph, kept = frozen.graph, []
    for place, (value, given) in enumerate(zip(list(graph.input), inputs)):
        if not value.type.HasField("tensor_type"):
            kept.append(given)
            continue
        data = array(given)
        if is_constant(place, data):
            graph.initializer.append(numpy_helper.from_array(data, value.name))
            graph.input.remove(value)
        else:
            kept.append(given)
    if not kept:  # a call with no tensors would give numpy arrays, and numpy has no bfloat16
        graph.input.append(onnx.helper.make_tensor_value_info("unused", TensorProto.FLOAT, [1]))
        kept = [numpy.zeros(1, numpy.float32)]
    return frozen, kept


def difference(got, expected, case):
    """What is wrong with one output, or None."""
    expected = array(expected)
    name = expected.dtype.name
    got_name = str(got.dtype).removeprefix("torch.")
    if got_name != name or tuple(got.shape) != expected.shape:
        return f"{got_name}{list(got.shape)} instead of {name}{list(expected.shape)}"
    got = got.float().numpy() if name == "bfloat16" else got.numpy()
    if expected.dtype.kind not in "fV":
        return None if (got == expected).all() else "other values"
    expected = expected.astype(numpy.float64)
    tolerance = max(case.rtol, TOLERANCES.get(name, 0))
    absolute = max([case.atol, *(value for pattern, value in ABSOLUTE.items() if fnmatch.fnmatch(case.name, pattern))])
    close = numpy.isclose(got, expected, rtol=tolerance, atol=absolute, equal_nan=True)
    if close.all():
        return None
    return f"{numpy.count_nonzero(~close)} of {close.size} elements, the worst {numpy.abs(got - expected)[~close].max()}"


def run_model(model, inputs, outputs, case, folder):
    """What is wrong with the outputs, or None."""
    path = folder / f"{case.name}.onnx"
    path.write_bytes(model.SerializeToString())
    compiled = tenon.compile(path)
    path.unlink()
    got = compiled(*[tensor(value) for value in inputs])
    got = got if isinstance(got, list) else [got]
    got = [torch.as_tensor(value) for value in got]
    if len(got) != len(outputs):
        return f"{len(got)} outputs instead of {len(outputs)}"
    return next((wrong for g, e in zip(got, outputs) if (wrong := difference(g, e, case))), None)


def judge(index, folder):
    """("right" | "wrong" | "refused", why)"""
    case = CASES[index]
    inputs, outputs = case.data_sets[0] if case.data_sets else ([], [])
    attempts = [lambda: (case.model, inputs), lambda: with_constants(case.model, inputs, is_parameter)]
    for attempt in attempts:
        try:
            why = run_model(*attempt(), outputs, case, folder) or run_model(
                *with_constants(case.model, inputs, is_any), outputs, case, folder
            )
            return ("wrong", why) if why else ("right", "")
        except tenon.Error as error:
            why = str(error)
            if error.kind != "unsupported":
                return "wrong", why
        except Exception as error:  # whatever else comes is an error of Tenon
            return "wrong", f"{type(error).__name__}: {error}"
    return "refused", why


CASES = []


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        CASES.extend(collect_testcases(None))
    folder = tmp_path_factory.mktemp("cases")
    # Processes, so that a crash is an error of this test and no end of all tests.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        found = pool.map(judge, range(len(CASES)), [folder] * len(CASES), chunksize=8)
        return {case.name: (case, *verdict) for case, verdict in zip(CASES, found)}


def test_every_case_is_right_or_refused_by_the_rule(verdicts):
    wrong, surprises = {}, {}
    for name, (case, verdict, why) in verdicts.items():
        reason = lacks(case)
        if name in DIFFERENT:
            if verdict != "wrong":
                surprises[name] = f"{verdict}, though it is listed as different"
        elif verdict == "wrong":
            wrong[name] = why
        elif (verdict == "refused") != (reason is not None):
            surprises[name] = why if verdict == "refused" else f"runs, though the rule says: {reason}"
    counts = collections.Counter(verdict for _, verdict, _ in verdicts.values())
    text = "\n".join(f"{name}: {why}" for name, why in {**wrong, **surprises}.items())
    assert not wrong and not surprises, f"{dict(counts)}\n{text}"


def test_most_cases_run(verdicts):
    assert len(verdicts) > 1800
    assert sum(verdict == "right" for _, verdict, _ in verdicts.values()) > 1500
