"""Unusual right answers to `tensors` that must get full marks."""

import numpy as np
import torch

from tests.answers import Answer, alternative, edit

PRINTED = """
    def __call__(self, rows, cols):
        grid = torch.arange(rows * cols).reshape(rows, cols)
        print(grid, grid.float().mean())
        return grid
"""
EDITS = [
    Answer("number_grid", "an object that prints", f"class Grid:{PRINTED}\n\nnumber_grid = Grid()"),
    Answer(
        "number_grid",
        "a part of a function that prints",
        f"import functools\n\n\nclass Grid:{PRINTED}\n\n"
        "number_grid = functools.partial(Grid.__call__, Grid())",
    ),
    edit(
        "from_rows",
        "a clone",
        "torch.tensor(rows, dtype=dtype, device=device)",
        "torch.as_tensor(rows, dtype=dtype, device=device).clone()",
    ),
    edit("number_grid", "view", "reshape(rows, cols)", "view(-1, cols)"),
    edit("number_grid", "a range", "torch.arange(rows * cols)", "torch.tensor(range(rows * cols))"),
    edit(
        "pairwise_distances",
        "power of a half",
        ".square().sum(dim=-1).sqrt()",
        ".pow(2).sum(2) ** 0.5",
    ),
    edit(
        "split_heads",
        "contiguous",
        "pieces.transpose(1, 2)",
        "pieces.permute(0, 2, 1, 3).contiguous()",
    ),
    edit(
        "merge_heads", "contiguous view", "side_by_side.reshape", "side_by_side.contiguous().view"
    ),
    edit(
        "best_of",
        "torch's own named pair",
        "values, indices = x.max(dim=1)\n    return values, indices",
        "return torch.max(x, 1)",
    ),
    edit("scale_", "times equals", "x.mul_(factor)", "x *= factor"),
    edit("scale_", "copy_", "x.mul_(factor)", "x.copy_(x * factor)"),
    edit(
        "scale_",
        "through a detached alias",
        "with torch.no_grad():\n        x.mul_(factor)",
        "x.detach().mul_(factor)",
    ),
    edit(
        "scale_",
        "through data",
        "with torch.no_grad():\n        x.mul_(factor)",
        "x.data *= factor",
    ),
    edit("share_with_numpy", "force", "x.detach().cpu().numpy()", "x.numpy(force=True)"),
    edit("share_with_numpy", "data", "x.detach().cpu().numpy()", "x.data.to('cpu').numpy()"),
    edit("share_with_numpy", "asarray", "x.detach().cpu().numpy()", "np.asarray(x.detach().cpu())"),
]


@alternative("from_rows", "an array copied by NumPy")
def numpy_copy(rows, dtype=None, device="cpu"):
    if isinstance(rows, np.ndarray):
        tensor = torch.from_numpy(rows.copy())
    else:
        tensor = torch.tensor(rows)
    return tensor.to(device, dtype) if dtype is not None else tensor.to(device)


@alternative("number_grid", "broadcasting")
def grid_broadcast(rows, cols):
    return torch.arange(rows)[:, None] * cols + torch.arange(cols)


@alternative("number_grid", "through NumPy, in Fortran order")
def grid_numpy(rows, cols):
    return torch.from_numpy(np.asfortranarray(np.arange(rows * cols).reshape(rows, cols)))


@alternative("number_grid", "a running sum")
def grid_cumsum(rows, cols):
    return (torch.ones(rows * cols, dtype=torch.long).cumsum(0) - 1).unflatten(0, (rows, cols))


@alternative("number_grid", "a print that was left in")
def grid_printed(rows, cols):
    grid = torch.arange(rows * cols).reshape(rows, cols)
    print(grid, grid.float().mean())
    return grid


@alternative("standardize", "a mask for constant rows")
def with_mask(x, eps=1e-8):
    mean = x.mean(-1, keepdim=True)
    std = (x - mean).pow(2).mean(-1, keepdim=True).sqrt()
    constant = (x == x[..., :1]).all(-1, keepdim=True)
    return torch.where(constant, torch.zeros_like(x), (x - mean) / (std + eps))


@alternative("standardize", "row by row")
def row_by_row(x, eps=1e-8):
    rows = []
    for row in x.reshape(-1, x.shape[-1]):
        if row.max() == row.min():
            rows.append(row * 0)
        else:
            centred = row - row.mean()
            rows.append(centred / (centred.norm() / len(row) ** 0.5 + eps))
    return torch.stack(rows).view_as(x)


@alternative("standardize", "in place on a copy")
def on_a_copy(x, eps=1e-8):
    z = x.clone()
    z -= x[..., -1:]
    z = z - z.mean(-1, keepdim=True)
    return z / (z.var(-1, unbiased=False, keepdim=True).sqrt() + eps)


@alternative("standardize", "in double precision")
def in_double(x, eps=1e-8):
    z = x.double() - x[..., :1].double()
    std, mean = torch.std_mean(z, dim=-1, correction=0, keepdim=True)
    return ((z - mean) / (std + eps)).to(x.dtype)


@alternative("pairwise_distances", "loops")
def distance_loops(a, b):
    rows = []
    for p in a:
        rows.append(torch.stack([torch.dist(p, q) for q in b]))
    return torch.stack(rows)


@alternative("pairwise_distances", "the norm")
def distance_norm(a, b):
    return torch.linalg.vector_norm(a.unsqueeze(1) - b, dim=-1)


@alternative("pairwise_distances", "einsum of the differences")
def distance_einsum(a, b):
    difference = (a[None] - b[:, None]).transpose(0, 1)
    return torch.einsum("nmd,nmd->nm", difference, difference).sqrt()


@alternative("split_heads", "chunk and stack")
def split_stack(x, heads):
    if heads < 1 or x.size(-1) % heads:
        raise ValueError(f"{x.size(-1)} cannot be cut into {heads} heads")
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


@alternative("split_heads", "unflatten and einsum")
def split_unflatten(x, heads):
    if x.shape[-1] % heads != 0:
        raise ValueError("no")
    return torch.einsum("bthd->bhtd", x.unflatten(-1, (heads, -1)))


@alternative("merge_heads", "cat of the heads")
def merge_cat(x):
    return torch.cat(x.unbind(1), dim=-1)


@alternative("merge_heads", "flatten")
def merge_flatten(x):
    return x.movedim(1, 2).flatten(2)


@alternative("one_hot", "scatter")
def hot_scatter(labels, num_classes):
    if labels.numel() and not (0 <= labels.min() and labels.max() < num_classes):
        raise ValueError("label out of range")
    out = torch.zeros(*labels.shape, num_classes, device=labels.device)
    return out.scatter_(-1, labels.unsqueeze(-1), 1.0)


@alternative("one_hot", "rows of the identity")
def hot_eye(labels, num_classes):
    for label in labels.flatten().tolist():
        if label < 0 or label >= num_classes:
            raise ValueError(f"label {label}")
    return torch.eye(num_classes, device=labels.device)[labels]


@alternative("one_hot", "torch's own")
def hot_torch(labels, num_classes):
    if bool((labels < 0).any() | (labels >= num_classes).any()):
        raise ValueError("label out of range")
    return torch.nn.functional.one_hot(labels, num_classes).type(torch.float32)


@alternative("masked_mean", "masked_fill")
def mean_fill(x, mask):
    count = mask.sum(-1)
    return x.masked_fill(~mask, 0).sum(-1) / torch.where(count == 0, 1, count)


@alternative("masked_mean", "loops")
def mean_loops(x, mask):
    means = []
    for row, chosen in zip(x.reshape(-1, x.shape[-1]), mask.reshape(-1, x.shape[-1])):
        means.append(row[chosen].mean() if chosen.any() else row[chosen].sum())
    return torch.stack(means).view(x.shape[:-1])


@alternative("masked_mean", "a dot product")
def mean_einsum(x, mask):
    weights = mask.to(x.dtype)
    kept = torch.where(mask, x, torch.zeros_like(x))
    return torch.einsum("...n,...n->...", kept, weights) / weights.sum(-1).clamp_min(1)


@alternative("gather_rows", "gather")
def rows_gather(x, index):
    return torch.gather(x, 1, index.unsqueeze(-1).expand(-1, -1, x.size(-1)))


@alternative("gather_rows", "take_along_dim")
def rows_take(x, index):
    return torch.take_along_dim(x, index[:, :, None], dim=1)


@alternative("gather_rows", "loops")
def rows_loop(x, index):
    return torch.stack([table[wishes] for table, wishes in zip(x, index)])


@alternative("gather_rows", "not contiguous")
def rows_strided(x, index):
    picked = x.transpose(1, 2)
    return picked.gather(2, index[:, None, :].expand(-1, x.shape[2], -1)).transpose(1, 2)


@alternative("best_of", "argmax and gather")
def best_argmax(x):
    indices = x.argmax(dim=-1)
    return x.gather(1, indices[:, None]).squeeze(1), indices


@alternative("best_of", "a loop over the columns")
def best_loop(x):
    values, indices = x[:, 0], torch.zeros(len(x), dtype=torch.long, device=x.device)
    for i in range(1, x.shape[1]):
        better = x[:, i] > values
        values = torch.where(better, x[:, i], values)
        indices = torch.where(better, i, indices)
    return values, indices


@alternative("best_of", "a stable sort")
def best_sort(x):
    values, indices = torch.sort(x, dim=1, descending=True, stable=True)
    return values[:, 0], indices[:, 0]


@alternative("join_and_split", "slices")
def join_slices(tensors, dim, chunks):
    whole = torch.concat(list(tensors), dim).movedim(dim, 0)
    step = (len(whole) + chunks - 1) // chunks
    return tuple(whole[i : i + step].movedim(0, dim) for i in range(0, len(whole), step))


@alternative("join_and_split", "split by size")
def join_split(tensors, dim, chunks):
    whole = torch.cat(tensors, dim)
    return tuple(part.clone() for part in whole.split(-(-whole.size(dim) // chunks), dim))


@alternative("low_rank", "full matrices")
def rank_full(x, rank):
    if rank < 1 or rank > min(x.shape[0], x.shape[1]):
        raise ValueError("rank")
    u, s, vh = torch.linalg.svd(x)
    return u[:, :rank] @ torch.diag(s[:rank]) @ vh[:rank, :]


@alternative("low_rank", "a sum of outer products")
def rank_outer(x, rank):
    if rank not in range(1, min(x.shape) + 1):
        raise ValueError("rank")
    u, s, v = torch.svd(x)
    return sum(s[i] * torch.outer(u[:, i], v[:, i]) for i in range(rank))


@alternative("low_rank", "projection in double precision")
def rank_projection(x, rank):
    if not 0 < rank <= min(x.shape):
        raise ValueError("rank")
    wide = x.double()
    values, vectors = torch.linalg.eigh(wide.mT @ wide)
    top = vectors[:, -rank:]
    return (wide @ top @ top.mT).to(x.dtype)


@alternative("low_rank", "through NumPy")
def rank_numpy(x, rank):
    if not 1 <= rank <= min(x.shape):
        raise ValueError("rank")
    u, s, vt = np.linalg.svd(x.detach().cpu().numpy(), full_matrices=False)
    return torch.from_numpy(u[:, :rank] @ np.diag(s[:rank]) @ vt[:rank]).to(x)
