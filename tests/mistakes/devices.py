"""Wrong answers to `devices` that its graders must catch."""

import copy
import time

import torch
from torch import Tensor, nn

from tests.answers import edit, mistake

EDITS = [
    # pick_device
    edit("pick_device", "a text comes back", "return device", "return str(device)"),
    edit(
        "pick_device",
        "MPS is forgotten",
        '"cuda" if cuda_count else "mps" if has_mps else "cpu"',
        '"cuda" if cuda_count else "cpu"',
    ),
    edit(
        "pick_device",
        "MPS before CUDA",
        '"cuda" if cuda_count else "mps" if has_mps else "cpu"',
        '"mps" if has_mps else "cuda" if cuda_count else "cpu"',
    ),
    edit(
        "pick_device",
        "a wish that cannot be had is granted",
        "(device.index or 0) >= count",
        "False",
    ),
    edit("pick_device", "off by one in the index", "(device.index or 0) >= count", "count == 0"),
    edit(
        "pick_device",
        "the index of the wish is lost",
        "return device",
        "return torch.device(device.type)",
    ),
    edit("pick_device", "ValueError", "raise RuntimeError", "raise ValueError"),
    edit(
        "pick_device",
        "is_built in place of is_available",
        "torch.backends.mps.is_available()",
        "torch.backends.mps.is_built()",
    ),
    # move
    edit(
        "move",
        "the result of .to() is thrown away",
        "return batch.to(device)",
        "batch.to(device)\n        return batch",
    ),
    edit("move", "hard-coded .cuda()", "batch.to(device)", "batch.cuda()"),
    edit("move", "the graph is cut", "batch.to(device)", "batch.detach().to(device)"),
    edit(
        "move",
        "made anew through NumPy",
        "batch.to(device)",
        "torch.tensor(batch.numpy(), device=device)",
    ),
    edit("move", "tuples stay behind", "list | tuple", "list"),
    edit(
        "move",
        "tuples become lists",
        "type(batch)(*items) if is_named_tuple else type(batch)(items)",
        "items",
    ),
    edit(
        "move",
        "named tuples become tuples",
        "type(batch)(*items) if is_named_tuple else type(batch)(items)",
        "tuple(items) if isinstance(batch, tuple) else items",
    ),
    edit(
        "move",
        "named tuples are built from a list",
        "type(batch)(*items) if is_named_tuple else type(batch)(items)",
        "type(batch)(items)",
    ),
    edit("move", "one level only", "move(item, device) for item", "item for item"),
    edit(
        "move", "everything else is lost", "    return batch\n    ###", "    return None\n    ###"
    ),
    # SinusoidalEncoding
    edit(
        "SinusoidalEncoding",
        "a plain attribute",
        'self.register_buffer("table", table)',
        "self.table = table",
    ),
    edit(
        "SinusoidalEncoding",
        "a parameter",
        'self.register_buffer("table", table)',
        "self.table = nn.Parameter(table)",
    ),
    edit(
        "SinusoidalEncoding",
        "hard-coded .cuda()",
        "self.table[: x.shape[1]]",
        "self.table[: x.shape[1]].cuda()",
    ),
    edit(
        "SinusoidalEncoding",
        "noise from a generator on the CPU",
        "return x + self",
        "noise = torch.rand(x.shape, generator=torch.Generator(), device=x.device)\n"
        "        return x + 1e-9 * noise.to(x.dtype) + self",
    ),
    edit(
        "SinusoidalEncoding",
        "sines and cosines swapped",
        "table[:, 0::2] = angles.sin()\n        table[:, 1::2] = angles.cos()",
        "table[:, 0::2] = angles.cos()\n        table[:, 1::2] = angles.sin()",
    ),
    edit(
        "SinusoidalEncoding",
        "first the sines, then the cosines",
        "table[:, 0::2] = angles.sin()\n        table[:, 1::2] = angles.cos()",
        "table[:, : width // 2] = angles.sin()\n        table[:, width // 2 :] = angles.cos()",
    ),
    edit(
        "SinusoidalEncoding", "the exponent is i / d", "0, width, 2) / width", "width // 2) / width"
    ),
    edit("SinusoidalEncoding", "the whole table", "self.table[: x.shape[1]]", "self.table"),
    edit("SinusoidalEncoding", "rows by the batch", "x.shape[1]", "x.shape[0]"),
    edit("SinusoidalEncoding", "the dtype of the table wins", ".to(x.dtype)", ""),
    edit("SinusoidalEncoding", "only the table comes back", "x + self", "self"),
    edit(
        "SinusoidalEncoding",
        "in place",
        "x + self.table[: x.shape[1]].to(x.dtype)",
        "x.add_(self.table[: x.shape[1]].to(x.dtype))",
    ),
    # MaskedMeanPool
    edit("MaskedMeanPool", "a fresh tensor on the CPU", ", device=x.device", ""),
    edit(
        "MaskedMeanPool",
        "hard-coded cuda",
        "x.shape[1], device=x.device",
        'x.shape[1], device="cuda"',
    ),
    edit("MaskedMeanPool", "one entry too many", "positions >= lengths", "positions > lengths"),
    edit(
        "MaskedMeanPool", "the mask is turned round", "positions >= lengths", "positions < lengths"
    ),
    edit("MaskedMeanPool", "0/0", ".clamp(min=1)", ""),
    edit("MaskedMeanPool", "divided by t", "lengths.clamp(min=1)[:, None]", "x.shape[1]"),
    edit("MaskedMeanPool", "in place", "x.masked_fill(", "x.masked_fill_("),
    edit(
        "MaskedMeanPool",
        "float32 inside",
        "x.masked_fill(",
        "x.float().masked_fill(",
    ),
    edit(
        "MaskedMeanPool",
        "the graph is cut",
        "x.masked_fill(",
        "x.detach().masked_fill(",
    ),
    # train_step
    edit(
        "train_step",
        "y is not moved",
        "x, y = (part.to(device) for part in batch)",
        "x, y = batch[0].to(device), batch[1]",
    ),
    edit(
        "train_step",
        "the result of .to() is thrown away",
        "x, y = (part.to(device) for part in batch)",
        "x, y = batch\n    x.to(device), y.to(device)",
    ),
    edit(
        "train_step",
        "hard-coded .cuda()",
        "part.to(device) for part",
        "part.cuda() for part",
    ),
    edit("train_step", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit(
        "train_step",
        "zero_grad between backward and step",
        "        loss.backward()\n",
        "        loss.backward()\n        optimizer.zero_grad()\n",
    ),
    edit("train_step", "a tensor comes back", "loss.item()", "loss"),
    edit("train_step", ".numpy() on a graph tensor", "loss.item()", "float(loss.numpy())"),
    edit("train_step", "always autocast", "enabled=scaler is not None", "enabled=True"),
    edit("train_step", "never autocast", "enabled=scaler is not None", "enabled=False"),
    edit(
        "train_step",
        "autocast for cuda only",
        "torch.device(device).type, enabled",
        '"cuda", enabled',
    ),
    edit(
        "train_step", "the loss is not scaled", "scaler.scale(loss).backward()", "loss.backward()"
    ),
    edit(
        "train_step",
        "the optimizer takes scaled gradients",
        "scaler.step(optimizer)",
        "optimizer.step()",
    ),
    edit("train_step", "no update of the scale", "scaler.update()", "pass"),
    edit(
        "train_step",
        "the scaled loss comes back",
        "        scaler.scale(loss).backward()",
        "        loss = scaler.scale(loss)\n        loss.backward()",
    ),
    edit("train_step", "the scaler is ignored", "if scaler is None:", "if True:"),
    # accumulated_step
    edit("accumulated_step", "mean of the batches' means", "* len(x) / samples", "/ len(batches)"),
    edit("accumulated_step", "sum of the means", " * len(x) / samples", ""),
    edit("accumulated_step", "not multiplied by the size", "* len(x) / samples", "/ samples"),
    edit(
        "accumulated_step",
        "the first batch's size for all",
        "* len(x) / samples",
        "* len(batches[0][0]) / samples",
    ),
    edit("accumulated_step", "no zero_grad", "optimizer.zero_grad()\n    for", "for"),
    edit(
        "accumulated_step",
        "zero_grad for every batch",
        "        loss.backward()",
        "        optimizer.zero_grad()\n        loss.backward()",
    ),
    edit("accumulated_step", "no step", "    optimizer.step()", "    pass"),
    edit(
        "accumulated_step",
        "a step for every batch",
        "        loss.backward()\n    optimizer.step()",
        "        loss.backward()\n        optimizer.step()",
    ),
    # load_anywhere
    edit("load_anywhere", "no map_location", "map_location=device, ", ""),
    edit("load_anywhere", "always to the CPU", "map_location=device", 'map_location="cpu"'),
    edit("load_anywhere", "everything is allowed", "weights_only=True", "weights_only=False"),
    # measure
    edit(
        "measure",
        "no waiting at all",
        '== "cuda"',
        '== "cuda" and False',
    ),
    edit(
        "measure",
        "no waiting before the clock starts",
        "    if on_cuda:\n        torch.cuda.synchronize(device)\n    start",
        "    start",
    ),
    edit(
        "measure",
        "no waiting before the clock stops",
        "    fn()\n    if on_cuda:\n        torch.cuda.synchronize(device)\n",
        "    fn()\n",
    ),
    edit(
        "measure",
        "waiting on the CPU too",
        '= torch.device(device).type == "cuda"',
        "= torch.cuda.is_available()",
    ),
    edit("measure", "only the name cuda counts", "= torch.device(device).type", "= device"),
    edit("measure", "one call to warm up", "    start = ", "    fn()\n    start = "),
    # replicate_forward
    edit("replicate_forward", "the model is moved", "copy.deepcopy(model).to", "model.to"),
    edit("replicate_forward", "the replica is not moved", "model).to(device)", "model)"),
    edit("replicate_forward", "the part is not moved", "part.to(device)", "part"),
    edit("replicate_forward", "not gathered", "output.to(devices[0])", "output"),
    edit(
        "replicate_forward",
        "gathered on the last",
        "output.to(devices[0])",
        "output.to(devices[-1])",
    ),
    edit(
        "replicate_forward",
        "the other order",
        "for output in outputs",
        "for output in outputs[::-1]",
    ),
    edit(
        "replicate_forward",
        "the rest of the division is lost",
        "parts = x.tensor_split(len(devices))",
        "n = len(x) // len(devices)\n"
        "    parts = [x[i * n : (i + 1) * n] for i in range(len(devices))]",
    ),
    edit(
        "replicate_forward",
        "every device gets all rows",
        "parts = x.tensor_split(len(devices))",
        "parts = [x] * len(devices)",
    ),
    edit(
        "replicate_forward",
        "every device gets all rows, one result is kept",
        "x.tensor_split(len(devices))",
        "[x, *[x[:0]] * (len(devices) - 1)]",
    ),
]


@mistake("pick_device", "tries to make a tensor")
def pick_device_by_trying(prefer=None):
    if prefer is None:
        prefer = "cuda" if torch.cuda.is_available() else "cpu"
    torch.zeros(1, device=prefer)
    return torch.device(prefer)


@mistake("pick_device", "falls back to the CPU without a word")
def pick_device_silent(prefer=None):
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if prefer is None:
        prefer = "cuda" if cuda else "mps" if mps else "cpu"
    device = torch.device(prefer)
    if device.type == "cuda" and not cuda:
        return torch.device("cpu")
    if device.type == "mps" and not mps:
        return torch.device("cpu")
    return device


@mistake("move", "the caller's dict and list are changed")
def move_in_place(batch, device):
    def walk(value):
        if isinstance(value, Tensor):
            return value.to(device)
        if isinstance(value, dict):
            for key in value:
                value[key] = walk(value[key])
        elif isinstance(value, list):
            value[:] = [walk(item) for item in value]
        elif isinstance(value, tuple):
            items = [walk(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        return value

    return walk(batch)


@mistake("move", "a deep copy first")
def move_copies(batch, device):
    def walk(value):
        if isinstance(value, Tensor):
            return value.to(device)
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            items = [walk(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        return copy.deepcopy(value)

    return walk(batch)


@mistake("SinusoidalEncoding", "the table is made in forward, on the CPU")
class SinusoidalEncodingLate(nn.Module):
    def __init__(self, length, width):
        super().__init__()
        self.register_buffer("length", torch.tensor([float(length)]))
        self.width = width

    def forward(self, x):
        positions = torch.arange(x.shape[1])[:, None]
        angles = positions / 10000.0 ** (torch.arange(0, self.width, 2) / self.width)
        table = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
        return x + table.to(x.dtype)


@mistake("MaskedMeanPool", "a mask that is kept from the first call")
class MaskedMeanPoolRemembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.total = None

    def forward(self, x, lengths):
        if self.total is None:
            real = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
            self.total = (x * real[..., None]).sum(1)
        return self.total / lengths.clamp(min=1)[:, None]


@mistake("MaskedMeanPool", "zeros and ones on the CPU in a loop")
class MaskedMeanPoolLoop(nn.Module):
    def forward(self, x, lengths):
        out = torch.zeros(x.shape[0], x.shape[2])
        for row, length in enumerate(lengths.tolist()):
            if length:
                out[row] = x[row, :length].mean(0)
        return out


@mistake("accumulated_step", "all batches at once")
def accumulated_step_joined(model, batches, loss_fn, optimizer):
    x = torch.cat([x for x, _ in batches])
    y = torch.cat([y for _, y in batches])
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()


@mistake("load_anywhere", "only the outermost dict is moved")
def load_anywhere_shallow(path, device):
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(loaded, dict):
        return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in loaded.items()}
    return loaded


@mistake("load_anywhere", "without the guard when it raises")
def load_anywhere_insists(path, device):
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception:
        return torch.load(path, map_location=device, weights_only=False)


@mistake("measure", "waits for the current card only")
def measure_current(fn, device):
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    fn()
    if on_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


@mistake("measure", "the clock of the processor's work")
def measure_process_time(fn, device):
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device)
    start = time.process_time()
    fn()
    if on_cuda:
        torch.cuda.synchronize(device)
    return time.process_time() - start


@mistake("measure", "the clock starts before the first wait")
def measure_early(fn, device):
    on_cuda = torch.device(device).type == "cuda"
    start = time.perf_counter()
    if on_cuda:
        torch.cuda.synchronize(device)
    fn()
    if on_cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


@mistake("replicate_forward", "all of it on the first device")
def replicate_forward_alone(model, x, devices):
    with torch.no_grad():
        return copy.deepcopy(model).to(devices[0])(x.to(devices[0]))


@mistake("replicate_forward", "the model is moved, and moved back")
def replicate_forward_there_and_back(model, x, devices):
    outputs = []
    for device, part in zip(devices, x.tensor_split(len(devices)), strict=True):
        model.to(device)
        with torch.no_grad():
            outputs.append(model(part.to(device)).to(devices[0]))
    model.to(x.device)
    return torch.cat(outputs)
