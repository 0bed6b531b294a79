"""Between the judge that grades and the worker that runs a submission: data crosses, decisions do not."""
