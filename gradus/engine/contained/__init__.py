"""The third mode: the judge of a stranger's answer is itself shut in.

`contained` supervises: it owns two slots of the sandbox, one for judges and one for the submissions that
they judge, and starts a judge anew for every answer. `process` is what runs in the judge's sandbox; it sees
graders and data sets, and neither solutions nor what others handed in. They talk by `talk`. A judge may ask
its supervisor for three things: a new worker, to interrupt it, to stop it (`desk`, `given`).
"""
