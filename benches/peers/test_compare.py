"""python3 -m unittest discover benches/peers   (needs neither PyTorch nor a GPU)"""

import json
import os
import tempfile
import unittest

import compare


def step(images_per_second, method="rigl", sparsity=0.9, storage="f32", **more):
    return {"model": "resnet34", "method": method, "sparsity": sparsity, "storage": storage, "batch_size": 128,
            "images_per_second": images_per_second, "step_ms": 128e3 / images_per_second, "passes": {},
            "dispatches": 300, "host_ms": 0.1, "peak_gpu_bytes": 64 << 20, **more}


def kernel(layer, direction, ms, sparsity=0.0, name="plain"):
    return {"kernel": name, "layer": layer, "direction": direction, "sparsity": sparsity,
            "density": 1 - sparsity, "ms": ms, "gflops": 1.0}


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, rows, adapter="card (vulkan, discrete, driver)", **more):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            json.dump({"schema": 1, "adapter": adapter, "rows": rows, **more}, file)
        return path

    def test_each_row_against_each_baseline(self):
        ours = self.write("ours.json", [step(100.0, "dense", 0.0), step(400.0), step(900.0, sparsity=0.98)])
        theirs = self.write(
            "theirs.json",
            [step(200.0, "dense", 0.0, name="PyTorch fp32"),
             step(300.0, "dense", 0.0, name="PyTorch fp32 compile"),
             step(600.0, "dense", 0.0, "bf16", name="PyTorch bf16"),
             step(9000.0, "masked", 0.9, name="PyTorch masked", peak_gpu_bytes=None, dispatches=None)],
            "card (cuda, discrete)", peer="PyTorch 2")
        lines = {" ".join(line.split()) for line in compare.report([ours, theirs]).splitlines()}
        self.assertIn("step batch img/s ms/step memory x itop dense x peer f32 x peer best", lines)
        self.assertIn("itop rigl 0.98 f32 128 900.0 142.22 64 MiB 9.00 3.00 1.50", lines)
        self.assertIn("PyTorch bf16 128 600.0 213.33 64 MiB 6.00 2.00 1.00", lines)
        # A masked step is a row, but no baseline, however fast.
        self.assertIn("PyTorch masked 128 9000.0 14.22 - 90.00 30.00 15.00", lines)
        self.assertIn("x peer f32: images/s over those of `PyTorch fp32 compile`", lines)
        self.assertFalse([line for line in lines if line.startswith("warning")])

    def test_several_runs_count_by_their_median(self):
        ours = [self.write(f"{i}.json", [step(rate, "dense", 0.0), step(10 * rate)]) for i, rate in enumerate([9.0, 10.0, 50.0])]
        lines = [" ".join(line.split()) for line in compare.report(ours).splitlines() if line.startswith("itop")]
        self.assertEqual(lines, ["itop dense 0 f32 128 10.0 12800.00 64 MiB 1.00", "itop rigl 0.9 f32 128 100.0 1280.00 64 MiB 10.00"])

    def test_tf32_is_no_f32_baseline(self):
        rows = [step(500.0, "dense", 0.0, "tf32", peer="p"), step(200.0, "dense", 0.0, peer="p")]
        found = {head: row["images_per_second"] for head, row in compare.baselines(rows)}
        self.assertEqual(found, {"x peer f32": 200.0, "x peer best": 500.0})

    def test_one_side_alone(self):
        text = compare.report([self.write("ours.json", [step(400.0)])])
        self.assertIn("itop rigl 0.9 f32", text)
        self.assertNotIn("x peer", text)

    def test_what_makes_ratios_empty_is_said(self):
        ours = self.write("ours.json", [step(100.0)], "llvmpipe (vulkan, software, Mesa)")
        theirs = self.write("theirs.json", [step(100.0, "dense", 0.0, batch_size=32, name="PyTorch fp32")],
                            "card (cuda, discrete)", peer="PyTorch 2")
        text = compare.report([ours, theirs])
        self.assertIn("is software, the peer's adapter is a GPU", text)
        self.assertIn("different batch sizes (128, 32)", text)

    def test_layers_take_the_fastest_candidates(self):
        ours = self.write("ours.json", [
            kernel("a", "forward", 5.0, 0.9), kernel("a", "forward", 1.0, 0.9, "better"),
            kernel("a", "grad_input", 2.0, 0.9), kernel("a", "grad_weight", 3.0, 0.9),
            kernel("b", "forward", 1.0, 0.9)])  # b: not all directions, no sum
        theirs = self.write("theirs.json", [
            kernel("a", "forward", 10.0, name="burn"), kernel("a", "forward+backward", 60.0, name="burn")],
            peer="burn 0")
        lines = [line.split() for line in compare.report([ours, theirs]).splitlines()]
        self.assertIn(["a", "0.9", "6.00", "60.00", "10.00"], lines)
        self.assertFalse([line for line in lines if line[:1] == ["b"]])

    def test_bad_files_are_named(self):
        broken = os.path.join(self.folder, "broken.json")
        with open(broken, "w") as file:
            file.write("{")
        other = self.write("other.json", {"not": "rows"})
        newer = os.path.join(self.folder, "newer.json")
        with open(newer, "w") as file:
            json.dump({"schema": 99, "rows": []}, file)
        for path in [broken, other, newer, os.path.join(self.folder, "missing.json")]:
            with self.assertRaisesRegex(compare.BadInput, os.path.basename(path)):
                compare.report([path])


if __name__ == "__main__":
    unittest.main()
