"""Unusual right answers to `resnet` that must get full marks."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import alternative, edit

EDITS = [
    edit("train_resnet", "AdamW", "torch.optim.Adam(", "torch.optim.AdamW("),
    edit("train_resnet", "RMSprop", "torch.optim.Adam(", "torch.optim.RMSprop("),
    edit(
        "train_resnet",
        "SGD with momentum",
        "torch.optim.Adam(model.parameters(), lr=lr",
        "torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=lr > 0",
    ),
    edit("train_resnet", "plain SGD", "torch.optim.Adam(", "torch.optim.SGD(", trained=True),
    edit(
        "ResidualBlock",
        "the student's own batch normalization",
        "self.bn1 = nn.BatchNorm2d(out_channels)",
        "self.bn1 = BatchNorm2d(out_channels)",
    ),
]


@alternative("BatchNorm2d", "transposed to rows, buffers changed in place")
class BatchNorm2dRows(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.momentum, self.small = momentum, eps
        for name, start in (("running_var", 1.0), ("running_mean", 0.0)):
            self.register_buffer(name, torch.full((channels,), start))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)
        if self.training:
            mean = rows.sum(0) / len(rows)
            square = ((rows - mean) ** 2).sum(0)
            var = square / len(rows)
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.mul_(1 - self.momentum)
            self.running_var.add_(square.detach() / (len(rows) - 1), alpha=self.momentum)
            self.num_batches_tracked = self.num_batches_tracked + 1
        else:
            mean, var = self.running_mean.clone(), self.running_var.clone()
        out = torch.rsqrt(var + self.small) * (rows - mean) * self.weight + self.bias
        return out.reshape(x.shape[0], x.shape[2], x.shape[3], x.shape[1]).permute(0, 3, 1, 2)


@alternative("BatchNorm2d", "var_mean and Bessel's correction by hand")
class BatchNorm2dBessel(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))
        self.eps, self.momentum = eps, momentum
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x):
        shape = (1, x.size(1), 1, 1)
        if not self.training:
            var, mean = self.running_var.view(shape), self.running_mean.view(shape)
        else:
            var, mean = torch.var_mean(x, dim=[0, 2, 3], keepdim=True, unbiased=False)
            n = x.numel() / x.size(1)
            new = var.data.flatten() * n / (n - 1)
            self.running_mean.data += self.momentum * (mean.data.flatten() - self.running_mean)
            self.running_var.data += self.momentum * (new - self.running_var)
            self.num_batches_tracked.data += 1
        x_hat = (x - mean) / torch.sqrt(var + self.eps)
        return x_hat * self.weight.view(shape) + self.bias.view(shape)


@alternative("ResidualBlock", "the shortcut is registered first, other names, in-place sum")
class ResidualBlockShortcutFirst(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.downsample = None
        if (stride, in_channels) != (1, out_channels):
            self.norm_d = nn.BatchNorm2d(out_channels)
            self.downsample = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.second = nn.Conv2d(out_channels, out_channels, 3, 1, "same", bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(out_channels) for _ in range(2))
        self.first = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.bn2 = self.norms[0]  # so that the reference's zero_init_residual finds it

    def forward(self, x):
        identity = x
        out = self.relu(self.norms[1](self.first(x)))
        out = self.norms[0](self.second(out))
        if self.downsample is not None:
            identity = self.norm_d(self.downsample(x))
        out += identity
        return self.relu(out)


@alternative("ResidualBlock", "Sequential, own kernels, clamp for the ReLU")
class ResidualBlockSequential(nn.Module):
    expansion: int = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.stride = stride
        self.kernel = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3) * 0.1)
        self.body = nn.Sequential(
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.bn2 = self.body[3]
        self.skip = nn.Sequential()
        if stride > 1 or in_channels != out_channels:
            self.skip.append(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
            self.skip.append(nn.BatchNorm2d(out_channels))

    def forward(self, x):
        changed = self.body(F.conv2d(x, self.kernel, stride=self.stride, padding=1))
        return torch.add(self.skip(x), changed).clamp(min=0).contiguous()


@alternative("Bottleneck", "built backwards, in lists")
class BottleneckBackwards(nn.Module):
    expansion = 4

    def __init__(self, in_channels, width, stride=1):
        super().__init__()
        wide = 4 * width
        plan = [(width, wide, 1, 1), (width, width, 3, stride), (in_channels, width, 1, 1)]
        self.parts = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(after),
                nn.Conv2d(before, after, size, step, size // 2, bias=False),
            )
            for before, after, size, step in plan
        )
        self.bn3 = self.parts[0][0]
        self.match = None
        if wide != in_channels or stride != 1:
            self.match = nn.ModuleDict(
                {
                    "norm": nn.BatchNorm2d(wide),
                    "conv": nn.Conv2d(in_channels, wide, 1, stride, bias=False),
                }
            )

    def forward(self, x):
        out = x
        for number, part in enumerate(reversed(self.parts)):
            out = part[0](part[1](out))
            if number < 2:
                out = out.relu_()
        rest = x if self.match is None else self.match["norm"](self.match["conv"](x))
        return (rest + out).relu()


@alternative("make_stage", "one comprehension, keyword for the stride")
def make_stage_comprehension(block, in_channels, width, blocks, stride):
    return nn.Sequential(
        *(
            block(width * block.expansion if i else in_channels, width, stride=1 if i else stride)
            for i in range(blocks)
        )
    )


@alternative("make_stage", "nested, appended, with names")
def make_stage_nested(block, in_channels, width, blocks, stride):
    stage = nn.Sequential()
    stage.add_module("entry", block(in_channels, width, stride))
    rest = nn.Sequential()
    while len(rest) < blocks - 1:
        rest.append(block(block.expansion * width, width))
    stage.add_module("rest", rest)
    return stage


@alternative("ResNet", "one Sequential, stages by hand, adaptive pooling")
class ResNetSequential(nn.Module):
    def __init__(self, block, layers, in_channels, classes, width=16):
        super().__init__()
        parts = [
            nn.Conv2d(in_channels, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        channels, stride = width, 1
        for blocks in layers:
            for number in range(blocks):
                parts.append(block(channels, width, stride if number == 0 else 1))
                channels = width * block.expansion
            width, stride = width * 2, 2
        parts += [nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, classes)]
        self.everything = nn.Sequential(*parts)

    def forward(self, x):
        return self.everything(x)


@alternative("ResNet", "head before body, a 1x1 convolution as the linear layer, ModuleList")
class ResNetHeadFirst(nn.Module):
    def __init__(self, block, layers, in_channels, classes, width=16):
        super().__init__()
        last = width * 2 ** (len(layers) - 1) * block.expansion
        self.fc = nn.Conv2d(last, classes, 1)
        self.layers = nn.ModuleList()
        before = width
        for i, n in enumerate(layers):
            self.layers.append(make_stage(block, before, width << i, n, min(i, 1) + 1))  # noqa: F821
            before = (width << i) * block.expansion
        self.bn = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(in_channels, width, (3, 3), padding=(1, 1), bias=False)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x)))
        for layer in self.layers:
            x = layer(x)
        return self.fc(x.flatten(2).mean(-1)[:, :, None, None])[:, :, 0, 0]


@alternative("zero_init_residual", "recursion over children, by the last BN's attribute")
def zero_init_residual_recursive(model):
    names = {ResidualBlock: "bn2", Bottleneck: "bn3"}  # noqa: F821
    if type(model) in names:
        getattr(model, names[type(model)]).weight.data.fill_(0)
    for child in model.children():
        zero_init_residual(child)  # noqa: F821


@alternative("zero_init_residual", "under no_grad, apply with a function")
def zero_init_residual_apply(model):
    @torch.no_grad()
    def clear(module):
        if isinstance(module, ResidualBlock):  # noqa: F821
            module.bn2.weight.mul_(0)
        if isinstance(module, Bottleneck):  # noqa: F821
            module.bn3.weight.copy_(torch.zeros_like(module.bn3.weight))

    model.apply(clear)


@alternative("train_resnet", "other order, cleared by hand, a schedule, no optimizer.zero_grad")
def train_resnet_other_order(model, loader, epochs, lr, device):
    model = model.to(device)
    optimizer = torch.optim.NAdam(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    history = []
    model.zero_grad()
    while len(history) < epochs:
        model.train(True)
        losses = []
        for batch in loader:
            images, labels = (part.to(device) for part in batch)
            each = F.nll_loss(F.log_softmax(model(images), dim=-1), labels, reduction="none")
            each.mean().backward()
            optimizer.step()
            for parameter in model.parameters():
                parameter.grad = None
            losses += each.tolist()
        scheduler.step()
        history.append(sum(losses) / len(losses))
    return history
