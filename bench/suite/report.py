# SPDX-License-Identifier: MIT
"""report.html: tables and figures in one file, which needs no network."""
import html

from . import bars, figures, tables
from .analysis import failures
from .extras import failures as failures_of_extras
from .jobs import GROUPS
from .process import Failure

STYLE = """
body { font: 16px/1.45 "DejaVu Sans", Verdana, Arial, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.25em; margin-top: 2.2em; border-bottom: 1px solid #999 }
table { border-collapse: collapse; margin: 1em 0; font-size: 0.85em }
th, td { padding: 0.25em 0.7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
td.about, th.about { white-space: normal; text-align: left }
tr.mean td { font-weight: bold; border-top: 2px solid #555 }
td.failed { color: #a00; font-weight: bold }
td.met { color: #060 }
td.verdict { text-align: left }
svg { max-width: 100%; height: auto; display: block; margin: 1.2em 0 }
.wide { overflow-x: auto }
ul.failed li { color: #a00 }
"""

CLASSES = {
    "failed": " class=failed",
    bars.MET: ' class="verdict met"',
    bars.NOT_MET: ' class="verdict failed"',
    bars.NOT_MEASURED: " class=verdict",
}


def write(results, summary, out):
    """Draws the figures into out/figures, and writes out/report.html around them."""
    title = "malloc libraries side by side"
    parts = [f"<h1>{title}</h1>", conditions(results, summary), failed(results), the_bars(results)]
    parts.append(means(results, summary))
    try:
        sections = figures.sections(results, summary, out / "figures")
    except (FileNotFoundError, Failure) as failure:
        sections = []
        parts.append(f"<p>No figures: {html.escape(str(failure))}</p>")
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>")
        parts += [inline(path) for path in section.pictures]
    parts.append(all_ratios(results, summary))
    parts.append(about(results))
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(part for part in parts if part) + "\n</body></html>\n"
    )
    (out / "report.html").write_text(page, encoding="utf-8")


def inline(path):
    svg = path.read_text(encoding="utf-8")
    return svg[svg.index("<svg") :]


def table(header, rows, classes=()):
    """rows: (first cell, cells); classes: the class of each row."""
    lines = ["<div class=wide><table><tr>" + "".join(f"<th>{html.escape(text)}</th>" for text in header) + "</tr>"]
    for index, (first, cells) in enumerate(rows):
        kind = f' class="{classes[index]}"' if index < len(classes) and classes[index] else ""
        marked = "".join(f"<td{CLASSES.get(cell.split(' in ')[0], '')}>{html.escape(cell)}</td>" for cell in cells)
        lines.append(f"<tr{kind}><td>{html.escape(first)}</td>{marked}</tr>")
    return "\n".join([*lines, "</table></div>"])


def conditions(results, summary):
    machine, settings = results["machine"], results["settings"]
    rows = [(key, [str(value)]) for key, value in machine.items()]
    rows.append(("rounds", [f"{settings['rounds']}{', quick: no figures to quote' if settings['quick'] else ''}"]))
    noise = tables.noise(summary)
    if noise:
        rows.append(("noise", [noise]))
    libraries = [(one["name"], [one["version"]]) for one in results["allocators"]]
    libraries += [(name, [f"absent: {why}"]) for name, why in results["absent"].items()]
    libraries += [(name, [f"skipped: {why}"]) for name, why in results["skipped"].items()]
    return as_text(table(["machine", ""], rows) + table(["library", "version"], libraries))


def failed(results):
    bad = failures(results["series"]) + failures_of_extras(results["extras"])
    if not bad:
        return ""
    items = "".join(
        f"<li>{html.escape(job)} on {html.escape(allocator)}: {html.escape(why)}</li>" for job, allocator, why in bad
    )
    return f"<h2>Failed</h2><ul class=failed>{items}</ul>"


def the_bars(results):
    found = bars.verdicts(results)
    quick = " A quick run: no figures to quote." if results["settings"]["quick"] else ""
    rows = [(bar, [limit, word, figure]) for bar, limit, word, figure in bars.rows(found)]
    parts = [f"<h2>Bars</h2><p>{html.escape(bars.tally(found))}.{quick}</p>"]
    parts.append(as_text(table(["bar", "limit", "", "figure"], rows)))
    for title, items in bars.lists(found):
        parts.append(as_text(table([title, "figure", "why"], [(name, [figure, why]) for name, figure, why in items])))
    return "".join(parts)


def means(results, summary):
    names = tables.compared(results)
    parts = []
    for figure, title in tables.FIGURES.items():
        rows = tables.mean_rows(summary, names, figure)
        if rows:
            parts.append(table([f"{title}, ratio to {tables.BASE}", *names], rows))
    about_jobs = f"<p>Means of these jobs: {html.escape(tables.in_the_means(results))}.</p>"
    return "<h2>Summary</h2>" + about_jobs + "".join(parts) if parts else ""


def all_ratios(results, summary):
    names = tables.compared(results)
    parts = []
    for figure, title in tables.FIGURES.items():
        for group, group_title in GROUPS.items():
            rows = tables.job_rows(results, summary, names, figure, group)
            if rows:
                parts.append(table([f"{title} of {group_title}", *names], rows))
    parts.append(medians(results, summary))
    for one in tables.of_costs(results):
        parts.append(f"<p><b>{html.escape(one.title)}.</b> {html.escape(one.text)}</p>" + table(one.header, one.rows))
    return "<h2>All figures</h2>" + "".join(parts)


def medians(results, summary):
    """Seconds and memory as they are, of each job and allocator."""
    names = [one["name"] for one in results["allocators"]]
    rows = []
    for job in results["jobs"]:
        for name in names:
            cell = summary["jobs"][job["name"]][name]
            keys = ("seconds", "rss_kib", "rss_end_kib", "rss_floor_kib")
            rows.append((job["name"], [name, *(tables.number(cell[key], key) for key in keys)]))
    header = ["medians", "library", "seconds", "peak RSS, MiB", "after the last free, MiB", "1-2 s later, MiB"]
    return table(header, rows) if rows else ""


def about(results):
    rows = [(job["name"], [job["imitates"], job["why"]]) for job in results["jobs"]]
    if not rows:
        return ""
    return "<h2>What is run</h2>" + as_text(table(["name", "what it does", "why"], rows))


def as_text(tables_of_texts):
    """Tables whose cells are words: they begin at the left, and may be broken."""
    return tables_of_texts.replace("<td>", "<td class=about>").replace("<th>", "<th class=about>")
