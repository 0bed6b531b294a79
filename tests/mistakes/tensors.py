"""Wrong answers to `tensors` that its graders must catch."""

import numpy as np
import torch

from tests.answers import Answer, edit, mistake

LOOP = """
    def __call__(self, rows, cols):
        grid = torch.zeros(rows, cols, dtype=torch.int64)
        for r in range(rows):
            grid[r] = r * cols + torch.arange(cols)
        return grid
"""
EDITS = [
    # task, what is wrong, text in the reference's task source, replacement
    edit("from_rows", "as_tensor shares the array's memory", "torch.tensor(", "torch.as_tensor("),
    edit("from_rows", "the dtype is ignored", "dtype=dtype, ", ""),
    edit("from_rows", "NumPy on the way makes lists float64", "(rows,", "(np.array(rows),"),
    edit("number_grid", "rows and columns swapped", "reshape(rows, cols)", "reshape(cols, rows)"),
    edit("number_grid", "size hard-coded", "reshape(rows, cols)", "reshape(-1, 3)"),
    edit("number_grid", "floats", "torch.arange(rows * cols)", "torch.arange(float(rows * cols))"),
    edit("number_grid", "counts from 1", "(rows * cols)", "(1, rows * cols + 1)"),
    Answer("number_grid", "a loop in an object", f"class Grid:{LOOP}\n\nnumber_grid = Grid()"),
    Answer(
        "number_grid",
        "a loop in a part of a function",
        f"import functools\n\n\nclass Grid:{LOOP}\n\n"
        "number_grid = functools.partial(Grid.__call__, Grid())",
    ),
    edit("standardize", "sample standard deviation", "correction=0, ", ""),
    edit("standardize", "std misses keepdim", "correction=0, keepdim=True", "correction=0"),
    edit("standardize", "mean misses keepdim", "mean(dim=-1, keepdim=True)", "mean(dim=-1)"),
    edit("standardize", "constant rows give noise", "x - x[..., :1]", "x"),
    edit("standardize", "eps is ignored", "(std + eps)", "(std + 1e-8)"),
    edit("standardize", "eps inside the root", "(std + eps)", "(std**2 + eps).sqrt()"),
    edit("standardize", "the deviation is detached", "(std + eps)", "(std.detach() + eps)"),
    edit(
        "standardize",
        "a narrow row is taken for a constant one",
        "(std + eps)",
        "(std + eps) * (std > 1e-4)",
    ),
    edit("pairwise_distances", "squared distances", ".sqrt()", ""),
    edit(
        "pairwise_distances",
        "transposed",
        "a[:, None, :] - b[None, :, :]",
        "a[None, :, :] - b[:, None, :]",
    ),
    edit(
        "pairwise_distances",
        "sum of absolute differences",
        ".square().sum(dim=-1).sqrt()",
        ".abs().sum(dim=-1)",
    ),
    edit("pairwise_distances", "squeeze kills a single point", ".sqrt()", ".sqrt().squeeze()"),
    edit("pairwise_distances", "float64 is lost", ".sqrt()", ".sqrt().float()"),
    edit("split_heads", "no check of the width", "heads < 1 or width % heads != 0", "False"),
    edit(
        "split_heads",
        "one reshape mixes heads and time",
        "reshape(batch, time, heads, width // heads)",
        "reshape(batch, heads, time, width // heads).transpose(1, 2)",
    ),
    edit(
        "split_heads",
        "heads interleaved",
        "heads, width // heads)",
        "width // heads, heads).transpose(2, 3)",
    ),
    edit("split_heads", "squeeze kills batch 1", ".transpose(1, 2)", ".transpose(1, 2).squeeze(0)"),
    edit(
        "split_heads",
        "the rest is dropped without a word",
        "raise ValueError(",
        "x = x[..., : width // heads * heads]; (",
    ),
    edit("merge_heads", "view after transpose", "side_by_side.reshape", "side_by_side.view"),
    edit("merge_heads", "not swapped back", "x.transpose(1, 2)", "x"),
    edit("merge_heads", "squeeze kills batch 1", "heads * depth)", "heads * depth).squeeze()"),
    edit("one_hot", "int64 result", "torch.float32", "torch.int64"),
    edit(
        "one_hot",
        "negative labels slip through",
        "(labels < 0) | (labels >= num_classes)",
        "labels >= num_classes",
    ),
    edit("one_hot", "off by one at num_classes", "labels >= num_classes", "labels > num_classes"),
    edit(
        "one_hot",
        "min of an empty tensor",
        "((labels < 0) | (labels >= num_classes)).any()",
        "labels.min() < 0 or labels.max() >= num_classes",
    ),
    edit(
        "one_hot",
        "classes on the first dim",
        "labels[..., None] == classes",
        "labels == classes.reshape(-1, *[1] * labels.dim())",
    ),
    edit(
        "one_hot",
        "all must be wrong before it complains",
        ">= num_classes)).any()",
        ">= num_classes)).all()",
    ),
    edit(
        "masked_mean", "multiplied by the mask", "torch.where(mask, x, 0.0).sum", "(x * mask).sum"
    ),
    edit("masked_mean", "divided by all entries", "mask.sum(dim=-1).clamp(min=1)", "x.shape[-1]"),
    edit(
        "masked_mean",
        "0/0 for a row without any",
        "mask.sum(dim=-1).clamp(min=1)",
        "mask.sum(dim=-1)",
    ),
    edit(
        "masked_mean",
        "mask inverted",
        "torch.where(mask, x, 0.0).sum",
        "torch.where(mask, 0.0, x).sum",
    ),
    edit(
        "masked_mean",
        "one mean for all",
        "return total / count",
        "return total.sum() / count.sum()",
    ),
    edit(
        "masked_mean",
        "count off by eps",
        "mask.sum(dim=-1).clamp(min=1)",
        "mask.sum(dim=-1) + 1e-3",
    ),
    edit("gather_rows", "batch numbers are no column", "[:, None]", ""),
    edit("gather_rows", "every batch gets all wishes", "x[batch, index]", "x[:, index]"),
    edit("gather_rows", "the first batch's wishes for all", "x[batch, index]", "x[:, index[0]]"),
    edit("gather_rows", "squeeze kills k = 1", "x[batch, index]", "x[batch, index].squeeze()"),
    edit("best_of", "over the batch", "= x.max(dim=1)", "= x.max(dim=0)"),
    edit("best_of", "dim left over", "= x.max(dim=1)", "= x.max(dim=1, keepdim=True)"),
    edit("best_of", "swapped", "return values, indices", "return indices, values"),
    edit("best_of", "detached", "return values,", "return values.detach(),"),
    edit("join_and_split", "cuts along dim 0", "chunk(chunks, dim=dim)", "chunk(chunks)"),
    edit(
        "join_and_split",
        "joins along dim 0",
        "torch.cat(tuple(tensors), dim=dim)",
        "torch.cat(tuple(tensors))",
    ),
    edit("join_and_split", "stacks", "torch.cat(", "torch.stack("),
    edit("join_and_split", "split takes a size", "chunk(chunks", "split(chunks"),
    edit("join_and_split", "tensor_split keeps the number", "chunk(chunks", "tensor_split(chunks"),
    edit(
        "join_and_split",
        "a list",
        "joined.chunk(chunks, dim=dim)",
        "list(joined.chunk(chunks, dim=dim))",
    ),
    edit(
        "join_and_split",
        "negative dim off by one",
        "torch.cat(tuple(tensors), dim=dim)",
        "torch.cat(tuple(tensors), dim=max(dim, 0))",
    ),
    edit("low_rank", "no check of the rank", "not 1 <= rank <= min(x.shape)", "False"),
    edit("low_rank", "checked against m only", "rank <= min(x.shape)", "rank <= x.shape[0]"),
    edit("low_rank", "vt transposed again", "vt[:rank]  #", "vt.T[:rank]  #"),
    edit(
        "low_rank",
        "the smallest layers",
        "u[:, :rank], s[:rank], vt[:rank]",
        "u[:, -rank:], s[-rank:], vt[-rank:]",
    ),
    edit("low_rank", "singular values missing", "(u * s) @ vt", "u @ vt"),
    edit(
        "scale_",
        "leaf refuses",
        "    with torch.no_grad():\n        x.mul_",
        "    if True:\n        x.mul_",
    ),
    edit("scale_", "nothing returned", "return x", "return None"),
    edit("scale_", "a new tensor", "x.mul_(factor)", "x = x * factor"),
    edit(
        "scale_",
        "requires_grad switched off",
        "with torch.no_grad():\n        x.mul_(factor)",
        "x.requires_grad_(False).mul_(factor)",
    ),
    edit("scale_", "requires_grad switched on", "return x", "return x.requires_grad_()"),
    edit(
        "scale_",
        "recording stays off",
        "    with torch.no_grad():\n        x.mul_",
        "    torch.set_grad_enabled(False)\n    if True:\n        x.mul_",
    ),
    edit("share_with_numpy", "detach missing", "x.detach().cpu()", "x.cpu()"),
    edit("share_with_numpy", "a copy", ".numpy()", ".clone().numpy()"),
    edit(
        "share_with_numpy",
        "np.array copies",
        "x.detach().cpu().numpy()",
        "np.array(x.detach().cpu())",
    ),
    edit("share_with_numpy", "x is cut off", "x.detach()", "x.detach_()"),
    edit("share_with_numpy", "x no longer requires grad", "x.detach()", "x.requires_grad_(False)"),
    edit("share_with_numpy", "a list", ".numpy()", ".tolist()"),
    edit("share_with_numpy", "contiguous copies a view", ".numpy()", ".contiguous().numpy()"),
]


@mistake("from_rows", "torch.Tensor makes float32")
def capital_tensor(rows, dtype=None, device="cpu"):
    result = torch.Tensor(rows).to(device)
    return result if dtype is None else result.to(dtype)


@mistake("from_rows", "from_numpy shares memory")
def numpy_shared(rows, dtype=None, device="cpu"):
    if isinstance(rows, np.ndarray):
        return torch.from_numpy(rows).to(device=device, dtype=dtype)
    return torch.tensor(rows, dtype=dtype, device=device)


@mistake("number_grid", "a loop over entries")
def looping(rows, cols):
    grid = torch.zeros(rows, cols, dtype=torch.int64)
    for r in range(rows):
        for c in range(cols):
            grid[r, c] = r * cols + c
    return grid


@mistake("number_grid", "a comprehension over rows")
def comprehension(rows, cols):
    return torch.stack([torch.arange(r * cols, (r + 1) * cols) for r in range(rows)])


@mistake("number_grid", "every row the same")
def expanded(rows, cols):
    return torch.arange(cols).expand(rows, cols)


@mistake("standardize", "x is changed in place")
def in_place(x, eps=1e-8):
    first = x[..., :1].clone()
    x -= first
    x -= x.mean(dim=-1, keepdim=True)
    x /= x.std(dim=-1, correction=0, keepdim=True) + eps
    return x


@mistake("standardize", "mean of squares minus square of mean")
def two_means(x, eps=1e-8):
    mean = x.mean(-1, keepdim=True)
    var = ((x**2).mean(-1, keepdim=True) - mean**2).clamp(min=0)
    constant = x.amax(-1, keepdim=True) == x.amin(-1, keepdim=True)
    return torch.where(constant, 0.0, (x - mean) / (var.sqrt() + eps))


@mistake("standardize", "over the first dim")
def over_batch(x, eps=1e-8):
    x = x - x[:1]
    return (x - x.mean(0)) / (x.std(0, correction=0) + eps)


@mistake("standardize", "single rows are lost to squeeze")
def squeezed(x, eps=1e-8):
    shifted = x - x[..., :1]
    mean, std = shifted.mean(-1, keepdim=True), shifted.std(-1, correction=0, keepdim=True)
    return ((shifted - mean) / (std + eps)).squeeze()


@mistake("standardize", "nan is repaired, noise is not")
def nan_repaired(x, eps=1e-8):
    mean, std = x.mean(-1, keepdim=True), x.std(-1, correction=0, keepdim=True)
    return ((x - mean) / (std + eps)).nan_to_num(0.0)


@mistake("pairwise_distances", "the expanded formula")
def expanded_formula(a, b):
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return squares.clamp(min=0).sqrt()


@mistake("pairwise_distances", "cdist")
def by_cdist(a, b):
    return torch.cdist(a, b)


@mistake("pairwise_distances", "only matching rows")
def matching(a, b):
    return (a - b).square().sum(-1).sqrt()


@mistake("pairwise_distances", "gradient lost in a new table")
def detached_table(a, b):
    return torch.tensor(
        [[(p - q).square().sum().sqrt().item() for q in b] for p in a],
        dtype=a.dtype,
        device=a.device,
    )


@mistake("pairwise_distances", "an input is changed")
def changed_input(a, b):
    a = a.unsqueeze_(1)
    return (a - b).square().sum(-1).sqrt()


@mistake("split_heads", "sizes hard-coded")
def hard_coded(x, heads):
    if x.shape[2] % heads:
        raise ValueError("heads must divide the width")
    return x.reshape(2, x.shape[1], heads, -1).transpose(1, 2)


@mistake("merge_heads", "the graph is cut")
def merge_detached(x):
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=-1).detach()


@mistake("merge_heads", "x is changed in place")
def merge_in_place(x):
    b, h, t, d = x.shape
    return x.transpose_(1, 2).reshape(b, t, h * d)


@mistake("one_hot", "eye takes negative labels")
def by_eye(labels, num_classes):
    if (labels >= num_classes).any():
        raise ValueError("label too large")
    return torch.eye(num_classes, device=labels.device)[labels]


@mistake("one_hot", "F.one_hot as it is")
def as_it_is(labels, num_classes):
    return torch.nn.functional.one_hot(labels, num_classes)


@mistake("one_hot", "F.one_hot raises a RuntimeError")
def wrong_error(labels, num_classes):
    return torch.nn.functional.one_hot(labels, num_classes).float()


@mistake("one_hot", "classes counted in the labels")
def counted(labels, num_classes):
    if ((labels < 0) | (labels >= num_classes)).any():
        raise ValueError("label out of range")
    if labels.numel() == 0:
        return torch.zeros(*labels.shape, num_classes)
    return torch.nn.functional.one_hot(labels).float()


@mistake("one_hot", "only one-dimensional labels")
def flat_only(labels, num_classes):
    if ((labels < 0) | (labels >= num_classes)).any():
        raise ValueError("label out of range")
    out = torch.zeros(labels.numel(), num_classes, device=labels.device)
    out[torch.arange(labels.numel()), labels.flatten()] = 1.0
    return out


@mistake("masked_mean", "x is overwritten")
def overwritten(x, mask):
    x[~mask] = 0
    return x.sum(-1) / mask.sum(-1).clamp(min=1)


@mistake("masked_mean", "0/0 repaired afterwards")
def repaired(x, mask):
    mean = (x.nan_to_num() * mask).sum(-1) / mask.sum(-1)
    return torch.where(mask.any(-1), mean, 0.0)


@mistake("masked_mean", "nanmean hides what counts")
def by_nanmean(x, mask):
    return torch.where(mask, x, torch.nan).nanmean(-1).nan_to_num(0.0)


@mistake("masked_mean", "float32 always")
def single_precision(x, mask):
    return torch.where(mask, x, 0.0).float().sum(-1) / mask.sum(-1).clamp(min=1)


@mistake("gather_rows", "index not expanded")
def not_expanded(x, index):
    return x.gather(1, index[..., None])


@mistake("gather_rows", "float32 always")
def gathered_float(x, index):
    out = torch.zeros(index.shape[0], index.shape[1], x.shape[2], device=x.device)
    for b in range(len(x)):
        out[b] = x[b, index[b]]
    return out


@mistake("best_of", "the last one wins")
def last_wins(x):
    indices = x.shape[1] - 1 - x.flip(1).argmax(1)
    return x.amax(1), indices


@mistake("best_of", "an unstable sort")
def by_sort(x):
    values, indices = x.sort(dim=1)
    return values[:, -1], indices[:, -1]


@mistake("best_of", "the search starts at 0")
def starts_at_zero(x):
    best = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    index = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for i in range(x.shape[1]):
        better = x[:, i] > best
        best = torch.where(better, x[:, i], best)
        index = torch.where(better, i, index)
    return best, index


@mistake("best_of", "only the values")
def values_only(x):
    return x.amax(dim=1)


@mistake("join_and_split", "the rest is dropped")
def rest_dropped(tensors, dim, chunks):
    whole = torch.cat(list(tensors), dim)
    size = max(whole.shape[dim] // chunks, 1)
    return tuple(whole.narrow(dim, i * size, size) for i in range(min(chunks, whole.shape[dim])))


@mistake("join_and_split", "each tensor is cut on its own")
def each_alone(tensors, dim, chunks):
    return tuple(part for t in tensors for part in t.chunk(chunks, dim))


@mistake("low_rank", "eigenvalues of a square table")
def by_eigenvalues(x, rank):
    if not 1 <= rank <= min(x.shape):
        raise ValueError("rank out of range")
    values, vectors = torch.linalg.eigh((x + x.mT) / 2)
    return (vectors[:, -rank:] * values[-rank:]) @ vectors[:, -rank:].mT
