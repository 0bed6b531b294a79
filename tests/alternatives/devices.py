"""Unusual right answers to `devices` that must get full marks."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.answers import alternative, edit

EDITS = [
    edit(
        "pick_device",
        "the current card by its number",
        '"cuda" if cuda_count',
        '"cuda:0" if cuda_count',
    ),
    edit("move", "non_blocking", "batch.to(device)", "batch.to(device, non_blocking=True)"),
    edit(
        "SinusoidalEncoding",
        "a buffer that is not saved",
        '"table", table)',
        '"table", table, persistent=False)',
    ),
    edit(
        "MaskedMeanPool",
        "in place on an own copy",
        "x.masked_fill(",
        "x.clone().masked_fill_(",
    ),
    edit(
        "MaskedMeanPool",
        "0/0 where there is nothing, replaced",
        "total / lengths.clamp(min=1)[:, None]",
        "torch.nan_to_num(total / lengths[:, None])",
    ),
    edit(
        "train_step",
        "set_to_none=False",
        "optimizer.zero_grad()",
        "optimizer.zero_grad(set_to_none=False)",
    ),
    edit(
        "train_step",
        "the model is moved too",
        "    optimizer.zero_grad()",
        "    model.to(device)\n    optimizer.zero_grad()",
    ),
    edit(
        "train_step",
        "gradients are unscaled first",
        "        scaler.step(optimizer)",
        "        scaler.unscale_(optimizer)\n        scaler.step(optimizer)",
    ),
    edit("train_step", "float()", "loss.item()", "float(loss.detach())"),
    edit(
        "train_step",
        "cleared just before the backward pass",
        "    # HINT: Two cases",
        "    model.zero_grad()\n    # HINT: Two cases",
    ),
    edit(
        "load_anywhere",
        "a function as map_location",
        "return torch.load(path, map_location=device, weights_only=True)",
        "stay = lambda storage, _: storage\n"
        "    return move(torch.load(path, map_location=stay, weights_only=True), device)",
    ),
    edit(
        "replicate_forward",
        "chunk",
        "zip(devices, parts, strict=True)",
        "zip(devices, x.chunk(len(devices)), strict=False)",
    ),
    edit(
        "replicate_forward",
        "inference mode, cloned",
        "torch.no_grad()",
        "torch.inference_mode()",
    ),
]


@alternative("pick_device", "cases one by one")
def pick_device_cases(prefer=None):
    def count(kind):
        if kind == "cuda" and torch.cuda.is_available():
            return torch.cuda.device_count()
        return int(kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available()))

    if prefer is None:
        return next(torch.device(kind) for kind in ("cuda", "mps", "cpu") if count(kind))
    device = prefer if isinstance(prefer, torch.device) else torch.device(prefer)
    if count(device.type) == 0:
        raise RuntimeError(f"{device.type} is not here")
    if device.index is not None and device.index >= count(device.type):
        raise RuntimeError(f"number {device.index} is not here")
    return device


@alternative("pick_device", "torch.accelerator")
def pick_device_accelerator(prefer=None):
    here = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if prefer is None:
        return here or torch.device("cpu")
    wish = torch.device(prefer)
    if wish.type == "cpu":
        return wish
    if wish.type == "mps" and torch.backends.mps.is_available() and (wish.index or 0) == 0:
        return wish
    if here is None or wish.type != here.type:
        raise RuntimeError(f"{wish} is not here")
    if (wish.index or 0) >= torch.accelerator.device_count():
        raise RuntimeError(f"only {torch.accelerator.device_count()} of {wish.type}")
    return wish


@alternative("move", "match")
def move_match(batch, device):
    def walk(value):
        match value:
            case Tensor():
                return value.to(device=torch.device(device))
            case dict():
                return dict(zip(value, walk(list(value.values())), strict=True))
            case tuple() if hasattr(value, "_fields"):
                return value._make(walk(item) for item in value)
            case tuple():
                return tuple(walk(item) for item in value)
            case list():
                return [walk(item) for item in value]
        return value

    return walk(batch)


@alternative("move", "torch's own tree_map")
def move_tree(batch, device):
    from torch.utils._pytree import tree_map

    return tree_map(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, batch)


@alternative("SinusoidalEncoding", "number by number, in float64, under another name")
class SinusoidalEncodingByHand(nn.Module):
    def __init__(self, length, width):
        import math

        super().__init__()
        rows = []
        for p in range(length):
            row = []
            for column in range(width):
                angle = p / 10000 ** ((column - column % 2) / width)
                row.append(math.cos(angle) if column % 2 else math.sin(angle))
            rows.append(row)
        self.register_buffer("waves", torch.tensor(rows, dtype=torch.float64)[None])

    def forward(self, x):
        t = x.size(1)
        return torch.add(x, self.waves[:, :t].to(x))


@alternative("MaskedMeanPool", "a loop over the sequences")
class MaskedMeanPoolLoop(nn.Module):
    def forward(self, x, lengths):
        out = x.new_zeros(x.shape[0], x.shape[2])
        for row, length in enumerate(lengths.tolist()):
            if length:
                out[row] = x[row, :length].mean(dim=0)
        return out


@alternative("MaskedMeanPool", "a product with the mask")
class MaskedMeanPoolProduct(nn.Module):
    def forward(self, x, lengths):
        b, t, _ = x.shape
        positions = torch.arange(t, device=lengths.device).expand(b, t)
        real = (positions < lengths.unsqueeze(1)).to(x.device, x.dtype)
        count = real.sum(1, keepdim=True).clamp(min=1)
        return torch.einsum("btd,bt->bd", x, real) / count


@alternative("train_step", "torch.autograd.grad without a scaler")
def train_step_by_hand(model, batch, loss_fn, optimizer, device, scaler=None):
    inputs, targets = batch[0].to(device), batch[1].to(device)
    if scaler is not None:
        optimizer.zero_grad()
        with torch.amp.autocast(device_type=torch.device(device).type):
            outputs = model(inputs)
        loss = loss_fn(outputs.float(), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()
    loss = loss_fn(model(inputs), targets)
    for group in optimizer.param_groups:
        wanted = [parameter for parameter in group["params"] if parameter.requires_grad]
        for parameter, gradient in zip(wanted, torch.autograd.grad(loss, wanted), strict=True):
            parameter.grad = gradient
    optimizer.step()
    return loss.item()


@alternative("accumulated_step", "gradients divided at the end")
def accumulated_step_divided(model, batches, loss_fn, optimizer):
    optimizer.zero_grad()
    count = 0
    for x, y in batches:
        count += y.shape[0]
        (loss_fn(model(x), y) * y.shape[0]).backward()
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= count
    optimizer.step()


@alternative("accumulated_step", "one graph for all batches")
def accumulated_step_summed(model, batches, loss_fn, optimizer):
    shares = torch.tensor([float(len(y)) for _, y in batches])
    losses = torch.stack([loss_fn(model(x), y) for x, y in batches])
    loss = (losses * (shares / shares.sum()).to(losses.device)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@alternative("load_anywhere", "first to the CPU, from an open file")
def load_anywhere_walk(path, device):
    def walk(value):
        if isinstance(value, Tensor):
            return value.to(device)
        if isinstance(value, dict):
            moved = type(value)()
            for key, item in value.items():
                moved[key] = walk(item)
            return moved
        if isinstance(value, list | tuple):
            return type(value)(walk(item) for item in value)
        return value

    with Path(path).open("rb") as file:
        return walk(torch.load(file, map_location=torch.device("cpu"), weights_only=True))


@alternative("measure", "nanoseconds, and the device as a context")
def measure_nanoseconds(fn, device):
    from time import monotonic_ns

    device = torch.device(device)
    if device.type == "cpu":
        start = monotonic_ns()
        fn()
        return (monotonic_ns() - start) / 1e9
    with torch.cuda.device(device):
        torch.cuda.synchronize()
        start = monotonic_ns()
        fn()
        torch.cuda.synchronize()
        return (monotonic_ns() - start) / 1e9


@alternative("measure", "CUDA events")
def measure_events(fn, device):
    from time import perf_counter

    device = torch.device(device)
    if device.type != "cuda":
        start = perf_counter()
        fn()
        return perf_counter() - start
    stream = torch.cuda.current_stream(device)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize(device)
    start.record(stream)
    fn()
    end.record(stream)
    torch.cuda.synchronize(device)
    return start.elapsed_time(end) / 1000


@alternative("measure", "timeit")
def measure_timeit(fn, device):
    import timeit

    def wait():
        if str(device).startswith("cuda"):
            torch.cuda.synchronize(device)

    def work():
        fn()
        wait()

    wait()
    return timeit.timeit(work, number=1)


@alternative("replicate_forward", "the weights are lent to the model for each call")
def replicate_forward_functional(model, x, devices):
    outputs = []
    size = -(-len(x) // len(devices)) or 1
    for device, part in zip(devices, x.split(size), strict=False):
        owned = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        there = {name: tensor.detach().to(device) for name, tensor in owned.items()}
        outputs.append(torch.func.functional_call(model, there, (part.to(device),)))
    return torch.cat([output.detach().to(devices[0]) for output in outputs], dim=0)


@alternative("replicate_forward", "all replicas first, results written into place")
def replicate_forward_in_place(model, x, devices):
    replicas = [copy.deepcopy(model).eval().to(device) for device in devices]
    bounds = [len(x) * number // len(devices) for number in range(len(devices) + 1)]
    result = None
    with torch.no_grad():
        for number, replica in enumerate(replicas):
            rows = slice(bounds[number], bounds[number + 1])
            out = replica(x[rows].to(devices[number]))
            if result is None:
                result = torch.empty(len(x), *out.shape[1:], dtype=out.dtype, device=devices[0])
            result[rows] = out.to(devices[0])
    return result
