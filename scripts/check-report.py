"""Checks what a browser made of a report: every chart has axes with numbers and a legend, and the picture is not blank.

Usage: check-report.py DOM PICTURE
"""

import re
import struct
import sys
import zlib


def colours(path):
    """How many different pixels a PNG of 8 bits a channel has, and how many pixels are unlike the first."""
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    at, packed, size = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    width, height, depth, form = size
    assert depth == 8 and form in (2, 6), f"{path} has another form"
    step = {2: 3, 6: 4}[form]
    raw, stride = zlib.decompress(packed), width * step
    before, seen, unlike = bytearray(stride), set(), 0
    first = None
    for y in range(height):
        line = bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        kind = raw[y * (stride + 1)]
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
        for x in range(0, stride, step):
            pixel = bytes(line[x : x + 3])
            first = first or pixel
            seen.add(pixel)
            unlike += pixel != first
        before = line
    return len(seen), unlike / (width * height)


def main(dom, picture):
    page = open(dom, encoding="utf-8").read()
    figures = re.findall(r"<figure>.*?</figure>", page, re.S)
    charts = [figure for figure in figures if "<svg" in figure]
    assert len(charts) >= 8, f"{len(charts)} charts"
    for chart in charts:
        name = re.search(r"<figcaption>(.*?)</figcaption>", chart).group(1)
        texts = re.findall(r"<text[^>]*>\s*(.*?)\s*</text>", chart, re.S)
        assert sum(bool(re.match(r"-?[0-9]", text)) for text in texts) >= 4, f"`{name}` has no numbers at its axes"
        assert re.search(r'class="legend">\s*<li>', chart), f"`{name}` has no legend"
        assert "polyline" in chart or "polygon" in chart or "<line" in chart, f"`{name}` has no lines"
    different, unlike = colours(picture)
    assert different > 50 and unlike > 0.01, f"{picture} is blank: {different} colours, {unlike:.2%} of it drawn"


main(*sys.argv[1:])
