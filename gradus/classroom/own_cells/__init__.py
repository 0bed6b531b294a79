"""Cells of a notebook that gradus does not grade: run in a sandbox, one after another, as a kernel would."""
