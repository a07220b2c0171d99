# SPDX-License-Identifier: MIT
"""gnuplot: three kinds of figures, each as a script with its data (NAME.gp) and the picture that it makes (NAME.svg)."""
import math
import re
import subprocess
from dataclasses import dataclass

from .palette import GRID, LIVE, TEXT, looks
from .process import Failure

FONT = "DejaVu Sans"
FALLBACK = "DejaVu Sans, Verdana, Arial, sans-serif"
WIDTH, MARGIN_HEIGHT = 940, 160
KEY_TOP, PLOT_TOP = 44, 96  # pixels from above: the legend of rows of points, between the title and the points
ROW_HEIGHT, POINT_HEIGHT = 12, 7  # of a row of points, and for each allocator in it
SCATTER_SIZE = (760, 560)
LABEL_GAP = 0.055  # of the height of the plot, between the names at the ends of lines


@dataclass
class Axis:
    label: str
    log: bool = False
    tics: tuple = ()  # (text, value); gnuplot's choice if empty


def quote(text):
    return '"' + str(text).replace("\\", "").replace('"', "'").replace("_", r"\\_") + '"'


def bold(text):
    return quote("{/:Bold " + text + "}")


def head(title, width, height):
    return [
        f'set terminal svg size {width},{height} enhanced font "{FONT},13" background "#ffffff"',
        f'set title {quote(title)} font "{FONT}-Bold,15" textcolor rgb "{TEXT}"',
        f'set border 3 lc rgb "{TEXT}"',
        f'set grid lc rgb "{GRID}" lt 1 lw 0.7',
        "set tics nomirror out",
        "set encoding utf8",
    ]


def axis_lines(letter, axis):
    lines = [f"set {letter}label {quote(axis.label)}"]
    lines.append(f'set format {letter} "%g"')
    if axis.log:
        lines.append(f"set logscale {letter}")
    if axis.tics:
        lines.append(f"set {letter}tics (" + ", ".join(f"{quote(text)} {value}" for text, value in axis.tics) + ")")
    return lines


def ratio_tics(values):
    """Tics for ratios on a logarithmic axis, as far as the values go."""
    steps = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128)
    if not values:
        return (("1", 1),)
    low, high = min(values), max(values)
    if high / low > 6:  # not room for all
        steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 8, 16, 32, 64, 128, 256)
    if high / low > 40:
        steps = (0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    return tuple((f"{step:g}", step) for step in steps if low / 1.3 <= step <= high * 1.3)


def block(name, rows):
    return [f"${name} << EOD", *(" ".join(str(cell) for cell in row) for row in rows), "EOD"]


def style(look, size=0.8):
    return f'lc rgb "{look.colour}" lw {look.width} dt {look.dash} pt {look.marker} ps {size}'


def dots(folder, name, title, label, rows, base):
    """A row for each (text, {allocator: estimate}, {allocator: note}, is_mean); a logarithmic axis of ratios to the base."""
    names = list(dict.fromkeys(allocator for row in rows for allocator in (*row[1], *row[2])))
    chosen = looks(names)
    values = [value for row in rows for one in row[1].values() for value in (one["low"], one["high"])]
    axis = Axis(label, log=True, tics=ratio_tics([*values, 1]))
    picture_height = MARGIN_HEIGHT + (ROW_HEIGHT + POINT_HEIGHT * len(names)) * len(rows)
    lines = head("", WIDTH, picture_height)
    lines += axis_lines("x", axis)
    tics = ", ".join(
        f"{bold(text) if is_mean else quote(text)} {index}" for index, (text, _, _, is_mean) in enumerate(rows)
    )
    lines += [
        f"set ytics ({tics})",
        f"set yrange [{len(rows) - 0.4}:-0.6]",
        "set grid noytics",
        f"set xrange [{min([1, *values]) / 1.1}:{max([1, *values]) * 1.1}]",
        f"set tmargin at screen {1 - PLOT_TOP / picture_height:.4f}",
        f"set key at screen 0.5, screen {1 - KEY_TOP / picture_height:.4f} center top horizontal samplen 1 spacing 1.2",
        f"set label {bold(title)} at screen 0.5, screen {1 - 26 / picture_height:.4f} center "
        f'font "{FONT},15" textcolor rgb "{TEXT}"',
        f'set arrow from first 1, graph 0 to first 1, graph 1 nohead lc rgb "{TEXT}" lw 1.6',
        f'set label {quote(base + " = 1")} at first 1, graph 1 center offset character 0, character 0.6 font "{FONT},11"',
    ]
    for index in range(len(rows) - 1):
        heavier = rows[index][3] != rows[index + 1][3]
        lines.append(
            f"set arrow from graph 0, first {index + 0.5} to graph 1, first {index + 0.5} nohead "
            f'lc rgb "{TEXT if heavier else GRID}" lw {1.2 if heavier else 0.6}'
        )
    plots = []
    for number, allocator in enumerate(names):
        offset = (number - (len(names) - 1) / 2) * 0.8 / max(len(names), 1)
        points = []
        for index, (_, figures, notes, _) in enumerate(rows):
            if allocator in figures:
                one = figures[allocator]
                points.append((one["ratio"], index + offset, one["low"], one["high"]))
        for index, (_, _, notes, _) in enumerate(rows):
            if allocator in notes:
                text = f"{allocator}: {notes[allocator]}"
                lines.append(
                    f"set label {quote(text)} at graph 0.995, first {index + offset} right "
                    f'font "{FONT},9" textcolor rgb "{chosen[allocator].colour}"'
                )
        lines += block(f"data{number}", points or [("NaN",) * 4])
        look = chosen[allocator]
        plots.append(
            f'$data{number} using 1:2:3:4 with xerrorbars lc rgb "{look.colour}" lw {look.width} '
            f"pt {look.marker} ps 0.8 title {quote(allocator)}"
        )
    return draw(folder, name, title, lines, plots)


def curves(folder, name, title, x_axis, y_axis, series, area=()):
    """A line for each allocator of series, {name: [(x, y)]}, with its name at the line's end; a grey area behind it."""
    chosen = looks(list(series))
    points = [point for one in series.values() for point in one] + list(area)
    top = max(y for _, y in points) * (1.6 if y_axis.log else 1.06)
    bottom = min(y for _, y in points if y > 0) / 1.5 if y_axis.log else 0
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    lines = head(title, WIDTH, 420)
    lines += axis_lines("x", x_axis) + axis_lines("y", y_axis)
    lines += [
        f"set yrange [{bottom}:{top or 1}]",
        f"set xrange [{left}:{right if right > left else left + 1}]",
        "set rmargin 13",
        "unset key",
    ]
    ends = {name: height(one[-1][1], bottom, top, y_axis.log) for name, one in series.items()}
    for allocator, at in spread_out(ends).items():
        lines.append(
            f'set label {quote(allocator)} at graph 1.012, graph {at:.4f} left textcolor rgb "{chosen[allocator].colour}"'
        )
    plots = []
    if area:
        lines += block("area", area)
        lines.append(f'set label "grey: live bytes" at graph 1, graph 1.045 right font "{FONT},11"')
        plots.append(f'$area using 1:2 with filledcurves y1=0 lc rgb "{LIVE}"')
    for number, (allocator, one) in enumerate(series.items()):
        lines += block(f"data{number}", one)
        every = max(1, len(one) // 12)
        plots.append(f"$data{number} using 1:2 with linespoints {style(chosen[allocator])} pi {every}")
    return draw(folder, name, title, lines, plots)


def height(value, bottom, top, log):
    """Where a value is, as a part of the plot's height."""
    if log:
        return math.log(max(value, bottom) / bottom) / math.log(top / bottom)
    return (value - bottom) / (top - bottom)


def spread_out(ends):
    """The heights of labels, moved apart so that none lies on another, in their order."""
    placed, lowest = {}, 0.01
    for name, at in sorted(ends.items(), key=lambda end: end[1]):
        placed[name] = max(at, lowest)
        lowest = placed[name] + LABEL_GAP
    highest = 0.99
    for name in sorted(placed, key=placed.get, reverse=True):
        placed[name] = min(placed[name], highest)
        highest = placed[name] - LABEL_GAP
    return placed


def scatter(folder, name, title, x_label, y_label, points):
    """A point with crossing intervals, and its name, for each {allocator: (estimate, estimate)}."""
    chosen = looks(list(points))
    lines = head(title, *SCATTER_SIZE)
    spots = {allocator: [] for allocator in points}
    ends = {allocator: [] for allocator in points}
    for letter, index, label in (("x", 0, x_label), ("y", 1, y_label)):
        values = [value for pair in points.values() for value in (pair[index]["low"], pair[index]["high"])]
        bottom, top = min(values) / 1.12, max(values) * 1.25
        lines += axis_lines(letter, Axis(label, log=True, tics=ratio_tics(values)))
        lines.append(f"set {letter}range [{bottom}:{top}]")
        for allocator, pair in points.items():
            spots[allocator].append(height(pair[index]["ratio"], bottom, top, log=True))
            ends[allocator].append([height(pair[index][edge], bottom, top, log=True) for edge in ("low", "high")])
    lines += ["unset key", f'set label "better" at graph 0.012, graph 0.025 left font "{FONT},11"']
    for allocator, (x, y, side) in names_beside(spots, ends).items():
        colour = chosen[allocator].colour
        lines.append(f'set label {quote(allocator)} at graph {x:.4f}, graph {y:.4f} {side} textcolor rgb "{colour}"')
    plots = []
    for number, (allocator, (x, y)) in enumerate(points.items()):
        look = chosen[allocator]
        row = (x["ratio"], y["ratio"], x["low"], x["high"], y["low"], y["high"])
        lines += block(f"data{number}", [row])
        bars = f'lc rgb "{look.colour}" lw {look.width} pt {look.marker} ps 1.2'
        plots.append(f"$data{number} using 1:2:3:4:5:6 with xyerrorbars {bars}")
    return draw(folder, name, title, lines, plots)


def names_beside(spots, ends):
    """{name: (x, y, side)} for {name: (x, y)} and {name: (ends of its bar along x, along y)}: each name beside its point,
    where no point, bar, other name or axis is, or, if there is no such place, at least no other name. All as parts of the
    plot's width and height."""
    taken, names = [], []
    for name, (x, y) in spots.items():
        (left, right), (bottom, top) = ends[name]
        taken.append((left - 0.012, y - 0.015, right + 0.012, y + 0.015))
        taken.append((x - 0.012, bottom - 0.015, x + 0.012, top + 0.015))
    placed = {}
    for name, (x, y) in spots.items():
        length = 0.013 * len(name)
        places = [
            (x + 0.015 if side == "left" else x - 0.015, y + up, side)
            for up in (0.03, -0.03, 0.06, -0.06, 0.09, -0.09, 0.12, -0.12)
            for side in ("left", "right")
        ]
        boxes = [
            (at - (length if side == "right" else 0), y - 0.014, at + (length if side == "left" else 0), y + 0.014)
            for at, y, side in places
        ]
        inside = [index for index, box in enumerate(boxes) if min(box) >= 0 and max(box) <= 1]
        without_names = [index for index in inside if not any(overlap(boxes[index], other) for other in names)]
        free = [index for index in without_names if not any(overlap(boxes[index], other) for other in taken)]
        best = next(iter(free + without_names + inside), 0)
        placed[name] = places[best]
        names.append(boxes[best])
    return placed


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def draw(folder, name, title, lines, plots):
    """Writes the script, runs gnuplot, mends the picture; its path."""
    script = "\n".join([*lines, "plot " + ", \\\n    ".join(plots), ""])
    (folder / f"{name}.gp").write_text(script, encoding="utf-8")
    done = subprocess.run(
        ["gnuplot", f"{name}.gp"], cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0 or "</svg>" not in done.stdout:
        raise Failure(f"gnuplot on {name}.gp: {done.stderr[-500:]}")
    path = folder / f"{name}.svg"
    path.write_text(mended(done.stdout, name, title), encoding="utf-8")
    return path


def mended(svg, name, title):
    """Names that are the picture's own, as many are put into one page; fonts that exist anywhere; a text for those who
    do not see it; no line ends with a blank."""
    svg = re.sub(r"\b(gpPt\d+|gpDot|gnuplot_canvas|gnuplot_plot_\w+)", rf"{name}-\1", svg)
    svg = re.sub(r"\s*<title>[^<]*</title>", "", svg)
    svg = svg.replace(f'font-family="{FONT}-Bold"', f'font-family="{FALLBACK}" font-weight="bold"')
    svg = svg.replace(f'font-family="{FONT}"', f'font-family="{FALLBACK}"')
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
    return re.sub(r"[ \t]+\n", "\n", svg).replace("\t", " ")
