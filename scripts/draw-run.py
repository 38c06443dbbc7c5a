#!/usr/bin/env python3
"""Draws a run folder as SVG: accuracy by epoch, exploration by step. Usage: draw-run.py RUN > picture.svg"""
import json
import pathlib
import sys

run = pathlib.Path(sys.argv[1])
summary = json.loads((run / "summary.json").read_text())
metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
updates = [json.loads(line) for line in (run / "exploration.jsonl").read_text().splitlines()]
epochs = [m for m in metrics if m["kind"] == "epoch"]
WIDTH, HEIGHT, LEFT, TOP = 330, 190, 56, 56
INK, GRID = "#57606a", "#d0d7de"
COLOURS = ["#0969da", "#bc4c00", "#1a7f37"]


def panel(x0, title, x_label, curves, x_max, y_max):
    def at(x, y):
        return x0 + x / x_max * WIDTH, TOP + HEIGHT - y / y_max * HEIGHT

    parts = [f'<text x="{x0}" y="{TOP - 30}" font-size="15" font-weight="600" fill="{INK}">{title}</text>']
    for i in range(5):
        x, y = at(0, y_max * i / 4)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x + WIDTH}" y2="{y}" stroke="{GRID}"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{100 * y_max * i / 4:.0f} %</text>')
        x, y = at(x_max * i / 4, 0)
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{x_max * i / 4:.0f}</text>')
    parts.append(f'<text x="{x0 + WIDTH}" y="{TOP + HEIGHT + 36}" text-anchor="end">{x_label}</text>')
    for i, (name, points) in enumerate(curves):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[i]}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x0 + 4 + i * 112}" y="{TOP - 10}" fill="{COLOURS[i]}">{name}</text>')
    return parts


start = summary["density"]
accuracy = [
    ("training", [(m["epoch"], m["accuracy"]) for m in epochs]),
    ("validation", [(m["epoch"], m["val_accuracy"] or 0) for m in epochs]),
    ("test", [(0, summary["test_accuracy"]), (len(epochs), summary["test_accuracy"])]),
]
explored = [
    ("ever active", [(0, start)] + [(u["step"], u["itop_rate"]) for u in updates]),
    ("reliably", [(u["step"], u["reliable_itop_rate"]) for u in updates]),
    ("active now", [(0, start), (summary["steps"], start)]),
]
y_max = {name: max(0.1, max(y for _, c in curves for _, y in c)) * 1.1 for name, curves in (("a", accuracy), ("e", explored))}
body = panel(LEFT, f"Accuracy ({summary['model']}, {summary['method']}, {summary['sparsity_target']:.0%} sparse)", "epoch",
             accuracy, len(epochs), y_max["a"])
body += panel(2 * LEFT + WIDTH + 24, "Share of the weights", "step", explored, summary["steps"], y_max["e"])
total = 2 * (LEFT + WIDTH) + 48, TOP + HEIGHT + 48
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" font-family="sans-serif" font-size="12">')
print(f'<rect width="{total[0]}" height="{total[1]}" fill="#ffffff"/>')
print(f'<g fill="{INK}">' + "\n".join(body) + "</g></svg>")
