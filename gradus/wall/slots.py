"""Where the workers of a kit's submissions come from. Imports no torch."""

from pathlib import Path

from gradus.sandbox.slots import WarmSlot, warm_slot

SERVE = "gradus.wall.worker.serve:serve"  # what a worker runs


def slot_of(root: Path) -> WarmSlot:
    """This process's slot for a kit: of all its rooms, submissions may read `datasets/`."""
    datasets = root / "datasets"
    return warm_slot((datasets,) if datasets.is_dir() else (), SERVE)
