#!/usr/bin/env python3
"""Holds the example commits of docs/adding.md to the costs that the page promises.

    python scripts/check_additions.py

The table there gives for each addition the number of files, the number of added lines and the subject of a commit.
Documentation does not count as a file. Without the repository's history there is nothing to check.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def promises():
    """Addition, most files, most added lines, subject of the commit: the rows of the page's table."""
    for line in (ROOT / "docs/adding.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"\d+", cells[1]):
            yield cells[0], int(cells[1]), int(cells[2]), cells[3]


def cost(commit):
    """Files and added lines of a commit, documentation left out."""
    rows = [row.split("\t") for row in git("show", "--numstat", "--format=", commit).splitlines() if row]
    rows = [(int(added), name) for added, _, name in rows if not name.startswith("docs/")]
    return len(rows), sum(added for added, _ in rows)


def main():
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        print("additions: not checked, the repository's history is not here")
        return 0
    commits = dict(reversed([row.split(" ", 1)[::-1] for row in git("log", "--format=%H %s").splitlines()]))
    wrong = []
    for addition, files, lines, subject in promises():
        if subject not in commits:
            wrong.append(f"{addition}: there is no commit '{subject}'")
            continue
        real_files, real_lines = cost(commits[subject])
        if real_files > files or real_lines > lines:
            wrong.append(f"{addition}: {real_files} files and {real_lines} lines, not {files} and {lines}")
    print("\n".join(wrong) or "additions: cost what docs/adding.md says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
