"""Checks what a browser made of a report, and the pictures that were made without one.

page DOM PICTURE FRAME: every chart has axes with numbers and a legend, the picture is not blank, and the slider stands at FRAME
measured DOM CHARTS: as `measure-report.js` saw it, no letters are small, cut off or on each other, and no page is wider than its window
differ PICTURE PICTURE: the two are not alike
same-maps PAGE PAGE: both have the same maps, with and without a script
pictures FOLDER MAPS: the charts and the film of `itop report --png`; the film has as many frames as the log MAPS lines
"""

import json
import os
import re
import struct
import sys
import zlib


def packed(path):
    """The lines of a PNG of 8 bits a channel as they are stored, each with its filter before it, and bytes a pixel."""
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    at, data_of_image, size = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            data_of_image += body
        at += length + 12
    width, height, depth, form = size
    assert depth == 8 and form in (2, 6), f"{path} has another form"
    step = {2: 3, 6: 4}[form]
    raw, length = zlib.decompress(data_of_image), width * step + 1
    return [raw[y * length : (y + 1) * length] for y in range(height)], step


def pixels(path):
    """The lines of a PNG of 8 bits a channel, and bytes a pixel."""
    stored, step = packed(path)
    stride = len(stored[0]) - 1
    before, lines = bytearray(stride), []
    for one in stored:
        kind, line = one[0], bytearray(one[1:])
        for i in range(stride):
            a = line[i - step] if i >= step else 0
            b, c = before[i], before[i - step] if i >= step else 0
            if kind == 1:
                line[i] = line[i] + a & 255
            elif kind == 2:
                line[i] = line[i] + b & 255
            elif kind == 3:
                line[i] = line[i] + (a + b) // 2 & 255
            elif kind == 4:
                p = a + b - c
                pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                line[i] = line[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c) & 255
        lines.append(bytes(line))
        before = line
    return lines, step


def colours(path):
    """How many different pixels a PNG has, and how many pixels are unlike the first."""
    lines, step = pixels(path)
    seen, unlike, first = set(), 0, lines[0][:3]
    for line in lines:
        for x in range(0, len(line), step):
            pixel = line[x : x + 3]
            seen.add(pixel)
            unlike += pixel != first
    return len(seen), unlike / (len(lines) * len(lines[0]) / step)


def page(dom, picture, frame):
    text = open(dom, encoding="utf-8").read()
    figures = re.findall(r"<figure>.*?</figure>", text, re.S)
    charts = [figure for figure in figures if "<svg" in figure]
    assert len(charts) >= 8, f"{len(charts)} charts"
    for chart in charts:
        name = re.search(r"<figcaption>(.*?)</figcaption>", chart).group(1)
        texts = re.findall(r"<text[^>]*>\s*(.*?)\s*</text>", chart, re.S)
        assert sum(bool(re.match(r"-?[0-9]", text)) for text in texts) >= 4, f"`{name}` has no numbers at its axes"
        assert re.search(r'class="legend">\s*<li>', chart), f"`{name}` has no legend"
        assert "polyline" in chart or "polygon" in chart or "<line" in chart, f"`{name}` has no lines"
    assert text.count('class="map"') >= 4, "there are no maps"
    assert "The 10 most expensive of" in text or "the most expensive first" in text, "there are no times"
    # The script takes the sliders out of hiding and says where they stand.
    film = re.search(r'class="film" data-moments="(.*?)"([^>]*)>', text)
    moments = json.loads(film.group(1))
    hidden = re.findall(r'class="player"( hidden[^>]*)?>', text)
    if frame == "none":
        assert all(hidden), "a slider that nothing moves is shown"
    else:
        assert hidden and not any(hidden), "there is no slider"
        frame = len(moments) - 1 if frame == "last" else int(frame)
        wanted = frame / (len(moments) - 1)
        at = float(re.search(r"--at: ?([0-9.]+)", film.group(2)).group(1))
        assert abs(at - wanted) < 1e-6, f"the slider stands at {at}, not {wanted}"
        step, update, *_ = moments[frame]
        assert f"step {step}, update {update}:" in text, "the slider says another step"
    different, unlike = colours(picture)
    assert different > 50 and unlike > 0.01, f"{picture} is blank: {different} colours, {unlike:.2%} of it drawn"


def measured(dom, charts):
    text = open(dom, encoding="utf-8").read()
    found = json.loads(re.search(r'<script type="application/json" id="measured">(.*?)</script>', text, re.S).group(1))
    assert found["charts"] >= int(charts), f"{found['charts']} charts are shown"
    assert found["wide"] <= 0, f"the page is {found['wide']} pixels wider than its window"
    for what in ("small", "overlapping", "cut", "again"):
        assert not found[what], f"{what}: {found[what]}"


def differ(one, other):
    (a, _), (b, _) = packed(one), packed(other)
    lines = sum(x != y for x, y in zip(a, b))
    assert lines > 100, f"{other} differs from {one} in {lines} lines of pixels only"


def same_maps(one, other):
    maps = [re.findall(r"url\((data:.*?)\)", open(path, encoding="utf-8").read()) for path in (one, other)]
    assert maps[0] and maps[0] == maps[1], "without its script the page has other maps"


def pictures(folder, log):
    names = os.listdir(folder)
    for name in ("loss.png", "accuracy.png", "rs.png", "rigl-ages.png", "rigl-layers-churn.png"):
        different, unlike = colours(f"{folder}/{name}")
        assert different > 20 and unlike > 0.01, f"{name} is blank"
    assert sum(name.startswith("rigl-") and name.endswith(".weight.png") for name in names) >= 4, names
    film = open(f"{folder}/rigl-film.gif", "rb").read()
    frames = film.count(b"\x21\xf9\x04")
    wanted = sum(1 for _ in open(log))
    assert film[:6] == b"GIF89a" and frames >= wanted > 10, f"the film has {frames} frames for {wanted}"


{"page": page, "measured": measured, "differ": differ, "same-maps": same_maps, "pictures": pictures}[sys.argv[1]](*sys.argv[2:])
