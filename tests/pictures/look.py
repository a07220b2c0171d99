# SPDX-License-Identifier: MIT
"""look.py WHAT FILE...: reads a picture of `vmsim replay` as a machine can, and prints what is wrong with it, a line each.

curves SVG REPORT [FRAME-BOUND]   map SVG REPORT   page HTML REPORT   browser DOM PAGE MAP
"""
import html.parser
import json
import re
import sys
import xml.etree.ElementTree as xml

SVG = "{http://www.w3.org/2000/svg}"
LAYERS = ["mapped", "shade0", "shade1", "shade2", "shade3", "shade4", "swapped"]
FRAMES_MOST, POINTS_MOST, ROWS_MOST = 83, 642, 64


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def differ(what, wanted, got):
    if wanted != got:
        yield f"{what}: wanted {wanted}, got {got}"


def points_of(path):
    """Places of a path of M and L alone."""
    numbers = [float(text) for text in re.findall(r"[\d.]+", path)]
    return list(zip(numbers[::2], numbers[1::2]))


def rectangles_of(path):
    """(left, top, width, height) of a path of rectangles."""
    pieces = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path)
    assert sum(len(f"M{a} {b}h{c}v{d}h-{e}z") for a, b, c, d, e in pieces) == len(path), path[:200]
    return [tuple(int(text) for text in piece[:4]) for piece in pieces]


# ---- curves ----

ENDS = {
    "live_bytes": ("live_bytes_most", "live_bytes"),
    "resident_least": ("resident_least_most", "resident_least_end"),
    "resident_most": ("resident_most_most", "resident_most_end"),
    "virtual_bytes": ("virtual_bytes_most", "virtual_bytes"),
    "minor_faults": ("minor_faults", "minor_faults"),
    "major_faults": ("major_faults", "major_faults"),
    "swapped_bytes": (None, "swapped_bytes"),
}


def scale_of(panel):
    """(value a pixel, pixel of 0) by the numbers at the panel's axis."""
    ticks = [(int(text.get("data-value")), float(text.get("y"))) for text in panel.iter(SVG + "text") if text.get("data-value")]
    (low, bottom), (high, top) = ticks[0], ticks[-1]
    return (high - low) / (bottom - top), bottom - 4  # letters stand a little below their line


def check_curves(path, report_path):
    report, root = read_json(report_path), xml.parse(path).getroot()
    left, width = int(root.get("data-left")), int(root.get("data-width"))
    yield from differ("operations", report["n_ops"], int(root.get("data-ops")))
    seen = set()
    for panel in root.iter(SVG + "g"):
        if panel.get("class") != "panel":
            continue
        value_a_pixel, zero = scale_of(panel)
        for curve in panel.iter(SVG + "path"):
            if not curve.get("data-most"):
                continue
            key = curve.get("class").split()[1]
            seen.add(key)
            most_key, end_key = ENDS[key]
            if most_key:
                yield from differ(f"{key} at most", report[most_key], int(curve.get("data-most")))
            yield from differ(f"{key} in the end", report[end_key], int(curve.get("data-end")))
            points = points_of(curve.get("d"))
            if len(points) > POINTS_MOST:
                yield f"{key}: {len(points)} points"
            places = [x for x, _ in points]
            if places != sorted(places) or places[0] != left or places[-1] != left + width * (report["n_ops"] > 0):
                yield f"{key}: does not go from the left to the right"
            highest = (zero - min(y for _, y in points)) * value_a_pixel
            if abs(highest - int(curve.get("data-most"))) > value_a_pixel:
                yield f"{key}: drawn as high as {highest:.0f}, and is {curve.get('data-most')}"
    wanted = {key for key, (_, end) in ENDS.items() if key in ("live_bytes", "resident_most", "virtual_bytes") or report[end]}
    yield from differ("curves", sorted(wanted), sorted(seen | (wanted & {"resident_least"})))
    marks = [mark.get("data-op") for mark in root.iter(SVG + "path") if "mark peak" in mark.get("class", "")]
    yield from differ("the mark of the peak", [str(report["peak"])], marks)
    names = [text.text for text in root.iter(SVG + "text")]
    for wanted_text in ("memory", "addresses", "operations", "0"):
        if wanted_text not in names:
            yield f"nowhere it says {wanted_text}"


# ---- the map ----


def areas_of(root):
    """The area of each layer, in squares."""
    return {
        path.get("data-layer"): sum(w * h for _, _, w, h in rectangles_of(path.get("d"))) / 144
        for path in root.iter(SVG + "path")
        if path.get("data-layer")
    }


def check_map(path, report_path):
    """For a square that is a page: the area is the resident bytes, if the map is of the peak."""
    report, root = read_json(report_path), xml.parse(path).getroot()
    areas, square = areas_of(root), int(root.get("data-square"))
    yield from differ("layers", LAYERS, list(areas))
    if report["peak"] == report["n_ops"] and areas["mapped"] * square < report["live_bytes"]:
        yield f"{areas['mapped'] * square} bytes are mapped by the map, for {report['live_bytes']} in blocks"
    if square == report["page_bytes"] and int(root.get("data-op")) == report["peak"]:
        resident = sum(areas[f"shade{i}"] for i in range(5)) * square
        if not report["resident_most_most"] * 0.98 <= resident <= report["resident_most_most"]:
            yield f"resident by the map: {resident}; at most: {report['resident_most_most']}"  # less: during the operation
        if areas["mapped"] * square > report["virtual_bytes_most"]:
            yield "more is mapped than there are addresses"
    elif square == report["page_bytes"]:
        yield from differ("the map's operation is the peak", report["peak"], int(root.get("data-op")))


# ---- the page ----


class Page(html.parser.HTMLParser):
    """What a page loads, and its pieces of JSON."""

    def __init__(self):
        super().__init__()
        self.loads, self.film, self.inside, self.ids = [], "", False, []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.inside = tag == "script" and attrs.get("id") == "film"
        self.loads += [value for key, value in attrs.items() if key in ("src", "href") and not value.startswith("#")]
        self.ids += [attrs["id"]] if "id" in attrs else []

    def handle_data(self, data):
        if self.inside:
            self.film += data

    def handle_endtag(self, tag):
        self.inside = False


def unpack(text):
    return "".join(square * int(n or 1) for square, n in re.findall(r"(\D)(\d*)", text))


def resident_squares(film, frame):
    """How many squares are resident, by the parts of them."""
    parts = 0
    for square in unpack(frame["memory"]):
        if square > "A":
            parts += (ord(square) - ord("B")) // film["shades"] + 1
    return parts / film["parts"]


def check_page(path, report_path):
    report, page = read_json(report_path), Page()
    with open(path, encoding="utf-8") as file:
        text = file.read()
    page.feed(text)
    yield from differ("what the page loads", [], page.loads + re.findall(r"url\((?!#)[^)]*\)|@import|fetch\(", text))
    yield from differ("identifiers that are there twice", len(set(page.ids)), len(page.ids))
    film = json.loads(page.film)
    frames, keys = film["frames"], [figure["key"] for figure in film["figures"]]
    if len(frames) > FRAMES_MOST or len(film["rows"]) > ROWS_MOST:
        yield f"{len(frames)} frames, {len(film['rows'])} rows"
    yield from differ("frames by their operations", sorted({frame["op"] for frame in frames}), [frame["op"] for frame in frames])
    yield from differ("the first and the last frame", [0, report["n_ops"]], [frames[0]["op"], frames[-1]["op"]])
    for frame in frames:
        for squares in (frame["memory"], frame["swap"]):
            if len(unpack(squares)) != len(film["rows"]) * film["columns"]:
                yield f"operation {frame['op']}: not as many squares as there is room for"
    peak = frames[film["peak"]]
    yield from differ("the peak's operation", report["peak"], peak["op"])
    figures = dict(zip(keys, peak["figures"]))
    if not report["resident_most_most"] * 0.98 <= figures["resident_most"] <= report["resident_most_most"]:
        yield f"resident at the peak: {figures['resident_most']}; at most: {report['resident_most_most']}"
    last = dict(zip(keys, frames[-1]["figures"]))
    for key in ("live_bytes", "live_blocks"):
        yield from differ(f"{key} in the last frame", report[key], last[key])
    square = int(re.search(r'data-square="(\d+)"', text).group(1))
    if square == report["page_bytes"]:
        yield from differ("resident at the peak, by its squares", figures["resident_most"], resident_squares(film, peak) * square)


# ---- what a browser made of it ----


def check_browser(dom_path, page_path, map_path):
    """The results of probe.js, in the DOM that the browser printed, against the film and the map that vmsim drew."""
    with open(dom_path, encoding="utf-8") as file:
        match = re.search(r'<pre id="probe">(\{.*?)</pre>', file.read(), re.DOTALL)
    if not match:
        yield "the page's script did not come to its end"
        return
    probe, page = json.loads(html.unescape(match.group(1))), Page()
    with open(page_path, encoding="utf-8") as file:
        page.feed(file.read())
    film = json.loads(page.film)
    ops = [frame["op"] for frame in film["frames"]]
    yield from differ("errors", [], probe["errors"])
    yield from differ("texts that lie on others, or outside", [], probe["overlaps"])
    steps = probe["steps"]
    peak, last, middle = film["peak"], len(ops) - 1, probe["middle"]
    wanted = {"begin": film["at"], "start": 0, "end": last, "left": max(0, last - 1), "right": last, "home": 0, "last": last, "p": peak, "click": middle, "button": peak}
    for name, index in wanted.items():
        yield from differ(f"{name}: the slider", index, steps[name]["index"])
        yield from differ(f"{name}: the operation", f"{ops[index]:,} of {film['ops']:,}", steps[name]["op"])
        yield from differ(f"{name}: the map's operation", str(ops[index]), steps[name]["mapOp"])
    yield from check_drawn(probe, map_path)
    if not last:  # one moment alone
        return
    if steps["start"]["layers"] == steps["end"]["layers"]:
        yield "the map is the same in the beginning and in the end"
    if not steps["start"]["cursor"] < steps["p"]["cursor"] <= steps["end"]["cursor"]:
        yield "the cursor does not move with time"
    if not 0 < steps["played"]["index"] <= last:
        yield "playing moves nothing"


def check_drawn(probe, map_path):
    """The squares as vmsim drew them and as the page does."""
    drawn = {path.get("data-layer"): path.get("d") for path in xml.parse(map_path).getroot().iter(SVG + "path") if path.get("data-layer")}
    for layer, path in drawn.items():
        yield from differ(f"{layer} as vmsim draws it and as the page does", path, probe["steps"]["begin"]["layers"][layer])


CHECKS = {"curves": check_curves, "map": check_map, "page": check_page, "browser": check_browser}

if __name__ == "__main__":
    troubles = list(CHECKS[sys.argv[1]](*sys.argv[2:]))
    print("\n".join(troubles))
    sys.exit(bool(troubles))
