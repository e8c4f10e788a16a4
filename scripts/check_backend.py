"""`torch.compile(module, backend="tenon", fullgraph=True)` over many architectures with random weights, against eager.

    python scripts/check_backend.py [--suite FOLDER] [--write docs/backend.md] [NAME ...]

A line per model: operators, how many of them stay in eager and which, and the largest difference to eager over two inputs,
relative to the output's largest value; where that is large, both are compared with the module in float64. FOLDER has
modules as .pt files with their classes beside, and inputs as .npz. Needs torchvision, timm and transformers. Each model
runs in a process of its own.
"""

import argparse
import copy
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "examples"))

TOLERANCE = 1e-4

# Beside examples/architectures.py: (image size, names) of torchvision.
TORCHVISION = [
    (64, "convnext_tiny convnext_small densenet121 densenet161 densenet169 densenet201 efficientnet_b0 efficientnet_b1"),
    (64, "efficientnet_b2 efficientnet_b3 efficientnet_v2_m mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2"),
    (64, "mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_y_800mf"),
    (64, "regnet_y_1_6gf regnet_y_3_2gf resnet18 resnet34 resnet50 resnet101 resnet152 resnext101_32x8d resnext101_64x4d"),
    (64, "shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_t swin_s swin_b swin_v2_s"),
    (64, "vgg11 vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn wide_resnet50_2 wide_resnet101_2"),
    (224, "vit_b_16 vit_b_32"),
]
TIMM = (
    "convmixer_768_32 cspresnet50 dla34 dpn68 efficientformer_l1 fastvit_t8 gernet_s gmlp_s16_224 levit_128 mobilevit_s"
    " mobileone_s0 repvgg_a0 res2net50_14w_8s resmlp_12_224 rexnet_100 seresnet50 skresnet18 tf_efficientnet_lite0 xcit_nano_12_p16_224"
)


def build(name, folder):
    """(module, a function that gives inputs)"""
    import architectures
    import torch

    if name.startswith("suite/"):
        import numpy

        sys.path.insert(0, str(folder))
        sys.path.insert(0, str(folder.parent))
        stem = name.removeprefix("suite/")
        sets = iter([folder / f"{stem}.npz", folder / f"{stem}.1.npz"])

        def inputs():
            data = numpy.load(next(sets))
            return tuple(torch.from_numpy(data[f"in_{k}"]) for k in range(sum(key.startswith("in_") for key in data)))

        return torch.load(folder / f"{stem}.pt", weights_only=False), inputs
    if name in architectures.MODELS:
        make, inputs = architectures.MODELS[name]
        return make(), inputs
    for size, names in TORCHVISION:
        if name in names.split():
            return architectures.torchvision(name)(), architectures.image(size, size)
    return architectures.timm(name)(), architectures.image(224, 224)


def names(folder):
    import architectures

    suite = [f"suite/{file.stem}" for file in sorted(folder.glob("*.pt"))] if folder else []
    return [*suite, *architectures.MODELS, *(name for _, line in TORCHVISION for name in line.split()), *TIMM.split()]


def flat(outputs):
    import torch

    return [leaf for leaf in torch.utils._pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]


def difference(got, expected):
    worst = 0.0
    for a, b in zip(got, expected, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise AssertionError(f"{a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}")
        worst = max(worst, float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp(min=1e-6)))
    return worst


def strides(tensors):
    return [tensor.stride() for tensor in tensors]


def traced_strides(module, inputs):
    """As PyTorch's own tracing has them, where it and eager do not agree."""
    import torch

    torch._dynamo.reset()
    return strides(flat(torch.compile(module, backend="aot_eager")(*inputs)))


def errors(exact, inputs, got, eager):
    """Differences of what Tenon and eager gave to the module in float64."""
    expected = flat(exact(*(x.double() if x.is_floating_point() else x for x in inputs)))
    return [difference([x.double() for x in outputs], expected) for outputs in (got, eager)]


def is_right(result):
    """Within the tolerance of eager, or as near to float64 as eager is or as the tolerance asks."""
    return result["difference"] <= TOLERANCE or result["exact"][0] <= max(TOLERANCE, result["exact"][1])


def enliven(module, inputs):
    """Random weights as models come with them let inputs vanish layer by layer: batch normalisation gets the means and the
    scale of what arrives there (one for all channels, since those that hardly vary would be blown up), weights that are all
    zero get some values."""
    import torch

    def settle(layer, arrived):
        x, axes = arrived[0], [0, *range(2, arrived[0].dim())]
        if layer.running_var is not None and x.numel() > x.shape[1]:
            layer.running_mean.copy_(x.mean(axes))
            layer.running_var.fill_(x.var(axes, correction=0).mean())

    normalisations = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    hooks = [layer.register_forward_pre_hook(settle) for layer in normalisations]
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
        module(*inputs)
    for hook in hooks:
        hook.remove()


def depends_on_input(first, second):
    """Whether the results of two inputs differ by more than a thousandth of the largest value."""
    return any(a.shape != b.shape or (a.double() - b.double()).abs().max() > 1e-3 * a.double().abs().max() for a, b in zip(first, second) if a.numel())


def try_one(name, folder):
    import logging

    import torch

    import tenon

    logging.getLogger("tenon").setLevel(logging.ERROR)
    torch._dynamo.config.allow_rnn = True
    torch.manual_seed(0)
    module, make_inputs = build(name, folder)
    module.eval()
    if not name.startswith("suite/"):
        enliven(module, make_inputs())
    compiled = torch.compile(module, backend="tenon", fullgraph=True)
    worst, start, eager, exact = 0.0, time.perf_counter(), [], None
    with torch.no_grad():
        for turn in range(2):
            inputs = make_inputs()
            got = flat(compiled(*inputs))
            if turn == 0:
                seconds = time.perf_counter() - start
            eager.append(flat(module(*inputs)))
            here = difference(got, eager[-1])
            if here > max(worst, TOLERANCE):
                exact = errors(copy.deepcopy(module).double(), inputs, got, eager[-1])
            worst = max(worst, here)
        as_traced = strides(got) != strides(eager[-1])
        if as_traced and strides(got) != traced_strides(module, inputs):
            raise AssertionError(f"Error: strides {strides(got)} instead of {strides(eager[-1])}")
        if not depends_on_input(*eager):
            raise AssertionError("Error: the outputs of both inputs are the same, so they show nothing")
        torch._dynamo.reset()
        explanation = tenon.explain(module, *inputs)
    which = sorted({f"{f.operator}: {f.reason}" for f in explanation.fallbacks})
    if as_traced:
        which.append("strides as PyTorch traces them (aot_eager), which differ from eager's")
    return {
        "difference": worst,
        "exact": exact,
        "seconds": seconds,
        "operators": explanation.operators,
        "fallbacks": len(explanation.fallbacks),
        "which": which,
    }


def run_child(name, folder):
    command = [sys.executable, __file__, "--one", name, *(["--suite", str(folder)] if folder else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        return {"error": next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else f"exit code {done.returncode}")[:300]}


def cells(result):
    if "error" in result:
        return ["-", "-", "-", "-", result["error"]]
    wrong = "" if is_right(result) else "**wrong** "
    which = "; ".join(result["which"])
    if result["exact"]:
        which += " to float64: Tenon {:.1e}, eager {:.1e}".format(*result["exact"])
    return [str(result["operators"]), str(result["fallbacks"]), f"{wrong}{result['difference']:.1e}", f"{result['seconds']:.1f}", which[:300]]


def summary(results):
    run = [r for r in results.values() if "error" not in r]
    right = [r for r in run if is_right(r)]
    whole = [r for r in right if r["fallbacks"] == 0]
    largest = max((r["difference"] for r in run), default=0.0)
    return f"{len(results)} models: {len(run)} run, {len(right)} equal eager, {len(whole)} of these without a fallback; largest difference {largest:.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(try_one(options.one, options.suite)))
        return
    results = {}
    for name in options.names or names(options.suite):
        results[name] = run_child(name, options.suite)
        print(f"{name:32}", "  ".join(cells(results[name])), flush=True)
    print(summary(results))
    if options.write:
        heading = "| model | operators | in eager | difference | first call, s | which |\n|---|---|---|---|---|---|\n"
        rows = "".join(f"| {' | '.join([name, *cells(result)])} |\n" for name, result in results.items())
        text = f'# torch.compile(backend="tenon") over many architectures\n\nWritten by `scripts/check_backend.py`. {summary(results)}.\n\n'
        options.write.write_text(text + heading + rows)
    sys.exit(any("error" in r or not is_right(r) for r in results.values()))


if __name__ == "__main__":
    main()
