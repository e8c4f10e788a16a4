"""Another engine as a child process, for `tenon bench --against`:

    python3 -m tenon.peer ENGINE MODEL.onnx INPUTS.npz THREADS

Answers in lines of JSON on the standard output: at the start what it is and how long loading and the first call took,
or what is missing; then, for each line with a number of calls, their seconds; at the end of its input the memory of
this process. `eager` and `inductor` run the PyTorch module that lies beside the model as .pt2 or .pt; a .pt file is a
pickle: it runs what its maker wrote into it.
"""

import json
import os
import pathlib
import resource
import sys
import time


class Missing(Exception):
    """What this engine needs and does not find."""


def torch_module(path):
    exported, pickled = path.with_suffix(".pt2"), path.with_suffix(".pt")
    if not exported.exists() and not pickled.exists():
        raise Missing(f"'{exported}' (torch.export.save) or '{pickled}' (torch.save)")
    import torch

    if exported.exists():
        return torch.export.load(exported).module()
    sys.path.insert(0, str(path.parent))  # for classes that lie beside it
    return torch.load(pickled, weights_only=False).eval()


# An engine loads a model and gives (its version, a function of the arrays that gives a call of no arguments).


def eager(path, threads, compiled=False):
    module = torch_module(path)
    import torch

    torch.set_num_threads(threads)
    if compiled:
        module = torch.compile(module, dynamic=False)

    def bind(arrays):
        tensors = [torch.from_numpy(array) for array in arrays.values()]

        def call():
            with torch.inference_mode():
                return module(*tensors)

        return call

    return f"torch {torch.__version__}", bind


def inductor(path, threads):
    return eager(path, threads, compiled=True)


def ort(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return f"onnxruntime {onnxruntime.__version__}", lambda arrays: lambda: session.run(None, arrays)


def openvino(path, threads):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(str(path)), "CPU", settings).create_infer_request()

    def bind(arrays):
        for name, array in arrays.items():
            request.set_tensor(name, openvino.Tensor(array))
        return request.infer

    return f"openvino {openvino.__version__}", bind


ENGINES = {"eager": eager, "inductor": inductor, "ort": ort, "openvino": openvino}


def serve(engine, path, inputs, threads, answer):
    import numpy

    start = time.perf_counter()
    version, bind = ENGINES[engine](pathlib.Path(path), int(threads))
    loaded = time.perf_counter()
    with numpy.load(inputs) as file:
        call = bind({name: file[name] for name in file})
    bound = time.perf_counter()
    call()
    first = time.perf_counter() - bound
    answer({"version": version, "load_seconds": loaded - start, "first_call_seconds": first})
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - begin)
        answer({"seconds": seconds})
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer({"resident": pages * os.sysconf("SC_PAGE_SIZE"), "peak": peak})


def main(arguments):
    # Engines print what they like: only answers go to the parent.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def answer(value):
        print(json.dumps(value), file=out, flush=True)

    engine = arguments[0] if arguments else ""
    if engine not in ENGINES or len(arguments) != 4:
        return answer({"missing": f"there is no engine '{engine}'; engines: {', '.join(ENGINES)}"})
    try:
        serve(*arguments, answer)
    except ModuleNotFoundError as error:
        answer({"missing": f"the Python package '{error.name}' is not installed for {sys.executable}"})
    except Missing as error:
        answer({"missing": f"it needs {error}"})
    except KeyboardInterrupt:
        pass
    except Exception as error:
        answer({"missing": f"it fails: {type(error).__name__}: {error}"})


if __name__ == "__main__":
    main(sys.argv[1:])
