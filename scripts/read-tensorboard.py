"""Compares a run's TensorBoard event files, read by the real package, with its jsonl logs: read-tensorboard.py RUN"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = pathlib.Path(sys.argv[1])
events = EventAccumulator(str(run), size_guidance={"scalars": 0, "histograms": 0})
events.Reload()
lines = lambda name: [json.loads(line) for line in (run / name).read_text().splitlines()]

steps = [line for line in lines("metrics.jsonl") if line["kind"] == "step"]
assert steps, "the run has no steps"
losses = events.Scalars("train/loss")
assert [event.step for event in losses] == [line["step"] for line in steps]
for event, line in zip(losses, steps):
    assert abs(event.value - line["loss"]) <= 1e-6 * abs(line["loss"]), (event, line)

updates = lines("exploration.jsonl")
assert updates, "the run has no topology updates"
rates = {event.step: event.value for event in events.Scalars("exploration/reliable_itop_rate")}
for line in updates:
    assert abs(rates[line["step"]] - line["reliable_itop_rate"]) < 1e-6
    for layer in line["layers"]:
        histogram = next(h for h in events.Histograms("ages/" + layer["name"]) if h.step == line["step"])
        assert histogram.histogram_value.num == sum(layer["ages"]) == layer["active"], layer
print(f"TensorBoard reads {len(losses)} steps and {len(updates)} updates of {len(updates[0]['layers'])} layers as they were logged")
