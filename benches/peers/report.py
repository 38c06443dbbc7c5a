#!/usr/bin/env python3
"""One page of what scripts/bench-gpu.sh left in a folder: REPORT.md.

    report.py FOLDER

Every number is measured on the machine that the page names, unless it is called predicted. Parts that failed, were cut off or
left out are named, and what they would have given is missing. Plain Python, nothing to install.
"""

import argparse
import glob
import json
import os
import sys

import compare

MIB = 1 << 20
# What prepares weights for kernels, or takes gradients out of them, whatever pass it is a part of.
PACKING = {"pack", "scatter", "gather"}
RESULTS = {"0": "done", "124": "cut off", "137": "cut off"}
MOST_LINES = 12


def table(head, rows):
    """A Markdown table; columns of numbers are flush right."""
    rows = [[str(cell).replace("|", "/") for cell in row] for row in rows]
    is_number = lambda cell: cell[:1].isdigit() or cell in ("", "-")
    right = [bool(rows) and at > 0 and all(is_number(row[at]) for row in rows) for at in range(len(head))]
    lines = [head, ["---:" if one else "---" for one in right], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def ms(value):
    if value is None:
        return "-"
    return f"{value:.2g}" if value < 0.01 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def read(path):
    """The file's rows and adapter; none where the part left no file, or half of one."""
    try:
        with open(path) as file:
            value = json.load(file)
        return value["rows"], value.get("adapter", "?")
    except (OSError, ValueError, KeyError, TypeError):
        return [], None


def lines_of(path, most=None):
    try:
        with open(path, errors="replace") as file:
            lines = [line.rstrip() for line in file if line.strip()]
    except OSError:
        return []
    return lines[-most:] if most else lines


def parts(folder):
    """{name: (result, seconds, limit, command or reason)}; a part that began and never ended was stopped from outside."""
    found = {}
    for line in lines_of(os.path.join(folder, "parts.tsv")):
        name, status, seconds, limit, text = (line.split("\t") + [""] * 5)[:5]
        if status == "began":
            found[name] = ("stopped from outside", "", limit, text)
        else:
            result = RESULTS.get(status, status if not status.isdigit() else f"failed, exit code {status}")
            found[name] = (result, seconds, limit, text)
    return found


def step_files(folder):
    """[(structure, path)] of the parts that timed steps by the default kernels."""
    name = lambda path: os.path.basename(path)[len("step"):-len(".json")].lstrip("-") or "unstructured"
    paths = glob.glob(os.path.join(folder, "step*.json"))
    return [(name(path), path) for path in sorted(paths, key=lambda path: (os.path.basename(path) != "step.json", path))]


def heading(row):
    sparsity = "dense" if row["sparsity"] == 0 else f"{100 * row['sparsity']:g} %"
    structure = row.get("structure", "unstructured")
    return f"{sparsity} {row['storage']}" + ("" if structure == "unstructured" else f" {structure}")


def steps_section(rows, peers, who=""):
    """Whole steps, ours and PyTorch's, over our dense step of the same storage and over each baseline."""
    if not rows and not peers:
        return "Nothing was measured.\n"
    all_rows = [{**row, "peer": None} for row in rows] + [{**row, "peer": "PyTorch"} for row in peers]
    against = [(head, base) for head, base in compare.baselines(all_rows) if base["peer"]]
    dense = {row["storage"]: row for row in rows if row["sparsity"] == 0}
    lines = []
    for row in all_rows:
        predicted = predicted_step(row)
        memory = row.get("peak_gpu_bytes")
        own = dense.get(row["storage"])
        lines.append([
            row["name"] if row["peer"] else f"itop {heading(row)}",
            f"{row['images_per_second']:.1f}",
            ms(row["step_ms"]),
            ms(predicted),
            f"{row['images_per_second'] / own['images_per_second']:.2f}" if own else "-",
            *(f"{row['images_per_second'] / base['images_per_second']:.2f}" for _, base in against),
            "-" if row.get("host_ms") is None else f"{row['host_ms']:.2f}",
            "-" if memory is None else f"{memory / MIB:.0f}",
        ])
    head = ["step", "images/s", "ms", "predicted ms", "x itop dense", *(head for head, _ in against), "host ms", "GPU MiB"]
    names = "`x itop dense`: images/s over those of itop's dense step in the same storage.\n"
    names += "".join(f"`{head}`: images/s over those of {base['name']}.\n" for head, base in against)
    return table(head, lines) + "\n" + names + (who if peers else "PyTorch was not measured.\n")


def pytorch(path, adapter):
    """What PyTorch ran on, and which rows it left out."""
    try:
        with open(path) as file:
            value = json.load(file)
    except (OSError, ValueError):
        return ""
    theirs = value.get("adapter", "?")
    text = f"{value.get('peer', 'PyTorch')} on {theirs}.\n"
    if value.get("left_out"):
        text += f"Left out, for want of time or because this machine cannot: {', '.join(value['left_out'])}.\n"
    if "(cpu," in theirs and ", software" not in adapter:
        text += "**PyTorch ran on the processor, itop on a GPU: these ratios say nothing.**\n"
    return text


def predicted_step(row):
    """The sum of the passes' predictions; None where there are none."""
    known = [one["predicted_ms"] for one in row.get("kernels", []) if one.get("predicted_ms") is not None]
    return sum(known) if known else None


def group(one):
    return "packing" if one["part"] in PACKING else one["kind"]


def sums(row, key):
    """{key: [measured, predicted or None, passes]} of a row's passes, in the order of the step."""
    found = {}
    for one in row.get("kernels", []):
        total = found.setdefault(key(one), [0.0, None, 0])
        total[0] += one["ms"]
        total[2] += 1
        if one.get("predicted_ms") is not None:
            total[1] = (total[1] or 0.0) + one["predicted_ms"]
    return found


def beside(rows, key, what):
    """A table of `measured / predicted` with a column a row of steps; the last line is their sum."""
    columns = [sums(row, key) for row in rows]
    keys = list(dict.fromkeys(one for column in columns for one in column))
    most = lambda one: max(column[one][0] for column in columns if one in column)
    cell = lambda total: "-" if total is None else f"{ms(total[0])} / {ms(total[1])}"
    lines = [[one if isinstance(one, str) else ": ".join(one), *(cell(column.get(one)) for column in columns)]
             for one in sorted(keys, key=most, reverse=True)]
    whole = [sum(total[0] for total in column.values()) for column in columns]
    lines.append(["all passes", *(cell((measured, predicted_step(row))) for measured, row in zip(whole, rows))])
    return table([what, *(heading(row) for row in rows)], lines)


def predictor(rows):
    """What predicted, in words."""
    by = next((row["predicted_by"] for row in rows if row.get("predicted_by")), None)
    if by is None:
        return "No model was taken for this adapter: nothing is predicted.\n"
    which = ("This is the adapter's own entry." if by["is_the_adapter"] else
             "**This is another GPU than the adapter**: the nearest that there is a model of, or the one asked for.")
    return (f"Predicted by `itop bench model`'s entry `{by['gpu']}`, {by['title']} ({by['source']}). {which}\n"
            "The model knows caches and rates, and neither launches nor compilers.\n")


def passes_section(rows):
    rows = [row for row in rows if row.get("kernels")]
    if not rows:
        return "Nothing was measured.\n"
    text = predictor(rows) + "\nEach cell: ms **measured** / ms **predicted**.\n"
    for storage in dict.fromkeys(row["storage"] for row in rows):
        some = [row for row in rows if row["storage"] == storage]
        text += f"\n### {storage}, by kind of pass\n\n" + beside(some, group, "pass")
        by_kernel = lambda one: (group(one), one["shader"])
        text += f"\n### {storage}, by kernel\n\n" + beside(some, by_kernel, "kernel")
    known = [row for row in rows if predicted_step(row) is not None and row["sparsity"] > 0]
    if known:
        row = min(known, key=lambda row: (abs(row["sparsity"] - 0.98), row["storage"] != "f32"))
        far = sorted((one for one in row["kernels"] if one.get("predicted_ms") is not None),
                     key=lambda one: one["ms"] - one["predicted_ms"], reverse=True)
        lines = [[f"{one['node']} {one['part']}", one["shader"], ms(one["ms"]), ms(one["predicted_ms"]),
                  f"{one['ms'] / one['predicted_ms']:.1f}" if one["predicted_ms"] else "-", one.get("bound") or "-"]
                 for one in far[:MOST_LINES]]
        text += f"\n### Passes that lose most against the prediction, {heading(row)}\n\n"
        text += table(["pass", "kernel", "measured ms", "predicted ms", "times", "predicted bound"], lines)
    return text


def topology_section(rows):
    if not rows:
        return "Nothing was measured.\n"
    percent = lambda value: f"{100 * value:.2f} %"
    lines = [[f"{row['method']} {100 * row['sparsity']:g} %", ms(row["step_ms"]), ms(row["update_step_ms"]),
              ms(row["map_ms"]), percent(row["topology_share"]), percent(row["share"])] for row in rows]
    head = ["update", "step ms", "with update ms", "frame ms", "share of time", "with dense gradient"]
    return table(head, lines) + "\nShares of all training time, at one update every 100 steps.\n"


def tuning_section(rows, defaults):
    """What a first autotuning took, and what it changed against the steps by default kernels."""
    rows = [row for row in rows if row.get("layers")]
    if not rows:
        return "Nothing was measured.\n"
    before = {heading(row): row for row in defaults}
    lines, changes, failed = [], [], []
    for row in rows:
        tuned = row.get("tuned") or {}
        old = before.get(heading(row))
        changed = []
        if old:
            was = {layer["layer"]: layer for layer in old["layers"]}
            for layer in row["layers"]:
                for direction in compare.DIRECTIONS:
                    kernel = was.get(layer["layer"], layer)[direction]
                    if layer[direction] != kernel:
                        changed.append([heading(row), layer["layer"], direction, kernel, layer[direction]])
        changes += changed
        failed += tuned.get("failed", [])
        lines.append([
            heading(row),
            f"{tuned['seconds']:.1f}" if tuned else "-",
            *(str(tuned.get(key, "-")) for key in ("shapes", "candidates", "left")),
            ms(old["step_ms"]) if old else "-",
            ms(row["step_ms"]),
            f"{len(changed)} of {3 * len(row['layers'])}" if old else "-",
        ])
    head = ["step", "tuning s", "shapes", "candidates tried", "left", "default ms", "tuned ms", "kernels changed"]
    text = table(head, lines) + ("\n`-`: the row's layers were tuned before, or its default step was not measured. "
                                 "Left: candidates that there was no time for; the next start measures them. "
                                 "Default and tuned steps are of different parts, minutes apart.\n")
    if changes:
        text += "\n" + table(["step", "layer", "pass", "default kernel", "fastest kernel"], changes[:2 * MOST_LINES])
        if len(changes) > 2 * MOST_LINES:
            text += f"\nAnd {len(changes) - 2 * MOST_LINES} more.\n"
    for one in failed:
        text += f"\nLeft out: {one}\n"
    return text


def kernels_section(rows):
    """The fastest candidate of each layer and pass."""
    best = {}
    for row in rows:
        place = (row["layer"], row["sparsity"], row["direction"])
        if place not in best or row["ms"] < best[place]["ms"]:
            best[place] = row
    if not best:
        return "Nothing was measured.\n"
    lines = [[row["layer"], f"{100 * row['sparsity']:g} %", direction, row["kernel"], ms(row["ms"]),
              f"{row['gflops']:.0f}", f"{100 * row['share_of_peak']:.1f} %"]
             for (_, _, direction), row in sorted(best.items(), key=lambda one: (one[0][1], one[0][0]))]
    head = ["layer", "sparsity", "pass", "fastest candidate", "ms", "GFLOP/s", "of measured peak"]
    return table(head, lines) + f"\nOf the {len(rows)} candidates that there was time for.\n"


def verify_section(folder, part):
    if part is None:
        return "It did not run.\n"
    last = lines_of(os.path.join(folder, "verify.txt"), 1)
    text = f"`itop verify`: {part[0]}" + (f" ({last[0]})" if last else "") + ".\n"
    if part[0] == "done":
        return text
    if part[0].startswith("failed"):
        text += "**Results of this adapter may be wrong. Times of wrong kernels say nothing.**\n"
    return text


def parts_section(folder, found):
    lines = [[name, result, seconds, limit, text if result in ("left out", "no time") else f"`{text}`"]
             for name, (result, seconds, limit, text) in found.items()]
    text = table(["part", "result", "seconds", "limit", "command"], lines)
    for name, (result, *_) in found.items():
        if result not in ("done", "left out", "no time"):
            said = lines_of(os.path.join(folder, name + ".err"), 5)
            text += f"\n`{name}`: {result}." + (" It said last:\n\n```text\n" + "\n".join(said) + "\n```\n" if said else "\n")
    return text


def report(folder):
    found = parts(folder)
    environment = [line.partition(": ") for line in lines_of(os.path.join(folder, "environment.txt"))]
    machine = {key: value for key, _, value in environment}
    rows, adapters = [], []
    for structure, path in step_files(folder):
        some, adapter = read(path)
        # A file that tells structures apart by its name alone is of that one; its dense rows have none.
        default = lambda row: structure if row["sparsity"] > 0 else "unstructured"
        rows += [{"structure": default(row), **row} for row in some]
        adapters += [adapter] if adapter else []
    # Each structure's part times the dense network anew; once is enough here.
    once = {}
    for row in rows:
        once.setdefault(heading(row), row)
    rows = list(once.values())
    of = lambda name: read(os.path.join(folder, name + ".json"))[0]
    peers = of("pytorch")
    who = pytorch(os.path.join(folder, "pytorch.json"), machine.get("adapter", ""))
    tuned = of("tuned") + of("tuned-f16")
    adapter = machine.get("adapter") or next(iter(adapters), "?")
    # The last part fills what is left of the time.
    fine = lambda name, result: result in ("done", "left out") or name == "kernels" and result in ("cut off", "no time")
    bad = [name for name, (result, *_) in found.items() if not fine(name, result)]
    text = f"# Speed on {adapter}\n\n"
    if ", software" in adapter:
        text += ("**Software: this adapter runs on the processor and is no GPU.** "
                 "Its times say nothing about GPUs. The page is a rehearsal.\n\n")
    text += "Everything is measured on this machine, but for what is called predicted. "
    text += "All parts are done.\n" if not bad else f"**Not whole: {', '.join(bad)}** (see [parts](#parts)).\n"
    text += "\n## Machine\n\n" + table(["what", "value"], machine.items())
    model = next((f"{row['model']}, batch {row['batch_size']}" for row in rows), "")
    sections = [
        ("Verification", verify_section(folder, found.get("verify"))),
        (f"Steps{': ' + model if model else ''}", steps_section(rows, peers, who)),
        ("Passes, predicted beside measured", passes_section(rows)),
        ("Topology updates", topology_section(of("topology"))),
        ("Autotuning", tuning_section(tuned, rows)),
        ("Fastest candidates", kernels_section(of("kernels"))),
        ("Parts", parts_section(folder, found)),
    ]
    return text + "".join(f"\n## {title}\n\n{body}" for title, body in sections)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    if not os.path.isdir(folder):
        print(f"error: {folder} is no folder", file=sys.stderr)
        return 2
    path = os.path.join(folder, "REPORT.md")
    # Whole or not at all: it is written anew after each part.
    with open(path + ".tmp", "w") as file:
        file.write(report(folder))
    os.replace(path + ".tmp", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
