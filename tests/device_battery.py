"""Programs that students write for a GPU: right ones, and wrong ones with the words of a real GPU.

Each takes a device and is run on the CPU, on the simulated GPU and, where there is one, on a real GPU. The
line that makes the tensor which is on the wrong device ends in `# stray`.
"""

import copy
import io
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

RIGHT: dict[str, Callable] = {}
WRONG: dict[str, tuple[Callable, type[Exception], str]] = {}
SAME = "Expected all tensors to be on the same device"
NUMPY = "can't convert cuda:0 device type tensor to numpy"


def right(program):
    """A program that a GPU runs."""
    RIGHT[program.__name__] = program
    return program


def wrong(words, kind=RuntimeError):
    """A program that a GPU refuses, with such words in its error."""

    def mark(program):
        WRONG[program.__name__] = program, kind, words
        return program

    return mark


def data():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 8, generator=generator), torch.randint(0, 3, (64,), generator=generator)


# Copies


@right
def copies_of_tensors_that_live_apart(device):
    here, there = torch.ones(2), torch.ones(2, device=device, requires_grad=True)
    (there * 3).sum().backward()
    buffers = nn.BatchNorm1d(2).to(device)
    copied = copy.deepcopy(
        {"here": here, "again": [here, there], "buffers": buffers, "there": there}
    )
    assert copied["again"][1] is copied["there"]
    assert copied["here"].device.type == "cpu"
    assert {b.device.type for b in copied["buffers"].buffers()} == {torch.device(device).type}
    assert copied["there"].device == there.device == copied["there"].grad.device
    return (copied["there"] + there).tolist(), (copied["there"].grad + there.grad).tolist()


@right
def a_copy_of_an_optimizer_and_its_model(device):
    x, y = (part.to(device) for part in data())
    model = nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()  # Adam counts its steps on the CPU
    model, optimizer = copy.deepcopy((model, optimizer))
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    return [p.device.type == torch.device(device).type for p in model.parameters()]


# Training


@right
def a_training_loop(device):
    x, y = data()
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    history, best = [], None
    for _ in range(3):
        model.train()
        total = 0.0
        for xb, yb in DataLoader(TensorDataset(x, y), 16):
            xb, yb = xb.to(device), yb.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(xb)
        scheduler.step()
        history.append(total / len(x))
        best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    model.eval()
    with torch.no_grad():
        found = model(x.to(device)).argmax(1).cpu().numpy()
    return history, int((found == y.numpy()).sum())


@right
def every_optimizer(device):
    x, y = data()
    values = []
    for make in (torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad):
        torch.manual_seed(0)
        model = nn.Linear(8, 3)
        optimizer = make(model.parameters(), lr=0.1)  # made before the model moves
        model.to(device)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x.to(device)), y.to(device)).backward()
            optimizer.step()
        values.append(model.weight.sum())
        assert model.weight.device.type == device
    return torch.stack(values)


@right
def convolutions_and_dropout(device):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 5),
    ).to(device)  # fmt: skip
    x = torch.randn(3, 1, 8, 8).to(device)
    loss = model(x).square().mean()
    loss.backward()
    return loss, model[0].weight.grad.norm()


@right
def workers_and_pinned_memory(device):
    x, y = data()
    loader = DataLoader(TensorDataset(x, y), 32, num_workers=1, pin_memory=device != "cpu")
    return sum(xb.to(device, non_blocking=True).sum() + yb.to(device).sum() for xb, yb in loader)


@right
def mixed_precision(device):
    torch.manual_seed(0)
    model = nn.Linear(4, 2).to(device)
    scaler = torch.amp.GradScaler(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.ones(3, 4, device=device)
    with torch.autocast(device, dtype=torch.float16):
        out = model(x)
        loss = out.float().mean()
    assert out.dtype == torch.float16
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale(), model.weight.device.type == device


@right
def precision_is_lowered_on_its_own_device_only(device):
    x, beside = torch.ones(3, 4).to(device), torch.ones(3, 4)
    with torch.autocast(device, dtype=torch.bfloat16):
        return (x @ x.mT).dtype, (beside @ beside.mT).dtype == torch.float32 or device == "cpu"


@right
def several_cards(device):
    model, x = nn.Linear(8, 3).to(device), torch.ones(6, 8).to(device)
    model = model if device == "cpu" else nn.DataParallel(model)
    loss = model(x).square().sum()
    loss.backward()
    return loss, next(model.parameters()).grad


@right
def accumulated_gradients(device):
    model, (x, y) = nn.Linear(8, 3).to(device), data()
    for xb, yb in zip(x.to(device).split(20), y.to(device).split(20), strict=True):
        (F.cross_entropy(model(xb), yb) * len(xb) / len(x)).backward()
    return model.weight.grad


# Models


@right
def packed_sequences(device):
    embedding, rnn = nn.Embedding(10, 8).to(device), nn.LSTM(8, 5, batch_first=True).to(device)
    words, lengths = torch.randint(0, 10, (4, 6)).to(device), torch.tensor([6, 3, 2, 5]).to(device)
    packed = pack_padded_sequence(embedding(words), lengths.cpu(), True, enforce_sorted=False)
    out, (h, _) = rnn(packed)
    padded, sizes = pad_packed_sequence(out, batch_first=True)
    (padded.sum() + h[-1].sum()).backward()
    assert sizes.device.type == "cpu"
    return padded, embedding.weight.grad


@right
def a_gru_with_a_state(device):
    rnn, x = nn.GRU(8, 5, batch_first=True).to(device), torch.randn(2, 3, 8).to(device)
    return rnn(x, torch.zeros(1, len(x), 5, device=x.device))[0]


@right
def a_transformer(device):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 1).to(device), torch.randn(2, 5, 8).to(device)
    mask = nn.Transformer.generate_square_subsequent_mask(5, device=device)
    model(x, mask=mask).sum().backward()
    model.eval()
    with torch.no_grad():
        return model(x, mask=mask)


@right
def attention(device):
    q, k, v = torch.randn(3, 2, 4, 8).to(device)
    allowed = torch.ones(4, 4, dtype=torch.bool, device=q.device).tril()
    scores = (q @ k.mT / 8**0.5).masked_fill(~allowed, float("-inf"))
    return scores.softmax(-1) @ v, F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(8.0))
        self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x + self.table)
        return x


@right
def buffers_and_lists(device):
    model = Positions().to(device)
    assert model.table.device.type == device
    return model(data()[0].to(device))


@right
def lazy_layers(device):
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2)).to(device)
    return model(torch.ones(3, 8, device=device)).shape, model[0].weight.device.type == device


@right
def a_variational_autoencoder(device):
    encoder, decoder = nn.Linear(8, 4).to(device), nn.Linear(2, 8).to(device)
    x = data()[0].to(device)
    mean, log_variance = encoder(x).chunk(2, 1)
    z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
    loss = F.mse_loss(decoder(z), x)
    loss.backward()
    return loss, encoder.weight.grad


@right
def q_learning(device):
    online = nn.Linear(4, 2).to(device)
    target = copy.deepcopy(online)
    states = torch.as_tensor(np.ones((5, 4)), dtype=torch.float32, device=device)
    actions = torch.tensor([0, 1, 0, 1, 0], device=device)
    taken = online(states).gather(1, actions[:, None]).squeeze(1)
    with torch.no_grad():
        wanted = torch.ones(5, device=device) + 0.9 * target(states).max(1).values
    F.smooth_l1_loss(taken, wanted).backward()
    return int(online(states[:1]).argmax()), online.weight.grad


# Gradients


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        slope = torch.full_like(x, 2.0) * torch.ones(len(x), device=upstream.device)
        return slope * x * upstream


@right
def a_function_of_ones_own(device):
    x = torch.arange(3.0).to(device).requires_grad_()
    y = Square.apply(x)
    y.sum().backward()
    assert x.grad.device.type == device
    return y, x.grad


@right
def gradients_of_gradients(device):
    x = torch.arange(3.0).to(device).requires_grad_()
    (first,) = torch.autograd.grad(x.pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    return first, second


@right
def gradients_across_devices(device):
    x = torch.arange(3.0, requires_grad=True)
    weight = torch.full((3,), 2.0, device=device, requires_grad=True)
    loss = (x.to(device) * weight).sum()
    on_cpu, on_device = torch.autograd.grad(loss, [x, weight], retain_graph=True)
    loss.backward()
    assert (on_cpu.device.type, x.grad.device.type) == ("cpu", "cpu")
    return on_cpu, on_device, x.grad


@right
def hooks(device):
    model, seen = nn.Linear(3, 2).to(device), []
    mask = torch.tensor([1.0, 0.0], device=device)
    model.register_forward_hook(lambda module, args, out: seen.append(out.detach().cpu()))
    out = model(torch.ones(1, 3, device=device))
    out.register_hook(lambda gradient: gradient * mask)
    out.sum().backward()
    return seen, model.weight.grad


@right
def checkpointing(device):
    x = torch.arange(4.0).to(device).requires_grad_()
    checkpoint(
        lambda v: (v * torch.ones(4, device=v.device)).sin(), x, use_reentrant=False
    ).sum().backward()
    return x.grad


@right
def an_attack(device):
    model, (x, y) = nn.Linear(8, 3).to(device), data()
    x = x.to(device).requires_grad_()
    F.cross_entropy(model(x), y.to(device)).backward()
    return (x + 0.1 * x.grad.sign()).clamp(-1, 1).detach()


@right
def vectorised_gradients(device):
    x = torch.arange(6.0).reshape(3, 2).to(device)
    return torch.func.vmap(torch.func.grad(lambda row: row.pow(2).sum()))(x)


@right
def hooks_on_the_way_between_devices(device):
    seen, leaf = [], torch.ones(2, requires_grad=True)
    leaf.register_hook(lambda gradient: seen.append(gradient.device.type == "cpu"))
    middle = leaf.to(device) * 2
    middle.register_hook(lambda gradient: seen.append(gradient.device.type == device))
    (middle.cpu() * 3).sum().backward()
    return seen, leaf.grad


# Moving, making, saving


@right
def numbers_of_the_cpu_go_along(device):
    total = torch.tensor(0.0)
    total = total + torch.ones((), device=device)
    return total.device.type == device, torch.ones(3, device=device) * torch.tensor(2.0)


@right
def sparse_tensors_live_where_their_values_do(device):
    places, values = torch.tensor([[0, 1], [2, 0]]), torch.ones(2, device=device)
    made = torch.sparse_coo_tensor(places, values, (2, 3), check_invariants=True)
    return made.device.type == device, made.to_dense().sum(0)


@right
def counting(device):
    return float(sum((torch.ones(3, device=device) > 0).sum() for _ in range(2)))


@right
def writing_across_devices(device):
    x = torch.zeros(4, 3, device=device)
    x[0], x[1, 1] = torch.ones(3), 2.0
    x[2].copy_(torch.full((3,), 5.0))
    return x[torch.tensor([0, 2])]  # an index on the CPU is fine


@right
def other_dtypes(device):
    x = torch.ones(3).to(device).to(torch.float64).double().float().half()
    return (
        x.device.type == device,
        x.dtype,
        x.type(torch.int64),
        x.new_zeros(2),
        x.new_tensor([1.0]),
    )


@right
def a_default_device(device):
    with torch.device(device):
        model, x = nn.Linear(3, 2), torch.ones(4, 3)
    return model(x)


@right
def a_checkpoint_file(device):
    model, file = nn.Linear(3, 2).to(device), io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    as_saved = torch.load(file, weights_only=True)
    file.seek(0)
    on_cpu = torch.load(file, map_location="cpu", weights_only=True)
    assert as_saved["weight"].device.type == device
    assert on_cpu["weight"].device.type == "cpu"
    other = nn.Linear(3, 2)
    other.load_state_dict(on_cpu)
    return torch.equal(other.weight, model.weight.cpu())


@right
def generators(device):
    generator = torch.Generator(device).manual_seed(3)
    a = torch.rand(3, generator=generator, device=device)
    b = torch.rand(3, generator=generator.manual_seed(3), device=device)
    return torch.equal(a, b), a.device.type == device


@right
def to_the_kind_of_another(device):
    x = torch.ones(3).to(torch.zeros(1, device=device))
    return x.device.type == device, torch.zeros_like(x), torch.tensor([x.sum(), 2.0]).is_cpu


@right
def to_numpy_by_way_of_the_cpu(device):
    x = torch.arange(3.0).to(device)
    return x.cpu().numpy().tolist(), x.tolist(), f"{x.sum():.2f}", x.numpy(force=True).tolist()


@right
def threads(device):
    x, results = torch.arange(3.0).to(device), [None, None]

    def work(index):
        results[index] = x * torch.full((3,), float(index), device=device)

    crew = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return torch.stack(results)


@right
def timed_with_events(device):
    if device == "cpu":
        return True
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    torch.ones(3, device=device).sum()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) >= 0


@right
def asking_about_the_device(device):
    if device == "cpu":
        return True
    x = torch.ones(1000, device="cuda")
    assert x.is_cuda
    assert not x.is_cpu
    assert x.get_device() == torch.cuda.current_device() == 0
    assert x.device == torch.device("cuda:0") != torch.device("cuda")
    assert "device='cuda:0'" in repr(x[:2])
    assert torch.cuda.memory_allocated() >= 4000
    assert x.type() == "torch.cuda.FloatTensor"
    return torch.cuda.is_available()


# Tensors on two devices


@wrong(f"{SAME}, but got mat1 is on cpu, different from other tensors on cuda:0")
def the_batch_is_not_moved(device):
    x, y = torch.ones(4, 8), torch.zeros(4, dtype=torch.long)  # stray
    model = nn.Linear(8, 3).to(device)
    F.cross_entropy(model(x), y.to(device)).backward()


@wrong(f"{SAME}, but got target is on cpu, different from other tensors on cuda:0")
def the_labels_are_not_moved(device):
    y = torch.zeros(4, dtype=torch.long)  # stray
    F.cross_entropy(nn.Linear(8, 3).to(device)(torch.ones(4, 8).to(device)), y)


@wrong(SAME)
def the_model_is_not_moved(device):
    model = nn.Linear(8, 3)  # stray
    model(torch.ones(4, 8, device=device))


@wrong("should be the same")
def a_convolution_is_not_moved(device):
    model = nn.Conv2d(1, 2, 3)  # stray
    model(torch.ones(1, 1, 5, 5, device=device))


@wrong(SAME)
def the_result_of_to_is_dropped(device):
    x, model = torch.ones(4, 8), nn.Linear(8, 3).to(device)  # stray
    x.to(device)
    model(x)


@wrong(f"{SAME}, but found at least two devices, cuda:0 and cpu!")
def noise_is_made_on_the_cpu(device):
    x = torch.ones(4, 8, device=device)
    return x + torch.randn(x.shape)  # stray


class PlainAttribute(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.arange(8.0)  # stray
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x + self.table)


@wrong(f"{SAME}, but found at least two devices, cuda:0 and cpu!")
def a_table_is_no_buffer(device):
    PlainAttribute().to(device)(torch.ones(2, 8, device=device))


class PlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(8, 8)]  # stray

    def forward(self, x):
        return self.layers[0](x)


@wrong(SAME)
def layers_in_a_plain_list(device):
    PlainList().to(device)(torch.ones(2, 8, device=device))


@wrong(
    "Input and hidden tensors are not at the same device, found input tensor at cuda:0 and hidden"
)
def a_state_on_the_cpu(device):
    h = torch.zeros(1, 2, 5)  # stray
    nn.GRU(8, 5, batch_first=True).to(device)(torch.ones(2, 3, 8, device=device), h)


@wrong("Input and parameter tensors are not at the same device, found input tensor at cpu")
def a_sequence_on_the_cpu(device):
    x = torch.ones(2, 3, 8)  # stray
    nn.RNN(8, 5, batch_first=True).to(device)(x, torch.zeros(1, 2, 5))


@wrong("'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long tensor")
def lengths_on_the_gpu(device):
    x, lengths = torch.ones(2, 3, 8, device=device), torch.tensor([3, 2], device=device)
    pack_padded_sequence(x, lengths, batch_first=True)


@wrong(SAME)
def a_mask_on_the_cpu(device):
    scores = torch.ones(2, 4, 4, device=device)
    mask = torch.ones(4, 4).triu(1).bool()  # stray
    scores.masked_fill(mask, float("-inf"))


@wrong(SAME)
def a_transformers_mask_on_the_cpu(device):
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).to(device)
    mask = nn.Transformer.generate_square_subsequent_mask(5)  # stray
    model(torch.ones(2, 5, 8, device=device), src_mask=mask)


@wrong(f"{SAME}, but got index is on cpu, different from other tensors on cuda:0")
def positions_on_the_cpu(device):
    embedding = nn.Embedding(8, 4).to(device)
    embedding(torch.arange(4))  # stray


@wrong(f"{SAME}, but got index is on cpu, different from other tensors on cuda:0")
def actions_on_the_cpu(device):
    actions = torch.tensor([[0], [1]])  # stray
    torch.ones(2, 2, device=device).gather(1, actions)


@wrong("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
def indexing_the_cpu_with_the_gpu(device):
    counts = torch.zeros(3, 3)  # stray
    found = torch.tensor([0, 1], device=device)
    counts[found, found] += 1


@wrong(SAME)
def adding_into_a_number_of_the_cpu(device):
    total = torch.tensor(0.0)  # stray
    total += torch.ones((), device=device)


@wrong(f"{SAME}, but got tensors is on cpu, different from other tensors on cuda:0")
def joining(device):
    torch.cat([torch.ones(2, 3, device=device), torch.zeros(2, 3)], 1)  # stray


@wrong(SAME)
def choosing(device):
    x = torch.ones(3, device=device)
    torch.where(x > 0, x, torch.zeros(3))  # stray


@wrong(SAME)
def summing_products(device):
    torch.einsum("ij,jk->ik", torch.ones(2, 3, device=device), torch.ones(3, 2))  # stray


@wrong(SAME)
def comparing(device):
    wanted = torch.zeros(3, dtype=torch.long)  # stray
    (torch.ones(3, 2, device=device).argmax(1) == wanted).sum()


@wrong(SAME)
def weights_of_a_loss_on_the_cpu(device):
    loss = nn.CrossEntropyLoss(weight=torch.ones(3))  # stray
    loss(torch.ones(4, 3, device=device), torch.zeros(4, dtype=torch.long, device=device))


@wrong(SAME)
def a_number_that_is_no_parameter(device):
    bias = torch.zeros(3, requires_grad=True)  # stray
    nn.Linear(8, 3).to(device)(torch.ones(1, 8, device=device)) + bias


@wrong(SAME)
def values_written_by_index(device):
    x, rows = torch.zeros(4, device=device), torch.tensor([0, 1], device=device)
    x[rows] = torch.ones(2)  # stray


@wrong("assigned grad has data located on a different device")
def a_gradient_of_another_device(device):
    x = torch.ones(3, device=device, requires_grad=True)
    x.grad = torch.ones(3)  # stray


class BackwardOnTheCPU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, upstream):
        return upstream * torch.full((3,), 2.0)  # stray


@wrong(SAME)
def a_backward_that_makes_a_tensor(device):
    x = torch.ones(3, device=device, requires_grad=True)
    BackwardOnTheCPU.apply(x).sum().backward()


@wrong(SAME)
def a_hook_with_a_mask_of_the_cpu(device):
    mask = torch.ones(3)  # stray
    x = torch.ones(3, device=device, requires_grad=True)
    y = x * 2
    y.register_hook(lambda gradient: gradient * mask)
    y.sum().backward()


@wrong(SAME)
def loaded_without_moving(device):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.pt")
        torch.save(torch.ones(3, device=device), path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    return loaded + torch.ones(3, device=device)


# Not on a GPU at all


@wrong(NUMPY, TypeError)
def numpy_of_the_gpu(device):
    torch.ones(3, device=device).numpy()


@wrong(NUMPY, TypeError)
def an_array_of_the_gpu(device):
    np.asarray(torch.ones(3, device=device))


@wrong("Can't call numpy() on Tensor that requires grad")
def numpy_of_a_graph(device):
    nn.Linear(3, 2).to(device)(torch.ones(1, 3, device=device)).cpu().numpy()


@wrong("Expected a 'cuda' device type for generator but found 'cpu'")
def a_generator_of_the_cpu(device):
    torch.rand(3, generator=torch.Generator().manual_seed(0), device=device)


@wrong("Expected a 'cpu' device type for generator but found 'cuda'")
def a_generator_of_the_gpu(device):
    torch.randperm(3, generator=torch.Generator(device))


@wrong("is only implemented on CPU tensors", TypeError)
def a_python_function_for_each_element(device):
    torch.ones(3, device=device).apply_(abs)


@wrong("invalid device ordinal")
def a_gpu_that_is_not_there(device):
    torch.ones(3).to(f"{device}:99")


@wrong("cannot pin")
def pinning_memory_of_the_gpu(device):
    torch.ones(3, device=device).pin_memory()
