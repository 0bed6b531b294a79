"""Wrong answers to `data_loading` that its graders must catch."""

import csv
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler, random_split

from tests.answers import edit, mistake

EDITS = [
    # TableDataset
    edit(
        "TableDataset", "the length is off by one", "return len(self.x)", "return len(self.x) - 1"
    ),
    edit(
        "TableDataset",
        "the index wraps around: no IndexError",
        "self.x[index], self.y[index]",
        "self.x[index % len(self.x)], self.y[index % len(self.x)]",
    ),
    edit("TableDataset", "unequal lengths are taken", "len(x) != len(y)", "False"),
    edit("TableDataset", "only too few targets are refused", "len(x) != len(y)", "len(x) > len(y)"),
    edit("TableDataset", "float labels", "torch.as_tensor(y)", "torch.as_tensor(y).float()"),
    edit(
        "TableDataset",
        "float32 rows",
        "self.x = torch.as_tensor(x)",
        "self.x = torch.as_tensor(x).float()",
    ),
    edit(
        "TableDataset",
        "int64 targets",
        "torch.as_tensor(y)",
        "torch.as_tensor(y, dtype=torch.int64)",
    ),
    edit("TableDataset", "the target's neighbour", "self.y[index]", "self.y[index - 1]"),
    edit(
        "TableDataset",
        "x and y are shuffled apart",
        "self.y = torch.as_tensor(y)",
        "self.y = torch.as_tensor(y)[torch.randperm(len(y))]",
    ),
    edit(
        "TableDataset",
        "the transform gets the whole item",
        "row = self.transform(row)",
        "row, target = self.transform((row, target))",
    ),
    edit(
        "TableDataset",
        "the target's transform is forgotten",
        "target = self.target_transform(target)",
        "pass",
    ),
    edit(
        "TableDataset",
        "the target goes through the row's transform",
        "target = self.target_transform(target)",
        "target = self.transform(target)",
    ),
    edit(
        "TableDataset",
        "transformed once, in __init__",
        "        self.transform = transform\n",
        "        self.transform = None\n"
        "        if transform is not None:\n"
        "            self.x = torch.stack([transform(row) for row in self.x])\n",
    ),
    # ImageCSVDataset
    edit("ImageCSVDataset", "not scaled", "permute(2, 0, 1) / 255", "permute(2, 0, 1).float()"),
    edit(
        "ImageCSVDataset", "scaled twice", "permute(2, 0, 1) / 255", "permute(2, 0, 1) / 255 / 255"
    ),
    edit("ImageCSVDataset", "divided by 256", "/ 255", "/ 256"),
    edit("ImageCSVDataset", "channels last", "pixels.permute(2, 0, 1)", "pixels"),
    edit(
        "ImageCSVDataset",
        "reshape for permute",
        "pixels.permute(2, 0, 1)",
        "pixels.reshape(pixels.shape[2], pixels.shape[0], pixels.shape[1])",
    ),
    edit(
        "ImageCSVDataset",
        "width before height",
        "pixels.permute(2, 0, 1)",
        "pixels.permute(2, 1, 0)",
    ),
    edit("ImageCSVDataset", "always grey", "np.array(file)", 'np.array(file.convert("L"))'),
    edit("ImageCSVDataset", "always RGB", "np.array(file)", 'np.array(file.convert("RGB"))'),
    edit(
        "ImageCSVDataset",
        "no channel axis for grey",
        "pixels.permute(2, 0, 1) / 255",
        "(pixels.permute(2, 0, 1) / 255).squeeze(0)",
    ),
    edit("ImageCSVDataset", "the label stays text", 'int(row["label"])', 'row["label"]'),
    edit("ImageCSVDataset", "a float label", 'int(row["label"])', 'float(row["label"])'),
    edit(
        "ImageCSVDataset",
        "a tensor for a label",
        'int(row["label"])',
        'torch.tensor(int(row["label"]))',
    ),
    edit("ImageCSVDataset", "a missing file is found out late", "not path.is_file()", "False"),
    edit("ImageCSVDataset", "another exception", "raise FileNotFoundError", "raise ValueError"),
    edit(
        "ImageCSVDataset",
        "the file is not named",
        'f"labels.csv lists {path}, but there is no such file"',
        '"a file is missing"',
    ),
    edit(
        "ImageCSVDataset",
        "missing files are left out",
        "in rows]",
        'in rows if (folder / row["file"]).is_file()]',
    ),
    edit(
        "ImageCSVDataset",
        "the order of the names",
        "rows = list(csv.DictReader(table))",
        'rows = sorted(csv.DictReader(table), key=lambda row: row["file"])',
    ),
    edit(
        "ImageCSVDataset",
        "the header is an item",
        "return len(self.items)",
        "return len(self.items) + 1",
    ),
    edit(
        "ImageCSVDataset",
        "the first line is lost",
        "rows = list(csv.DictReader(table))",
        "rows = list(csv.DictReader(table))[1:]",
    ),
    edit(
        "ImageCSVDataset",
        "sub-folders are lost",
        'folder / row["file"], int',
        'folder / Path(row["file"]).name, int',
    ),
    edit(
        "ImageCSVDataset",
        "no IndexError",
        "self.items[index]",
        "self.items[index % len(self.items)]",
    ),
    edit("ImageCSVDataset", "the transform is not used", "self.transform is None", "True"),
    edit(
        "ImageCSVDataset",
        "the transform gets the item",
        "(image if self.transform is None else self.transform(image)), label",
        "(image, label) if self.transform is None else self.transform((image, label))",
    ),
    edit(
        "ImageCSVDataset",
        "the transform gets whole numbers",
        "image = pixels.permute(2, 0, 1) / 255  # (c, h, w)\n"
        "        return (image if self.transform is None else self.transform(image)), label",
        "image = pixels.permute(2, 0, 1)\n"
        "        return (image if self.transform is None else self.transform(image)) / 255, label",
    ),
    # OneHot
    edit("OneHot", "negative labels mark from the end", "not 0 <= label <", "not label <"),
    edit("OneHot", "one class too many", "< self.num_classes", "<= self.num_classes"),
    edit(
        "OneHot",
        "int64",
        "torch.zeros(self.num_classes)",
        "torch.zeros(self.num_classes, dtype=torch.int64)",
    ),
    edit("OneHot", "an IndexError", "raise ValueError", "raise IndexError"),
    edit("OneHot", "counted from 1", "vector[label]", "vector[label - 1]"),
    # Normalize
    edit(
        "Normalize", "in place", "return (image - mean) / std", "return image.sub_(mean).div_(std)"
    ),
    edit("Normalize", "divided first", "(image - mean) / std", "image / std - mean"),
    edit("Normalize", "multiplied", "(image - mean) / std", "(image - mean) * std"),
    edit("Normalize", "the way back", "(image - mean) / std", "image * std + mean"),
    edit("Normalize", "not divided", "(image - mean) / std", "image - mean"),
    edit(
        "Normalize",
        "float64 comes back",
        "return (image - mean) / std",
        "return (image.double() - mean) / std",
    ),
    edit(
        "Normalize",
        "float32 inside",
        "return (image - mean) / std",
        "return (image.float() - mean.float()) / std.float()",
    ),
    edit(
        "Normalize", "the settings stay on the CPU, in float64", "self.mean.to(image)", "self.mean"
    ),
    edit(
        "Normalize",
        "the statistics of channel 0",
        "self.mean.to(image)[:, None, None]",
        "self.mean.to(image)[0]",
    ),
    edit("Normalize", "std is taken for a variance", "/ std", "/ std.sqrt()"),
    # RandomShift
    edit("RandomShift", "the upper end is left out", "2 * m + 1, (2,)", "max(2 * m, 1), (2,)"),
    edit(
        "RandomShift",
        "down and right only",
        "torch.randint(0, 2 * m + 1,",
        "torch.randint(0, m + 1,",
    ),
    edit("RandomShift", "too far", "2 * m + 1, (2,)", "2 * m + 2, (2,)"),
    edit(
        "RandomShift",
        "one number for both directions",
        "(2,), generator=self.gen).tolist()",
        "(1,), generator=self.gen).tolist() * 2",
    ),
    edit("RandomShift", "the global random state", ", generator=self.gen", ""),
    edit(
        "RandomShift",
        "ones move in",
        "F.pad(image, (m, m, m, m))  #",
        "F.pad(image, (m, m, m, m), value=1)  #",
    ),
    edit("RandomShift", "up and down only", "left : left + w]", "m : m + w]"),
    edit(
        "RandomShift",
        "gen is copied",
        "        self.gen = gen\n",
        "        self.gen = torch.Generator()\n        self.gen.set_state(gen.get_state())\n",
    ),
    edit(
        "RandomShift",
        "the seed is set anew at each call",
        "        m = self.max_shift\n",
        "        m = self.max_shift\n        self.gen.manual_seed(self.gen.initial_seed())\n",
    ),
    edit(
        "RandomShift",
        "float32 comes back",
        "padded = F.pad(image,",
        "padded = F.pad(image.float(),",
    ),
    edit(
        "RandomShift",
        "the middle is likelier",
        "torch.randint(0, 2 * m + 1, (2,), generator=self.gen)",
        "torch.randint(0, m + 1, (2, 2), generator=self.gen).sum(0)",
    ),
    edit(
        "RandomShift",
        "limited by the picture's size",
        "        m = self.max_shift\n",
        "        m = min(self.max_shift, min(image.shape[-2:]) - 1)\n",
    ),
    # channel_statistics
    edit(
        "channel_statistics",
        "labels are in the way",
        "batch[0] if isinstance(batch, tuple | list) else batch",
        "batch",
    ),
    edit(
        "channel_statistics",
        "images alone are not expected",
        "batch[0] if isinstance(batch, tuple | list) else batch",
        "batch[0]",
    ),
    edit("channel_statistics", "lists are not expected", "tuple | list", "tuple"),
    edit(
        "channel_statistics",
        "the distance between batches is forgotten",
        " + delta**2 * count * new_count / total",
        "",
    ),
    edit("channel_statistics", "batches are not weighed", "delta * new_count / total", "delta / 2"),
    edit("channel_statistics", "divided by N - 1", "squares / count", "squares / (count - 1)"),
    edit("channel_statistics", "the variance", ".sqrt()\n", "\n"),
    edit(
        "channel_statistics",
        "float64 comes back",
        "mean.to(images.dtype), std.to(images.dtype)",
        "mean, std",
    ),
    edit(
        "channel_statistics",
        "channels are mixed up with the batch",
        ".transpose(0, 1).flatten(1)",
        ".flatten(1)",
    ),
    edit(
        "channel_statistics",
        "reshaped in place of transposed",
        ".transpose(0, 1).flatten(1)",
        ".reshape(images.shape[1], -1)",
    ),
    edit(
        "channel_statistics",
        "std before mean",
        "return mean.to(images.dtype), std.to(images.dtype)",
        "return std.to(images.dtype), mean.to(images.dtype)",
    ),
    # pad_collate
    edit("pad_collate", "time first", ", batch_first=True", ""),
    edit(
        "pad_collate",
        "lengths after filling",
        "len(sequence) for sequence in sequences",
        "len(row) for row in padded",
    ),
    edit(
        "pad_collate",
        "non-zero numbers are counted",
        "torch.tensor([len(sequence) for sequence in sequences])",
        "(padded != 0).sum(1)",
    ),
    edit("pad_collate", "float labels", "[int(label)", "[float(label)"),
    edit("pad_collate", "no lengths", "return padded, lengths, torch", "return padded, torch"),
    edit("pad_collate", "filled with -1", "batch_first=True", "batch_first=True, padding_value=-1"),
    edit(
        "pad_collate",
        "filled in front",
        "batch_first=True",
        'batch_first=True, padding_side="left"',
    ),
    edit(
        "pad_collate",
        "sorted by length",
        "zip(*batch, strict=True)",
        "zip(*sorted(batch, key=lambda item: -len(item[0])), strict=True)",
    ),
    edit(
        "pad_collate",
        "the caller's list is sorted",
        "    sequences, labels = zip",
        "    batch.sort(key=lambda item: -len(item[0]))\n    sequences, labels = zip",
    ),
    edit("pad_collate", "float32 sequences", "list(sequences)", "[s.float() for s in sequences]"),
    edit(
        "pad_collate",
        "labels before lengths",
        "lengths, torch.tensor([int(label) for label in labels])",
        "torch.tensor([int(label) for label in labels]), lengths",
    ),
    edit(
        "pad_collate",
        "int32 lengths",
        "for sequence in sequences])",
        "for sequence in sequences], dtype=torch.int32)",
    ),
    # num_batches
    edit(
        "num_batches",
        "the short batch is lost",
        "(n + batch_size - 1) // batch_size",
        "n // batch_size",
    ),
    edit(
        "num_batches", "one too many", "(n + batch_size - 1) // batch_size", "n // batch_size + 1"
    ),
    edit("num_batches", "drop_last the wrong way round", "if drop_last", "if not drop_last"),
    edit(
        "num_batches",
        "a float comes back",
        "(n + batch_size - 1) // batch_size",
        "-(-n // batch_size) / 1",
    ),
    # BalancedBatchSampler
    edit(
        "BalancedBatchSampler",
        "shuffled once",
        "torch.randperm(len(group), generator=self.gen)] for",
        "torch.randperm(len(group), generator=torch.Generator().manual_seed(0))] for",
    ),
    edit("BalancedBatchSampler", "the global random state", ", generator=self.gen)] for", ")] for"),
    edit(
        "BalancedBatchSampler",
        "with replacement",
        "torch.randperm(len(group), generator=self.gen)] for",
        "torch.randint(len(group), (len(group),), generator=self.gen)] for",
    ),
    edit(
        "BalancedBatchSampler",
        "not shuffled at all",
        "[group[torch.randperm(len(group), generator=self.gen)] for group in self.groups]",
        "self.groups",
    ),
    edit(
        "BalancedBatchSampler",
        "only the head of a large class is used",
        "group[torch.randperm(len(group), generator=self.gen)] for",
        "group[: len(self) * self.per_class][torch.randperm("
        "min(len(group), len(self) * self.per_class), generator=self.gen)] for",
    ),
    edit(
        "BalancedBatchSampler",
        "unequal shares are taken",
        "        if rest:\n",
        "        if False:\n",
    ),
    edit("BalancedBatchSampler", "len counts items", "// self.per_class\n", "\n"),
    edit("BalancedBatchSampler", "goes on to the largest class", "return min(", "return max("),
    edit(
        "BalancedBatchSampler",
        "tensors come out",
        "for group in shuffled]).tolist()",
        "for group in shuffled])",
    ),
    edit(
        "BalancedBatchSampler",
        "items one by one",
        "            yield torch",
        "            yield from torch",
    ),
    edit(
        "BalancedBatchSampler",
        "the same slice in every batch",
        "slice(number * self.per_class, (number + 1) * self.per_class)",
        "slice(0, self.per_class)",
    ),
    edit(
        "BalancedBatchSampler",
        "rounded up",
        "for group in self.groups) // self.per_class",
        "for group in self.groups) // self.per_class + 1",
    ),
    edit(
        "BalancedBatchSampler",
        "the class is taken for an item",
        "(labels == label).nonzero().flatten()",
        "labels[labels == label]",
    ),
    # make_loaders
    edit("make_loaders", "train is not shuffled", "shuffle=True, generator=gen", "shuffle=False"),
    edit(
        "make_loaders",
        "validation is shuffled",
        "DataLoader(val, batch_size=batch_size)",
        "DataLoader(val, batch_size=batch_size, shuffle=True, generator=gen)",
    ),
    edit(
        "make_loaders",
        "the test is shuffled",
        "DataLoader(test, batch_size=batch_size)",
        "DataLoader(test, batch_size=batch_size, shuffle=True, generator=gen)",
    ),
    edit(
        "make_loaders",
        "the last batch is dropped",
        "shuffle=True, generator=gen",
        "shuffle=True, generator=gen, drop_last=True",
    ),
    edit(
        "make_loaders",
        "the last batch of the test is dropped",
        "DataLoader(test, batch_size=batch_size)",
        "DataLoader(test, batch_size=batch_size, drop_last=True)",
    ),
    edit(
        "make_loaders",
        "the order depends on the global seed",
        ", shuffle=True, generator=gen",
        ", shuffle=True",
    ),
    edit("make_loaders", "the split depends on the global seed", "sizes, generator=gen)", "sizes)"),
    edit("make_loaders", "the seed is not used", "manual_seed(seed)", "manual_seed(0)"),
    edit(
        "make_loaders",
        "random_split shares the rest out",
        "dataset, sizes,",
        "dataset, list(fractions),",
    ),
    edit(
        "make_loaders",
        "rounded",
        "int(fractions[0] * n), int(fractions[1] * n)",
        "round(fractions[0] * n), round(fractions[1] * n)",
    ),
    edit(
        "make_loaders",
        "test rounded down too",
        "DataLoader(test, ",
        "DataLoader(torch.utils.data.Subset(test, range(int(fractions[2] * n))), ",
    ),
    edit("make_loaders", "two come back", "        DataLoader(test, batch_size=batch_size),\n", ""),
    edit(
        "make_loaders",
        "test before val",
        "        DataLoader(val, batch_size=batch_size),\n        DataLoader(test, batch_size=batch_size),",
        "        DataLoader(test, batch_size=batch_size),\n        DataLoader(val, batch_size=batch_size),",
    ),
    edit(
        "make_loaders",
        "the batch size is not used for the test",
        "DataLoader(test, batch_size=batch_size)",
        "DataLoader(test)",
    ),
]


@mistake("TableDataset", "a dictionary: KeyError at the end, no negative numbers")
class TableDatasetDictionary(Dataset):
    def __init__(self, x, y, transform=None, target_transform=None):
        if len(x) != len(y):
            raise ValueError("unequal lengths")
        x, y = torch.as_tensor(x), torch.as_tensor(y)
        self.items = {number: (x[number], y[number]) for number in range(len(x))}
        self.transform = transform or (lambda row: row)
        self.target_transform = target_transform or (lambda target: target)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        row, target = self.items[index]
        return self.transform(row), self.target_transform(target)


@mistake("TableDataset", "negative numbers are refused")
class TableDatasetNoNegative(Dataset):
    def __init__(self, x, y, transform=None, target_transform=None):
        if len(x) != len(y):
            raise ValueError("unequal lengths")
        self.x, self.y = torch.as_tensor(x), torch.as_tensor(y)
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        row, target = self.x[index], self.y[index]
        if self.transform:
            row = self.transform(row)
        if self.target_transform:
            target = self.target_transform(target)
        return row, target


@mistake("ImageCSVDataset", "the folder's files, not the table's lines")
class ImageCSVDatasetGlob(Dataset):
    def __init__(self, folder, transform=None):
        folder = Path(folder)
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as table:
            labels = {row["file"]: int(row["label"]) for row in csv.DictReader(table)}
        for name in labels:
            if not (folder / name).exists():
                raise FileNotFoundError(name)
        self.paths = sorted(folder.rglob("*.png"))
        self.labels = [labels.get(str(path.relative_to(folder)), 0) for path in self.paths]
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        pixels = torch.tensor(np.array(Image.open(self.paths[index])))
        image = (pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)) / 255
        return (self.transform(image) if self.transform else image), self.labels[index]


@mistake("ImageCSVDataset", "lines are cut at commas")
class ImageCSVDatasetSplit(Dataset):
    def __init__(self, folder, transform=None):
        self.folder, self.transform = Path(folder), transform
        lines = (self.folder / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
        self.items = [(line.split(",")[0], int(line.split(",")[1])) for line in lines]
        for name, _ in self.items:
            if not (self.folder / name).exists():
                raise FileNotFoundError(name)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        name, label = self.items[index]
        pixels = torch.tensor(np.array(Image.open(self.folder / name)))
        image = (pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)) / 255
        return (self.transform(image) if self.transform else image), label


@mistake("ImageCSVDataset", "pictures are scaled by their own brightest pixel, as floats")
class ImageCSVDatasetOwnMaximum(Dataset):
    def __init__(self, folder, transform=None):
        self.folder, self.transform = Path(folder), transform
        with (self.folder / "labels.csv").open(newline="", encoding="utf-8") as table:
            self.rows = list(csv.DictReader(table))
        for row in self.rows:
            if not (self.folder / row["file"]).exists():
                raise FileNotFoundError(row["file"])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        pixels = torch.tensor(np.array(Image.open(self.folder / row["file"])))
        image = (pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)).float()
        image = (image - image.mean()) / image.max()
        return (self.transform(image) if self.transform else image), int(row["label"])


@mistake("OneHot", "one vector for all, cleared at each call")
class OneHotShared:
    def __init__(self, num_classes):
        self.vector = torch.zeros(num_classes)

    def __call__(self, label):
        if not 0 <= label < len(self.vector):
            raise ValueError(label)
        self.vector.zero_()
        self.vector[label] = 1.0
        return self.vector


@mistake("OneHot", "a row of a table that is kept")
class OneHotTable:
    def __init__(self, num_classes):
        self.table = torch.eye(num_classes)

    def __call__(self, label):
        if not 0 <= label < len(self.table):
            raise ValueError(label)
        return self.table[label]


@mistake("OneHot", "torch's one_hot as it is")
class OneHotTorch:
    def __init__(self, num_classes):
        self.num_classes = num_classes

    def __call__(self, label):
        if not 0 <= label < self.num_classes:
            raise ValueError(label)
        return F.one_hot(torch.as_tensor(label), self.num_classes)


@mistake("Normalize", "along the width")
class NormalizeWidth:
    def __init__(self, mean, std):
        self.mean, self.std = torch.as_tensor(mean), torch.as_tensor(std)

    def __call__(self, image):
        return (image - self.mean.to(image)) / self.std.to(image)


@mistake("Normalize", "statistics of the picture itself")
class NormalizeOwn:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, image):
        return (image - image.mean((1, 2), keepdim=True)) / image.std((1, 2), keepdim=True)


@mistake("Normalize", "the caller's settings are reshaped in place")
class NormalizeReshapes:
    def __init__(self, mean, std):
        self.mean, self.std = torch.as_tensor(mean), torch.as_tensor(std)
        self.mean.resize_(len(self.mean), 1, 1)
        self.std.resize_(len(self.std), 1, 1)

    def __call__(self, image):
        return (image - self.mean.to(image)) / self.std.to(image)


@mistake("RandomShift", "torch.roll wraps around")
class RandomShiftRoll:
    def __init__(self, max_shift, gen):
        self.max_shift, self.gen = max_shift, gen

    def __call__(self, image):
        m = self.max_shift
        shift = torch.randint(-m, m + 1, (2,), generator=self.gen).tolist()
        return image.roll(shift, (-2, -1))


@mistake("RandomShift", "the border is repeated")
class RandomShiftReplicate:
    def __init__(self, max_shift, gen):
        self.max_shift, self.gen = max_shift, gen

    def __call__(self, image):
        m, (h, w) = self.max_shift, image.shape[-2:]
        down, right = torch.randint(-m, m + 1, (2,), generator=self.gen).tolist()
        rows = (torch.arange(h) - down).clamp(0, h - 1)
        columns = (torch.arange(w) - right).clamp(0, w - 1)
        return image[..., rows, :][..., columns]


@mistake("RandomShift", "channels move apart")
class RandomShiftChannels:
    def __init__(self, max_shift, gen):
        self.max_shift, self.gen = max_shift, gen

    def __call__(self, image):
        m, (h, w) = self.max_shift, image.shape[-2:]
        padded = F.pad(image, (m, m, m, m)).reshape(-1, h + 2 * m, w + 2 * m)
        out = []
        for channel in padded:
            top, left = torch.randint(0, 2 * m + 1, (2,), generator=self.gen).tolist()
            out.append(channel[top : top + h, left : left + w])
        return torch.stack(out).reshape(image.shape) if out else image


@mistake("RandomShift", "written into the picture itself")
class RandomShiftInPlace:
    def __init__(self, max_shift, gen):
        self.max_shift, self.gen = max_shift, gen

    def __call__(self, image):
        m, (h, w) = self.max_shift, image.shape[-2:]
        top, left = torch.randint(0, 2 * m + 1, (2,), generator=self.gen).tolist()
        padded = F.pad(image, (m, m, m, m))
        return image.copy_(padded[..., top : top + h, left : left + w])


@mistake("RandomShift", "Python's random numbers")
class RandomShiftPython:
    def __init__(self, max_shift, gen):
        import random

        self.max_shift, self.random = max_shift, random.Random(gen.initial_seed())

    def __call__(self, image):
        m, (h, w) = self.max_shift, image.shape[-2:]
        top, left = self.random.randint(0, 2 * m), self.random.randint(0, 2 * m)
        return F.pad(image, (m, m, m, m))[..., top : top + h, left : left + w]


@mistake("RandomShift", "a sign and a size: 0 comes twice as often")
class RandomShiftSign:
    def __init__(self, max_shift, gen):
        self.max_shift, self.gen = max_shift, gen

    def __call__(self, image):
        m, (h, w) = self.max_shift, image.shape[-2:]
        size = torch.randint(0, m + 1, (2,), generator=self.gen)
        sign = torch.randint(0, 2, (2,), generator=self.gen) * 2 - 1
        top, left = (m + size * sign).tolist()
        return F.pad(image, (m, m, m, m))[..., top : top + h, left : left + w]


@mistake("RandomShift", "a slice that ends at minus zero")
class RandomShiftSlices:
    def __init__(self, max_shift, gen):
        self.max_shift, self.gen = max_shift, gen

    def __call__(self, image):
        m = self.max_shift
        down, right = torch.randint(-m, m + 1, (2,), generator=self.gen).tolist()
        out = torch.zeros_like(image)
        out[..., max(down, 0) : -abs(down), max(right, 0) : -abs(right)] = image[
            ..., max(-down, 0) : -abs(down), max(-right, 0) : -abs(right)
        ]
        return out


@mistake("channel_statistics", "mean of batch means, mean of batch deviations")
def channel_statistics_averaged(loader):
    means, stds = [], []
    for batch in loader:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        means.append(images.mean((0, 2, 3)))
        stds.append(images.std((0, 2, 3), unbiased=False))
    return torch.stack(means).mean(0), torch.stack(stds).mean(0)


@mistake("channel_statistics", "mean of the squares minus square of the mean, in float32")
def channel_statistics_shortcut(loader):
    total, squares, count = 0.0, 0.0, 0
    for batch in loader:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        total = total + images.sum((0, 2, 3))
        squares = squares + images.square().sum((0, 2, 3))
        count += images[:, 0].numel()
    mean = total / count
    return mean, (squares / count - mean**2).sqrt()


@mistake("channel_statistics", "mean of the squares minus square of the mean, in float64")
def channel_statistics_shortcut64(loader):
    total, squares, count = 0.0, 0.0, 0
    for batch in loader:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        total = total + images.double().sum((0, 2, 3))
        squares = squares + images.double().square().sum((0, 2, 3))
        count += images[:, 0].numel()
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    return mean.to(images.dtype), std.to(images.dtype)


@mistake("channel_statistics", "two walks through the loader")
def channel_statistics_twice(loader):
    def pictures():
        for batch in loader:
            yield batch[0] if isinstance(batch, (tuple, list)) else batch

    count, total = 0, 0.0
    for images in pictures():
        count += images[:, 0].numel()
        total = total + images.double().sum((0, 2, 3))
    mean, squares = total / count, torch.zeros_like(total)
    for images in pictures():
        squares += (images - mean[:, None, None]).square().sum((0, 2, 3))
    return mean.to(images.dtype), (squares / count).sqrt().to(images.dtype)


@mistake("channel_statistics", "pixels are averaged over each picture first")
def channel_statistics_of_pictures(loader):
    means = []
    for batch in loader:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        means.append(images.mean((2, 3)))
    means = torch.cat(means)
    return means.mean(0), means.std(0, unbiased=False)


@mistake("pad_collate", "filled to a fixed length")
def pad_collate_fixed(batch):
    sequences, labels = zip(*batch)
    padded = torch.zeros(len(batch), 10, dtype=sequences[0].dtype)
    for row, sequence in zip(padded, sequences):
        row[: len(sequence)] = sequence
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return padded, lengths, torch.tensor([int(label) for label in labels])


@mistake("pad_collate", "cut to the shortest")
def pad_collate_cut(batch):
    sequences, labels = zip(*batch)
    shortest = min(len(sequence) for sequence in sequences)
    padded = torch.stack([sequence[:shortest] for sequence in sequences])
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return padded, lengths, torch.tensor([int(label) for label in labels])


@mistake("pad_collate", "a fresh float32 tensor")
def pad_collate_float(batch):
    lengths = torch.tensor([len(sequence) for sequence, _ in batch])
    padded = torch.zeros(len(batch), int(lengths.max()))
    for number, (sequence, _) in enumerate(batch):
        padded[number, : len(sequence)] = sequence
    return padded, lengths, torch.tensor([int(label) for _, label in batch])


@mistake("num_batches", "math.ceil of a float")
def num_batches_float(n, batch_size, drop_last):
    import math

    return n // batch_size if drop_last else math.ceil(n / batch_size)


@mistake("num_batches", "rounded to the nearest")
def num_batches_rounded(n, batch_size, drop_last):
    return int(n / batch_size) if drop_last else round(n / batch_size)


@mistake("BalancedBatchSampler", "shuffled in __init__")
class BalancedBatchSamplerOnce(Sampler):
    def __init__(self, labels, batch_size, gen):
        labels = torch.as_tensor(labels)
        groups = [(labels == label).nonzero().flatten() for label in labels.unique()]
        if batch_size % len(groups):
            raise ValueError("unequal")
        self.share = batch_size // len(groups)
        self.groups = [group[torch.randperm(len(group), generator=gen)] for group in groups]

    def __len__(self):
        return min(map(len, self.groups)) // self.share

    def __iter__(self):
        for parts in zip(*(group.split(self.share) for group in self.groups)):
            if all(len(part) == self.share for part in parts):
                yield torch.cat(parts).tolist()


@mistake("BalancedBatchSampler", "small classes are filled up with repetitions")
class BalancedBatchSamplerOversampling(Sampler):
    def __init__(self, labels, batch_size, gen):
        labels = torch.as_tensor(labels)
        self.groups = [(labels == label).nonzero().flatten() for label in labels.unique()]
        if batch_size % len(self.groups):
            raise ValueError("unequal")
        self.share, self.gen = batch_size // len(self.groups), gen

    def __len__(self):
        return max(len(group) for group in self.groups) // self.share

    def __iter__(self):
        for _ in range(len(self)):
            yield [
                int(item)
                for group in self.groups
                for item in group[torch.randint(len(group), (self.share,), generator=self.gen)]
            ]


@mistake("BalancedBatchSampler", "labels are taken to be 0, 1, 2, ...")
class BalancedBatchSamplerCounted(Sampler):
    def __init__(self, labels, batch_size, gen):
        labels = torch.as_tensor(labels)
        classes = int(labels.max()) + 1
        if batch_size % classes:
            raise ValueError("unequal")
        self.groups = [(labels == label).nonzero().flatten() for label in range(classes)]
        self.share, self.gen = batch_size // classes, gen

    def __len__(self):
        return min(len(group) for group in self.groups) // self.share

    def __iter__(self):
        mixed = [group[torch.randperm(len(group), generator=self.gen)] for group in self.groups]
        for number in range(len(self)):
            part = slice(number * self.share, (number + 1) * self.share)
            yield torch.cat([group[part] for group in mixed]).tolist()


@mistake("make_loaders", "split in order")
def make_loaders_in_order(dataset, fractions, batch_size, seed):
    n = len(dataset)
    first, second = int(fractions[0] * n), int(fractions[0] * n) + int(fractions[1] * n)
    parts = [range(first), range(first, second), range(second, n)]
    gen = torch.Generator().manual_seed(seed)
    train, val, test = (torch.utils.data.Subset(dataset, list(part)) for part in parts)
    return (
        DataLoader(train, batch_size, shuffle=True, generator=gen),
        DataLoader(val, batch_size),
        DataLoader(test, batch_size),
    )


@mistake("make_loaders", "a fresh draw for each part: they overlap")
def make_loaders_overlap(dataset, fractions, batch_size, seed):
    gen = torch.Generator().manual_seed(seed)
    n, loaders = len(dataset), []
    sizes = [int(fraction * n) for fraction in fractions[:2]]
    for number, size in enumerate([*sizes, n - sum(sizes)]):
        chosen = torch.randperm(n, generator=gen)[:size].tolist()
        part = torch.utils.data.Subset(dataset, chosen)
        more = {"shuffle": True, "generator": gen} if number == 0 else {}
        loaders.append(DataLoader(part, batch_size, **more))
    return tuple(loaders)


@mistake("make_loaders", "validation is a part of train")
def make_loaders_leak(dataset, fractions, batch_size, seed):
    gen, n = torch.Generator().manual_seed(seed), len(dataset)
    n_train, n_val = int(fractions[0] * n), int(fractions[1] * n)
    train, test = random_split(dataset, [n_train + n_val, n - n_train - n_val], generator=gen)
    val = torch.utils.data.Subset(train, range(n_val))
    return (
        DataLoader(train, batch_size, shuffle=True, generator=gen),
        DataLoader(val, batch_size),
        DataLoader(test, batch_size),
    )


@mistake("make_loaders", "train draws with replacement")
def make_loaders_replacement(dataset, fractions, batch_size, seed):
    gen, n = torch.Generator().manual_seed(seed), len(dataset)
    sizes = [int(fraction * n) for fraction in fractions[:2]]
    train, val, test = random_split(dataset, [*sizes, n - sum(sizes)], generator=gen)
    sampler = torch.utils.data.RandomSampler(train, replacement=True, generator=gen)
    return (
        DataLoader(train, batch_size, sampler=sampler),
        DataLoader(val, batch_size),
        DataLoader(test, batch_size),
    )


@mistake("make_loaders", "train is shuffled once")
def make_loaders_one_order(dataset, fractions, batch_size, seed):
    gen, n = torch.Generator().manual_seed(seed), len(dataset)
    sizes = [int(fraction * n) for fraction in fractions[:2]]
    parts = random_split(dataset, [*sizes, n - sum(sizes)], generator=gen)
    return tuple(DataLoader(part, batch_size) for part in parts)


@mistake("make_loaders", "torch.manual_seed sets the world's seed")
def make_loaders_global(dataset, fractions, batch_size, seed):
    torch.manual_seed(seed)
    n = len(dataset)
    sizes = [int(fraction * n) for fraction in fractions[:2]]
    train, val, test = random_split(dataset, [*sizes, n - sum(sizes)])
    return (
        DataLoader(train, batch_size, shuffle=True),
        DataLoader(val, batch_size),
        DataLoader(test, batch_size),
    )
