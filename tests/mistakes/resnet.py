"""Wrong answers to `resnet` that its graders must catch."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import edit, mistake

CONV_BN = "nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),\n"
SHORTCUT_NORM = "                nn.BatchNorm2d(out_channels),\n"
SUM = "F.relu(out + self.shortcut(x))"
RUNNING_MEAN = "(1 - self.momentum) * self.running_mean + self.momentum * mean"
RUNNING_VAR = "(1 - self.momentum) * self.running_var + self.momentum * unbiased"
PROJECT = "stride != 1 or in_channels != out_channels"

BOTH_BLOCKS = [
    answer
    for task in ("ResidualBlock", "Bottleneck")
    for answer in [
        edit(task, "no skip", SUM, "F.relu(out)"),
        edit(task, "ReLU before the sum", SUM, "F.relu(out) + self.shortcut(x)"),
        edit(task, "no ReLU after the sum", SUM, "out + self.shortcut(x)"),
        edit(task, "projection only where the stride is not 1", PROJECT, "stride != 1"),
        edit(task, "shortcut without BN", f"{CONV_BN}{SHORTCUT_NORM}", CONV_BN),
        edit(
            task,
            "the input is changed in place",
            SUM,
            "F.relu(x.add_(out) if isinstance(self.shortcut, nn.Identity) else out + self.shortcut(x))",
        ),
        edit(task, "the shortcut is detached", SUM, "F.relu(out + self.shortcut(x).detach())"),
        edit(task, "one BN for two convolutions", "self.bn2(self.conv2", "self.bn1(self.conv2"),
    ]
]

EDITS = [
    *BOTH_BLOCKS,
    # BatchNorm2d
    edit("BatchNorm2d", "eval uses batch statistics", "if self.training:", "if True:"),
    edit(
        "BatchNorm2d",
        "training uses running statistics",
        "        scale = self.weight",
        "        mean, variance = self.running_mean, self.running_var\n        scale = self.weight",
    ),
    edit(
        "BatchNorm2d",
        "unbiased in the output",
        "variance = x.var((0, 2, 3), correction=0)",
        "variance = x.var((0, 2, 3))",
    ),
    edit(
        "BatchNorm2d",
        "biased running variance",
        "unbiased = x.var((0, 2, 3), correction=1)",
        "unbiased = variance",
    ),
    edit(
        "BatchNorm2d",
        "momentum of the old value, variance",
        RUNNING_VAR,
        ("self.momentum * self.running_var + (1 - self.momentum) * unbiased"),
    ),
    edit("BatchNorm2d", "the last batch only", RUNNING_MEAN, "mean.detach()"),
    edit(
        "BatchNorm2d", "running mean never updated", f"self.running_mean = {RUNNING_MEAN}", "pass"
    ),
    edit("BatchNorm2d", "momentum not used", "self.momentum = momentum", "self.momentum = 0.1"),
    edit("BatchNorm2d", "batches are not counted", "self.num_batches_tracked += 1", "pass"),
    edit(
        "BatchNorm2d", "the graph is kept", "with torch.no_grad():\n", "with torch.enable_grad():\n"
    ),
    edit(
        "BatchNorm2d",
        "eps outside the root",
        "(variance + self.eps).sqrt()",
        ("(variance.sqrt() + self.eps)"),
    ),
    edit("BatchNorm2d", "no bias", " + self.bias[:, None, None]", ""),
    edit(
        "BatchNorm2d",
        "mean and variance cut from the graph",
        "        scale = self.weight",
        "        mean, variance = mean.detach(), variance.detach()\n        scale = self.weight",
    ),
    edit(
        "BatchNorm2d",
        "running mean as a parameter",
        ('self.register_buffer("running_mean", torch.zeros(channels))'),
        "self.running_mean = nn.Parameter(torch.zeros(channels), requires_grad=False)",
    ),
    edit(
        "BatchNorm2d",
        "statistics are not saved",
        ('self.register_buffer("running_var", torch.ones(channels))'),
        'self.register_buffer("running_var", torch.ones(channels), persistent=False)',
    ),
    # ResidualBlock
    edit("ResidualBlock", "ReLU on the shortcut", SUM, "F.relu(out + F.relu(self.shortcut(x)))"),
    edit(
        "ResidualBlock",
        "ReLU before the sum and after it",
        SUM,
        "F.relu(F.relu(out) + self.shortcut(x))",
    ),
    edit(
        "ResidualBlock",
        "projection only where the channels change",
        PROJECT,
        "in_channels != out_channels",
    ),
    edit("ResidualBlock", "projection always", PROJECT, "True"),
    edit("ResidualBlock", "shortcut with a bias", CONV_BN, CONV_BN.replace(", bias=False", "")),
    edit(
        "ResidualBlock",
        "shortcut without stride, pooled",
        CONV_BN,
        "nn.AvgPool2d(stride, ceil_mode=True),\n"
        "                nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),\n",
    ),
    edit(
        "ResidualBlock",
        "an in-place ReLU on the input",
        "out = F.relu(self.bn1(",
        "x = F.relu_(x.data)\n        out = F.relu(self.bn1(",
    ),
    edit(
        "ResidualBlock",
        "no ReLU inside",
        "F.relu(self.bn1(self.conv1(x)))",
        "self.bn1(self.conv1(x))",
    ),
    edit(
        "ResidualBlock",
        "eval uses batch statistics",
        "out = F.relu(self.bn1(",
        "for part in self.modules():\n"
        "            part.training = True\n"
        "        out = F.relu(self.bn1(",
    ),
    edit(
        "ResidualBlock",
        "one BN, registered once",
        "self.bn2 = nn.BatchNorm2d(out_channels)",
        ("self.bn2 = self.bn1"),
    ),
    edit(
        "ResidualBlock",
        "convolution with a bias",
        "padding=1, bias=False)\n        self.bn2",
        ("padding=1)\n        self.bn2"),
    ),
    edit(
        "ResidualBlock",
        "no second convolution",
        "out = self.bn2(self.conv2(out))",
        ("out = self.bn2(out)"),
    ),
    edit("ResidualBlock", "expansion of the other block", "expansion = 1", "expansion = 4"),
    # Bottleneck
    edit(
        "Bottleneck",
        "no second ReLU",
        "F.relu(self.bn2(self.conv2(out)))",
        "self.bn2(self.conv2(out))",
    ),
    edit("Bottleneck", "no expansion", "width * self.expansion", "width"),
    edit("Bottleneck", "expansion of 2", "expansion = 4", "expansion = 2"),
    edit("Bottleneck", "compared with the width", PROJECT, "stride != 1 or in_channels != width"),
    # make_stage
    edit(
        "make_stage",
        "every block strides",
        "width * block.expansion, width, 1",
        ("width * block.expansion, width, stride"),
    ),
    edit(
        "make_stage",
        "no block strides",
        "[block(in_channels, width, stride)]",
        ("[block(in_channels, width, 1)]"),
    ),
    edit(
        "make_stage", "expansion forgotten", "width * block.expansion, width, 1", "width, width, 1"
    ),
    edit("make_stage", "only the first block", "range(blocks - 1)", "range(0)"),
    edit("make_stage", "a list", "nn.Sequential(*stage)", "stage"),
    edit(
        "make_stage", "only the first block run", "nn.Sequential(*stage)", "nn.Sequential(stage[0])"
    ),
    edit(
        "make_stage",
        "wide blocks have expansion 4",
        "width * block.expansion, width, 1",
        ("width * (1 if block.expansion == 1 else 4), width, 1"),
    ),
    # ResNet
    edit("ResNet", "the stem has a bias", "padding=1, bias=False", "padding=1"),
    edit(
        "ResNet",
        "the stem strides",
        "kernel_size=3, padding=1",
        "kernel_size=3, stride=2, padding=1",
    ),
    edit("ResNet", "no ReLU in the stem", "            nn.ReLU(),\n", ""),
    edit("ResNet", "the first stage strides", "stride=1 if index == 0 else 2", "stride=2"),
    edit(
        "ResNet",
        "the width grows by one step",
        "stage_width = width * 2**index",
        "stage_width = width * (index + 1)",
    ),
    edit(
        "ResNet", "only one block a stage", "stage_width, blocks, stride", "stage_width, 1, stride"
    ),
    edit(
        "ResNet",
        "expansion forgotten",
        "channels = stage_width * block.expansion",
        ("channels = stage_width"),
    ),
    edit(
        "ResNet",
        "stages in a list",
        "self.stages = nn.Sequential(*stages)",
        ("self.stages = lambda out, rest=stages: nn.Sequential(*rest)(out)"),
    ),
    edit("ResNet", "the maximum over the pixels", "out.mean((2, 3))", "out.amax((2, 3))"),
    edit(
        "ResNet",
        "softmax at the end",
        "self.classifier(out.mean((2, 3)))",
        ("self.classifier(out.mean((2, 3))).softmax(1)"),
    ),
    edit(
        "ResNet",
        "squeeze loses the batch of one",
        "self.classifier(out.mean((2, 3)))",
        ("self.classifier(out.mean((2, 3)).squeeze())"),
    ),
    edit(
        "ResNet",
        "stages cut from the graph",
        "self.stages(self.stem(x))",
        ("self.stages(self.stem(x).detach())"),
    ),
    # zero_init_residual
    edit("zero_init_residual", "the first BN", "module.bn2.weight", "module.bn1.weight"),
    edit("zero_init_residual", "the bias", "module.bn2.weight", "module.bn2.bias"),
    edit("zero_init_residual", "one level only", "in model.modules():", "in model.children():"),
    edit(
        "zero_init_residual",
        "the model itself is left out",
        "in model.modules():",
        ("in list(model.modules())[1:]:"),
    ),
    edit("zero_init_residual", "no bottlenecks", "isinstance(module, Bottleneck)", "False"),
    edit(
        "zero_init_residual",
        "weight and bias",
        "nn.init.zeros_(module.bn2.weight)",
        ("nn.init.zeros_(module.bn2.weight)\n            nn.init.zeros_(module.bn2.bias)"),
    ),
    edit(
        "zero_init_residual",
        "a new parameter",
        "nn.init.zeros_(module.bn2.weight)",
        ("module.bn2.weight = nn.Parameter(torch.zeros_like(module.bn2.weight))"),
    ),
    edit("zero_init_residual", "the convolution", "module.bn2.weight", "module.conv2.weight"),
    edit(
        "zero_init_residual",
        "frozen afterwards",
        "nn.init.zeros_(module.bn3.weight)",
        ("nn.init.zeros_(module.bn3.weight).requires_grad_(False)"),
    ),
    # train_resnet
    edit(
        "train_resnet",
        "weights moved although the learning rate is 0",
        "    return history",
        "    if lr == 0:\n        for p in model.parameters():\n            p.data.add_(1.0)\n    return history",
    ),
    edit("train_resnet", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit(
        "train_resnet",
        "the gradient is cleared before the step",
        "loss.backward()",
        ("loss.backward(); optimizer.zero_grad()"),
    ),
    edit("train_resnet", "no step", "optimizer.step()", "pass", baseline_of=["digits_accuracy"]),
    edit("train_resnet", "no training mode", "model.train()", "pass"),
    edit("train_resnet", "eval mode", "model.train()", "model.eval()"),
    edit(
        "train_resnet",
        "mean of batch means",
        "total += loss.item() * len(labels)\n            samples += len(labels)",
        "total += loss.item()\n            samples += 1",
    ),
    edit(
        "train_resnet",
        "softmax twice",
        "model(images), labels)",
        "model(images).softmax(1), labels)",
        baseline_of=["digits_loss"],
    ),
    edit("train_resnet", "the learning rate is not used", "lr=lr", "lr=0.004"),
    edit(
        "train_resnet",
        "only the last layer is trained",
        "model.parameters()",
        ("list(model.parameters())[-2:]"),
    ),
    edit("train_resnet", "the loss goes up", "loss.backward()", "(-loss).backward()"),
    edit(
        "train_resnet",
        "a copy is trained",
        "    model.to(device)\n",
        ("    import copy\n\n    model = copy.deepcopy(model).to(device)\n"),
    ),
    edit("train_resnet", "the model stays where it was", "    model.to(device)\n", ""),
]


@mistake("BatchNorm2d", "torch's own layer")
class BatchNorm2dTorch(nn.BatchNorm2d):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__(channels, eps, momentum)


@mistake("BatchNorm2d", "F.batch_norm")
class BatchNorm2dFunctional(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            self.num_batches_tracked += 1
        statistics = self.running_mean, self.running_var
        settings = self.training, self.momentum, self.eps
        return F.batch_norm(x, *statistics, self.weight, self.bias, *settings)


@mistake("BatchNorm2d", "names and habits of another book")
class BatchNorm2dOtherBook(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.moving_mean = torch.zeros(1, channels, 1, 1)
        self.moving_var = torch.ones(1, channels, 1, 1)
        self.eps, self.momentum = eps, momentum

    def forward(self, x):
        mean, var = self.moving_mean, self.moving_var
        if torch.is_grad_enabled():
            mean = x.mean((0, 2, 3), keepdim=True)
            var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
            self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
            self.moving_var = 0.9 * self.moving_var + 0.1 * var.detach()
        return self.gamma * (x - mean) / (var + self.eps).sqrt() + self.beta


@mistake("BatchNorm2d", "one mean for each pixel")
class BatchNorm2dPixels(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        mean, var = x.mean(0), x.var(0, correction=0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean += self.momentum * (x.mean((0, 2, 3)) - self.running_mean)
            self.running_var += self.momentum * (x.var((0, 2, 3)) - self.running_var)
        out = (x - mean) / (var + self.eps).sqrt()
        return self.weight[:, None, None] * out + self.bias[:, None, None]


@mistake("BatchNorm2d", "the input is changed in place")
class BatchNorm2dInPlace(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            self.num_batches_tracked += 1
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
            with torch.no_grad():
                self.running_mean += self.momentum * (mean - self.running_mean)
                self.running_var += self.momentum * (x.var((0, 2, 3)) - self.running_var)
        x -= mean[:, None, None]
        x /= (var + self.eps).sqrt()[:, None, None]
        return x * self.weight[:, None, None] + self.bias[:, None, None]


@mistake("ResidualBlock", "the stride is at the second convolution")
class ResidualBlockLateStride(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


@mistake("ResidualBlock", "a well-known book's: the projection by a flag, with bias, without BN")
class ResidualBlockBook(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, stride=stride)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv3 = None
        if stride != 1 or in_channels != out_channels:
            self.conv3 = nn.Conv2d(in_channels, out_channels, 1, stride=stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.conv3:
            x = self.conv3(x)
        out += x
        return F.relu(out)


@mistake("ResidualBlock", "pre-activation, as in the later paper")
class ResidualBlockPreActivation(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return out + self.shortcut(x)


@mistake("ResidualBlock", "the shortcut is cropped and filled with zeros, without parameters")
class ResidualBlockZeroPadded(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.stride, self.channels = stride, out_channels
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        short = x[:, : self.channels, :: self.stride, :: self.stride]
        short = F.pad(short, (0, 0, 0, 0, 0, out.shape[1] - short.shape[1]))
        return F.relu(out + short)


@mistake("Bottleneck", "the stride is at the first 1 x 1 convolution, as in the paper")
class BottleneckFirstStride(nn.Module):
    expansion = 4

    def __init__(self, in_channels, width, stride=1):
        super().__init__()
        out_channels = 4 * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


@mistake("make_stage", "one block, repeated")
def make_stage_repeated(block, in_channels, width, blocks, stride):
    first = block(in_channels, width, stride)
    return nn.Sequential(first, *[block(width * block.expansion, width, 1)] * (blocks - 1))


@mistake("make_stage", "copies that share their weights")
def make_stage_shared(block, in_channels, width, blocks, stride):
    stage = [block(in_channels, width, stride)]
    for number in range(blocks - 1):
        stage.append(block(width * block.expansion, width, 1))
        for name, parameter in stage[0 if number == 0 else 1].named_parameters():
            owner = stage[-1].get_submodule(name.rpartition(".")[0])
            setattr(owner, name.rpartition(".")[2], parameter)
    return nn.Sequential(*stage)


@mistake("ResNet", "only the first block of each stage runs")
class ResNetFirstBlocks(nn.Module):
    def __init__(self, block, layers, in_channels, classes, width=16):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages, channels = nn.ModuleList(), width
        for index, blocks in enumerate(layers):
            wide = width * 2**index
            self.stages.append(make_stage(block, channels, wide, blocks, 1 + (index > 0)))  # noqa: F821
            channels = wide * block.expansion
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage[0](x)
        return self.classifier(x.mean((2, 3)))


@mistake("ResNet", "7 x 7 stem with stride 2 and max pool, as for photos")
class ResNetPhotos(nn.Module):
    def __init__(self, block, layers, in_channels, classes, width=16):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, channels = [], width
        for index, blocks in enumerate(layers):
            wide = width * 2**index
            stages.append(make_stage(block, channels, wide, blocks, 1 + (index > 0)))  # noqa: F821
            channels = wide * block.expansion
        self.stages, self.classifier = nn.Sequential(*stages), nn.Linear(channels, classes)

    def forward(self, x):
        return self.classifier(self.stages(self.stem(x)).mean((2, 3)))


@mistake("zero_init_residual", "every batch normalization of the model")
def zero_init_residual_all(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.weight)


@mistake(
    "zero_init_residual", "the last batch normalization inside the block, which is the shortcut's"
)
def zero_init_residual_last(model):
    for module in model.modules():
        if isinstance(module, (ResidualBlock, Bottleneck)):  # noqa: F821
            norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
            nn.init.zeros_(norms[-1].weight)


@mistake("zero_init_residual", "the last batch normalization of anything that has some")
def zero_init_residual_anything(model):
    for module in model.modules():
        norms = [part for part in module.children() if isinstance(part, nn.BatchNorm2d)]
        if norms:
            nn.init.zeros_(norms[-1].weight)


@mistake("zero_init_residual", "the model comes back")
def zero_init_residual_returns(model):
    for module in model.modules():
        if isinstance(module, (ResidualBlock, Bottleneck)):  # noqa: F821
            nn.init.zeros_(getattr(module, "bn3", module.bn2).weight)
    return model
