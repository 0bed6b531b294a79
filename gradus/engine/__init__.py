"""Grades many answers: a warm judge that forks once for each; where there is no fork, started processes."""

import os


def one_thread() -> None:
    """Keep the libraries that torch brings at one thread each; to be called before torch is imported.

    Forked children would wait for ever for threads that only their parent has.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
