#!/usr/bin/env python3
"""Puts `itop bench` and its peers side by side: one table of ratios.

    compare.py FILE.json...     files of `itop bench step --json` and pytorch.py: images/s, each row against the baselines;
                                of a row that several files have (interleaved.sh) the median counts
                                files of `itop bench kernels --json` and burn-peer: forward + backward, layer by layer

The baselines are, of the rows there are: itop's dense step, PyTorch's fastest dense step in full f32, PyTorch's fastest
dense step in any format. Plain Python, nothing to install.
"""

import argparse
import json
import os
import statistics
import sys

MIB = 1 << 20
DIRECTIONS = ("forward", "grad_input", "grad_weight")


class BadInput(Exception):
    """A file that is not what it should be; the text names it."""


def load(path):
    """The file's rows of steps and of kernels, each with the file's adapter and peer (None: itop itself)."""
    try:
        with open(path) as file:
            value = json.load(file)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from error
    rows = value.get("rows") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{path}: no `rows`: it is not a file of `itop bench ... --json`, pytorch.py or burn-peer")
    if value.get("schema") != 1:
        raise BadInput(f"{path}: schema {value.get('schema')}, this script reads 1")
    steps, kernels = [], []
    for row in rows:
        row = {**row, "adapter": value.get("adapter", "?"), "peer": value.get("peer")}
        if "images_per_second" in row:
            if not row["images_per_second"] > 0:
                raise BadInput(f"{path}: a row with {row['images_per_second']} images/s")
            structure = row.get("structure", "unstructured")
            words = [row["method"], f"{row['sparsity']:g}", "" if structure == "unstructured" else structure, row["storage"]]
            row.setdefault("name", " ".join(["itop", *filter(None, words)]))
            steps.append(row)
        elif "kernel" in row:
            kernels.append(row)
    return steps, kernels


def merged(rows):
    """Of the same step in several files one row, with the median of its times."""
    same = {}
    for row in rows:
        same.setdefault((row["peer"], row["name"], row["batch_size"], row["model"]), []).append(row)
    median = lambda rows, key: statistics.median(row[key] for row in rows)
    return [{**rows[0], "images_per_second": median(rows, "images_per_second"), "step_ms": median(rows, "step_ms")}
            for rows in same.values()]


def fastest(rows):
    return max(rows, key=lambda row: row["images_per_second"], default=None)


def baselines(rows):
    """(heading, row) of each baseline that the rows offer."""
    dense = [row for row in rows if row["method"] == "dense"]
    peers = [row for row in dense if row["peer"]]
    found = [
        ("x itop dense", fastest(row for row in dense if not row["peer"])),
        ("x peer f32", fastest(row for row in peers if row["storage"] == "f32")),
        ("x peer best", fastest(peers)),
    ]
    return [(head, row) for head, row in found if row]


def table(head, rows):
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    lines = []
    for line in [head, *rows]:
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def steps_table(rows):
    """Rows of whole steps: their speed over each baseline's, and what to mind when reading them."""
    against = baselines(rows)
    lines = []
    for row in rows:
        memory = row.get("peak_gpu_bytes")
        ratios = [f"{row['images_per_second'] / base['images_per_second']:.2f}" for _, base in against]
        lines.append([
            row["name"],
            str(row["batch_size"]),
            f"{row['images_per_second']:.1f}",
            f"{row['step_ms']:.2f}",
            f"{memory / MIB:.0f} MiB" if memory is not None else "-",
            *ratios,
        ])
    text = table(["step", "batch", "img/s", "ms/step", "memory", *(head for head, _ in against)], lines)
    text += "".join(f"{head}: images/s over those of `{base['name']}`\n" for head, base in against)
    for what, values in [
        ("models", {row["model"] for row in rows}),
        ("batch sizes", {row["batch_size"] for row in rows}),
    ]:
        if len(values) > 1:
            text += f"warning: different {what} ({', '.join(sorted(map(str, values)))}): the ratios mix them\n"
    return text


def totals(rows):
    """Milliseconds of forward and backward: {(layer, sparsity): ms}, of each direction its fastest candidate.

    A peer may time the two together, as direction `forward+backward`.
    """
    best = {}
    for row in rows:
        key = (row["layer"], row["sparsity"]), row["direction"]
        best[key] = min(row["ms"], best.get(key, float("inf")))
    sums = {}
    for place in {place for place, _ in best}:
        parts = [best.get((place, direction)) for direction in DIRECTIONS]
        together = best.get((place, "forward+backward"))
        if together is not None:
            sums[place] = together
        elif None not in parts:
            sums[place] = sum(parts)
    return sums


def kernels_table(rows):
    """Forward and backward of each layer, itop's at each sparsity against each peer's dense one."""
    ours = totals([row for row in rows if not row["peer"]])
    names = sorted({row["peer"] for row in rows if row["peer"]})
    theirs = {name: totals([row for row in rows if row["peer"] == name]) for name in names}
    lines = []
    for (layer, sparsity), ms in sorted(ours.items()):
        cells = [layer, f"{sparsity:g}", f"{ms:.2f}"]
        for name in names:
            peer = theirs[name].get((layer, 0.0))
            cells += ["-", "-"] if peer is None else [f"{peer:.2f}", f"{peer / ms:.2f}"]
        if not names or cells[3:].count("-") < len(cells) - 3:
            lines.append(cells)
    head = ["forward + backward", "sparsity", "itop ms"]
    for name in names:
        head += [f"{name} dense ms", "times as fast"]
    text = table(head, lines)
    if names:
        text += "Both sides need the same --batch-size (32 where none was given).\n"
    return text


def report(paths):
    steps, kernels = [], []
    for path in paths:
        some_steps, some_kernels = load(path)
        steps += some_steps
        kernels += some_kernels
    if not steps and not kernels:
        raise BadInput("no rows in " + ", ".join(paths))
    adapters = {}
    for row in steps + kernels:
        adapters.setdefault(row["adapter"], row["peer"] or "itop")
    text = "".join(f"adapter of {who}: {adapter}\n" for adapter, who in adapters.items())
    software = [adapter for adapter in adapters if ", software" in adapter]
    if software and any("(cuda," in adapter for adapter in adapters):
        text += f"warning: {software[0]} is software, the peer's adapter is a GPU: these ratios say nothing\n"
    if steps:
        text += "\n" + steps_table(merged(steps))
    if kernels:
        text += "\n" + kernels_table(kernels)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    try:
        print(report(parser.parse_args().files), end="")
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
