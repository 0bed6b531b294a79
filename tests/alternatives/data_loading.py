"""Unusual right answers to `data_loading` that must get full marks."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tests.answers import alternative, edit

EDITS = [
    edit(
        "make_loaders",
        "a generator for the split and another for the orders",
        "shuffle=True, generator=gen",
        "shuffle=True, generator=torch.Generator().manual_seed(seed + 1)",
    ),
    edit(
        "RandomShift",
        "two draws, right/left first",
        "top, left = torch.randint(0, 2 * m + 1, (2,), generator=self.gen).tolist()",
        "left = int(torch.randint(2 * m + 1, (1,), generator=self.gen))\n"
        "        top = m - torch.randint(-m, m + 1, (), generator=self.gen).item()",
    ),
]


@alternative("TableDataset", "lists of items, transformed by map")
class TableDatasetItems(Dataset):
    def __init__(self, x, y, transform=None, target_transform=None):
        super().__init__()
        self.items = list(zip(torch.as_tensor(x), torch.as_tensor(y), strict=True))
        self.change = (transform or torch.nn.Identity(), target_transform or torch.nn.Identity())

    def __len__(self):
        return self.items.__len__()

    def __getitem__(self, index):
        return tuple(f(part) for f, part in zip(self.change, self.items[index], strict=True))


@alternative("TableDataset", "torch's TensorDataset, copies, the index checked by hand")
class TableDatasetInherited(torch.utils.data.TensorDataset):
    def __init__(self, x, y, transform=None, target_transform=None):
        if len(x) - len(y):
            raise ValueError(f"{len(x)} is not {len(y)}")
        super().__init__(*(torch.as_tensor(part).clone() for part in (x, y)))
        self.f, self.g = transform, target_transform

    def __getitem__(self, index):
        n = len(self)
        if index < -n or index >= n:
            raise IndexError("there is no such item")
        x, y = super().__getitem__(index + n if index < 0 else index)
        x = x if self.f is None else self.f(x)
        return x, (y if self.g is None else self.g(y))


@alternative("ImageCSVDataset", "torchvision reads and scales")
class ImageCSVDatasetTorchvision(Dataset):
    def __init__(self, folder, transform=None):
        import csv

        self.root, self.f = Path(folder), transform
        with (self.root / "labels.csv").open(encoding="utf-8", newline="") as file:
            _, *self.rows = csv.reader(file)
        for name, _ in self.rows:
            (self.root / name).stat()  # raises the FileNotFoundError itself

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        from torchvision.transforms import functional

        name, label = self.rows[index]
        image = functional.pil_to_tensor(Image.open(self.root / name))
        image = functional.convert_image_dtype(image, torch.float32)
        if self.f:
            image = self.f(image)
        return image, int(label)


@alternative("ImageCSVDataset", "all pictures are read at once, by NumPy")
class ImageCSVDatasetInMemory(Dataset):
    def __init__(self, folder, transform=None):
        from csv import DictReader

        self.transform = transform
        text = Path(folder, "labels.csv").read_text(encoding="utf-8").splitlines()
        self.images, self.labels = [], []
        for line in DictReader(text):
            with Image.open(Path(folder).joinpath(line["file"])) as picture:
                array = np.asarray(picture, dtype=np.float32) / np.float32(255)
            self.images.append(torch.tensor(np.atleast_3d(array)).movedim(-1, 0))
            self.labels.append(int(line["label"]))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = self.images[index].clone()
        return self.transform(image) if self.transform else image, self.labels[index]


@alternative("OneHot", "a comparison with a row of numbers")
class OneHotCompare:
    def __init__(self, num_classes):
        self.places = torch.arange(num_classes)

    def __call__(self, label):
        if int(label) not in range(len(self.places)):
            raise ValueError("no such class")
        return (self.places == label).to(torch.float32)


@alternative("OneHot", "torch's one_hot, a module")
class OneHotModule(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.k = num_classes

    def forward(self, label):
        label = torch.as_tensor(label)
        if label.item() < 0 or label.item() >= self.k:
            raise ValueError(f"{label} is not below {self.k}")
        return F.one_hot(label.long(), self.k).float()


@alternative("Normalize", "channel by channel, into a new tensor")
class NormalizeLoop:
    def __init__(self, mean, std):
        self.pairs = [(float(m), float(s)) for m, s in zip(mean, std, strict=True)]

    def __call__(self, image):
        result = torch.empty_like(image)
        for number, (mean, std) in enumerate(self.pairs):
            result[number] = (image[number] - mean) / std
        return result


@alternative("Normalize", "a module with buffers; one product and one sum")
class NormalizeAffine(torch.nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        mean, std = (torch.as_tensor(part).double().reshape(-1, 1, 1) for part in (mean, std))
        self.register_buffer("scale", 1 / std)
        self.register_buffer("offset", -mean / std)

    def forward(self, image):
        scale, offset = self.scale.to(image), self.offset.to(image)
        return torch.addcmul(offset, image, scale)


@alternative("RandomShift", "slices with a sign, uniform by rand and floor")
class RandomShiftSlices:
    def __init__(self, max_shift, gen):
        self.m, self.g = max_shift, gen

    def __call__(self, image):
        out = torch.zeros_like(image)
        places = []
        for size in image.shape[-2:]:
            draw = torch.rand((), generator=self.g, dtype=torch.float64).item()
            by = int(draw * (2 * self.m + 1)) - self.m
            if abs(by) >= size:
                return self.skip(places, out)
            places.append(
                (slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size - max(by, 0)))
            )
        (to_row, from_row), (to_column, from_column) = places
        out[..., to_row, to_column] = image[..., from_row, from_column]
        return out

    def skip(self, places, out):
        if not places:  # both numbers are drawn in any case
            torch.rand((), generator=self.g, dtype=torch.float64)
        return out


@alternative("RandomShift", "rows and columns are looked up")
class RandomShiftGather(torch.nn.Module):
    def __init__(self, max_shift, gen):
        super().__init__()
        self.max_shift, self.gen = max_shift, gen

    def forward(self, image):
        h, w = image.shape[-2:]
        by = torch.randperm((2 * self.max_shift + 1) ** 2, generator=self.gen)[0].item()
        down, right = (part - self.max_shift for part in divmod(by, 2 * self.max_shift + 1))
        rows = torch.arange(h, device=image.device) - down
        columns = torch.arange(w, device=image.device) - right
        inside = ((rows >= 0) & (rows < h))[:, None] & ((columns >= 0) & (columns < w))
        found = image[..., rows.clamp(0, h - 1), :][..., columns.clamp(0, w - 1)]
        return torch.where(inside, found, torch.zeros((), dtype=image.dtype, device=image.device))


@alternative("channel_statistics", "sums of distances from the first pixel")
def channel_statistics_shifted(loader):
    total = squares = first = None
    count = 0
    for batch in loader:
        images = batch if isinstance(batch, Tensor) else batch[0]
        pixels = images.to(torch.float64).permute(1, 0, 2, 3).reshape(images.shape[1], -1)
        if first is None:
            first = pixels[:, :1].clone()
            total = squares = torch.zeros_like(first[:, 0])
        total = total + (pixels - first).sum(1)
        squares = squares + ((pixels - first) ** 2).sum(1)
        count += pixels.shape[1]
    variance = (squares / count - (total / count) ** 2).clamp(min=0.0)
    return (first[:, 0] + total / count).to(images), variance.sqrt().to(images)


@alternative("channel_statistics", "Welford's rule, picture by picture")
def channel_statistics_welford(loader):
    n, mean, spread, dtype = 0, 0.0, 0.0, None
    for batch in loader:
        for image in batch[0] if isinstance(batch, (list, tuple)) else batch:
            dtype = image.dtype
            values = image.double().flatten(1)
            for column in values.T:
                n += 1
                delta = column - mean
                mean = mean + delta / n
                spread = spread + delta * (column - mean)
    return mean.to(dtype), torch.sqrt(spread / n).to(dtype)


@alternative("channel_statistics", "everything in one tensor (enough memory)")
def channel_statistics_all(loader):
    parts = [batch[0] if isinstance(batch, (list, tuple)) else batch for batch in loader]
    rows = torch.cat([part.double().movedim(1, 0).flatten(1) for part in parts], dim=1)
    std, mean = torch.std_mean(rows, dim=1, correction=0)
    return mean.to(parts[0].dtype), std.to(parts[0].dtype)


@alternative("pad_collate", "a mask, row by row")
def pad_collate_rows(batch):
    lengths = torch.tensor([item[0].shape[0] for item in batch], dtype=torch.long)
    padded = batch[0][0].new_zeros((len(batch), int(lengths.max())))
    mask = torch.arange(padded.shape[1]) < lengths[:, None]
    padded[mask] = torch.cat([item[0] for item in batch])
    return padded, lengths, torch.tensor([item[1] for item in batch]).long()


@alternative("pad_collate", "F.pad and stack, a list of results")
def pad_collate_stack(batch):
    longest = max(sequence.numel() for sequence, _ in batch)
    rows = [F.pad(sequence, (0, longest - sequence.numel())) for sequence, _ in batch]
    lengths = torch.as_tensor([sequence.numel() for sequence, _ in batch])
    labels = torch.stack([torch.as_tensor(label).to(torch.int64) for _, label in batch])
    return torch.stack(rows), lengths, labels


@alternative("num_batches", "divmod")
def num_batches_divmod(n, batch_size, drop_last):
    full, rest = divmod(n, batch_size)
    return full if drop_last or rest == 0 else full + 1


@alternative("num_batches", "rounded up by two minus signs")
def num_batches_minus(n, batch_size, drop_last):
    return n // batch_size if drop_last else -(-n // batch_size)


@alternative("BalancedBatchSampler", "one shuffled order, sorted into classes")
class BalancedBatchSamplerQueues(Sampler):
    def __init__(self, labels, batch_size, gen):
        self.labels = [int(label) for label in labels]
        self.classes = sorted(set(self.labels))
        if batch_size % len(self.classes) != 0:
            raise ValueError("the classes cannot share a batch")
        self.share, self.gen = batch_size // len(self.classes), gen

    def __len__(self):
        return min(self.labels.count(kind) for kind in self.classes) // self.share

    def __iter__(self):
        queues = {kind: [] for kind in self.classes}
        for item in torch.randperm(len(self.labels), generator=self.gen).tolist():
            queues[self.labels[item]].append(item)
        batches = []
        while all(len(queue) >= self.share for queue in queues.values()):
            batch = [queue.pop() for queue in queues.values() for _ in range(self.share)]
            order = torch.randperm(len(batch), generator=self.gen).tolist()
            batches.append([batch[place] for place in order])
        return iter(batches)


@alternative("BalancedBatchSampler", "random keys that are sorted; torch's BatchSampler cuts")
class BalancedBatchSamplerKeys(Sampler):
    def __init__(self, labels, batch_size, gen):
        labels = np.asarray(labels)
        self.groups = [np.flatnonzero(labels == kind).tolist() for kind in np.unique(labels)]
        if batch_size % len(self.groups) > 0:
            raise ValueError(batch_size)
        self.gen, self.batch_size = gen, batch_size
        self.batches = min(map(len, self.groups)) * len(self.groups) // batch_size

    def __len__(self):
        return self.batches

    def __iter__(self):
        orders = []
        for group in self.groups:
            keys = torch.rand(len(group), generator=self.gen, dtype=torch.float64).tolist()
            orders.append([item for _, item in sorted(zip(keys, group, strict=True))])
        turns = [item for items in zip(*orders, strict=False) for item in items]
        return iter(torch.utils.data.BatchSampler(turns, self.batch_size, drop_last=True))


@alternative("make_loaders", "a permutation, Subsets, and a sampler")
def make_loaders_subsets(dataset, fractions, batch_size, seed):
    gen = torch.Generator()
    gen.manual_seed(seed)
    n = len(dataset)
    ends = [int(fractions[0] * n)]
    ends.append(ends[0] + int(fractions[1] * n))
    order = torch.randperm(n, generator=gen).tolist()
    parts = [
        torch.utils.data.Subset(dataset, p)
        for p in (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :])
    ]
    sampler = torch.utils.data.RandomSampler(parts[0], generator=gen)
    train = DataLoader(parts[0], batch_size, sampler=sampler)
    return (train, *(DataLoader(part, batch_size, shuffle=False) for part in parts[1:]))


@alternative("make_loaders", "a list of loaders, val and test in the order of the data")
def make_loaders_sorted(dataset, fractions, batch_size, seed):
    rng = np.random.default_rng(seed)
    n = len(dataset)
    sizes = [int(n * fractions[0]), int(n * fractions[1])]
    train, val, test = np.split(rng.permutation(n), np.cumsum(sizes))
    gen = torch.Generator().manual_seed(int(rng.integers(2**31)))
    parts = [
        torch.utils.data.Subset(dataset, sorted(map(int, part))) for part in (train, val, test)
    ]
    first = DataLoader(parts[0], batch_size=batch_size, shuffle=True, generator=gen)
    return first, *[DataLoader(part, batch_size=batch_size) for part in parts[1:]]
