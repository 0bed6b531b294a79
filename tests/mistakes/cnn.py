"""Wrong answers to `cnn` that its graders must catch."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import edit, mistake

EDITS = [
    # output_size
    edit("output_size", "off by one", "// stride + 1", "// stride"),
    edit("output_size", "padding counted once", "2 * padding", "padding"),
    edit("output_size", "dilation not used", "dilation * (kernel - 1) + 1", "kernel"),
    edit(
        "output_size", "dilation times kernel", "dilation * (kernel - 1) + 1", "dilation * kernel"
    ),
    edit("output_size", "a float comes back", "// stride", "/ stride"),
    edit("output_size", "rounded up", "(room - span) // stride", "-(-(room - span) // stride)"),
    edit("output_size", "no error", "span > room", "False"),
    edit("output_size", "an exact fit is refused", "span > room", "span >= room"),
    edit("output_size", "dilation left out of the check", "if span > room", "if kernel > room"),
    # pad2d
    edit("pad2d", "only above and left", "h + 2 * ph, w + 2 * pw", "h + ph, w + pw"),
    edit(
        "pad2d",
        "all of it below and right",
        "ph : ph + h, pw : pw + w",
        ":h, :w",
    ),
    edit("pad2d", "height and width swapped", "ph, pw = as_pair", "pw, ph = as_pair"),
    edit("pad2d", "a fresh float32 tensor", "x.new_zeros(*batch", "torch.zeros(*batch"),
    edit("pad2d", "ones in place of zeros", "x.new_zeros(*batch", "x.new_ones(*batch"),
    edit("pad2d", "the graph is cut", "= x\n", "= x.detach()\n"),
    # conv2d
    edit("conv2d", "the kernel is flipped", "windows, w)", "windows, w.flip(-2, -1))"),
    edit("conv2d", "strides swapped", "sh, sw = as_pair", "sw, sh = as_pair"),
    edit("conv2d", "stride of the height used twice", "unfold(3, kw, sw)", "unfold(3, kw, sh)"),
    edit("conv2d", "the kernel is taken to be square", "unfold(3, kw, sw)", "unfold(3, kh, sw)"),
    edit("conv2d", "padding not used", "pad2d(x, padding)", "x"),
    edit(
        "conv2d",
        "kernel rows and columns swapped",
        "unfold(2, kh, sh).unfold(3, kw, sw)",
        "unfold(2, kw, sh).unfold(3, kh, sw).mT",
    ),
    edit("conv2d", "the bias is dropped", "out if b is None else out + b[:, None, None]", "out"),
    edit(
        "conv2d",
        "the bias is dropped with padding",
        "out if b is None",
        "out if b is None or padding",
    ),
    edit("conv2d", "the bias runs along the width", "b[:, None, None]", "b"),
    edit("conv2d", "None is not expected", "out if b is None else out", "out"),
    edit("conv2d", "the graph is cut", "windows, w)", "windows.detach(), w)"),
    edit("conv2d", "only the first input channel", "windows, w)", "windows[:, :1], w[:, :1])"),
    edit("conv2d", "float32 inside", "windows, w)", "windows.float(), w.float())"),
    # max_pool2d
    edit("max_pool2d", "padded with zeros", '-float("inf")', "0.0"),
    edit("max_pool2d", "padded with -1e9", '-float("inf")', "-1e9"),
    edit("max_pool2d", "default stride 1", "kernel if stride is None", "1 if stride is None"),
    edit("max_pool2d", "stride not used", "kernel if stride is None else stride", "kernel"),
    edit("max_pool2d", "padded on one side", "(pw, pw, ph, ph)", "(0, pw, 0, ph)"),
    edit("max_pool2d", "the mean", "windows.amax((-2, -1))", "windows.mean((-2, -1))"),
    edit(
        "max_pool2d", "over one axis only", "windows.amax((-2, -1))", "windows.amax(-1).squeeze(-1)"
    ),
    edit("max_pool2d", "the smallest", "windows.amax(", "windows.amin("),
    edit("max_pool2d", "the largest by absolute value", "windows.amax(", "windows.abs().amax("),
    edit("max_pool2d", "the graph is cut", "windows.amax(", "windows.detach().amax("),
    # conv2d_backward
    edit("conv2d_backward", "= in place of +=", "columns] +=", "columns] ="),
    edit("conv2d_backward", "the mean for the bias", "grad.sum((0, 2, 3))", "grad.mean((0, 2, 3))"),
    edit(
        "conv2d_backward",
        "bias not summed over the batch",
        "grad.sum((0, 2, 3))",
        "grad.sum((2, 3))",
    ),
    edit(
        "conv2d_backward",
        "padding not cut off",
        "dpadded[:, :, padding : padding + h, padding : padding + width]",
        "dpadded",
    ),
    edit(
        "conv2d_backward",
        "padding cut at the wrong place",
        "padding : padding + h, padding : padding + width",
        ":h, :width",
    ),
    edit(
        "conv2d_backward",
        "stride forgotten in dw",
        "unfold(2, kh, stride).unfold(3, kw, stride)",
        "unfold(2, kh, 1).unfold(3, kw, 1)[:, :, :out_h, :out_w]",
    ),
    edit(
        "conv2d_backward",
        "stride forgotten in dx",
        "slice(u, u + stride * out_h, stride)",
        "slice(u, u + out_h)",
    ),
    edit(
        "conv2d_backward",
        "dw from the picture without padding",
        "padded.unfold(2",
        "F.pad(x, (0, 2 * padding, 0, 2 * padding)).unfold(2",
    ),
    edit(
        "conv2d_backward",
        "the kernel is flipped in dx",
        "w[:, :, u, v])",
        "w.flip(-2, -1)[:, :, u, v])",
    ),
    edit("conv2d_backward", "another order", "return dx, dw, db", "return dw, dx, db"),
    edit("conv2d_backward", "no bias gradient", "return dx, dw, db", "return dx, dw"),
    edit(
        "conv2d_backward",
        "the mean over the batch",
        '"boij,bcijuv->ocuv", grad, windows)',
        '"boij,bcijuv->ocuv", grad, windows) / len(x)',
    ),
    # ConvNet
    edit(
        "ConvNet",
        "softmax at the end",
        "self.classifier(maps.flatten(1))",
        "self.classifier(maps.flatten(1)).softmax(1)",
    ),
    edit(
        "ConvNet",
        "log_softmax at the end",
        "self.classifier(maps.flatten(1))",
        "self.classifier(maps.flatten(1)).log_softmax(1)",
    ),
    edit(
        "ConvNet",
        "softmax over the batch",
        "self.classifier(maps.flatten(1))",
        "self.classifier(maps.flatten(1)).softmax(0)",
    ),
    edit(
        "ConvNet",
        "ReLU at the end",
        "self.classifier(maps.flatten(1))",
        "self.classifier(maps.flatten(1)).relu()",
    ),
    edit(
        "ConvNet",
        "squeeze loses the batch of one",
        "self.classifier(maps.flatten(1))",
        "self.classifier(maps.flatten(1)).squeeze()",
    ),
    edit("ConvNet", "8 x 8 only", "nn.AdaptiveAvgPool2d(2)", "nn.Identity()"),
    edit(
        "ConvNet",
        "pixels reshaped into the batch",
        "maps = self.pool(self.features(x))",
        "maps = self.features(x).reshape(-1, 32, 2, 2)",
    ),
    edit(
        "ConvNet",
        "always one input channel",
        "nn.Conv2d(in_channels, 16, kernel_size=3, padding=1),",
        "nn.Conv2d(1, 16, kernel_size=3, padding=1),",
    ),
    edit(
        "ConvNet",
        "always ten classes",
        "nn.Linear(32 * 2 * 2, classes)",
        "nn.Linear(32 * 2 * 2, 10)",
    ),
    edit(
        "ConvNet",
        "dropout also in eval mode",
        "maps.flatten(1)",
        "nn.functional.dropout(maps.flatten(1), 0.2)",
    ),
    edit(
        "ConvNet",
        "the picture is averaged first",
        "self.pool(self.features(x))",
        "self.pool(self.features(x.mean((2, 3), keepdim=True).expand_as(x)))",
    ),
    edit(
        "ConvNet",
        "statistics of the batch in eval mode",
        "maps.flatten(1)",
        "(maps - maps.mean(0)).flatten(1)",
    ),
    edit("ConvNet", "forward returns nothing", "return self.classifier", "self.classifier"),
    # feature_maps
    edit("feature_maps", "no copy", "output.detach().clone()", "output.detach()"),
    edit("feature_maps", "hook left in place", "handle.remove()", "pass"),
    edit("feature_maps", "the hook's input", "output.detach()", "inputs[0].detach()"),
    edit("feature_maps", "no eval mode", "model.eval()", "pass"),
    edit("feature_maps", "train mode afterwards", "module.training = training", "module.train()"),
    edit("feature_maps", "eval mode afterwards", "module.training = training", "pass"),
    edit(
        "feature_maps",
        "every layer gets the model's mode",
        "module.training = training",
        "module.training = modes[model]",
    ),
    # train_cnn
    edit(
        "train_cnn",
        "weights moved although the learning rate is 0",
        "    return history",
        "    if lr == 0:\n        for p in model.parameters():\n            p.data.add_(1.0)\n    return history",
    ),
    edit("train_cnn", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit(
        "train_cnn",
        "the gradient is cleared before the step",
        "loss.backward()",
        "loss.backward(); optimizer.zero_grad()",
    ),
    edit(
        "train_cnn",
        "no step",
        "optimizer.step()",
        "pass",
        baseline_of=["digits_accuracy"],
    ),
    edit("train_cnn", "no training mode", "model.train()", "pass"),
    edit("train_cnn", "eval mode", "model.train()", "model.eval()"),
    edit(
        "train_cnn",
        "mean of batch means",
        "total += loss.item() * len(labels)\n            samples += len(labels)",
        "total += loss.item()\n            samples += 1",
    ),
    edit(
        "train_cnn",
        "mean times the size of the first batch",
        "len(labels)\n            samples",
        "loader.batch_size\n            samples",
    ),
    edit(
        "train_cnn",
        "divided by the size of the data set",
        "total / samples",
        "total / len(loader.dataset)",
    ),
    edit(
        "train_cnn",
        "the last batch only",
        "total += loss.item() * len(labels)",
        "total = loss.item() * (samples + len(labels))",
    ),
    edit("train_cnn", "the sum", "total / samples", "total"),
    edit("train_cnn", "tensors in the history", "loss.item()", "loss.detach()"),
    edit(
        "train_cnn",
        "softmax twice",
        "model(images), labels)",
        "model(images).softmax(1), labels)",
        baseline_of=["digits_loss"],
    ),
    edit(
        "train_cnn",
        "softmax over the batch",
        "model(images), labels)",
        "model(images).softmax(0), labels)",
    ),
    edit("train_cnn", "the learning rate is not used", "lr=lr", "lr=0.004"),
    edit(
        "train_cnn",
        "only the last layer is trained",
        "model.parameters()",
        "list(model.parameters())[-2:]",
    ),
    edit(
        "train_cnn",
        "one loss a batch",
        "            samples += len(labels)\n",
        "            samples += len(labels)\n            history.append(loss.item())\n",
    ),
    edit("train_cnn", "one epoch too many", "range(epochs)", "range(epochs + 1)"),
    edit("train_cnn", "always one epoch", "range(epochs)", "range(1)"),
    edit(
        "train_cnn",
        "the first batch only",
        "            samples += len(labels)\n",
        "            samples += len(labels)\n            break\n",
    ),
    edit(
        "train_cnn",
        "the sum of the loss runs on over the epochs",
        "total, samples = 0.0, 0",
        "total, samples = (total if history else 0.0), 0",
    ),
    edit("train_cnn", "the loss goes up", "loss.backward()", "(-loss).backward()"),
    edit("train_cnn", "nothing comes back", "    return history\n", "    print(history)\n"),
]


@mistake("output_size", "a negative count is refused, a count of nothing is not")
def output_size_negative(size, kernel, stride, padding, dilation=1):
    span = dilation * (kernel - 1) + 1
    out = (size + 2 * padding - span) // stride + 1
    if out < 0:
        raise ValueError("does not fit")
    return out


@mistake("output_size", "rounded towards zero, so that a kernel that is too long seems to fit")
def output_size_towards_zero(size, kernel, stride, padding, dilation=1):
    out = int((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1
    if out <= 0:
        raise ValueError("does not fit")
    return out


@mistake("pad2d", "padded in F.pad's order")
def pad2d_order(x, padding):
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    return F.pad(x, (height, height, width, width))


@mistake("pad2d", "four axes only")
def pad2d_four_axes(x, padding):
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    b, c, h, w = x.shape
    out = x.new_zeros(b, c, h + 2 * height, w + 2 * width)
    out[:, :, height : height + h, width : width + w] = x
    return out


@mistake("pad2d", "the border of the picture is repeated")
def pad2d_replicate(x, padding):
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    rows = torch.arange(-height, x.shape[-2] + height).clamp(0, x.shape[-2] - 1)
    columns = torch.arange(-width, x.shape[-1] + width).clamp(0, x.shape[-1] - 1)
    return x[..., rows, :][..., columns]


@mistake("pad2d", "a slice that ends at minus zero")
def pad2d_minus_zero(x, padding):
    height, width = padding if isinstance(padding, tuple) else (padding, padding)
    *batch, h, w = x.shape
    out = x.new_zeros(*batch, h + 2 * height, w + 2 * width)
    out[..., height:-height, width:-width] = x
    return out


@mistake("conv2d", "torch's own convolution")
def conv2d_torch(x, w, b, stride=1, padding=0):
    return F.conv2d(x, w, b, stride, padding)


@mistake("conv2d", "torch's own layer")
def conv2d_layer(x, w, b, stride=1, padding=0):
    layer = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2:], stride, padding, bias=b is not None)
    with torch.no_grad():
        layer.weight.copy_(w)
        if b is not None:
            layer.bias.copy_(b)
    return layer(x)


@mistake("conv2d", "no sum over the channels")
def conv2d_no_channel_sum(x, w, b, stride=1, padding=0):
    sh, sw = as_pair(stride)
    windows = pad2d(x, padding).unfold(2, w.shape[2], sh).unfold(3, w.shape[3], sw)
    for channel in range(x.shape[1]):
        out = torch.einsum("bijuv,ouv->boij", windows[:, channel], w[:, channel])
    return out if b is None else out + b[:, None, None]


@mistake("conv2d", "the size is off by one")
def conv2d_short(x, w, b, stride=1, padding=0):
    (sh, sw), (o, _, kh, kw) = as_pair(stride), w.shape
    x = pad2d(x, padding)
    rows, columns = (x.shape[2] - kh) // sh, (x.shape[3] - kw) // sw
    out = x.new_zeros(x.shape[0], o, rows, columns)
    for i in range(rows):
        for j in range(columns):
            window = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            out[:, :, i, j] = torch.einsum("bcuv,ocuv->bo", window, w)
    return out if b is None else out + b[:, None, None]


@mistake("conv2d", "the bias is added for every channel")
def conv2d_bias_often(x, w, b, stride=1, padding=0):
    sh, sw = as_pair(stride)
    windows = pad2d(x, padding).unfold(2, w.shape[2], sh).unfold(3, w.shape[3], sw)
    out = 0
    for channel in range(x.shape[1]):
        out = out + torch.einsum("bijuv,ouv->boij", windows[:, channel], w[:, channel])
        if b is not None:
            out = out + b[:, None, None]
    return out


@mistake("conv2d", "padding on one side")
def conv2d_one_sided(x, w, b, stride=1, padding=0):
    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)
    windows = F.pad(x, (pw, 0, ph, 0)).unfold(2, w.shape[2], sh).unfold(3, w.shape[3], sw)
    out = torch.einsum("bcijuv,ocuv->boij", windows, w)
    return out if b is None else out + b[:, None, None]


@mistake("conv2d", "the kernel is changed in place")
def conv2d_in_place(x, w, b, stride=1, padding=0):
    sh, sw = as_pair(stride)
    windows = pad2d(x, padding).unfold(2, w.shape[2], sh).unfold(3, w.shape[3], sw)
    out = torch.einsum("bcijuv,ocuv->boij", windows, w)
    with torch.no_grad():
        w.mul_(1.5)
    return out if b is None else out + b[:, None, None]


@mistake("conv2d", "numpy cuts the graph")
def conv2d_numpy(x, w, b, stride=1, padding=0):
    import numpy

    sh, sw = as_pair(stride)
    windows = pad2d(x, padding).unfold(2, w.shape[2], sh).unfold(3, w.shape[3], sw)
    out = numpy.einsum("bcijuv,ocuv->boij", windows.detach().numpy(), w.detach().numpy())
    out = torch.from_numpy(out)
    return out if b is None else out + b[:, None, None]


@mistake("max_pool2d", "x is filled in place")
def max_pool2d_in_place(x, kernel, stride=None, padding=0):
    out = F.max_pool2d(x, kernel, stride, padding)
    with torch.no_grad():
        x.clamp_(min=0)
    return out


@mistake("max_pool2d", "windows that are cut off count too")
def max_pool2d_ceil(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, stride, padding, ceil_mode=True)


@mistake("max_pool2d", "the maximum runs over the channels")
def max_pool2d_channels(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, stride, padding).amax(1, keepdim=True)


@mistake("conv2d_backward", "the last window wins")
def conv2d_backward_last_window(grad, x, w, stride=1, padding=0):
    padded = F.pad(x, (padding,) * 4)
    dpadded, dw = torch.zeros_like(padded), torch.zeros_like(w)
    kh, kw = w.shape[2:]
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            rows = slice(i * stride, i * stride + kh)
            columns = slice(j * stride, j * stride + kw)
            g = grad[:, :, i, j]
            dw += torch.einsum("bo,bcuv->ocuv", g, padded[:, :, rows, columns])
            dpadded[:, :, rows, columns] = torch.einsum("bo,ocuv->bcuv", g, w)
    h, width = x.shape[2:]
    return dpadded[:, :, padding : padding + h, padding : padding + width], dw, grad.sum((0, 2, 3))


@mistake("conv2d_backward", "stride 1 only: a full convolution with the flipped kernel")
def conv2d_backward_stride_one(grad, x, w, stride=1, padding=0):
    _, dw, db = torch.autograd.grad(
        F.conv2d(
            *(leaves := [t.detach().requires_grad_() for t in (x, w, w.new_zeros(len(w)))]),
            stride=stride,
            padding=padding,
        ),
        leaves,
        grad,
    )
    dx = F.conv_transpose2d(grad, w, padding=padding)
    return dx, dw, db


@mistake("conv2d_backward", "pixels that no window reaches are cut off")
def conv2d_backward_unreached(grad, x, w, stride=1, padding=0):
    leaves = [t.detach().clone().requires_grad_() for t in (x, w, w.new_zeros(len(w)))]
    out = F.conv2d(*leaves, stride=stride, padding=padding)
    _, dw, db = torch.autograd.grad(out, leaves, grad)
    return F.conv_transpose2d(grad, w, stride=stride, padding=padding), dw, db


@mistake("conv2d_backward", "the upstream gradient is ignored")
def conv2d_backward_ones(grad, x, w, stride=1, padding=0):
    leaves = [t.detach().clone().requires_grad_() for t in (x, w, w.new_zeros(len(w)))]
    F.conv2d(*leaves, stride=stride, padding=padding).sum().backward()
    return tuple(leaf.grad for leaf in leaves)


@mistake("ConvNet", "layers in a plain list")
class ConvNetPlainList(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.convolutions = [
            nn.Conv2d(in_channels, 16, 3, padding=1),
            nn.Conv2d(16, 32, 3, padding=1),
        ]
        self.last = nn.Linear(128, classes)

    def forward(self, x):
        for convolution in self.convolutions:
            x = F.max_pool2d(F.relu(convolution(x)), 2)
        return self.last(F.adaptive_avg_pool2d(x, 2).flatten(1))


@mistake("ConvNet", "no nonlinearity anywhere")
class ConvNetLinear(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.last = nn.Linear(512, classes)

    def forward(self, x):
        return self.last(F.adaptive_avg_pool2d(self.second(self.first(x)), 4).flatten(1))


@mistake("ConvNet", "BatchNorm1d fails for a batch of one")
class ConvNetBatchNorm1d(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 32, 3, padding=1)
        self.norm = nn.BatchNorm1d(512)
        self.last = nn.Linear(512, classes)

    def forward(self, x):
        x = F.adaptive_max_pool2d(F.relu(self.first(x)), 4).flatten(1)
        return self.last(self.norm(x))


@mistake("ConvNet", "a layer that is never used")
class ConvNetIdle(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 32, 3, padding=1)
        self.last = nn.Linear(512, classes)

    def forward(self, x):
        x = F.relu(self.first(x))
        F.relu(self.second(x))
        return self.last(F.adaptive_max_pool2d(x, 4).flatten(1))


@mistake(
    "ConvNet",
    "an average over the whole picture, far too early",
    baseline_of=["network_accuracy"],
)
class ConvNetAverage(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 2, 3, padding=1)
        self.last = nn.Linear(2, classes)

    def forward(self, x):
        return self.last(F.relu(self.first(x)).mean((2, 3)))


@mistake("ConvNet", "height and width taken from 28 x 28")
class ConvNetMnist(nn.Module):
    def __init__(self, in_channels, classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 16, 3, padding=1)
        self.last = nn.Linear(16 * 14 * 14, classes)

    def forward(self, x):
        return self.last(F.max_pool2d(F.relu(self.first(x)), 2).flatten(1))


@mistake("feature_maps", "the hook stays when forward raises")
def feature_maps_no_finally(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    modes = {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad():
        model(x)
    handle.remove()
    for module, training in modes.items():
        module.training = training
    return found[0]


@mistake("feature_maps", "all hooks of the layer are removed")
def feature_maps_clears(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(x)
    finally:
        layer._forward_hooks.clear()
        for module, training in modes.items():
            module.training = training
    return found[0]


@mistake("feature_maps", "the model's mode for everything")
def feature_maps_one_switch(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    training = model.training
    try:
        model.eval()
        with torch.no_grad():
            model(x)
    finally:
        handle.remove()
        model.train(training)
    return found[0]


@mistake("feature_maps", "the error is swallowed")
def feature_maps_swallows(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(x)
    except Exception as error:
        print(error)
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
    return found[0]


@mistake("feature_maps", "a copy that still has a graph")
def feature_maps_graph(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.clone()))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        model(x)
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
    return found[0]


@mistake("feature_maps", "only the direct children have names")
def feature_maps_children(model, x, layer_name):
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            for name, layer in model.named_children():
                x = layer(x)
                if name == layer_name:
                    return x.clone()
    finally:
        for module, training in modes.items():
            module.training = training


@mistake("feature_maps", "the modes come back only when all goes well")
def feature_maps_modes_after_error(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(x)
    finally:
        handle.remove()
    for module, training in modes.items():
        module.training = training
    return found[0]


@mistake("feature_maps", "gradients are switched off for good")
def feature_maps_grad_mode(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        torch.set_grad_enabled(False)
        model(x)
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
    return found[0]


@mistake("feature_maps", "requires_grad is switched off in the model")
def feature_maps_requires_grad(model, x, layer_name):
    found = []
    layer = model.get_submodule(layer_name)
    handle = layer.register_forward_hook(lambda m, i, o: found.append(o.detach().clone()))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval().requires_grad_(False)
        model(x)
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
    return found[0]


@mistake("train_cnn", "a copy is trained")
def train_cnn_copy(model, loader, epochs, lr, device):
    import copy

    model = copy.deepcopy(model).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total, samples = 0.0, 0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            samples += len(labels)
        history.append(total / samples)
    return history


@mistake("train_cnn", "the gradient is cleared once an epoch")
def train_cnn_zero_grad_per_epoch(model, loader, epochs, lr, device):
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        optimizer.zero_grad()
        total, samples = 0.0, 0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            samples += len(labels)
        history.append(total / samples)
    return history


@mistake("train_cnn", "mean squared error to one-hot labels")
def train_cnn_mse(model, loader, epochs, lr, device):
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total, samples = 0.0, 0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            scores = model(images)
            loss = F.mse_loss(scores, F.one_hot(labels, scores.shape[1]).to(scores))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            samples += len(labels)
        history.append(total / samples)
    return history


@mistake("train_cnn", "the last short batch is skipped")
def train_cnn_skips_short_batch(model, loader, epochs, lr, device):
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total, samples = 0.0, 0
        for images, labels in loader:
            if samples and len(labels) < loader.batch_size:
                continue
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            samples += len(labels)
        history.append(total / samples)
    return history
