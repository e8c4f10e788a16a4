#!/usr/bin/env python3
"""Compares compiled models with recorded outputs, through Python and through the command line, at 1 and at 2 threads.

    PYTHONPATH=build/release/python python scripts/check_suite.py FOLDER [NAME...] [--checked] [--tenon build/release/bin/tenon]

FOLDER holds NAME.onnx (with --format pt2: NAME.pt2), optionally legacy/NAME.onnx of the same model from another exporter, and dynamic/NAME.onnx with
symbolic sizes; beside NAME.onnx (for legacy files: in FOLDER) lie NAME.npz, NAME.1.npz, ... with inputs in_0, in_1, ...
and expected outputs out_0, out_1, ... Each file is compiled once; with --checked every access of its code checks its
bounds. Prints one line per file with the largest error relative to the largest expected value of an output; a shape or
dtype that differs counts as infinite. Exit code 1 when an error is above the tolerance of 1e-4.
"""

import argparse
import itertools
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy

import tenon

TOLERANCE = 1e-4
THREADS = (1, 2)


def recorded(path):
    """(inputs, outputs) of the sets NAME.npz, NAME.1.npz, ... as arrays, with the path of each file."""
    for number in itertools.count():
        file = path.with_name(f"{path.stem}.{number}.npz" if number else f"{path.stem}.npz")
        if not file.exists():
            return
        with numpy.load(file) as data:
            names = sorted(data.files, key=lambda name: int(name.split("_")[1]))
            yield file, [data[n] for n in names if n.startswith("in_")], [data[n] for n in names if n.startswith("out_")]


def largest_error(got, expected):
    if [(g.shape, g.dtype) for g in got] != [(e.shape, e.dtype) for e in expected]:
        return math.inf
    worst = 0.0
    for g, e in zip(got, expected):
        g, e = g.astype(numpy.float64), e.astype(numpy.float64)
        if (numpy.isnan(g) != numpy.isnan(e)).any():
            return math.inf
        if e.size:
            worst = max(worst, float(numpy.nanmax(numpy.abs(g - e)) / max(numpy.nanmax(numpy.abs(e)), 1e-30)))
    return worst


def through_python(artifact, sets, threads):
    model = tenon.load(artifact, threads=threads)
    worst = 0.0
    for _, inputs, expected in sets:
        got = model(*inputs)
        worst = max(worst, largest_error(got if isinstance(got, list) else [got], expected))
    return worst


def through_command_line(binary, artifact, sets, threads, folder):
    names = [tensor.name for tensor in tenon.load(artifact).outputs]
    worst = 0.0
    for file, _, expected in sets:
        outputs = folder / "outputs.npz"
        subprocess.run([binary, "run", artifact, "--inputs", file, "--outputs", outputs, "--threads", str(threads)],
                       check=True, stdout=subprocess.DEVNULL)
        with numpy.load(outputs) as data:
            worst = max(worst, largest_error([data[name] for name in names], expected))
    return worst


def check(model, sets_path, binary, options, folder):
    artifact = folder / "model.tenon"
    subprocess.run([binary, "compile", model, "-o", artifact, *options], check=True, stdout=subprocess.DEVNULL)
    sets = list(recorded(sets_path))
    if not sets:
        raise FileNotFoundError(f"no recorded sets beside {sets_path}")
    errors = {}
    for threads in THREADS:
        errors[f"python {threads}T"] = through_python(artifact, sets, threads)
        errors[f"command line {threads}T"] = through_command_line(binary, artifact, sets, threads, folder)
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--tenon", default="build/release/bin/tenon", help="the command-line tool")
    parser.add_argument("--checked", action="store_true", help="check every access of generated code")
    parser.add_argument("--format", choices=("onnx", "pt2"), default="onnx", help="which files to compile")
    arguments = parser.parse_args()
    options = ["--checked"] if arguments.checked else []
    failed = []
    pattern = f"*.{arguments.format}"
    files = sorted(arguments.folder.glob(pattern)) + sorted(arguments.folder.glob(f"*/{pattern}"))
    for model in files:
        if arguments.names and model.stem not in arguments.names:
            continue
        label = str(model.relative_to(arguments.folder))
        beside = model if model.with_suffix(".npz").exists() else arguments.folder / model.name
        with tempfile.TemporaryDirectory() as folder:
            try:
                errors = check(model, beside, arguments.tenon, options, pathlib.Path(folder))
            except (subprocess.CalledProcessError, OSError, ValueError) as error:
                print(f"{label:34} failed: {error}", flush=True)
                failed.append(label)
                continue
        print(f"{label:34} " + "  ".join(f"{way} {error:.1e}" for way, error in errors.items()), flush=True)
        if max(errors.values()) > TOLERANCE:
            failed.append(label)
    print(f"{len(failed)} beyond {TOLERANCE:g} or failed" + (": " + ", ".join(failed) if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
