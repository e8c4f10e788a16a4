"""The command line: python3 -m tenon.verdict MODEL ... (`tenon verdict` runs it)."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from .. import _errors
from . import of_file
from .options import Options, parse_shapes, thorough

EXIT_CODE_BY_KIND = {
    "usage": 2,
    "io": 3,
    "bad-model": 4,
    "unsupported": 5,
    "bad-shape": 6,
    "bad-input": 7,
    "runtime": 8,
    "internal": 9,
}


class Parser(argparse.ArgumentParser):
    """Mistakes are the package's exceptions."""

    def error(self, message: str) -> NoReturn:
        raise _errors.UsageError(f"{message}; 'tenon verdict --help' tells more")


def parser() -> Parser:
    made = Parser(prog="tenon verdict", description="Tell whether compiling a model helps or hurts, and why")
    made.add_argument("model", type=Path)
    made.add_argument("--inputs", type=Path)
    made.add_argument("--against", default="", type=lambda text: tuple(filter(None, text.split(","))))
    made.add_argument("--threads", type=int, default=Options.threads)
    made.add_argument("--seconds", type=float, default=Options.seconds)
    made.add_argument("--epochs", type=int, default=Options.epochs)
    made.add_argument("--apart", type=float, default=Options.apart)
    made.add_argument("--causes", type=float, default=Options.causes)
    made.add_argument("--thorough", action="store_true")
    made.add_argument("--tolerance", type=float)
    made.add_argument("--target", default=Options.target)
    made.add_argument("--without", action="append", default=[])
    made.add_argument("--shape", action="append", default=[])
    made.add_argument("--trust-pickle", action="store_true")
    made.add_argument("--html", type=Path)
    made.add_argument("--json", action="store_true")
    return made


def run(arguments: argparse.Namespace) -> int:
    options = Options(
        against=arguments.against or (),
        threads=arguments.threads,
        seconds=arguments.seconds,
        epochs=arguments.epochs,
        apart=arguments.apart,
        causes=arguments.causes,
        tolerance=arguments.tolerance,
        target=arguments.target,
        without=tuple(arguments.without),
        shapes=parse_shapes(arguments.shape),
        trust_pickle=arguments.trust_pickle,
    )
    if arguments.html and not arguments.html.parent.is_dir():
        raise _errors.FileError(f"cannot write '{arguments.html}': there is no folder '{arguments.html.parent}'")
    found = of_file(arguments.model, arguments.inputs, thorough(options) if arguments.thorough else options)
    if arguments.html:
        write(arguments.html, found.html())
    print(found.json() if arguments.json else str(found), end="\n" if arguments.json else "")
    return found.figures["exit_code"]


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise _errors.FileError(f"cannot write '{path}': {error.strerror}") from error


def show_error(error: _errors.Error, as_json: bool) -> int:
    code = EXIT_CODE_BY_KIND[error.kind]
    if as_json:
        print(json.dumps({"error": {"kind": error.kind, "exit_code": code, "diagnostics": [{"message": str(error)}]}}, indent=2))
    else:
        print(f"could not run: {error}", file=sys.stderr)
    return code


def stop(number: int, _: Any) -> NoReturn:
    raise KeyboardInterrupt(number)


def main(arguments: list[str]) -> int:
    """The exit code. An interrupt ends all children first, then this process by its signal."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        return run(parser().parse_args(arguments))
    except _errors.Error as error:
        return show_error(error, "--json" in arguments)
    except KeyboardInterrupt as interrupt:
        number = interrupt.args[0]
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return 128 + number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
