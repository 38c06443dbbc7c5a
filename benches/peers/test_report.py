"""python3 -m unittest discover benches/peers   (needs neither PyTorch nor a GPU)"""

import json
import os
import tempfile
import unittest

import report

BY = {"gpu": "h200", "title": "NVIDIA H200 SXM", "source": "a data sheet", "is_the_adapter": True}


def kernel(kind, part, ms, predicted_ms, node="layer1.0.conv1", shader="conv_sparse_gather"):
    return {"kind": kind, "node": node, "part": part, "shader": shader, "ms": ms, "predicted_ms": predicted_ms,
            "bound": None if predicted_ms is None else "L2"}


def layer(forward, name="layer1.0.conv1.weight"):
    return {"layer": name, "density": 0.1, "forward": forward, "grad_input": "sparse", "grad_weight": "pixels"}


def step(step_ms, sparsity=0.98, storage="f32", kernels=(), by=BY, layers=(), tuned=None, **more):
    return {"model": "resnet34", "method": "rigl" if sparsity else "dense", "sparsity": sparsity, "storage": storage,
            "batch_size": 128, "images_per_second": 128e3 / step_ms, "step_ms": step_ms, "passes": {}, "dispatches": 3,
            "host_ms": 0.1, "peak_gpu_bytes": 64 << 20, "kernels": list(kernels), "predicted_by": by,
            "layers": list(layers), "tuned": tuned, **more}


KERNELS = [kernel("forward", "pack", 0.5, 0.25, shader="conv_sparse_pack"), kernel("forward", "forward", 3.0, 1.5),
           kernel("input gradient", "grad_input", 4.0, 1.0), kernel("optimiser", "sgd", 0.1, None, shader="sgd")]


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.text("environment.txt", "adapter: NVIDIA H200 (vulkan, discrete, driver)\ncommit: abc\nbuild: 60 s, not counted\n")

    def text(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def rows(self, name, rows, adapter="NVIDIA H200 (vulkan, discrete, driver)"):
        self.text(name, json.dumps({"schema": 1, "adapter": adapter, "rows": rows}))

    def parts(self, *lines):
        self.text("parts.tsv", "".join("\t".join(line) + "\n" for line in lines))

    def lines(self):
        return report.report(self.folder).splitlines()

    def test_an_empty_folder_makes_a_page(self):
        os.remove(os.path.join(self.folder, "environment.txt"))
        text = report.report(self.folder)
        self.assertIn("It did not run.", text)
        self.assertGreaterEqual(text.count("Nothing was measured."), 5)

    def test_predicted_stands_beside_measured(self):
        self.rows("step.json", [step(20.0, 0.0), step(8.0, kernels=KERNELS)])
        lines = self.lines()
        self.assertIn("| input gradient | 4.000 / 1.000 |", lines)
        # Packing is counted alone, whatever pass it belongs to.
        self.assertIn("| packing | 0.500 / 0.250 |", lines)
        self.assertIn("| forward: conv_sparse_gather | 3.000 / 1.500 |", lines)
        self.assertIn("| optimiser | 0.100 / - |", lines)
        self.assertIn("| all passes | 7.600 / 2.750 |", lines)
        self.assertIn("| itop 98 % f32 | 16000.0 | 8.000 | 2.750 | 2.50 | 0.10 | 64 |", lines)
        # The pass that loses most comes first.
        first = next(line for line in lines if line.startswith("| layer1.0.conv1"))
        self.assertEqual(first, "| layer1.0.conv1 grad_input | conv_sparse_gather | 4.000 | 1.000 | 4.0 | L2 |")
        self.assertTrue(any("This is the adapter's own entry" in line for line in lines))

    def test_a_model_of_another_gpu_or_none_is_said(self):
        self.rows("step.json", [step(8.0, kernels=KERNELS, by={**BY, "is_the_adapter": False})])
        self.assertIn("**This is another GPU than the adapter**", report.report(self.folder))
        bare = [{**one, "predicted_ms": None} for one in KERNELS]
        self.rows("step.json", [step(8.0, kernels=bare, by=None)])
        text = report.report(self.folder)
        self.assertIn("No model was taken for this adapter", text)
        self.assertIn("| input gradient | 4.000 / - |", text)

    def test_pytorch_is_beside(self):
        self.rows("step.json", [step(20.0, 0.0), step(8.0)])
        peer = {"model": "resnet34", "method": "dense", "sparsity": 0.0, "batch_size": 128, "peak_gpu_bytes": None,
                "dispatches": None, "host_ms": 0.5}
        fp32 = {**peer, "name": "PyTorch fp32", "storage": "f32", "images_per_second": 8000.0, "step_ms": 16.0}
        bf16 = {**peer, "name": "PyTorch bf16", "storage": "bf16", "images_per_second": 32000.0, "step_ms": 4.0}
        self.text("pytorch.json", json.dumps({"rows": [fp32, bf16], "adapter": "EPYC (cpu, processor)",
                                              "peer": "PyTorch 2", "left_out": ["TF32"]}))
        lines = self.lines()
        self.assertIn("| itop 98 % f32 | 16000.0 | 8.000 | - | 2.50 | 2.00 | 0.50 | 0.10 | 64 |", lines)
        self.assertIn("| PyTorch bf16 | 32000.0 | 4.000 | - | - | 4.00 | 1.00 | 0.50 | - |", lines)
        self.assertNotIn("PyTorch was not measured.", lines)
        self.assertIn("PyTorch 2 on EPYC (cpu, processor).", lines)
        self.assertIn("Left out, for want of time or because this machine cannot: TF32.", lines)
        self.assertTrue(any("these ratios say nothing" in line for line in lines))

    def test_structures_are_told_apart(self):
        self.rows("step.json", [step(20.0, 0.0), step(8.0)])
        self.rows("step-block-4x1.json", [step(20.5, 0.0), step(4.0)])
        lines = [line for line in self.lines() if line.startswith("| itop")]
        self.assertEqual([line.split(" | ")[0] for line in lines],
                         ["| itop dense f32", "| itop 98 % f32", "| itop 98 % f32 block-4x1"])
        self.assertIn("| 20.0 |", lines[0])

    def test_what_tuning_took_and_changed(self):
        self.rows("step.json", [step(8.0, layers=[layer("sparse 32x2")])])
        tuned = {"shapes": 12, "candidates": 200, "left": 30, "seconds": 19.96, "failed": ["forward x: is off by 1"]}
        self.rows("tuned.json", [step(6.0, layers=[layer("sparse 8x2")], tuned=tuned)])
        lines = self.lines()
        self.assertIn("| 98 % f32 | 20.0 | 12 | 200 | 30 | 8.000 | 6.000 | 1 of 3 |", lines)
        self.assertIn("| 98 % f32 | layer1.0.conv1.weight | forward | sparse 32x2 | sparse 8x2 |", lines)
        self.assertIn("Left out: forward x: is off by 1", lines)

    def test_parts_that_did_not_end_are_named(self):
        self.parts(("verify", "began", "", "90", "itop verify"), ("verify", "5", "3", "90", "itop verify"),
                   ("step", "124", "150", "150", "itop bench step"), ("pytorch", "left out", "", "", "no Python has it"),
                   ("topology", "began", "", "40", "itop bench topology"), ("tuned", "no time", "", "", "it is over"),
                   ("kernels", "124", "80", "80", "itop bench kernels"))
        self.text("verify.err", "error: conv_sparse_gather is wrong\n")
        self.text("step.json", '{"schema": 1, "rows": [')
        lines = self.lines()
        # The kernels take what time there is.
        self.assertTrue(any("**Not whole: verify, step, topology, tuned**" in line for line in lines), lines)
        self.assertIn("| verify | failed, exit code 5 | 3 | 90 | `itop verify` |", lines)
        self.assertIn("| step | cut off | 150 | 150 | `itop bench step` |", lines)
        self.assertIn("| topology | stopped from outside |  | 40 | `itop bench topology` |", lines)
        self.assertIn("| pytorch | left out |  |  | no Python has it |", lines)
        self.assertIn("error: conv_sparse_gather is wrong", lines)
        self.assertTrue(any("may be wrong" in line for line in lines))

    def test_software_is_called_so(self):
        self.text("environment.txt", "adapter: llvmpipe (vulkan, software, Mesa)\n")
        self.assertIn("**Software: this adapter runs on the processor and is no GPU.**", report.report(self.folder))


if __name__ == "__main__":
    unittest.main()
