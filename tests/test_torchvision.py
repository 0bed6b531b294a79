"""torchvision can be imported and used beside whatever torch there is."""

import subprocess
import sys

import pytest

USE = """
import gradus.torchvision_ops as ops
ops.install()
ops.install()
import torch, torchvision, sys
from torchvision import datasets, models
from torchvision.transforms import v2
image = v2.Compose([v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])(
    torch.zeros(3, 8, 8, dtype=torch.uint8))
out = models.resnet18(weights=None).eval()(image[None])
fake = datasets.FakeData(2, (3, 8, 8), 2, v2.ToImage())
print(tuple(out.shape), image.dtype, tuple(fake[0][0].shape), len(sys.meta_path) == before)
"""


def run(code):
    """Run code in a fresh Python."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_transforms_models_and_datasets_work_after_install():
    done = run("import sys; before = len(sys.meta_path)\n" + USE)
    assert done.stdout.strip() == "(1, 1000) torch.float32 (3, 8, 8) True", done.stderr


def test_a_compiled_torchvision_is_left_alone():
    code = (
        "import gradus.torchvision_ops as ops\n"
        "there = ops.compiled_operators_load()\n"
        "print(ops.declare_missing_operators() == (not there))"
    )
    assert run(code).stdout.strip() == "True"


@pytest.mark.parametrize("name", ["_C", "_C_stable", "_C_of_tomorrow"])
def test_operators_that_some_library_of_torchvisions_registers_are_not_declared(name, tmp_path):
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / f"{name}.so").touch()
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import torch
import gradus.torchvision_ops as ops
kept = []
def load(path):  # what dlopen of such a file does
    kept.append(torch.library.Library("torchvision", "DEF"))
    kept[-1].define(f"nms{{ops.SCHEMA}}")
torch.ops.load_library = load
print(ops.declare_missing_operators(), len(kept))
"""
    assert run(code).stdout.strip() == "False 1"


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_submission_may_import_torchvision(order, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text("import torchvision\nanswer = torchvision.__version__\n", encoding="utf-8")
    code = (
        "from pathlib import Path\n"
        "from gradus import torchvision_ops\n"
        "from gradus.submission.loader import load_submission\n"
        f"{'import torch' if order == 'before' else ''}\n"
        "torchvision_ops.install()\n"
        f"loaded = load_submission(Path({str(path)!r}), 'demo')\n"
        "print(loaded.problems, loaded.module.answer[:1])"
    )
    assert run(code).stdout.strip() == "[] 0"
