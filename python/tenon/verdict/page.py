"""A verdict as one HTML file without network: tables, bars, the time line of a call, the roofline plot."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Iterable

from . import charts
from .words import counted, duration, name_of, percent, size, times

Verdict = dict[str, Any]


def page(verdict: Verdict) -> str:
    """The whole file."""
    style = Path(__file__).with_name("page.css").read_text()
    answer = verdict["answer"].replace(" ", "-")
    body = [
        f'<header class="{answer}"><p class="model">{escape(str(verdict["model"]))}</p><h1>{escape(verdict["headline"])}</h1>'
        f"<p>{escape(conditions(verdict))}</p><p>{escape(verdict['baseline_is'])}</p>{_noise(verdict)}</header>",
        _section("Causes", _causes(verdict)),
        _section("Advice", _advice(verdict)),
        _section("Engines", _engines(verdict)),
        _section("One call, step by step", _steps(verdict)),
        _section("Roofline", _roofline(verdict)),
        _section("Steps of the pipeline", _variants(verdict)),
        _section("Conversion", _conversion(verdict)),
        _section("Rounds", _rounds(verdict)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(verdict['headline'])}</title><style>\n{style}</style></head>\n<body>\n" + "\n".join(filter(None, body)) + "\n</body></html>\n"
    )


def conditions(verdict: Verdict) -> str:
    threads, machine = verdict["threads"], verdict["machine"]
    return f"{threads} thread{'s' * (threads > 1)} of {machine['cpus']} on {machine['cpu']}, code for {verdict['target']}"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are text; from the second column on they stand at the right."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _noise(verdict: Verdict) -> str:
    return f'<p class="noise">Noise: {escape("; ".join(verdict["noise"]))}</p>' if verdict["noise"] else ""


def _causes(verdict: Verdict) -> str:
    largest = max((abs(cause["share"] or 0.0) for cause in verdict["causes"]), default=0.0)
    rows = []
    for cause in verdict["causes"]:
        share = cause["share"] if cause["seconds"] else None
        bar = charts.bar(share / largest) if share is not None and largest else ""
        amount = "" if share is None else f"{100 * share:+.0f} %, {duration(abs(cause['seconds']))}"
        rows.append(
            f'<li><span class="kind">{escape(cause["kind"])}</span><span class="bar">{bar}</span><span class="amount">{amount}</span>'
            f'<p>{escape(cause["finding"])}</p></li>'
        )
    note = f"Share of {verdict['causes'][0]['share_of']}; to the right what gains time, to the left what costs it. Causes work on each other: shares do not add up."
    return f'<p class="note">{escape(note)}</p><ul class="causes">{"".join(rows)}</ul>'


def _advice(verdict: Verdict) -> str:
    entries = "".join(f"<li>{escape(entry['text'])}</li>" for entry in verdict["advice"])
    return f"<ol>{entries}</ol>" if entries else '<p class="note">Nothing that was measured would make a call faster.</p>'


def _engines(verdict: Verdict) -> str:
    rows = []
    for name, engine in verdict["engines"].items():
        if "missing" in engine:
            rows.append([name_of(name), "not measured: " + engine["missing"]] + [""] * 7)
            continue
        call = engine["call_seconds"]
        ratio = times(verdict["ratios"][name]) if name in verdict["ratios"] else ""
        rows.append(
            [f"{name_of(name)}", *(duration(call[key]) for key in ("median", "p90", "p99")), ratio]
            + [duration(engine["load_seconds"]), duration(engine["first_call_seconds"]), size(engine["resident"]), f"{engine['error']:.0e}"]
        )
    head = ("engine", "a call", "p90", "p99", "its time over Tenon's", "load", "first call", "resident", "error")
    return _table(head, rows)


def _steps(verdict: Verdict) -> str:
    profile = verdict.get("profile")
    if not profile:
        return ""
    total, roof = sum(step["seconds"] for step in profile), verdict["roofline"]
    slowest = sorted(profile, key=lambda step: -step["seconds"])[:12]
    rows = [
        [step["nodes"], duration(step["seconds"]), percent(step["seconds"] / max(total, 1e-12)), *charts.rates(step, roof)] for step in slowest
    ]
    note = f"{len(profile)} steps in the order of execution; the darker, the nearer to the roofline. The slowest:"
    return charts.time_line(profile, roof) + f'<p class="note">{note}</p>' + _table(("step", "time", "share", "GFLOP/s", "GB/s", "of the roofline"), rows)


def _roofline(verdict: Verdict) -> str:
    if not verdict.get("profile"):
        return ""
    note = "A point for each step, as large as its share of the time. Left of the bend memory limits, right of it arithmetic; a step can be above the line when its data is in a cache, or when its algorithm needs fewer operations than the operator has (Winograd's)."
    return charts.roofline(verdict["profile"], verdict["roofline"]) + f'<p class="note">{escape(note)}</p>'


def _variants(verdict: Verdict) -> str:
    rows = []
    for variant in verdict.get("variants", []):
        measured = variant["status"] == "measured"
        effect = times(variant["ratio"]) if measured else variant["status"]
        rows.append([variant["step"], variant["change"], effect, duration(variant["seconds"]) if measured else ""])
    return _table(("step", "change", "its time over the whole's", "more a call"), rows) if rows else ""


def _conversion(verdict: Verdict) -> str:
    paid = verdict["conversion"]
    rows = [["compile", duration(paid["compile_seconds"])], *([f"- {s['name']}", duration(s["seconds"])] for s in paid["steps"])]
    rows += [["load the compiled file", duration(paid["load_seconds"])], ["first call", duration(paid["first_call_seconds"])]]
    even = verdict["break_even"]
    note = f'<p class="note">Paid once; made up for after {counted(even["calls"], "call")}.</p>' if even else ""
    return note + _table(("", "seconds"), rows)


def _rounds(verdict: Verdict) -> str:
    series = {name_of(name): engine["rounds"] for name, engine in verdict["engines"].items() if "rounds" in engine}
    return charts.rounds(series) + '<p class="note">The median time of a call in each round, relative to the engine\'s own median; a gap lies between epochs.</p>'
