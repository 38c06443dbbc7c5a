#!/usr/bin/env python3
"""Looks at what scripts/test-windows.sh has made.

check-windows.py losses RUN OTHER      the losses of two runs' first steps agree, as those of `itop compare`
check-windows.py backends COMPARE.JSON Vulkan, GL and DX12 stand side by side, and what must be the same is the same
"""
import json
import sys

# As tests/compare.rs: over four steps, a topology update away from anything else. Later steps of a high learning rate drift apart
# on any two drivers.
STEPS, DRIFT = 4, 1e-3


def losses(run):
    with open(f"{run}/metrics.jsonl") as log:
        steps = [line for line in map(json.loads, log) if line["kind"] == "step"]
    with open(f"{run}/summary.json") as file:
        summary = json.load(file)
    if summary["steps"] != len(steps):
        sys.exit(f"error: {run} has {len(steps)} steps in its log, {summary['steps']} in its summary")
    return [step["loss"] for step in steps], summary


def compare_losses(run, other):
    (a, summary), (b, second) = losses(run), losses(other)
    drifts = [abs(x - y) / abs(y) for x, y in zip(a, b, strict=True)]
    for name, result in [(run, summary), (other, second)]:
        adapter = result["adapter"]
        accuracy, speed = result["test_accuracy"], result["images_per_second"]
        print(f"{name}: {adapter['name']} ({adapter['backend']}), accuracy {accuracy:.4f}, {speed:.0f} img/s")
    print("loss drift, steps 1 to 10:", " ".join(f"{drift:.1e}" for drift in drifts[:10]))
    if max(drifts[:STEPS]) > DRIFT:
        sys.exit(f"error: the losses of the first {STEPS} steps differ by more than {DRIFT}")


def backends(path):
    with open(path) as file:
        report = json.load(file)
    found = {side["backend"] for side in report["adapters"]}
    if not {"vulkan", "gl", "dx12"} <= found:
        sys.exit(f"error: only {sorted(found)} were compared")
    for side in report["adapters"]:
        methods = {method["method"]: method for method in side["methods"]}
        drift = max(method["loss_drift"] for method in methods.values())
        step = side["step_ms"]
        print(f"{side['backend']}: {step['median']:.1f} ms a step, prepared in {side['prepare_ms'] / 1000:.1f} s, loss drift {drift:.1e}")
        if not side["same_input"] or drift > DRIFT or not all(method["repeats"] for method in methods.values()):
            sys.exit(f"error: {side['backend']} computes otherwise: {side}")
        if methods["set"]["first_divergence"] is not None:
            sys.exit(f"error: SET's active sets on {side['backend']} differ")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["losses", run, other]:
            compare_losses(run, other)
        case ["backends", path]:
            backends(path)
        case _:
            sys.exit(__doc__)
