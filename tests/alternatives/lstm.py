"""Unusual right answers to `lstm` that must get full marks."""

from collections import Counter

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import alternative, edit

EDITS = [
    edit(
        "rnn_cell",
        "one matrix for word and memory",
        "torch.tanh(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))",
        "torch.tanh(torch.cat([x, h], 1) @ torch.cat([w_ih, w_hh], 1).mT + (b_ih + b_hh))",
    ),
    edit(
        "lstm_cell",
        "slices in place of chunk",
        "i, f, g, o = sums.chunk(4, dim=1)",
        "d = h.shape[1]\n    i, f, g, o = (sums[:, k * d : (k + 1) * d] for k in range(4))",
    ),
    edit("gru_cell", "another form of the mean", "(1 - z) * n + z * h", "n + z * (h - n)"),
    edit("gru_cell", "torch.lerp", "(1 - z) * n + z * h", "torch.lerp(n, h, z)"),
    edit("LSTM", "slices along the time", "x.unbind(1)", "x.transpose(0, 1)"),
    edit(
        "LSTM",
        "orthogonal memory, forget gate open",
        "values = torch.empty(shape).uniform_(-bound, bound)",
        "values = torch.zeros(shape)\n"
        "                if len(shape) == 2:\n"
        "                    nn.init.orthogonal_(values)\n"
        "                elif name == 'bias_ih':\n"
        "                    values[hidden : 2 * hidden] = 1.0",
    ),
    edit(
        "LSTM",
        "outputs in another memory layout",
        "torch.stack(outputs, 1)",
        "torch.stack(outputs).transpose(0, 1)",
    ),
    edit(
        "build_vocabulary",
        "sorted by the negative count",
        "counts.most_common()",
        "sorted(counts.items(), key=lambda pair: -pair[1])",
    ),
    edit(
        "SentimentClassifier",
        "dropout and two layers",
        "nn.LSTM(embedding, hidden, batch_first=True)",
        "nn.LSTM(embedding, hidden, num_layers=2, dropout=0.1, batch_first=True)",
    ),
    edit(
        "SentimentClassifier",
        "a GRU",
        "nn.LSTM(embedding, hidden, batch_first=True)",
        "nn.GRU(embedding, hidden, batch_first=True)",
    ),
    edit(
        "SentimentClassifier",
        "a hidden layer behind the last state",
        "nn.Linear(hidden, classes)",
        "nn.Sequential(nn.Linear(hidden, 8), nn.ReLU(), nn.Linear(8, classes))",
    ),
    edit("train_sentiment", "AdamW", "torch.optim.Adam(", "torch.optim.AdamW("),
    edit("train_sentiment", "RMSprop", "torch.optim.Adam(", "torch.optim.RMSprop("),
    edit("train_sentiment", "NAdam", "torch.optim.Adam(", "torch.optim.NAdam("),
    edit(
        "train_sentiment",
        "no clipping",
        "nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)",
        "pass",
    ),
]


@alternative("rnn_cell", "a loop over the texts, with einsum")
def rnn_cell_loop(x, h, w_ih, w_hh, b_ih, b_hh):
    rows = []
    for word, memory in zip(x, h):
        sums = torch.einsum("di,i->d", w_ih, word) + torch.einsum("de,e->d", w_hh, memory)
        rows.append(sums + b_ih + b_hh)
    return torch.tanh(torch.stack(rows))


@alternative("lstm_cell", "four matrices, and names of its own")
def lstm_cell_four(x, h, c, w_ih, w_hh, b_ih, b_hh):
    def gate(place):
        size = h.size(-1)
        rows = slice(place * size, (place + 1) * size)
        return x @ w_ih[rows].T + h @ w_hh[rows].T + b_ih[rows] + b_hh[rows]

    keep = torch.sigmoid(gate(1))
    new = torch.addcmul(keep * c, torch.sigmoid(gate(0)), torch.tanh(gate(2)))
    shown = torch.sigmoid(gate(3)).mul(torch.tanh(new))
    return shown, new


@alternative("lstm_cell", "a view with an axis for the gates")
def lstm_cell_view(x, h, c, w_ih, w_hh, b_ih, b_hh):
    sums = torch.addmm(b_ih, x, w_ih.t()) + torch.addmm(b_hh, h, w_hh.t())
    sums = sums.view(len(x), 4, h.shape[1]).transpose(0, 1)
    i, f, o = sums[[0, 1, 3]].sigmoid()
    c = f * c + i * sums[2].tanh()
    return c.tanh() * o, c


@alternative("gru_cell", "r and z together")
def gru_cell_together(x, h, w_ih, w_hh, b_ih, b_hh):
    d = h.shape[1]
    both = F.linear(x, w_ih[: 2 * d], b_ih[: 2 * d]) + F.linear(h, w_hh[: 2 * d], b_hh[: 2 * d])
    reset, update = both.sigmoid().split(d, dim=-1)
    memory = F.linear(h, w_hh[2 * d :], b_hh[2 * d :])
    proposal = (F.linear(x, w_ih[2 * d :], b_ih[2 * d :]) + reset * memory).tanh()
    return update * h + (1.0 - update) * proposal


@alternative("LSTM", "words first, all layers at each word, without lstm_cell")
class LSTMWordsFirst(nn.Module):
    def __init__(self, inputs, hidden, layers=1):
        super().__init__()
        self.sizes = inputs, hidden, layers
        for layer in range(layers):
            for name, columns in (("ih", inputs if not layer else hidden), ("hh", hidden)):
                weight = nn.Parameter(torch.randn(4 * hidden, columns) / hidden**0.5)
                setattr(self, f"weight_{name}_l{layer}", weight)
                setattr(self, f"bias_{name}_l{layer}", nn.Parameter(torch.zeros(4 * hidden)))

    def forward(self, x, state=None):
        _, hidden, layers = self.sizes
        if state is None:
            h = [x.new_zeros(x.shape[0], hidden) for _ in range(layers)]
            c = [x.new_zeros(x.shape[0], hidden) for _ in range(layers)]
        else:
            h, c = list(state[0]), list(state[1])
        out = []
        for t in range(x.shape[1]):
            below = x[:, t]
            for layer in range(layers):
                own = dict(self.named_parameters())
                sums = F.linear(below, own[f"weight_ih_l{layer}"], own[f"bias_ih_l{layer}"])
                sums = sums + F.linear(
                    h[layer], own[f"weight_hh_l{layer}"], own[f"bias_hh_l{layer}"]
                )
                i, f, g, o = sums.tensor_split(4, dim=1)
                c[layer] = f.sigmoid() * c[layer] + i.sigmoid() * g.tanh()
                below = h[layer] = o.sigmoid() * c[layer].tanh()
            out.append(below[:, None])
        return torch.cat(out, dim=1), (torch.stack(h), torch.stack(c))


@alternative("LSTM", "results written into tensors made before")
class LSTMInto(nn.Module):
    def __init__(self, inputs, hidden, layers=1):
        super().__init__()
        for layer in range(layers):
            like = nn.LSTMCell(inputs if layer == 0 else hidden, hidden)
            for name, parameter in like.named_parameters():
                self.register_parameter(f"{name}_l{layer}", parameter)
        self.layers, self.hidden = layers, hidden

    def forward(self, x, state=None):
        batch, time, _ = x.shape
        h = x.new_zeros(self.layers, batch, self.hidden) if state is None else state[0].clone()
        c = x.new_zeros(self.layers, batch, self.hidden) if state is None else state[1].clone()
        last_h, last_c = torch.empty_like(h), torch.empty_like(c)
        for layer in range(self.layers):
            out = x.new_empty(batch, time, self.hidden)
            now_h, now_c = h[layer], c[layer]
            for t in range(time):
                now_h, now_c = lstm_cell(  # noqa: F821 (the student's own)
                    x[:, t],
                    now_h,
                    now_c,
                    getattr(self, f"weight_ih_l{layer}"),
                    getattr(self, f"weight_hh_l{layer}"),
                    getattr(self, f"bias_ih_l{layer}"),
                    getattr(self, f"bias_hh_l{layer}"),
                )
                out[:, t] = now_h
            last_h[layer], last_c[layer] = now_h, now_c
            x = out
        return x, (last_h, last_c)


@alternative("build_vocabulary", "plain dicts and a stable sort")
def build_vocabulary_dicts(texts, min_count=1):
    from collections import defaultdict

    counts = defaultdict(int)
    for text in texts:
        for word in text.split():
            counts[word] += 1
    vocabulary = {"<pad>": 0, "<unk>": 1}
    for count in sorted(set(counts.values()), reverse=True):
        if count < min_count:
            break
        for word in counts:
            if counts[word] == count:
                vocabulary[word] = len(vocabulary)
    return vocabulary


@alternative("build_vocabulary", "all texts joined")
def build_vocabulary_joined(texts, min_count=1):
    counts = Counter("\n".join(texts).split())
    words = [word for word, count in counts.most_common() if count >= min_count]
    return dict(zip(["<pad>", "<unk>"] + words, range(len(words) + 2)))


@alternative("encode", "a loop and a question")
def encode_loop(text, vocabulary):
    ids = []
    for word in text.split():
        if word in vocabulary:
            ids += [vocabulary[word]]
        else:
            ids += [vocabulary["<unk>"]]
    return ids


@alternative("pad_batch", "torch's pad_sequence")
def pad_batch_torch(sequences):
    rows = [torch.tensor(sequence, dtype=torch.long) for sequence in sequences]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
    return ids, torch.LongTensor([row.numel() for row in rows])


@alternative("pad_batch", "lists filled up, then numpy")
def pad_batch_numpy(sequences):
    import numpy as np

    width = max(len(sequence) for sequence in sequences)
    table = np.zeros((len(sequences), width), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        table[row, : len(sequence)] = sequence
    return torch.from_numpy(table), torch.as_tensor([len(sequence) for sequence in sequences])


@alternative("SentimentClassifier", "packed, both directions")
class SentimentClassifierBoth(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.table = nn.Embedding(vocabulary_size, embedding)
        self.reader = nn.LSTM(embedding, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * hidden, classes))

    def forward(self, ids, lengths):
        ids = F.pad(ids, (0, 1))  # an empty text is one word of padding here
        packed = nn.utils.rnn.pack_padded_sequence(
            self.table(ids), lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.reader(packed)
        return self.head(torch.cat([h[-2], h[-1]], dim=1))


@alternative("SentimentClassifier", "the student's own LSTM, last state by gather")
class SentimentClassifierOwn(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.words = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = LSTM(embedding, hidden)  # noqa: F821 (the student's own)
        self.out = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        if ids.shape[1] == 0:
            ids = ids.new_zeros(ids.shape[0], 1)
        states, _ = self.lstm(self.words(ids))
        index = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, states.shape[2])
        last = states.gather(1, index).squeeze(1)
        return self.out(torch.where((lengths > 0)[:, None], last, torch.zeros_like(last)))


@alternative("SentimentClassifier", "the mean of the states over the real words", trained=True)
class SentimentClassifierMean(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.emb = nn.Embedding(vocabulary_size, embedding)
        self.rnn = nn.LSTM(embedding, hidden)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        out, _ = self.rnn(self.emb(F.pad(ids, (0, 1)).T))  # time first, on purpose
        real = (torch.arange(len(out), device=ids.device)[:, None] < lengths)[..., None]
        total = (out * real).sum(0)
        return self.fc(total / lengths.clamp(min=1)[:, None].to(total.dtype))


@alternative("SentimentClassifier", "a loop over nn.GRUCell, a state that waits")
class SentimentClassifierCell(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.table = nn.Embedding(vocabulary_size, embedding)
        self.cell = nn.GRUCell(embedding, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        h = self.table.weight.new_zeros(len(ids), self.cell.hidden_size)
        for t in range(ids.shape[1]):
            new = self.cell(self.table(ids[:, t]), h)
            h = torch.where((t < lengths)[:, None], new, h)
        return self.head(h)


@alternative("train_sentiment", "no zero_grad, loss from log_softmax, a schedule")
def train_sentiment_other(model, loader, epochs, lr, device):
    model = model.to(device)
    optimizer = torch.optim.Adam(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=lr
    )
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    history = []
    while len(history) < epochs:
        model.train(True)
        losses = []
        for batch in loader:
            ids, lengths, labels = (part.to(device) for part in batch)
            each = F.nll_loss(F.log_softmax(model(ids, lengths), -1), labels, reduction="none")
            each.mean().backward()
            optimizer.step()
            for parameter in model.parameters():
                parameter.grad = None
            losses += each.tolist()
        scheduler.step()
        history.append(sum(losses) / len(losses))
    return history
