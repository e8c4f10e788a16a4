#!/usr/bin/env python3
"""Checks what no compiler does: includes against docs/layering.txt, sizes of files, and names in the documentation.

    python scripts/check_house.py

Prints every violation and exits with 1 when there is one.
"""

import math
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Of all files, this share has at most so many lines.
LENGTHS = {0.5: 150, 0.9: 400, 1: 1000}


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [pathlib.Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def layering():
    """Includes of a room that the table does not allow it."""
    allowed = {}
    for line in (ROOT / "docs/layering.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            room, _, others = line.partition(":")
            allowed[room] = others.split()
    for path in tracked("src/**"):
        if path.suffix not in (".h", ".cc", ".c", ".def"):
            continue
        room = path.parts[1]
        if room not in allowed:
            yield f"{path}: the room {room} is not in docs/layering.txt"
            continue
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            match = re.match(r'#include "([^"]+)"', line)
            if not match:
                continue
            target = match[1]
            if target.split("/")[0] not in (room, *allowed[room]) and target not in allowed[room]:
                yield f"{path}:{number}: {room} may not include {target}"


def llvm_only_in_codegen():
    for path in tracked("src/**"):
        if path.parts[1] != "codegen" and "llvm/" in (ROOT / path).read_text():
            yield f"{path}: only src/codegen sees LLVM's headers"


def long_files():
    files = tracked("*.h", "*.cc", "*.c", "*.py", "*.def")
    lengths = sorted((len((ROOT / path).read_text().splitlines()), path) for path in files)
    for share, most in LENGTHS.items():
        lines, path = lengths[math.ceil(share * len(lengths)) - 1]
        if lines > most:
            yield f"{path}: {lines} lines, but {share:.0%} of the files have at most {most}"


def passes_only_in_pipeline():
    """Pass headers are included by the pipeline, the pass itself, its siblings and tests only."""
    for path in tracked("src/**"):
        if path.parts[1] == "passes" or path.name in ("pipeline.cc", "pipeline.h", "plan.h"):
            continue
        if '#include "passes/' in (ROOT / path).read_text():
            yield f"{path}: passes are called by driver/pipeline.cc only"


def documented_paths():
    """Paths that the documentation names in backticks exist."""
    for path in tracked("*.md"):
        for name in re.findall(r"`((?:src|docs|scripts|tests|examples|python|bench)/[\w./-]+)`", (ROOT / path).read_text()):
            if not (ROOT / name).exists():
                yield f"{path}: {name} does not exist"


def main():
    checks = (layering, llvm_only_in_codegen, long_files, passes_only_in_pipeline, documented_paths)
    violations = [message for check in checks for message in check()]
    print("\n".join(violations) or "house: in order")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
