"""Unusual right answers to `cnn` that must get full marks."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import alternative, edit

EDITS = [
    edit(
        "output_size",
        "one added before the division",
        "(room - span) // stride + 1",
        "(room - span + stride) // stride",
    ),
    edit(
        "conv2d",
        "a result in another memory layout",
        "return out if b is None",
        "out = out.mT.contiguous().mT\n    return out if b is None",
    ),
    edit("conv2d", "bias through unsqueeze", "b[:, None, None]", "b.view(1, -1, 1, 1)"),
    edit("max_pool2d", "smallest number of the dtype", '-float("inf")', "torch.finfo(x.dtype).min"),
    edit(
        "max_pool2d",
        "flatten and max",
        "windows.amax((-2, -1))",
        "windows.flatten(-2).max(-1).values",
    ),
    edit("train_cnn", "AdamW", "torch.optim.Adam(", "torch.optim.AdamW("),
    edit("train_cnn", "RMSprop", "torch.optim.Adam(", "torch.optim.RMSprop("),
    edit(
        "train_cnn",
        "SGD with momentum",
        "torch.optim.Adam(model.parameters(), lr=lr",
        "torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=lr > 0",
    ),
    edit("train_cnn", "plain SGD", "torch.optim.Adam(", "torch.optim.SGD(", trained=True),
    edit(
        "train_cnn",
        "gradient clipping",
        "loss.backward()",
        "loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    ),
    edit("feature_maps", "inference mode", "torch.no_grad()", "torch.inference_mode()"),
    edit(
        "feature_maps",
        "numpy round trip",
        "output.detach().clone()",
        "torch.from_numpy(output.detach().cpu().numpy().copy()).to(output.device)",
    ),
]


@alternative("output_size", "the places are counted")
def output_size_counted(size, kernel, stride, padding, dilation=1):
    starts = range(0, size + 2 * padding - dilation * (kernel - 1), stride)
    if not starts:
        raise ValueError("no place for the window")
    return len(starts)


@alternative("pad2d", "torch's own padding")
def pad2d_torch(x, padding):
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    return F.pad(x, (width, width, height, height))


@alternative("pad2d", "strips of zeros joined to the picture")
def pad2d_joined(x, padding):
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    side = x.new_zeros(*x.shape[:-1], width)
    x = torch.cat([side, x, side], dim=-1)
    top = x.new_zeros(*x.shape[:-2], height, x.shape[-1])
    return torch.cat([top, x, top], dim=-2)


@alternative("conv2d", "six loops over places, channels and cells")
def conv2d_loops(x, w, b, stride=1, padding=0):
    sh, sw = stride if isinstance(stride, tuple) else (stride, stride)
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    o, _, kh, kw = w.shape
    x = F.pad(x, (pw, pw, ph, ph))
    rows = []
    for i in range(0, x.shape[2] - kh + 1, sh):
        row = []
        for j in range(0, x.shape[3] - kw + 1, sw):
            window = x[:, None, :, i : i + kh, j : j + kw]
            row.append((window * w[None]).sum((2, 3, 4)))
        rows.append(torch.stack(row, -1))
    out = torch.stack(rows, -2)
    if b is not None:
        out = out + b.reshape(1, o, 1, 1)
    return out


@alternative("conv2d", "a loop over the cells of the kernel")
def conv2d_cells(x, w, b, stride=1, padding=0):
    sh, sw = stride if isinstance(stride, tuple) else (stride, stride)
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    o, _, kh, kw = w.shape
    out_h = (x.shape[2] + 2 * ph - kh) // sh + 1
    out_w = (x.shape[3] + 2 * pw - kw) // sw + 1
    x = F.pad(x, (pw, pw, ph, ph))
    out = x.new_zeros(x.shape[0], o, out_h, out_w)
    for u in range(kh):
        for v in range(kw):
            seen = x[:, :, u : u + sh * out_h : sh, v : v + sw * out_w : sw]
            out += torch.tensordot(seen, w[:, :, u, v], dims=([1], [1])).permute(0, 3, 1, 2)
    return out if b is None else out + b[None, :, None, None]


@alternative("conv2d", "F.unfold and one matrix product")
def conv2d_im2col(x, w, b, stride=1, padding=0):
    kernel = w.shape[2:]
    columns = F.unfold(x, kernel, stride=stride, padding=padding)
    out = w.flatten(1) @ columns
    if b is not None:
        out = out + b[:, None]
    sh = stride[0] if isinstance(stride, tuple) else stride
    ph = padding[0] if isinstance(padding, tuple) else padding
    rows = (x.shape[2] + 2 * ph - kernel[0]) // sh + 1
    return out.unflatten(-1, (rows, -1))


@alternative("max_pool2d", "torch's own layer")
def max_pool2d_layer(x, kernel, stride=None, padding=0):
    return nn.MaxPool2d(kernel, stride, padding)(x)


@alternative("max_pool2d", "loops over places")
def max_pool2d_loops(x, kernel, stride=None, padding=0):
    stride = stride or kernel
    h, w = x.shape[2:]
    rows = []
    for i in range(-padding, h + padding - kernel + 1, stride):
        row = []
        for j in range(-padding, w + padding - kernel + 1, stride):
            window = x[:, :, max(i, 0) : i + kernel, max(j, 0) : j + kernel]
            row.append(window.flatten(2).max(-1).values)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


@alternative("conv2d_backward", "autograd")
def conv2d_backward_autograd(grad, x, w, stride=1, padding=0):
    leaves = [t.detach().clone().requires_grad_() for t in (x, w, w.new_zeros(len(w)))]
    with torch.enable_grad():
        out = F.conv2d(*leaves, stride=stride, padding=padding)
    return torch.autograd.grad(out, leaves, grad)


@alternative("conv2d_backward", "torch.nn.grad")
def conv2d_backward_torch(grad, x, w, stride=1, padding=0):
    dx = nn.grad.conv2d_input(x.shape, w, grad, stride, padding)
    dw = nn.grad.conv2d_weight(x, w.shape, grad, stride, padding)
    return dx, dw, grad.sum((0, 2, 3))


@alternative("conv2d_backward", "loops over places")
def conv2d_backward_places(grad, x, w, stride=1, padding=0):
    padded = F.pad(x, (padding,) * 4)
    dpadded, dw = torch.zeros_like(padded), torch.zeros_like(w)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            rows = slice(i * stride, i * stride + w.shape[2])
            columns = slice(j * stride, j * stride + w.shape[3])
            g = grad[:, :, i, j]
            dw = dw + torch.einsum("bo,bcuv->ocuv", g, padded[:, :, rows, columns])
            dpadded[:, :, rows, columns] += (g @ w.flatten(1)).reshape(-1, *w.shape[1:])
    h, width = x.shape[2:]
    dx = dpadded[:, :, padding : padding + h, padding : padding + width].contiguous()
    return dx, dw, grad.flatten(2).sum(-1).sum(0)


@alternative("conv2d_backward", "F.fold and matrix products")
def conv2d_backward_fold(grad, x, w, stride=1, padding=0):
    flat = grad.flatten(2)
    columns = F.unfold(x, w.shape[2:], stride=stride, padding=padding)
    dw = torch.einsum("bol,bkl->ok", flat, columns).view_as(w.contiguous())
    dcolumns = w.flatten(1).T @ flat
    dx = F.fold(dcolumns, x.shape[2:], w.shape[2:], stride=stride, padding=padding)
    return dx, dw, flat.sum((0, 2))


@alternative("ConvNet", "BatchNorm and a global average")
class ConvNetBatchNorm(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        layers, channels = [], in_channels
        for width in (16, 32, 64):
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        return self.head(self.body(x))


@alternative("ConvNet", "average pooling, tanh, ModuleList, names of another school")
class ConvNetTanh(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.stack = nn.ModuleList(
            [nn.Conv2d(in_channels, 12, 5, padding=2), nn.Conv2d(12, 24, 3, padding=1)]
        )
        self.out = nn.Conv2d(24, classes, 2)

    def forward(self, pictures):
        for layer in self.stack:
            pictures = F.avg_pool2d(torch.tanh(layer(pictures)), 2)
        return self.out(F.adaptive_avg_pool2d(pictures, 2)).flatten(1)


@alternative("ConvNet", "deep, without pooling layers, dropout, last layer starts at zero")
class ConvNetStrided(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.GroupNorm(4, 32),
            nn.GELU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            nn.GELU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(48, classes),
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        return self.net(x)


@alternative("ConvNet", "parameters by hand and the student's own functions")
class ConvNetByHand(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(16, in_channels, 3, 3) * (2 / (9 * in_channels)) ** 0.5)
        self.b1 = nn.Parameter(torch.zeros(16))
        self.w2 = nn.Parameter(torch.randn(32, 16, 3, 3) * (2 / 144) ** 0.5)
        self.b2 = nn.Parameter(torch.zeros(32))
        self.w3 = nn.Parameter(torch.randn(classes, 128) * 128**-0.5)

    def forward(self, x):
        for w, b in ((self.w1, self.b1), (self.w2, self.b2)):
            x = conv2d(x, w, b, padding=1).relu()  # noqa: F821 (the student's own)
            x = max_pool2d(x, 2)  # noqa: F821
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) @ self.w3.T


@alternative("ConvNet", "eight channels", trained=True)
class ConvNetNarrow(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.a = nn.Conv2d(in_channels, 8, 3)
        self.b = nn.Conv2d(8, 16, 3)
        self.c = nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu(self.b(F.relu(self.a(x))))
        return self.c(x.amax((2, 3)))


@alternative("feature_maps", "a copy of the model is looked into")
def feature_maps_deepcopy(model, x, layer_name):
    import copy

    twin = copy.deepcopy(model).eval()
    found = {}
    layer = dict(twin.named_modules())[layer_name]
    layer.register_forward_hook(lambda m, i, o: found.update(o=o.detach().clone()))
    with torch.no_grad():
        twin(x)
    return found["o"]


@alternative("feature_maps", "ExitStack and a search by name")
def feature_maps_stack(model, x, layer_name):
    from contextlib import ExitStack

    found = []
    with ExitStack() as stack:
        for name, module in model.named_modules():
            stack.callback(setattr, module, "training", module.training)
            if name == layer_name:
                hook = module.register_forward_hook(
                    lambda m, i, o: found.append(
                        torch.tensor(o.tolist(), dtype=o.dtype).to(o.device)
                    )
                )
                stack.callback(hook.remove)
        for module in model.modules():
            module.training = False
        stack.enter_context(torch.set_grad_enabled(False))
        model(x)
    return found[0]


@alternative(
    "train_cnn", "gradients cleared after the step, loss from log_softmax, no optimizer.zero_grad"
)
def train_cnn_other_order(model, loader, epochs, lr, device):
    model = model.to(device)
    optimizer = torch.optim.NAdam(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    history = []
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


@alternative("train_cnn", "no optimizer at all")
def train_cnn_by_hand(model, loader, epochs, lr, device):
    model.to(device)
    history = []
    for _ in range(epochs):
        model.train()
        total, samples = 0.0, 0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            trained = [p for p in model.parameters() if p.requires_grad]
            loss = nn.CrossEntropyLoss(reduction="sum")(model(images), labels)
            gradients = torch.autograd.grad(loss / len(labels), trained)
            with torch.no_grad():
                for parameter, gradient in zip(trained, gradients):
                    parameter -= lr * gradient
            total += float(loss)
            samples += len(images)
        history.append(total / samples)
    return history
