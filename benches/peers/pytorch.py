#!/usr/bin/env python3
"""PyTorch's side of `itop bench step`: the same ResNet-34, the same training step, dense and masked-dense.

A row is one way to run the step (number format, memory layout, eager or compiled). All rows live in one process and
are timed in turns, round after round, so that a slow minute of the machine falls on all of them; the median counts.
The JSON has the rows of `itop bench step --json`, and `compare.py` puts the two side by side.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

SCHEMA = 1
MIB = 1 << 20
EXPECTED_PARAMETERS = 21_282_112  # ResNet-34, ten classes: convolutions, normalisation, classifier without bias


@dataclass(frozen=True)
class Way:
    """One row: how a step is run."""

    name: str
    storage: str  # f32, tf32 (f32 in memory, 10-bit mantissas in the products) or bf16 (autocast)
    channels_last: bool
    compile_mode: str = ""  # "": eager
    masked: bool = False


def ways(device, compile_modes):
    """Every row for `device`, the ones that matter most first: the time limit cuts off the end."""
    if device == "cpu":
        return [
            Way("fp32", "f32", False),
            Way("fp32 channels_last", "f32", True),
            Way("bf16 channels_last", "bf16", True),
            Way("fp32 channels_last masked", "f32", True, masked=True),
        ]
    eager = [
        Way("fp32", "f32", False),
        Way("TF32", "tf32", False),
        Way("bf16 channels_last", "bf16", True),
        Way("fp32 masked", "f32", False, masked=True),
    ]
    compiled = [
        Way(f"{way.name} compile" + ("" if mode == "default" else f" {mode}"), way.storage, way.channels_last, mode)
        for mode in compile_modes
        for way in (eager[2], eager[0], eager[1])
    ]
    return eager + compiled


def resnet34(classes=10, widths=(64, 128, 256, 512), blocks=(3, 4, 6, 3)):
    """The ITOP code's CIFAR ResNet-34: 3×3 stem, no max-pooling, 4×4 average pooling, classifier without bias.

    Modules are named as there, and as in src/model/resnet.rs.
    """
    from torch import nn
    from torch.nn import functional as F

    def conv(inputs, outputs, kernel, stride=1):
        return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)

    class BasicBlock(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
            self.shortcut = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)), inplace=True)
            return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x), inplace=True)

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = conv(3, widths[0], 3), nn.BatchNorm2d(widths[0])
            inputs = widths[0]
            for stage, (width, count) in enumerate(zip(widths, blocks)):
                layers = []
                for index in range(count):
                    stride = 2 if stage > 0 and index == 0 else 1
                    layers.append(BasicBlock(inputs, width, stride))
                    inputs = width
                setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            self.classifier = nn.Linear(inputs, classes, bias=False)

        def forward(self, x):
            x = F.relu(self.bn1(self.conv1(x)), inplace=True)
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.classifier(F.avg_pool2d(x, 4).flatten(1))

    return ResNet()


def allow_tf32(allowed):
    """Products of f32 tensors in TF32 or in full; by PyTorch's newer switch where it has it."""
    import torch

    conv = getattr(torch.backends.cudnn, "conv", None)
    if hasattr(conv, "fp32_precision"):
        value = "tf32" if allowed else "ieee"
        conv.fp32_precision = value
        torch.backends.cuda.matmul.fp32_precision = value
    else:
        torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cuda.matmul.allow_tf32 = allowed


class Runner:
    """A network with its optimiser and a batch, run in one way."""

    def __init__(self, way, args):
        import torch

        self.torch, self.way, self.device = torch, way, args.device
        self.sparsity = args.sparsity if way.masked else 0.0
        torch.manual_seed(1)
        layout = torch.channels_last if way.channels_last else torch.contiguous_format
        self.model = resnet34().to(self.device, memory_format=layout).train()
        count = sum(p.numel() for p in self.model.parameters())
        assert count == EXPECTED_PARAMETERS, f"{count} parameters, not {EXPECTED_PARAMETERS}: another network"
        options = dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        try:
            self.optimiser = torch.optim.SGD(self.model.parameters(), fused=True, **options)
        except (RuntimeError, TypeError):  # older versions
            self.optimiser = torch.optim.SGD(self.model.parameters(), **options)
        self.x = torch.randn(args.batch_size, 3, 32, 32, device=self.device).to(memory_format=layout)
        self.y = torch.randint(10, (args.batch_size,), device=self.device)
        self.masks = {}
        if way.masked:
            for parameter in self.model.parameters():
                if parameter.dim() > 1:
                    self.masks[parameter] = (torch.rand_like(parameter) >= self.sparsity).to(parameter.dtype)
            self.apply_masks()
        self.forward = self.model
        if way.compile_mode:
            mode = None if way.compile_mode == "default" else way.compile_mode
            self.forward = torch.compile(self.model, mode=mode)
        self.seconds, self.host_seconds = [], []

    def apply_masks(self):
        """What the public code does after every step: weights and momentum times the mask (there not even in place)."""
        with self.torch.no_grad():
            for parameter, mask in self.masks.items():
                parameter.mul_(mask)
                momentum = self.optimiser.state[parameter].get("momentum_buffer")
                if momentum is not None:
                    momentum.mul_(mask)

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def switch(self):
        """Process-wide settings of this row."""
        if self.device == "cuda":
            allow_tf32(self.way.storage == "tf32")

    def step(self, mark=lambda name: None):
        torch = self.torch
        if self.way.compile_mode:
            torch.compiler.cudagraph_mark_step_begin()
        half = self.way.storage == "bf16"
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device, dtype=torch.bfloat16) if half else contextlib.nullcontext():
            loss = torch.nn.functional.cross_entropy(self.forward(self.x), self.y)
        mark("forward")
        loss.backward()
        mark("backward")
        self.optimiser.step()
        mark("optimiser")
        if self.masks:
            self.apply_masks()
            mark("masks")

    def time(self, steps):
        self.switch()
        self.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        enqueued = time.perf_counter()
        self.synchronize()
        self.seconds.append((time.perf_counter() - start) / steps)
        self.host_seconds.append((enqueued - start) / steps)

    def phases(self):
        """Milliseconds of a step's parts, each waited for (their sum is more than a step where the host runs ahead)."""
        self.switch()
        best = {}
        for _ in range(3):
            self.synchronize()
            last = time.perf_counter()

            def mark(name):
                nonlocal last
                self.synchronize()
                now = time.perf_counter()
                best[name] = min(best.get(name, 1e9), 1e3 * (now - last))
                last = now

            self.step(mark)
        return best

    def kernels(self):
        """How many kernels and copies a step launches; None where the profiler does not say."""
        if self.device != "cuda":
            return None
        try:
            from torch.profiler import ProfilerActivity, profile

            self.switch()
            with profile(activities=[ProfilerActivity.CUDA]) as record:
                self.step()
                self.synchronize()
            kind = self.torch.autograd.DeviceType.CUDA
            return sum(event.device_type == kind for event in record.events()) or None
        except Exception as error:  # a missing counter must not cost the timings
            print(f"note: no kernel count ({error})", file=sys.stderr)
            return None


def peak_rss():
    """The most memory that this process had resident. Linux's ru_maxrss will not do: a child starts with its parent's."""
    with contextlib.suppress(OSError), open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_child(args):
    """Two steps of one row in a process of its own: peak resident bytes, and those of Python and PyTorch alone."""
    import torch

    torch.set_num_threads(args.threads or torch.get_num_threads())
    imported = peak_rss()
    runner = Runner(next(way for way in ways("cpu", []) if way.name == args.memory_of), args)
    for _ in range(2):
        runner.step()
    print(json.dumps({"peak": peak_rss(), "imported": imported}))


def cpu_memory(way, args):
    command = [sys.executable, os.path.abspath(__file__), "--device", "cpu", "--memory-of", way.name]
    command += ["--batch-size", str(args.batch_size), "--threads", str(args.threads), "--sparsity", str(args.sparsity)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def prepare(way, args):
    """A warm runner and what memory it needs; None, with the reason printed, where this machine cannot run it."""
    import torch

    try:
        if args.device == "cpu":
            runner = Runner(way, args)
            runner.step()
            memory = {}
            if not args.no_memory:
                usage = cpu_memory(way, args)
                memory = {"peak_gpu_bytes": usage["peak"] - usage["imported"], "peak_rss_bytes": usage["peak"]}
            return runner, memory
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        runner = Runner(way, args)
        runner.switch()
        # Compiling, cuDNN's choice of kernels and CUDA graph capture all happen here.
        for _ in range(4 if way.compile_mode else 3):
            runner.step()
        runner.synchronize()
        # The other rows' tensors stay where they are: what comes on top of them is this row's.
        torch.cuda.reset_peak_memory_stats()
        runner.step()
        runner.synchronize()
        return runner, {"peak_gpu_bytes": torch.cuda.max_memory_allocated() - before}
    except Exception as error:  # e.g. no compiler for torch.compile, no bf16
        if isinstance(error, subprocess.CalledProcessError):
            error = error.stderr.strip().splitlines()[-1:] or error
        print(f"warning: {way.name}: left out: {str(error).splitlines()[0]}", file=sys.stderr)
        return None


def adapter_name(device):
    import torch

    if device == "cuda":
        capability = ".".join(map(str, torch.cuda.get_device_capability()))
        return f"{torch.cuda.get_device_name()} (cuda, discrete, CUDA {torch.version.cuda}, compute {capability})"
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model} (cpu, processor, {torch.get_num_threads()} threads)"


def table(head, rows):
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    for line in [head, *rows]:
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5, help="each row is timed once a round, the median counts")
    parser.add_argument("--steps", type=int, default=2, help="steps of a row in a round")
    parser.add_argument("--sparsity", type=float, default=0.9, help="of the masks of the masked row")
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: PyTorch's choice")
    parser.add_argument("--compile-modes", default="default,reduce-overhead", metavar="M,M",
                        help="torch.compile modes on CUDA (reduce-overhead: with CUDA graphs); empty: none")
    parser.add_argument("--rows", default="", metavar="WORD,WORD", help="only rows whose name contains one of these")
    parser.add_argument("--time-limit", type=float, default=0, metavar="SECONDS",
                        help="prepare no further row after this long (compiling takes about a minute a row); 0: none")
    parser.add_argument("--no-memory", action="store_true", help="CPU: no process per row to measure memory")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.batch_size, args.rounds, args.steps) < 1 or not 0 <= args.sparsity < 1:
        parser.error("--batch-size, --rounds and --steps are at least 1, --sparsity is in [0, 1)")
    return args


def main():
    started = time.perf_counter()
    args = arguments()
    if args.memory_of:
        return memory_child(args)
    try:
        import torch
    except ImportError:
        sys.exit("error: this Python has no PyTorch: run benches/peers/setup.sh, then .venv/bin/python pytorch.py")
    if args.device == "cuda" and not torch.cuda.is_available():
        print("error: PyTorch finds no CUDA device (use --device cpu)", file=sys.stderr)
        return 3
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    adapter = adapter_name(args.device)
    print(f"adapter: {adapter}, PyTorch {torch.__version__}")

    words = [word for word in args.rows.split(",") if word]
    modes = [mode for mode in args.compile_modes.split(",") if mode]
    chosen = [way for way in ways(args.device, modes) if not words or any(word in way.name for word in words)]
    runners, left_out = [], []
    for way in chosen:
        spent = time.perf_counter() - started
        if args.time_limit and spent > args.time_limit:
            print(f"note: {way.name}: left out, {spent:.0f} s are over the time limit", file=sys.stderr)
            left_out.append(way.name)
        elif (prepared := prepare(way, args)) is None:
            left_out.append(way.name)
        else:
            runners.append(prepared)
            print(f"ready: {way.name} ({time.perf_counter() - started:.0f} s)", file=sys.stderr)
    if not runners:
        print("error: no row to run", file=sys.stderr)
        return 4
    for _ in range(args.rounds):
        for runner, _ in runners:
            runner.time(args.steps)

    rows = []
    for runner, memory in runners:
        seconds = statistics.median(runner.seconds)
        rows.append({
            "name": f"PyTorch {runner.way.name}",
            "model": "resnet34",
            "method": "masked" if runner.way.masked else "dense",
            "sparsity": runner.sparsity,
            "storage": runner.way.storage,
            "batch_size": args.batch_size,
            "images_per_second": args.batch_size / seconds,
            "step_ms": 1e3 * seconds,
            "passes": runner.phases(),
            "dispatches": runner.kernels(),
            # On a CPU the host is the device.
            "host_ms": 1e3 * statistics.median(runner.host_seconds) if args.device == "cuda" else 0.0,
            "peak_gpu_bytes": memory.get("peak_gpu_bytes"),
            **({"peak_rss_bytes": memory["peak_rss_bytes"]} if "peak_rss_bytes" in memory else {}),
            "rounds_ms": [1e3 * value for value in runner.seconds],
        })
    cells = [
        [
            row["name"],
            f"{row['images_per_second']:.1f}",
            f"{row['step_ms']:.2f}",
            f"{rows[0]['step_ms'] / row['step_ms']:.2f}",
            f"{row['host_ms']:.2f}",
            "-" if row["dispatches"] is None else str(row["dispatches"]),
            "-" if row["peak_gpu_bytes"] is None else f"{row['peak_gpu_bytes'] / MIB:.0f} MiB",
        ]
        for row in rows
    ]
    table(["resnet34", "img/s", "ms/step", "x first row", "host ms", "launches", "memory"], cells)
    print(f"median of {args.rounds} rounds of {args.steps} steps, batch {args.batch_size}, interleaved")
    if args.json:
        value = {"schema": SCHEMA, "adapter": adapter, "rows": rows,
                 "peer": f"PyTorch {torch.__version__}", "left_out": left_out}
        temporary = args.json + ".tmp"
        with open(temporary, "w") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.replace(temporary, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
