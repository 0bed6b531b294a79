"""Checks for `cnn`: convolution and pooling by hand, a network, a look inside, its training."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradus.checks import (
    assert_avoids,
    assert_falls,
    assert_form,
    assert_history,
    assert_inputs_unchanged,
    assert_items,
    assert_kind,
    assert_matches,
    assert_mean_losses,
    assert_not_trained,
    assert_raises,
    assert_same_gradients,
    assert_tensor,
    assert_trained,
    fail,
    model_state,
)

DTYPES = [torch.float32, torch.float64]

OWN_SUM = "in this task you write the sum yourself, with unfold and einsum or matmul, or with loops"
TORCH_CONVOLUTIONS = {
    "torch.conv": OWN_SUM,
    "torch.nn.functional.conv": OWN_SUM,
    "torch._convolution": OWN_SUM,
    "torch.mkldnn_convolution": OWN_SUM,
    "torch.cudnn_convolution": OWN_SUM,
}


# output_size


@pytest.mark.task("output_size", points=2)
@pytest.mark.parametrize(
    "places",
    [
        [(5, 3, 1, 0), (5, 5, 1, 0), (1, 1, 1, 0), (28, 5, 1, 0)],
        [(6, 3, 2, 0), (7, 3, 2, 0), (8, 3, 2, 0), (8, 3, 3, 0), (9, 2, 4, 0), (5, 1, 7, 0)],
        [(4, 3, 1, 1), (4, 3, 2, 1), (5, 3, 2, 1), (1, 3, 1, 1), (224, 7, 2, 3)],
        [(7, 3, 1, 0, 2), (7, 3, 2, 0, 2), (9, 2, 3, 1, 4), (6, 3, 1, 2, 3), (5, 1, 1, 0, 9)],
    ],
    ids=["stride 1", "rounded down", "padding", "dilation"],
)
def test_places_are_counted(submission, places):
    """output_size counts the places where the whole window fits."""
    for size, kernel, stride, padding, *rest in places:
        span = (rest[0] if rest else 1) * (kernel - 1) + 1
        count = len(range(0, size + 2 * padding - span + 1, stride))
        call = ", ".join(map(str, (size, kernel, stride, padding, *rest)))
        got = submission.output_size(size, kernel, stride, padding, *rest)
        room = size + 2 * padding - span
        suspects = {
            "the first place counts too: + 1": room // stride,
            "padding is on both sides: 2 * padding": (room - padding) // stride + 1,
            "padding is not used": (room - 2 * padding) // stride + 1,
            "a place that is cut off does not count: round down": -(-room // stride) + 1,
            "dilation is not used": (room + span - kernel) // stride + 1,
            "k cells that stand d apart span d * (k - 1) + 1": (
                (room + span - kernel * (rest[0] if rest else 1)) // stride + 1
            ),
        }
        why = []
        if type(got) is int:
            why = [words for words, value in suspects.items() if value == got != count]
        if why:
            fail(f"output_size({call}): expected {count}, got {got}; {why[0]}")
        assert_matches(got, count, what=f"output_size({call})")


@pytest.mark.task("output_size", points=1)
@pytest.mark.parametrize(
    "arguments", [(2, 3, 1, 0), (2, 5, 4, 0), (1, 4, 1, 1), (5, 3, 1, 0, 3)], ids=str
)
def test_kernel_that_does_not_fit_is_refused(submission, arguments):
    """output_size raises a ValueError when the window is longer than the padded row."""
    size, kernel, _, padding, *rest = arguments
    span = (rest[0] if rest else 1) * (kernel - 1) + 1
    because = f"a window over {span} cells does not fit into {size} + 2 * {padding}"
    assert_raises(ValueError, submission.output_size, *arguments, because=because)


@pytest.mark.task("output_size", points=1)
def test_sizes_everywhere(submission):
    """output_size agrees with counting for small rows, windows, strides and dilations."""
    for size in range(1, 8):
        for kernel, stride, padding, dilation in [
            (1, 1, 0, 1),
            (2, 3, 0, 1),
            (3, 2, 1, 1),
            (2, 2, 1, 3),
            (4, 5, 2, 2),
        ]:
            span = dilation * (kernel - 1) + 1
            count = len(range(0, size + 2 * padding - span + 1, stride))
            arguments = {
                "kernel": kernel,
                "stride": stride,
                "padding": padding,
                "dilation": dilation,
            }
            if count == 0:
                because = f"a window over {span} cells does not fit into {size} + 2 * {padding}"
                assert_raises(
                    ValueError, submission.output_size, size, because=because, **arguments
                )
            else:
                assert_matches(submission.output_size(size, **arguments), count)


# pad2d


def padded_by_torch(x, ph, pw):
    """Zeros around the last two axes."""
    return F.pad(x, (pw, pw, ph, ph))


@pytest.mark.task("pad2d", points=2)
@pytest.mark.parametrize("shape", [(2, 3), (3, 4, 5), (2, 3, 4, 2), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("padding", [0, 1, 3, (1, 0), (0, 2), (2, 1)], ids=str)
def test_zeros_on_every_side(submission, device, random, shape, padding):
    """pad2d puts zeros on all four sides; height and width may differ; more axes may lead."""
    x = random.normal(*shape, device=device)
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    assert_matches(
        submission.pad2d(x, padding),
        padded_by_torch(x, ph, pw),
        suspects={
            "height and width are swapped": lambda: padded_by_torch(x, pw, ph),
            "only the top and the left side are padded": lambda: F.pad(x, (pw, 0, ph, 0)),
            "only the bottom and the right side are padded": lambda: F.pad(x, (0, pw, 0, ph)),
            "all the padding is at the top and the left": lambda: F.pad(x, (2 * pw, 0, 2 * ph, 0)),
            "all the padding is at the bottom and the right": (
                lambda: F.pad(x, (0, 2 * pw, 0, 2 * ph))
            ),
            "the picture was not padded": lambda: x,
        },
    )


@pytest.mark.task("pad2d", points=1)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64], ids=str)
def test_padding_keeps_dtype_and_input(submission, device, random, dtype):
    """pad2d keeps the dtype and does not change its input."""
    x = random.integers(-5, 6, 2, 3, 4, device=device).to(dtype)
    got = assert_inputs_unchanged(submission.pad2d, x, (1, 2))
    assert_matches(got, padded_by_torch(x, 1, 2))


@pytest.mark.task("pad2d", points=1)
def test_padding_in_the_middle_of_a_graph(submission, random):
    """pad2d takes transposed pictures and lets gradients through."""
    x = random.normal(2, 5, 3).mT
    assert_matches(submission.pad2d(x, (4, 1)), padded_by_torch(x, 4, 1))
    assert_same_gradients(
        lambda x: submission.pad2d(x, (4, 1)), lambda x: padded_by_torch(x, 4, 1), x, random=random
    )


# conv2d


def suspects_of_conv2d(x, w, b, stride, padding):
    """What usual mistakes in a convolution lead to."""
    swapped_stride = stride if isinstance(stride, int) else stride[::-1]
    ph, pw = (padding, padding) if isinstance(padding, int) else padding

    return {
        "the kernel is flipped: do not turn it by 180 degrees": (
            lambda: F.conv2d(x, w.flip(-2, -1), b, stride, padding)
        ),
        "the bias is missing": lambda: F.conv2d(x, w, None, stride, padding),
        "the bias is subtracted": lambda: F.conv2d(x, w, -b, stride, padding),
        "the bias is added once for every input channel": (
            lambda: F.conv2d(x, w, b * x.shape[1], stride, padding)
        ),
        "only input channel 0 is used: sum over all of them": (
            lambda: F.conv2d(x[:, :1], w[:, :1], b, stride, padding)
        ),
        "only the last input channel is used: add the channels up with +=": (
            lambda: F.conv2d(x[:, -1:], w[:, -1:], b, stride, padding)
        ),
        "the stride is not used": lambda: F.conv2d(x, w, b, 1, padding),
        "the padding is not used": lambda: F.conv2d(x, w, b, stride, 0),
        "height and width of the stride are swapped": (
            lambda: F.conv2d(x, w, b, swapped_stride, padding)
        ),
        "height and width of the padding are swapped": lambda: F.conv2d(x, w, b, stride, (pw, ph)),
        "padding only on the top and the left side": (
            lambda: F.conv2d(F.pad(x, (pw, 0, ph, 0)), w, b, stride)
        ),
        "padding only on the bottom and the right side": (
            lambda: F.conv2d(F.pad(x, (0, pw, 0, ph)), w, b, stride)
        ),
        "the last row and column of places are missing: the count is off by one": (
            lambda: F.conv2d(x, w, b, stride, padding)[:, :, :-1, :-1]
        ),
    }


def check_conv2d(submission, x, w, b, stride=1, padding=0):
    """Compare one call with torch's own convolution."""
    expected = F.conv2d(x, w, b, stride, padding)
    got = assert_avoids(
        submission.conv2d, TORCH_CONVOLUTIONS, x, w, b, stride=stride, padding=padding
    )
    rtol, atol = (1e-4, 1e-4) if x.dtype == torch.float32 else (1e-9, 1e-9)
    suspects = suspects_of_conv2d(x, w, b, stride, padding)
    assert_matches(got, expected, rtol=rtol, atol=atol, suspects=suspects)


@pytest.mark.task("conv2d", points=1)
def test_convolution_by_hand(submission, device):
    """conv2d gives the numbers of the handout: the kernel is laid on as it is, not flipped."""
    x = torch.arange(1.0, 10.0, device=device).reshape(1, 1, 3, 3)
    w = torch.tensor([[1.0, 2.0], [0.0, 0.0]], device=device).reshape(1, 1, 2, 2)
    got = assert_avoids(submission.conv2d, TORCH_CONVOLUTIONS, x, w, None)
    assert_matches(
        got,
        torch.tensor([[5.0, 8.0], [14.0, 17.0]], device=device).reshape(1, 1, 2, 2),
        suspects=suspects_of_conv2d(x, w, None, 1, 0),
    )


@pytest.mark.task("conv2d", points=3)
@pytest.mark.parametrize(
    ("stride", "padding"),
    [(1, 0), (2, 0), (1, 1), (3, 2), ((2, 1), 0), ((1, 3), (2, 0)), ((3, 2), (0, 1))],
    ids=str,
)
@pytest.mark.parametrize("sizes", ["many channels", "batch 1"])
def test_stride_and_padding(submission, device, random, stride, padding, sizes):
    """conv2d agrees with torch for unequal sizes, kernels, strides and paddings."""
    b, c, h, w, o, kh, kw = (
        (2, 3, 9, 7, 4, 3, 2) if sizes == "many channels" else (1, 1, 5, 8, 2, 2, 3)
    )
    x = random.normal(b, c, h, w, device=device)
    kernels = random.normal(o, c, kh, kw, device=device)
    bias = random.normal(o, device=device)
    check_conv2d(submission, x, kernels, bias, stride, padding)


@pytest.mark.task("conv2d", points=1)
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("outputs", [1, 3, 5])
def test_bias(submission, device, random, padding, outputs):
    """conv2d adds each output channel's bias at every place, also with padding; None adds none."""
    x, w = random.normal(2, 3, 5, 3, device=device), random.normal(outputs, 3, 3, 3, device=device)
    check_conv2d(submission, x, w, 10 * random.normal(outputs, device=device), padding=padding)
    check_conv2d(submission, x, w, None, padding=padding)


@pytest.mark.task("conv2d", points=2)
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0), ((2, 1), (0, 2))], ids=str)
def test_convolution_is_differentiable(submission, random, stride, padding):
    """Gradients flow through conv2d to the pictures, the kernels and the bias."""
    assert_same_gradients(
        lambda x, w, b: submission.conv2d(x, w, b, stride=stride, padding=padding),
        lambda x, w, b: F.conv2d(x, w, b, stride=stride, padding=padding),
        random.normal(2, 2, 6, 5),
        random.normal(3, 2, 2, 3),
        random.normal(3),
        random=random,
    )


@pytest.mark.task("conv2d", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_convolution_keeps_dtype_and_inputs(submission, device, random, dtype):
    """conv2d keeps the dtype and changes neither pictures, kernels nor bias."""
    x = random.normal(2, 2, 5, 6, dtype=dtype, device=device)
    w, b = random.normal(3, 2, 3, 3, dtype=dtype, device=device), random.normal(3, dtype=dtype)
    b = b.to(device)
    expected = F.conv2d(x, w, b, padding=1)
    got = assert_inputs_unchanged(submission.conv2d, x, w, b, padding=1)
    assert_matches(got, expected, rtol=1e-4, atol=1e-4 if dtype == torch.float32 else 1e-9)


@pytest.mark.hidden
@pytest.mark.task("conv2d", points=1)
@pytest.mark.parametrize("case", ["kernel as large as the picture", "1 x 1", "gaps", "layouts"])
def test_unusual_convolutions(submission, device, random, case):
    """conv2d takes huge and tiny kernels, strides that leave gaps, and any memory layout."""
    x, w = random.normal(2, 3, 6, 8, device=device), random.normal(2, 3, 2, 3, device=device)
    if case == "kernel as large as the picture":
        check_conv2d(submission, x, random.normal(2, 3, 6, 8, device=device), None)
    elif case == "1 x 1":
        check_conv2d(submission, x, w[:, :, :1, :1], None, stride=2, padding=(1, 0))
    elif case == "gaps":
        check_conv2d(submission, x, w, None, stride=(3, 5), padding=(0, 4))
    else:
        b = random.normal(1, device=device).expand(2)
        check_conv2d(submission, x.to(memory_format=torch.channels_last).mT, w.mT, b, padding=1)


# max_pool2d


def suspects_of_max_pool2d(x, kernel, stride, padding):
    """What usual mistakes in pooling lead to."""
    step = kernel if stride is None else stride
    frame = (padding,) * 4
    return {
        "a padded cell won: pad with -infinity, not with 0": (
            lambda: F.max_pool2d(F.pad(x, frame), kernel, step)
        ),
        "a padded cell won: a large negative number is not small enough, -infinity is": (
            lambda: F.max_pool2d(F.pad(x, frame, value=-1e9), kernel, step)
        ),
        "the stride is 1: without a stride the window moves by its own size": (
            lambda: F.max_pool2d(x, kernel, 1, padding)
        ),
        "the stride is not used": lambda: F.max_pool2d(x, kernel, kernel, padding),
        "the padding is not used": lambda: F.max_pool2d(x, kernel, step),
        "this is the mean of each window, not the maximum": (
            lambda: F.avg_pool2d(x, kernel, step, padding)
        ),
        "this is the minimum of each window": lambda: -F.max_pool2d(-x, kernel, step, padding),
        "a window that is cut off at the border does not count: round down": (
            lambda: F.max_pool2d(x, kernel, step, padding, ceil_mode=True)
        ),
        "the maximum runs over the channels too: each is on its own": (
            lambda: F.max_pool2d(x, kernel, step, padding).amax(1, keepdim=True)
        ),
        "only the right and the bottom side are padded": (
            lambda: F.max_pool2d(
                F.pad(x, (0, padding, 0, padding), value=-float("inf")), kernel, step
            )
        ),
    }


def check_max_pool2d(submission, x, kernel, stride=None, padding=0):
    """Compare one call with torch's own pooling."""
    expected = F.max_pool2d(x, kernel, stride, padding)
    given = {"stride": stride, "padding": padding}
    given = {name: value for name, value in given.items() if value not in (None, 0)}
    got = assert_inputs_unchanged(submission.max_pool2d, x, kernel, **given)
    suspects = suspects_of_max_pool2d(x, kernel, stride, padding)
    assert_matches(got, expected, suspects=suspects)


@pytest.mark.task("max_pool2d", points=2)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(2, None, 0), (3, None, 0), (2, 1, 0), (3, 2, 0), (3, 2, 1), (2, 2, 1), (4, 3, 2)],
    ids=str,
)
@pytest.mark.parametrize("shape", [(2, 3, 8, 7), (1, 1, 5, 9)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_largest_of_each_window(submission, device, random, kernel, stride, padding, shape, dtype):
    """max_pool2d agrees with torch; without a stride the windows stand side by side."""
    x = random.normal(*shape, dtype=dtype, device=device)
    check_max_pool2d(submission, x, kernel, stride, padding)


@pytest.mark.task("max_pool2d", points=1)
@pytest.mark.parametrize("scale", [1.0, 1e6, 1e30])
def test_padded_cells_never_win(submission, device, random, scale):
    """max_pool2d never lets a padded cell win, however negative the picture is."""
    x = -scale * random.uniform(2, 2, 5, 6, low=1.0, high=2.0, device=device)
    check_max_pool2d(submission, x, 3, 2, 1)


@pytest.mark.task("max_pool2d", points=1)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 1, 1)], ids=str)
def test_pooling_is_differentiable(submission, random, kernel, stride, padding):
    """The gradient of max_pool2d goes to the cell that won, once for each window that it won."""
    x = random.permutation(2 * 2 * 5 * 6).reshape(2, 2, 5, 6).double() - 60
    assert_same_gradients(
        lambda x: submission.max_pool2d(x, kernel, stride, padding),
        lambda x: F.max_pool2d(x, kernel, stride, padding),
        x,
        random=random,
    )


@pytest.mark.hidden
@pytest.mark.task("max_pool2d", points=1)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(1, 2, 0), (2, 3, 1), (5, None, 2)], ids=str
)
def test_unusual_pooling(submission, device, random, kernel, stride, padding):
    """max_pool2d takes windows of one cell, strides that leave gaps, and any memory layout."""
    x = random.normal(2, 3, 7, 6, device=device).mT - 3
    check_max_pool2d(submission, x, kernel, stride, padding)


# conv2d_backward


def conv2d_gradients(grad, x, w, stride, padding):
    """What autograd gives for pictures, kernels and bias."""
    leaves = [x.detach().clone(), w.detach().clone(), x.new_zeros(w.shape[0])]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    out = F.conv2d(*leaves, stride=stride, padding=padding)
    return torch.autograd.grad((out * grad).sum(), leaves)  # grad_outputs imports sympy: 0.5 s


def overwritten_by_places(grad, x, w, stride, padding):
    """Dx when the loop over places writes `=` in place of `+=`."""
    dpadded = torch.zeros_like(F.pad(x, (padding,) * 4))
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            rows = slice(i * stride, i * stride + w.shape[2])
            columns = slice(j * stride, j * stride + w.shape[3])
            dpadded[:, :, rows, columns] = torch.einsum("bo,ocuv->bcuv", grad[:, :, i, j], w)
    return cut(dpadded, x, padding)


def overwritten_by_cells(grad, x, w, stride, padding):
    """Dx when the loop over the kernel's cells writes `=` in place of `+=`."""
    dpadded = torch.zeros_like(F.pad(x, (padding,) * 4))
    for u in range(w.shape[2]):
        for v in range(w.shape[3]):
            rows = slice(u, u + stride * grad.shape[2], stride)
            columns = slice(v, v + stride * grad.shape[3], stride)
            dpadded[:, :, rows, columns] = torch.einsum("boij,oc->bcij", grad, w[:, :, u, v])
    return cut(dpadded, x, padding)


def cut(padded, x, padding):
    """A padded picture without its padding."""
    return padded[..., padding : padding + x.shape[2], padding : padding + x.shape[3]]


def require_three(got):
    """The three gradients, or a message that tells what to return."""
    if not isinstance(got, tuple | list) or len(got) != 3:
        count = f" of {len(got)}" if isinstance(got, tuple | list) else ""
        fail(f"expected the three gradients (dx, dw, db), got {type(got).__name__}{count}")
    return tuple(got)


def check_conv2d_backward(submission, grad, x, w, stride=1, padding=0):
    """Compare one call with autograd, gradient by gradient."""
    dx, dw, db = conv2d_gradients(grad, x, w, stride, padding)
    got = submission.conv2d_backward(grad, x, w, stride=stride, padding=padding)
    got_dx, got_dw, got_db = require_three(got)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if x.dtype == torch.float32 else {}

    batch = x.shape[0]
    places = grad.shape[-2] * grad.shape[-1]
    assert_matches(
        got_db,
        db,
        what="db",
        **tolerance,
        suspects={
            "sum over the batch too": lambda: grad.sum((2, 3)),
            "sum over all places too, not only over the batch": lambda: grad.sum(0),
            "this is the mean, not the sum": lambda: db / (batch * places),
            "this is the mean over the batch, not the sum": lambda: db / batch,
            "one number per output channel: do not sum over the channels": lambda: grad.sum(),
        },
    )
    assert_matches(
        got_dw,
        dw,
        what="dw",
        **tolerance,
        suspects={
            "the windows must come from the padded picture": (
                lambda: conv2d_gradients(grad, x, w, stride, 0)[1]
            ),
            "the kernel's rows and columns are flipped": lambda: dw.flip(-2, -1),
            "the mean over the batch, not the sum": lambda: dw / batch,
            "this has the shape of dx: return (dx, dw, db) in this order": dx,
            "only picture 0 of the batch counts: sum over the batch": (
                lambda: conv2d_gradients(grad[:1], x[:1], w, stride, padding)[1]
            ),
            "only the last picture of the batch counts: sum over the batch": (
                lambda: conv2d_gradients(grad[-1:], x[-1:], w, stride, padding)[1]
            ),
        },
    )
    assert_matches(
        got_dx,
        dx,
        what="dx",
        **tolerance,
        suspects={
            "overlapping windows erase each other: add with +=, not =": (
                lambda: overwritten_by_places(grad, x, w, stride, padding)
            ),
            "the cells of the kernel erase each other: add with +=, not =": (
                lambda: overwritten_by_cells(grad, x, w, stride, padding)
            ),
            "the padding is still there: cut it off at the end": (
                lambda: x.new_empty(F.pad(x, (padding,) * 4).shape)
            ),
            "the padding is cut off at the wrong place: it is on both sides": (
                lambda: conv2d_gradients(grad, F.pad(x, (padding,) * 4), w, stride, 0)[0][
                    :, :, : x.shape[2], : x.shape[3]
                ]
            ),
            "the kernel is flipped": (
                lambda: conv2d_gradients(grad, x, w.flip(-2, -1), stride, padding)[0]
            ),
            "the stride is not used": lambda: F.conv_transpose2d(grad, w, None, 1, padding),
            "pixels that no window reaches are missing: start from zeros like the padded picture": (
                lambda: F.conv_transpose2d(grad, w, None, stride, padding)
            ),
        },
    )


@pytest.mark.task("conv2d_backward", points=1)
def test_backward_by_hand(submission, device):
    """conv2d_backward gives the numbers of the handout: a pixel in two windows gets both parts."""
    grad = torch.tensor([1.0, 10.0], device=device).reshape(1, 1, 1, 2)
    x = torch.tensor([1.0, 4.0, 5.0], device=device).reshape(1, 1, 1, 3)
    w = torch.tensor([2.0, 3.0], device=device).reshape(1, 1, 1, 2)
    got = require_three(submission.conv2d_backward(grad, x, w))
    last, first = torch.tensor([2.0, 20.0, 30.0]), torch.tensor([2.0, 3.0, 30.0])
    assert_matches(
        got,
        (
            torch.tensor([2.0, 23.0, 30.0], device=device).reshape(1, 1, 1, 3),
            torch.tensor([41.0, 54.0], device=device).reshape(1, 1, 1, 2),
            torch.tensor([11.0], device=device),
        ),
        what="(dx, dw, db)",
        suspects={
            "the last window erased what the first one said about the middle pixel: use +=": (
                lambda: (last.reshape(1, 1, 1, 3), None, None)
            ),
            "only one of the two windows reached the middle pixel: use +=": (
                lambda: (first.reshape(1, 1, 1, 3), None, None)
            ),
        },
    )


@pytest.mark.task("conv2d_backward", points=3)
@pytest.mark.parametrize(
    ("stride", "padding", "h", "w"),
    [(1, 0, 5, 4), (1, 1, 4, 6), (2, 0, 7, 6), (2, 1, 6, 7), (3, 2, 5, 8), (4, 0, 9, 7)],
    ids=str,
)
def test_backward_agrees_with_autograd(submission, device, random, stride, padding, h, w):
    """conv2d_backward agrees with autograd; pixels that no window reaches get 0."""
    x = random.normal(2, 3, h, w, device=device)
    kernels = random.normal(4, 3, 3, 2, device=device)
    grad = random.normal(*F.conv2d(x, kernels, None, stride, padding).shape, device=device)
    check_conv2d_backward(submission, grad, x, kernels, stride, padding)


@pytest.mark.task("conv2d_backward", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_backward_keeps_dtype_and_inputs(submission, device, random, dtype):
    """conv2d_backward takes a batch of 1, keeps the dtype and changes none of its inputs."""
    x = random.normal(1, 2, 5, 4, dtype=dtype, device=device)
    w = random.normal(3, 2, 3, 3, dtype=dtype, device=device)
    grad = random.normal(1, 3, 5, 4, dtype=dtype, device=device)
    assert_inputs_unchanged(submission.conv2d_backward, grad, x, w, stride=1, padding=1)
    check_conv2d_backward(submission, grad, x, w, 1, 1)


@pytest.mark.hidden
@pytest.mark.task("conv2d_backward", points=1)
@pytest.mark.parametrize("case", ["one number everywhere", "transposed", "1 x 1", "one place"])
def test_unusual_backward(submission, device, random, case):
    """conv2d_backward takes any memory layout of grad, tiny kernels and a single place."""
    x, w = random.normal(2, 3, 5, 5, device=device), random.normal(2, 3, 3, 3, device=device)
    if case == "one number everywhere":  # what `out.sum().backward()` hands down
        grad = torch.ones((), device=device).expand(2, 2, 5, 5)
        check_conv2d_backward(submission, grad, x, w, 1, 1)
    elif case == "transposed":
        check_conv2d_backward(
            submission, random.normal(2, 2, 5, 5, device=device).mT, x.mT, w.mT, 1, 1
        )
    elif case == "1 x 1":
        grad = random.normal(2, 2, 3, 3, device=device)
        check_conv2d_backward(submission, grad, x, w[:, :, :1, :1], 2, 0)
    else:
        check_conv2d_backward(submission, random.normal(2, 2, 1, 1, device=device), x, w, 5, 0)


# ConvNet


def logits_of(model, x, classes):
    """The network's scores, once their type and shape are right."""
    got = model(x)
    size = "x".join(map(str, x.shape[-2:]))
    what = f"the logits of {x.shape[0]} pictures of {size}"
    if not isinstance(got, torch.Tensor):
        fail(f"expected {what} as a tensor, got {type(got).__name__}: does forward return them?")
    wanted, shape = (x.shape[0], classes), tuple(got.shape)
    if shape != wanted:
        why = ""
        if shape == wanted[1:]:
            why = "; the batch axis of size 1 is gone: squeeze() without a dim?"
        elif len(shape) == 2 and shape[1] == classes:
            why = "; pixels went into the batch axis: flatten(1) keeps the batch apart"
        fail(f"expected {what} in shape {wanted}, got {shape}{why}")
    if got.dtype != x.dtype or got.device != x.device:
        fail(f"expected {what} as {x.dtype} on {x.device}, got {got.dtype} on {got.device}")
    return assert_tensor(got, what, shape=wanted)


def share_right(model, x, y):
    """The share of the pictures for which the highest score is that of the right class."""
    model.eval()
    with torch.no_grad():
        return (logits_of(model, x, 10).argmax(1) == y).double().mean().item()


@pytest.mark.task("ConvNet", points=2)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("batch", "channels", "classes", "h", "w"),
    [(4, 1, 10, 8, 8), (1, 1, 10, 8, 8), (3, 3, 7, 8, 13), (2, 2, 5, 21, 9), (1, 3, 2, 32, 20)],
    ids=str,
)
def test_any_size_from_8_up(submission, device, random, batch, channels, classes, h, w, training):
    """ConvNet gives (batch, classes) for any height and width from 8 up, also for a batch of 1."""
    model = submission.ConvNet(channels, classes).to(device)
    model.train(training)
    logits_of(model, random.normal(batch, channels, h, w, device=device), classes)


@pytest.mark.task("ConvNet", points=1)
def test_pictures_do_not_mix(submission, random):
    """In eval mode the scores of a picture depend on it alone, not on its batch or on chance."""
    model = submission.ConvNet(2, 5)
    model.eval()
    x = random.normal(6, 2, 11, 8)
    with torch.no_grad():
        together = logits_of(model, x, 5).clone()
        again = logits_of(model, x, 5).clone()
        alone = torch.cat([logits_of(model, picture[None], 5).clone() for picture in x])
    if not torch.allclose(together, again, rtol=1e-4, atol=1e-5):
        fail(
            "the same pictures gave other scores in a second call in eval mode: is there dropout "
            "that does not look at self.training, or is something drawn or counted in forward?"
        )
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        fail(
            "a picture on its own gets other scores than in a batch of 6: something works over "
            "axis 0 (softmax(0), a reshape that mixes pictures, statistics of the batch)"
        )


@pytest.mark.task("ConvNet", points=1)
def test_scores_are_logits(submission, random):
    """ConvNet returns raw scores of any sign: no softmax, sigmoid or ReLU at the end."""
    lowest, highest, log_sums = [], [], []
    for _ in range(4):
        model = submission.ConvNet(1, 10)
        model.eval()
        with torch.no_grad():
            got = logits_of(model, 3 * random.normal(16, 1, 8, 8), 10)
        lowest.append(got.min().item())
        highest.append(got.max().item())
        log_sums += got.logsumexp(1).tolist()
    if max(abs(value) for value in log_sums) < 1e-4:
        fail("the scores are logarithms of probabilities: return the logits, without log_softmax")
    if min(lowest) >= 0 and max(highest) > 0:
        fail(
            f"expected scores of both signs, got none below 0 in 640 (largest {max(highest):.3g}): "
            "is there a softmax, a sigmoid or a ReLU after the last layer?"
        )


@pytest.mark.task("ConvNet", points=1)
def test_network_is_not_linear(submission, random):
    """ConvNet has something between its layers that is not linear, or all of them make just one."""
    model = submission.ConvNet(1, 10)
    model.eval()
    a, b = random.normal(8, 1, 8, 8), random.normal(8, 1, 8, 8)
    with torch.no_grad():
        of_a, of_b, of_sum, of_zero = (
            logits_of(model, x, 10).double() for x in (a, b, a + b, torch.zeros_like(a))
        )
    varies = (of_a - of_zero).abs().max()
    if varies > 0 and (of_sum + of_zero - of_a - of_b).abs().max() < 1e-4 * varies:
        fail(
            "the scores of a + b are those of a plus those of b: the whole network is no more than "
            "one linear layer; put a ReLU behind each convolution"
        )


def two_networks_with_the_same_weights(student, x):
    """The scores of a network and of one with the same weights; parameters without gradient."""
    import torch

    first, second = student.ConvNet(1, 4), student.ConvNet(1, 4)
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        scores = [model.eval()(x) for model in (first, second)]
    learned = first.train()(x)
    if isinstance(learned, torch.Tensor) and learned.requires_grad:
        learned.sum().backward()
    idle = [name for name, parameter in first.named_parameters() if parameter.grad is None]
    return {"scores": scores, "idle": idle, "parameters": len(list(first.parameters()))}


@pytest.mark.task("ConvNet", points=1)
def test_all_layers_belong_to_the_network(submission, random):
    """Every layer of ConvNet is known to torch (saved, loaded, trained), and every one is used."""
    seen = submission.probe(two_networks_with_the_same_weights, random.normal(3, 1, 9, 8))
    assert_form(seen, {"scores": [object, object], "idle": list[str], "parameters": int})
    if seen["parameters"] == 0:
        fail(
            "the network has no parameters: layers must be attributes of self (or in nn.Sequential)"
        )
    if seen["idle"]:
        fail(f"no gradient reaches {', '.join(seen['idle'])}: does forward use this layer?")
    first, second = seen["scores"]
    if not isinstance(first, torch.Tensor):
        fail(
            f"expected the logits as a tensor, got {type(first).__name__}: does forward return them?"
        )
    for scores in (first, second):
        assert_tensor(scores, "the logits of 3 pictures", shape=(3, 4))
    if not torch.allclose(first, second, rtol=1e-4, atol=1e-5):
        fail(
            "a second network with the same state_dict gives other scores: some layers are unknown "
            "to torch; make them in __init__ and keep them in nn.Sequential or nn.ModuleList, "
            "not in a Python list"
        )


@pytest.mark.task("ConvNet", points=2)
@pytest.mark.timeout(60)
def test_network_can_learn_digits(submission, device, random, threshold):
    """ConvNet learns to read handwritten digits in a plain training loop with Adam."""
    from datasets.digits import load_digits_split

    wanted = threshold("network_accuracy")
    x_train, y_train, x_test, y_test = (
        part.to(device) for part in load_digits_split(random.seed())
    )
    reached = []
    for lr in (0.004, 0.02):  # the second for small networks
        model = assert_kind(submission.ConvNet(1, 10), nn.Module, "ConvNet(1, 10)").to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        for _ in range(8):
            model.train()
            for index in random.permutation(len(y_train)).to(device).split(32):
                loss = F.cross_entropy(logits_of(model, x_train[index], 10), y_train[index])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            reached.append(share_right(model, x_test, y_test))
            if threshold.reached(network_accuracy=reached[-1]):
                return  # most networks are there after one or two epochs
    fail(
        f"expected at least {wanted:.0%} of the test digits right within 8 epochs, got at most "
        f"{max(reached):.0%}: a picture that is averaged as a whole too early, too few channels, "
        "or a softmax at the end make learning slow"
    )


@pytest.mark.hidden
@pytest.mark.task("ConvNet", points=1)
def test_long_and_large_pictures(submission, random):
    """ConvNet takes long, large and odd pictures too, with gradients down to the pixels."""
    for batch, channels, classes, h, w in [(1, 4, 3, 8, 65), (2, 1, 11, 47, 8), (1, 1, 2, 64, 64)]:
        model = submission.ConvNet(channels, classes)
        x = random.normal(batch, channels, h, w).requires_grad_()
        (gradient,) = torch.autograd.grad(logits_of(model, x, classes).square().sum(), x)
        assert_matches(gradient.isfinite().all().item(), True, what="all gradients are finite")


# feature_maps


def small_network(random):
    """A network with layers inside layers, and BatchNorm that has seen other data."""
    model = nn.Sequential()
    body = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.Dropout(0.5)
    )
    model.add_module("body", body)
    model.add_module("head", nn.Sequential(nn.Flatten(), nn.Linear(3 * 5 * 4, 6)))
    body[1].running_mean.copy_(random.normal(3))
    body[1].running_var.copy_(random.uniform(3, low=2.0, high=5.0))
    return model


@pytest.mark.task("feature_maps", points=2)
@pytest.mark.parametrize("layer", ["body.0", "body.1", "body.3", "body", "head.1"])
def test_output_of_the_layer(submission, device, random, layer):
    """feature_maps gives the output of the layer with that dotted name, in eval mode, detached."""
    model = small_network(random).to(device)
    x = random.normal(3, 2, 5, 4, device=device)
    outputs = {}
    for mode in (True, False):
        copy = small_network(random).to(device)
        copy.load_state_dict(model.state_dict())
        copy.train(mode)
        at = x
        for part in ("body", "head"):
            for number, module in enumerate(getattr(copy, part)):
                at = module(at)
                outputs[mode, f"{part}.{number}"] = at.detach()
            outputs[mode, part] = at.detach()
    assert_matches(
        submission.feature_maps(model, x, layer),
        outputs[False, layer],
        requires_grad=False,
        rtol=1e-4,
        atol=1e-5,
        suspects={
            "this is what comes out in training mode: call model.eval() first": (
                lambda: outputs[True, layer]
            ),
            "this is the output of the whole model, not of the layer": lambda: outputs[
                False, "head"
            ],
            "this is the layer's input, not its output": (
                lambda: outputs[False, f"body.{int(layer[-1]) - 1}"]
            ),
        },
    )


@pytest.mark.task("feature_maps", points=1)
@pytest.mark.parametrize("first", ["convolution", "batch norm"])
def test_output_before_it_is_overwritten(submission, device, random, first):
    """feature_maps gives the output as it was, although an in-place ReLU changes it right after."""
    layer = nn.Conv2d(2, 2, 1) if first == "convolution" else nn.BatchNorm2d(2)
    model = nn.Sequential(layer, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(24, 3)).to(device)
    x = random.normal(4, 2, 4, 3, device=device)
    expected = layer.eval()(x).detach().clone()
    layer.train()
    assert_matches(
        submission.feature_maps(model, x, "0"),
        expected,
        requires_grad=False,
        rtol=1e-4,
        atol=1e-5,
        suspects={
            "the in-place ReLU behind the layer wrote into it: clone() it, do not only detach()": (
                lambda: expected.relu()
            )
        },
    )


def hooks_after_feature_maps(student, x, broken):
    """The hooks on every layer before and after a call, and what the earlier hook saw."""
    from torch import nn

    class BrokenError(RuntimeError):
        pass

    class Broken(nn.Module):
        def forward(self, x):
            if broken:
                raise BrokenError("this layer fails on purpose")
            return x

    def hooks():
        return [
            (name, kind, number)
            for name, module in model.named_modules()
            for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
            for number in getattr(module, kind)
        ]

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), Broken(), nn.Flatten())
    fired = []
    model[0].register_forward_hook(lambda module, inputs, output: fired.append("layer"))
    model[1].register_forward_pre_hook(lambda module, inputs: fired.append("before"))
    model.register_forward_hook(lambda module, inputs, output: fired.append("model"))

    before, raised = hooks(), False
    try:
        student.feature_maps(model, x, "0")
    except BrokenError:
        raised = True
    after = hooks()
    return {
        "left": [name or "the model" for name, _, number in set(after) - set(before)],
        "lost": [name or "the model" for name, _, number in set(before) - set(after)],
        "fired": fired,
        "raised": raised,
    }


def check_hooks(seen):
    """Judge what `hooks_after_feature_maps` saw."""
    form = {"left": list[str], "lost": list[str], "fired": [str, ...], "raised": bool}
    assert_form(seen, form, "what was seen of the hooks")
    if seen["left"]:
        fail("your hook is still on the layer: call handle.remove(), in a `finally` block")
    if seen["lost"]:
        fail(
            f"a hook of somebody else is gone (on {', '.join(sorted(seen['lost']))}): remove only "
            "your own, with the handle that register_forward_hook gave you"
        )


@pytest.mark.task("feature_maps", points=1)
def test_only_own_hook_is_removed(submission, random):
    """feature_maps leaves the hooks of the model as they were: its own is gone, all others stay."""
    seen = submission.probe(hooks_after_feature_maps, random.normal(2, 1, 5, 4), False)
    check_hooks(seen)
    if sorted(seen["fired"]) != ["before", "layer", "model"]:
        fail(
            "expected one forward pass of the whole model, in which the hooks that were there "
            f"before run once each, got these calls of them: {seen['fired']}"
        )


@pytest.mark.task("feature_maps", points=1)
def test_hook_is_removed_after_an_error(submission, random):
    """When the forward pass raises, feature_maps removes its hook and passes the error on."""
    seen = submission.probe(hooks_after_feature_maps, random.normal(2, 1, 5, 4), True)
    check_hooks(seen)
    if not seen["raised"]:
        fail(
            "the model's forward pass raised an error and feature_maps kept it to itself: let it "
            "go on to the caller (try/finally without except)"
        )


def modes_after_feature_maps(student, x, modes, broken):
    """Training flags, statistics, gradients and the grad mode, before, during and after a call."""
    import torch
    from torch import nn

    class BrokenError(RuntimeError):
        pass

    class Watcher(nn.Module):
        def forward(self, x):
            seen.append(self.training)
            if broken:
                raise BrokenError("this layer fails on purpose")
            return x

    def numbers():
        tensors = [*model.buffers(), *(p.grad for p in model.parameters())]
        return [tensor.detach().clone() for tensor in tensors]

    seen = []
    block = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    model = nn.Sequential(block, nn.BatchNorm2d(2), Watcher(), nn.Dropout(), nn.Flatten())
    for number, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, 0.5)
        parameter.requires_grad = number != 1
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    before = numbers()
    try:
        student.feature_maps(model, x, "0.1")
    except BrokenError:
        pass
    finally:
        grad_mode = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
    buffers = len(list(model.buffers()))
    same = [torch.equal(a, b) for a, b in zip(before, numbers(), strict=True)]
    return {
        "names": [name or "the model" for name, _ in model.named_modules()],
        "during": seen,
        "after": [module.training for module in model.modules()],
        "statistics": all(same[:buffers]),
        "gradients": all(same[buffers:]),
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grad_mode": grad_mode,
    }


ALL_TRAIN, ALL_EVAL = [True] * 9, [False] * 9
# The model, the block, its convolution, BatchNorm, ReLU; BatchNorm, watcher, Dropout, Flatten.
FROZEN_PART = [True, False, False, False, False, True, True, True, True]
MIXED = [False, True, False, True, False, False, True, False, True]


MODES_SEEN = {
    "names": [str] * 9,
    "during": [bool, ...],
    "after": [bool] * 9,
    "statistics": bool,
    "gradients": bool,
    "requires_grad": [bool] * 6,
    "grad_mode": bool,
}


def check_modes(seen, modes):
    """Judge what `modes_after_feature_maps` saw."""
    assert_form(seen, MODES_SEEN, "what was seen of the layers")
    if any(seen["during"]):
        fail("a layer is in training mode while the model runs: call model.eval() first")
    if not seen["statistics"]:
        fail("the running statistics of BatchNorm have moved: run the model in eval mode")
    for name, want, got in zip(seen["names"], modes, seen["after"], strict=True):
        if want != got:
            fail(
                f"expected {name}.training to be {want} afterwards, as before, got {got}: every "
                "layer has its own flag; remember each, and put each back (in a `finally` block)"
            )


@pytest.mark.task("feature_maps", points=1)
@pytest.mark.parametrize(
    "modes", [ALL_TRAIN, ALL_EVAL, FROZEN_PART], ids=["train", "eval", "frozen part"]
)
def test_modes_are_given_back(submission, random, modes):
    """feature_maps runs in eval mode, moves no statistics, gives each layer its own mode back."""
    seen = submission.probe(modes_after_feature_maps, random.normal(2, 1, 5, 4), modes, False)
    check_modes(seen, modes)


@pytest.mark.hidden
@pytest.mark.task("feature_maps", points=1)
@pytest.mark.parametrize(
    "modes", [ALL_TRAIN, FROZEN_PART, MIXED], ids=["train", "frozen part", "mixed"]
)
@pytest.mark.parametrize("broken", [False, True], ids=["", "after an error"])
def test_nothing_else_is_touched(submission, random, modes, broken):
    """feature_maps leaves modes, statistics, gradients and grad mode alone, also after an error."""
    seen = submission.probe(modes_after_feature_maps, random.normal(2, 1, 5, 4), modes, broken)
    check_modes(seen, modes)
    if not seen["gradients"]:
        fail("the parameters' .grad has changed: looking at a layer needs no gradients")
    expected = [number != 1 for number in range(len(seen["requires_grad"]))]
    assert_matches(seen["requires_grad"], expected, what="requires_grad of the parameters")
    if not seen["grad_mode"]:
        fail("gradients are switched off for the whole program: use `with torch.no_grad():`")


@pytest.mark.task("feature_maps", points=1)
def test_copy_of_a_view(submission, random):
    """feature_maps gives a copy also where a layer passes its input on."""
    x = random.normal(2, 3, 4)
    expected = x.flatten(1).clone()
    model = nn.Sequential(nn.Flatten(), nn.Identity(), nn.Hardtanh(-0.1, 0.1, inplace=True))
    got = submission.feature_maps(model, x.clone(), "0")
    assert_matches(got, expected, requires_grad=False)
    assert_matches(submission.feature_maps(model, x.clone(), "1"), expected, requires_grad=False)


# train_cnn


def plain_network():
    """A convolutional network that is known to learn."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(128, 10)),
    )


def batches_of(x, y, size, **settings):
    """A loader that gives the samples in order."""
    return DataLoader(TensorDataset(x.clone(), y.clone()), batch_size=size, **settings)


def linear_model(random, inputs, classes):
    """A model that everything can be computed for by hand."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))
    with torch.no_grad():
        model[1].weight.copy_(random.normal(classes, inputs))
        model[1].bias.copy_(random.normal(classes))
    return model


@pytest.mark.task("train_cnn", points=2)
@pytest.mark.trains
@pytest.mark.parametrize("as_text", [True, False], ids=["device as text", "torch.device"])
def test_given_model_is_trained(submission, device, random, as_text):
    """train_cnn trains the given model, all of it, on the device, and the loss falls."""
    y = random.integers(0, 3, 42)
    x = random.normal(42, 1, 3, 3)
    x[torch.arange(42), 0, y, 0] += 4.0  # the class shows in the first column
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))
    before = model_state(model)
    loss_before = F.cross_entropy(model(x), y).item()

    where = device if as_text else torch.device(device)
    history = submission.train_cnn(model, batches_of(x, y, 8), 6, 0.02, where)

    assert_history(history, 6)
    assert_trained(model, before, device)
    model.cpu().eval()
    loss_after = F.cross_entropy(model(x), y).item()
    if not loss_after < loss_before:
        fail(f"expected a loss below {loss_before:.4g} after training, got {loss_after:.4g}")
    assert_falls(history)


def check_history(submission, random, samples, size, kept, **settings):
    """Compare the history of a training with learning rate 0 with the plain mean."""
    x, y = random.normal(samples, 1, 3, 4), random.integers(0, 4, samples)
    model = linear_model(random, 12, 4)
    with torch.no_grad():
        logits = model(x)
    before = model_state(model)

    loader = batches_of(x, y, size, **settings)
    history = submission.train_cnn(model, loader, 3, 0.0, "cpu")

    assert_history(history, 3)
    assert_not_trained(model, before)
    assert_mean_losses(history, logits, y, size=size, kept=kept)


@pytest.mark.task("train_cnn", points=2)
@pytest.mark.trains
@pytest.mark.parametrize(
    ("samples", "size"),
    [(24, 8), (37, 16), (9, 8), (5, 32)],
    ids=["even batches", "short last batch", "last batch of 1", "one batch"],
)
def test_history_is_mean_over_samples(submission, random, samples, size):
    """The history holds the cross-entropy of raw logits, averaged over each epoch's samples."""
    check_history(submission, random, samples, size, samples)


@pytest.mark.hidden
@pytest.mark.task("train_cnn", points=1)
@pytest.mark.trains
def test_dropped_samples_do_not_count(submission, random):
    """Samples that the loader drops do not count in the mean."""
    check_history(submission, random, 21, 8, 16, drop_last=True)


def gradients_in_train_cnn(student, x, y, weight, bias):
    """The gradient in `.grad` after each backward pass of a training with learning rate 0."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    model = nn.Sequential(nn.Flatten(), nn.Linear(weight.shape[1], weight.shape[0]))
    seen = []
    with torch.no_grad():
        model[1].weight.copy_(weight)
        model[1].bias.copy_(bias)
    model[1].weight.register_post_accumulate_grad_hook(
        lambda parameter: seen.append(parameter.grad.detach().clone())
    )
    student.train_cnn(model, DataLoader(TensorDataset(x, y), batch_size=5), 2, 0.0, "cpu")
    return seen


@pytest.mark.task("train_cnn", points=1)
def test_each_step_has_its_own_gradient(submission, random):
    """Each step of train_cnn uses the gradient of its own batch, without those of earlier ones."""
    x, y = random.normal(13, 1, 2, 3), random.integers(0, 3, 13)
    model = linear_model(random, 6, 3)
    weight, bias = model[1].weight.detach(), model[1].bias.detach()
    per_batch = []
    for images, labels in batches_of(x, y, 5):
        loss = F.cross_entropy(model(images), labels)
        per_batch += torch.autograd.grad(loss, [model[1].weight])
    per_batch = per_batch * 2
    seen = submission.probe(gradients_in_train_cnn, x, y, weight, bias)
    if not assert_items(seen, list, what="the gradients"):
        return  # a loop that gets its gradients another way (torch.autograd.grad) leaves none
    if len(seen) != len(per_batch):
        fail(f"expected one backward pass for each of {len(per_batch)} batches, got {len(seen)}")
    for number, (got, want) in enumerate(zip(seen, per_batch, strict=True)):
        assert_matches(
            got,
            want,
            what=f"the gradient at step {number + 1}",
            rtol=1e-4,
            atol=1e-5,
            suspects={
                "those of earlier batches are still in it: zero_grad() for every batch": (
                    torch.stack(per_batch[: number + 1]).sum(0)
                ),
            },
        )


def modes_in_train_cnn(student, x, y):
    """The modes of a model that arrives in eval mode, at each forward pass that learns."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    class Watcher(nn.Module):
        def forward(self, x):
            if torch.is_grad_enabled():
                seen.append(self.training)
            return x

    seen = []
    model = nn.Sequential(nn.Flatten(), Watcher(), nn.Linear(4, 3)).eval()
    student.train_cnn(model, DataLoader(TensorDataset(x, y), batch_size=4), 2, 0.01, "cpu")
    return seen


@pytest.mark.task("train_cnn", points=1)
def test_model_learns_in_training_mode(submission, random):
    """train_cnn switches the model to training mode, although it may arrive in eval mode."""
    seen = submission.probe(modes_in_train_cnn, random.normal(8, 1, 2, 2), random.integers(0, 3, 8))
    if not assert_items(seen, list, of=bool):
        fail("the model was never run with gradients on")
    if not all(seen):
        fail("the model learns in eval mode: call model.train() at the beginning of each epoch")


@pytest.mark.task("train_cnn", points=1)
@pytest.mark.trains
def test_frozen_parameters_and_float64(submission, random):
    """train_cnn leaves frozen parameters alone and takes a model and pictures in float64."""
    model = linear_model(random, 6, 3).double()
    model[1].bias.requires_grad_(False)
    weight, bias = model[1].weight.detach().clone(), model[1].bias.detach().clone()
    x, y = random.normal(9, 1, 2, 3, dtype=torch.float64), random.integers(0, 3, 9)
    assert_history(submission.train_cnn(model, batches_of(x, y, 4), 1, 0.01, "cpu"), 1)
    assert_matches(model[1].bias.detach(), bias, what="the frozen bias", rtol=0.0, atol=0.0)
    if torch.equal(model[1].weight.detach(), weight):
        fail("the weight beside a frozen bias was not trained")


@pytest.mark.task("train_cnn", points=3)
@pytest.mark.trains
@pytest.mark.devices("cpu", "cuda")  # test_given_model_is_trained is quicker on a simulated GPU
@pytest.mark.timeout(60)
def test_digits_are_learned(submission, device, random, threshold):
    """Your ConvNet, trained by your train_cnn, reads handwritten digits that it has not seen."""
    from datasets.digits import load_digits_split

    accuracy_wanted, loss_wanted = threshold("digits_accuracy"), threshold("digits_loss")
    x_train, y_train, x_test, y_test = load_digits_split(random.seed())
    tries = []
    # 0.004 is a good rate for Adam, 0.02 for Adam and a small network, 0.1 for plain SGD. If none
    # works, the network may be at fault, and ConvNet has a check for that: then the loop is tried
    # with a plain network.
    for lr, own in [(0.004, True), (0.02, True), (0.1, True), (0.004, False), (0.1, False)]:
        torch.manual_seed(random.seed())
        loader = batches_of(x_train, y_train, 32, shuffle=True, generator=random.generator())
        try:
            model = submission.ConvNet(1, 10) if own else plain_network()
            history = submission.train_cnn(model, loader, 8, lr, device)
            assert_history(history, 8)
            accuracy = share_right(model, x_test.to(device), y_test.to(device))
        except Exception:
            if own:
                continue
            raise
        if threshold.reached(digits_accuracy=accuracy, digits_loss=history[-1]):
            return
        which = "ConvNet" if own else "a plain network"
        tries.append(f"{accuracy:.0%} and {history[-1]:.3g} ({which}, lr {lr})")
    fail(
        f"expected at least {accuracy_wanted:.0%} of the test digits right and a last loss of at "
        f"most {loss_wanted:g}, got {'; '.join(tries)}. A loss that stays near 1.5 means softmax "
        "before cross_entropy; one near 2.3 means that nothing was learned"
    )
