"""Wrong answers to `lstm` that its graders must catch."""

from collections import Counter

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import edit, mistake

EDITS = [
    # rnn_cell
    edit("rnn_cell", "no tanh", "torch.tanh(", "("),
    edit("rnn_cell", "sigmoid", "torch.tanh(", "torch.sigmoid("),
    edit(
        "rnn_cell", "the memory's bias is missing", "F.linear(h, w_hh, b_hh)", "F.linear(h, w_hh)"
    ),
    edit("rnn_cell", "the memory is missing", " + F.linear(h, w_hh, b_hh)", ""),
    edit("rnn_cell", "transposed memory", "F.linear(h, w_hh, b_hh)", "(h @ w_hh + b_hh)"),
    edit("rnn_cell", "the graph is cut", "F.linear(h,", "F.linear(h.detach(),"),
    edit(
        "rnn_cell",
        "two tanh",
        "torch.tanh(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))",
        "torch.tanh(F.linear(x, w_ih, b_ih)) + torch.tanh(F.linear(h, w_hh, b_hh))",
    ),
    # lstm_cell
    edit("lstm_cell", "order i f o g", "i, f, g, o =", "i, f, o, g ="),
    edit("lstm_cell", "order f i g o", "i, f, g, o =", "f, i, g, o ="),
    edit("lstm_cell", "order i g f o", "i, f, g, o =", "i, g, f, o ="),
    edit("lstm_cell", "c not carried", "f.sigmoid() * c + ", ""),
    edit("lstm_cell", "no forget gate", "f.sigmoid() * c", "c"),
    edit("lstm_cell", "forget means forget", "f.sigmoid() * c", "(1 - f.sigmoid()) * c"),
    edit("lstm_cell", "tanh of g missing", "g.tanh()", "g"),
    edit("lstm_cell", "sigmoid of g", "g.tanh()", "g.sigmoid()"),
    edit("lstm_cell", "tanh of c missing", "c.tanh()", "c"),
    edit("lstm_cell", "c goes on through the tanh", "h = o", "c = c.tanh()\n    h = o"),
    edit("lstm_cell", "no output gate", "o.sigmoid() * c.tanh()", "c.tanh()"),
    edit("lstm_cell", "c comes back first", "return h, c", "return c, h"),
    edit("lstm_cell", "only h comes back", "return h, c", "return h"),
    edit("lstm_cell", "the graph is cut at c", "f.sigmoid() * c", "f.sigmoid() * c.detach()"),
    edit("lstm_cell", "one bias", "F.linear(h, w_hh, b_hh)", "F.linear(h, w_hh)"),
    edit(
        "lstm_cell",
        "interleaved gates",
        "sums.chunk(4, dim=1)",
        "sums.unflatten(1, (-1, 4)).unbind(2)",
    ),
    edit("lstm_cell", "c changed in place", "c = f.sigmoid() * c +", "c *= f.sigmoid(); c = c +"),
    edit(
        "lstm_cell",
        "sigmoid by hand that overflows",
        "f.sigmoid() * c",
        "f.exp() / (1 + f.exp()) * c",
    ),
    # gru_cell
    edit("gru_cell", "update gate swapped", "(1 - z) * n + z * h", "(1 - z) * h + z * n"),
    edit("gru_cell", "one part in another order", "h_r, h_z, h_n =", "h_z, h_r, h_n ="),
    edit(
        "gru_cell",
        "everything added at once",
        "torch.tanh(x_n + r * h_n)",
        "torch.tanh(r * (x_n + h_n))",
    ),
    edit("gru_cell", "reset gate not used", "r * h_n", "h_n"),
    edit(
        "gru_cell",
        "the reset gate before the matrix, as in the first paper",
        "r * h_n",
        "F.linear(r * h, w_hh.chunk(3)[2], b_hh.chunk(3)[2])",
    ),
    edit(
        "gru_cell",
        "the bias outside of the reset gate",
        "r * h_n",
        "r * F.linear(h, w_hh.chunk(3)[2]) + b_hh.chunk(3)[2]",
    ),
    edit("gru_cell", "no tanh", "torch.tanh(x_n + r * h_n)", "(x_n + r * h_n)"),
    edit("gru_cell", "sigmoid for the proposal", "torch.tanh(x_n", "torch.sigmoid(x_n"),
    edit("gru_cell", "the graph is cut at h", "z * h\n", "z * h.detach()\n"),
    edit("gru_cell", "n comes back", "return (1 - z) * n + z * h", "return n"),
    # LSTM
    edit("LSTM", "time first", "x.unbind(1)", "x.unbind(0)"),
    edit("LSTM", "outputs along the batch", "torch.stack(outputs, 1)", "torch.stack(outputs)"),
    edit("LSTM", "the given state is not used", "if state is None:", "if True:"),
    edit(
        "LSTM",
        "a start on the CPU in float32",
        "x.new_zeros(self.layers, len(x), self.hidden)",
        "torch.zeros(self.layers, len(x), self.hidden)",
    ),
    edit(
        "LSTM",
        "a start in float32",
        "x.new_zeros(self.layers, len(x), self.hidden)",
        "torch.zeros(self.layers, len(x), self.hidden, device=x.device)",
    ),
    edit(
        "LSTM",
        "always layer 0's state",
        "state[0][layer], state[1][layer]",
        "state[0][0], state[1][0]",
    ),
    edit(
        "LSTM",
        "h for c",
        "h, c = state[0][layer], state[1][layer]",
        "h, c = state[0][layer], state[0][layer]",
    ),
    edit(
        "LSTM",
        "c is not carried over the words",
        "h, c = lstm_cell(word, h, c, *weights)",
        "h, _ = lstm_cell(word, h, c, *weights)",
    ),
    edit(
        "LSTM",
        "c first in the state",
        "h, c = state[0][layer], state[1][layer]",
        "c, h = state[0][layer], state[1][layer]",
    ),
    edit(
        "LSTM",
        "c first in the result",
        "(torch.stack(last_h), torch.stack(last_c))",
        "(torch.stack(last_c), torch.stack(last_h))",
    ),
    edit(
        "LSTM",
        "the last layer's state only",
        "(torch.stack(last_h), torch.stack(last_c))",
        "(last_h[-1], last_c[-1])",
    ),
    edit(
        "LSTM",
        "states with the batch first",
        "(torch.stack(last_h), torch.stack(last_c))",
        "(torch.stack(last_h, 1), torch.stack(last_c, 1))",
    ),
    edit("LSTM", "the state is detached", "last_c.append(c)", "last_c.append(c.detach())"),
    edit("LSTM", "cut between the words", "outputs.append(h)", "outputs.append(h); h = h.detach()"),
    edit("LSTM", "weights at zero", "uniform_(-bound, bound)", "zero_()"),
    edit("LSTM", "weights of one value", "uniform_(-bound, bound)", "fill_(bound)"),
    edit("LSTM", "weights left as memory was", "uniform_(-bound, bound)", "fill_(float('nan'))"),
    edit(
        "LSTM",
        "weights are plain tensors",
        'self.register_parameter(f"{name}_l{layer}", nn.Parameter(values))',
        'setattr(self, f"{name}_l{layer}", values)',
    ),
    edit(
        "LSTM",
        "weights are buffers",
        'self.register_parameter(f"{name}_l{layer}", nn.Parameter(values))',
        'self.register_buffer(f"{name}_l{layer}", values)',
    ),
    edit(
        "LSTM",
        "only one layer is run",
        "for layer in range(self.layers):\n            weights",
        "for layer in range(1):\n            weights",
    ),
    edit(
        "LSTM",
        "the layers share layer 0's memory weights",
        'f"{name}_l{layer}") for name in names]',
        'f"{name}_l{layer}" if name == "weight_ih" else f"{name}_l0") for name in names]',
    ),
    edit(
        "LSTM",
        "every layer reads the words",
        "x = torch.stack(outputs, 1)  # (b, t, d)\n",
        "out = torch.stack(outputs, 1)\n            x = x if x.shape[2] == self.hidden and layer + 1 < self.layers else out\n",
    ),
    # build_vocabulary
    edit("build_vocabulary", "no special words", '["<pad>", "<unk>", *kept]', "kept"),
    edit("build_vocabulary", "specials swapped", '"<pad>", "<unk>"', '"<unk>", "<pad>"'),
    edit("build_vocabulary", "no <unk>", '["<pad>", "<unk>", *kept]', '["<pad>", *kept]'),
    edit("build_vocabulary", "min_count not used", "count >= min_count", "count"),
    edit("build_vocabulary", "more than min_count", "count >= min_count", "count > min_count"),
    edit(
        "build_vocabulary",
        "ties by the alphabet",
        "counts.most_common()",
        "sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))",
    ),
    edit("build_vocabulary", "by appearance", "counts.most_common()", "counts.items()"),
    edit(
        "build_vocabulary",
        "rarest first",
        "counts.most_common()",
        "sorted(counts.items(), key=lambda pair: pair[1])",
    ),
    edit(
        "build_vocabulary",
        "ties reversed",
        "counts.most_common()",
        "sorted(counts.items(), key=lambda pair: pair[1])[::-1]",
    ),
    edit("build_vocabulary", "lower case", "text.split()", "text.lower().split()"),
    edit("build_vocabulary", "split at single blanks", "text.split()", 'text.split(" ")'),
    edit("build_vocabulary", "letters", "text.split()", "text"),
    edit(
        "build_vocabulary",
        "English words only",
        "text.split()",
        '__import__("re").findall("[a-zA-Z]+", text)',
    ),
    edit(
        "build_vocabulary",
        "words without punctuation",
        "text.split()",
        '__import__("re").findall(r"\\w+", text)',
    ),
    edit("build_vocabulary", "once per text", "in text.split()", "in dict.fromkeys(text.split())"),
    # encode
    edit("encode", "unknown words are 0", "(word, 1)", "(word, 0)"),
    edit(
        "encode",
        "unknown words are dropped",
        "text.split()]",
        "text.split() if word in vocabulary]",
    ),
    edit("encode", "KeyError for unknown words", "vocabulary.get(word, 1)", "vocabulary[word]"),
    edit("encode", "letters", " in text.split()", " in text"),
    edit("encode", "lower case", "(word, 1)", "(word.lower(), 1)"),
    edit("encode", "single blanks", " in text.split()", ' in text.split(" ")'),
    edit(
        "encode", "new words are added", "vocabulary.get(word, 1)", "vocabulary.setdefault(word, 1)"
    ),
    edit("encode", "each word once", " in text.split()", " in dict.fromkeys(text.split())"),
    # pad_batch
    edit("pad_batch", "zeros in front", "row[: len(sequence)]", "row[len(row) - len(sequence) :]"),
    edit("pad_batch", "float ids", "max(lengths), dtype=torch.int64", "max(lengths)"),
    edit(
        "pad_batch",
        "ids in int32",
        "max(lengths), dtype=torch.int64",
        "max(lengths), dtype=torch.int32",
    ),
    edit(
        "pad_batch",
        "lengths of the padded rows",
        "torch.tensor(lengths)",
        "torch.full((len(ids),), ids.shape[1])",
    ),
    edit("pad_batch", "float lengths", "torch.tensor(lengths)", "torch.tensor(lengths).float()"),
    edit(
        "pad_batch",
        "sorted by length",
        "    lengths = [",
        "    sequences = sorted(sequences, key=len, reverse=True)\n    lengths = [",
    ),
    edit(
        "pad_batch",
        "an empty text has length 1",
        "[len(sequence) for",
        "[max(len(sequence), 1) for",
    ),
    edit("pad_batch", "time first", "return ids,", "return ids.T,"),
    edit("pad_batch", "one column more", "max(lengths), dtype", "max(lengths) + 1, dtype"),
    edit("pad_batch", "filled up with 1", "torch.zeros(", "torch.ones("),
    edit("pad_batch", "lengths as a list", "torch.tensor(lengths)", "lengths"),
    # SentimentClassifier
    edit(
        "SentimentClassifier",
        "the last column",
        "out[rows, lengths]",
        "out[:, -1]",
    ),
    edit(
        "SentimentClassifier",
        "the state after the padding",
        "out, _ = self.lstm(self.embedding(marked))  # (b, t + 1, d)",
        "_, (h, _) = self.lstm(self.embedding(marked)); out = h[-1][:, None].expand(-1, marked.shape[1], -1)",
    ),
    edit(
        "SentimentClassifier",
        "the first word",
        "out[rows, lengths]",
        "out[:, 1] if ids.shape[1] else out[:, 0]",
    ),
    edit(
        "SentimentClassifier",
        "the word before the last",
        "out[rows, lengths]",
        "out[rows, (lengths - 1).clamp(min=0)]",
    ),
    edit("SentimentClassifier", "time first", ", batch_first=True", ""),
    edit(
        "SentimentClassifier",
        "softmax",
        "self.classifier(out[rows, lengths])",
        "self.classifier(out[rows, lengths]).softmax(1)",
    ),
    edit(
        "SentimentClassifier",
        "log_softmax",
        "self.classifier(out[rows, lengths])",
        "self.classifier(out[rows, lengths]).log_softmax(1)",
    ),
    edit(
        "SentimentClassifier",
        "softmax over the batch",
        "self.classifier(out[rows, lengths])",
        "self.classifier(out[rows, lengths]).softmax(0)",
    ),
    edit(
        "SentimentClassifier",
        "ReLU at the end",
        "self.classifier(out[rows, lengths])",
        "self.classifier(out[rows, lengths]).relu()",
    ),
    edit(
        "SentimentClassifier",
        "squeeze",
        "self.classifier(out[rows, lengths])",
        "self.classifier(out[rows, lengths]).squeeze()",
    ),
    edit(
        "SentimentClassifier",
        "a mark on the CPU",
        "F.pad(ids, (1, 0))",
        "torch.cat([torch.zeros(len(ids), 1, dtype=torch.long), ids], 1)",
    ),
    edit(
        "SentimentClassifier",
        "dropout that never rests",
        "out[rows, lengths]",
        "F.dropout(out[rows, lengths], 0.2)",
    ),
    edit(
        "SentimentClassifier",
        "always two classes",
        "nn.Linear(hidden, classes)",
        "nn.Linear(hidden, 2)",
    ),
    edit(
        "SentimentClassifier",
        "always 100 words",
        "nn.Embedding(vocabulary_size,",
        "nn.Embedding(4,",
    ),
    edit("SentimentClassifier", "one score per word", "out[rows, lengths]", "out"),
    edit(
        "SentimentClassifier", "the mean over the padding too", "out[rows, lengths]", "out.mean(1)"
    ),
    edit(
        "SentimentClassifier",
        "the embedding is not trained",
        "self.embedding(marked)",
        "self.embedding(marked).detach()",
    ),
    edit(
        "SentimentClassifier",
        "lengths changed in place",
        "out[rows, lengths]",
        "out[rows, lengths.add_(1).sub(1)]",
    ),
    # train_sentiment
    edit(
        "train_sentiment",
        "weights moved although the learning rate is 0",
        "    return history",
        "    if lr == 0:\n        for p in model.parameters():\n            p.data.add_(1.0)\n    return history",
    ),
    edit("train_sentiment", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit(
        "train_sentiment",
        "zero_grad between backward and step",
        "loss.backward()",
        "loss.backward(); optimizer.zero_grad()",
    ),
    edit("train_sentiment", "no step", "optimizer.step()", "pass", baseline_of=["reviews_doubt"]),
    edit("train_sentiment", "no training mode", "model.train()", "pass"),
    edit(
        "train_sentiment",
        "mean of batch means",
        "total += loss.item() * len(labels)\n            samples += len(labels)",
        "total += loss.item()\n            samples += 1",
    ),
    edit(
        "train_sentiment",
        "divided by the size of the data set",
        "total / samples",
        "total / len(loader.dataset)",
    ),
    edit("train_sentiment", "the sum", "total / samples", "total"),
    edit("train_sentiment", "tensors in the history", "loss.item()", "loss.detach()"),
    edit(
        "train_sentiment",
        "softmax twice",
        "model(ids, lengths), labels)",
        "model(ids, lengths).softmax(1), labels)",
        baseline_of=["reviews_loss"],
    ),
    edit(
        "train_sentiment",
        "softmax over the batch",
        "model(ids, lengths), labels)",
        "model(ids, lengths).softmax(0), labels)",
    ),
    edit("train_sentiment", "the learning rate is not used", "lr=lr", "lr=0.01"),
    edit(
        "train_sentiment",
        "only the last layer is trained",
        "(model.parameters(), lr",
        "(list(model.parameters())[-1:], lr",
    ),
    edit("train_sentiment", "lengths stay on the CPU", "lengths.to(device)", "lengths"),
    edit("train_sentiment", "the model stays on the CPU", "model.to(device)", "pass"),
    edit("train_sentiment", "labels stay on the CPU", "labels.to(device)", "labels"),
    edit(
        "train_sentiment",
        "full width in place of the lengths",
        "lengths.to(device)",
        "torch.full_like(lengths, ids.shape[1]).to(device)",
    ),
    edit(
        "train_sentiment",
        "one loss a batch",
        "            samples += len(labels)\n",
        "            samples += len(labels)\n            history.append(loss.item())\n",
    ),
    edit("train_sentiment", "one epoch too many", "range(epochs)", "range(epochs + 1)"),
    edit(
        "train_sentiment",
        "the first batch only",
        "            samples += len(labels)\n",
        "            samples += len(labels)\n            break\n",
    ),
    edit("train_sentiment", "the loss goes up", "loss.backward()", "(-loss).backward()"),
    edit(
        "train_sentiment",
        "the sum runs on over the epochs",
        "total, samples = 0.0, 0",
        "total, samples = (total if history else 0.0), 0",
    ),
    edit("train_sentiment", "nothing comes back", "    return history\n", "    print(history)\n"),
    edit(
        "train_sentiment",
        "a copy is trained",
        "model.to(device)",
        "model = __import__('copy').deepcopy(model).to(device)",
    ),
]


@mistake("rnn_cell", "torch's own cell")
def rnn_cell_torch(x, h, w_ih, w_hh, b_ih, b_hh):
    cell = nn.RNNCell(x.shape[1], h.shape[1])
    return torch.func.functional_call(
        cell, {"weight_ih": w_ih, "weight_hh": w_hh, "bias_ih": b_ih, "bias_hh": b_hh}, (x, h)
    )


@mistake("lstm_cell", "torch's own function")
def lstm_cell_torch(x, h, c, w_ih, w_hh, b_ih, b_hh):
    return torch.lstm_cell(x, (h, c), w_ih, w_hh, b_ih, b_hh)


@mistake("lstm_cell", "h is made from the old c")
def lstm_cell_old(x, h, c, w_ih, w_hh, b_ih, b_hh):
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, 1)
    return o.sigmoid() * c.tanh(), f.sigmoid() * c + i.sigmoid() * g.tanh()


@mistake("gru_cell", "the blocks in the order z, r, n, as in other libraries")
def gru_cell_zrn(x, h, w_ih, w_hh, b_ih, b_hh):
    x_z, x_r, x_n = (x @ w_ih.T + b_ih).chunk(3, 1)
    h_z, h_r, h_n = (h @ w_hh.T + b_hh).chunk(3, 1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return (1 - z) * n + z * h


@mistake("LSTM", "torch's own layer inside")
class LSTMTorch(nn.LSTM):
    def __init__(self, inputs, hidden, layers=1):
        super().__init__(inputs, hidden, layers, batch_first=True)


@mistake("LSTM", "names of its own")
class LSTMNames(nn.Module):
    def __init__(self, inputs, hidden, layers=1):
        super().__init__()
        self.cells = nn.ModuleList(
            nn.LSTMCell(inputs if layer == 0 else hidden, hidden) for layer in range(layers)
        )

    def forward(self, x, state=None):
        h, c = [], []
        for layer, cell in enumerate(self.cells):
            at = None if state is None else (state[0][layer], state[1][layer])
            outs = []
            for word in x.unbind(1):
                at = cell(word, at)
                outs.append(at[0])
            x = torch.stack(outs, 1)
            h.append(at[0])
            c.append(at[1])
        return x, (torch.stack(h), torch.stack(c))


@mistake("LSTM", "the state is kept for the next batch")
class LSTMLeak(nn.Module):
    def __init__(self, inputs, hidden, layers=1):
        super().__init__()
        self.layers, self.hidden, self.state = layers, hidden, None
        for layer in range(layers):
            for name, shape in (
                ("weight_ih", (4 * hidden, hidden if layer else inputs)),
                ("weight_hh", (4 * hidden, hidden)),
                ("bias_ih", (4 * hidden,)),
                ("bias_hh", (4 * hidden,)),
            ):
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.randn(shape) / 4))

    def forward(self, x, state=None):
        if state is None:
            state = self.state
        if state is None or state[0].shape[1] != len(x):
            state = (x.new_zeros(self.layers, len(x), self.hidden),) * 2
        h_all, c_all = [], []
        for layer in range(self.layers):
            own = [
                getattr(self, f"{name}_l{layer}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            h, c = state[0][layer], state[1][layer]
            outs = []
            for word in x.unbind(1):
                h, c = lstm_cell(word, h, c, *own)
                outs.append(h)
            x = torch.stack(outs, 1)
            h_all.append(h)
            c_all.append(c)
        last = torch.stack(h_all), torch.stack(c_all)
        self.state = last[0].detach(), last[1].detach()
        return x, last


@mistake("LSTM", "the given state is changed in place")
class LSTMInPlace(nn.Module):
    def __init__(self, inputs, hidden, layers=1):
        super().__init__()
        self.layers, self.hidden = layers, hidden
        for layer in range(layers):
            for name, shape in (
                ("weight_ih", (4 * hidden, hidden if layer else inputs)),
                ("weight_hh", (4 * hidden, hidden)),
                ("bias_ih", (4 * hidden,)),
                ("bias_hh", (4 * hidden,)),
            ):
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.randn(shape) / 4))

    def forward(self, x, state=None):
        if state is None:
            state = tuple(x.new_zeros(self.layers, len(x), self.hidden) for _ in range(2))
        h_all, c_all = [], []
        for layer in range(self.layers):
            own = [
                getattr(self, f"{name}_l{layer}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            h, c = state[0][layer], state[1][layer]
            outs = []
            for word in x.unbind(1):
                h, c = lstm_cell(word, h, c, *own)
                outs.append(h)
            x = torch.stack(outs, 1)
            h_all.append(h)
            c_all.append(c)
        last = torch.stack(h_all), torch.stack(c_all)
        with torch.no_grad():
            state[0].data.copy_(last[0].detach())
            state[1].data.copy_(last[1].detach())
        return x, last


@mistake("build_vocabulary", "a set, in alphabetical order so that it is always the same")
def build_vocabulary_set(texts, min_count=1):
    counts = Counter(" ".join(texts).split())
    words = sorted(word for word in set(counts) if counts[word] >= min_count)
    return {"<pad>": 0, "<unk>": 1} | {word: number for number, word in enumerate(words, 2)}


@mistake("build_vocabulary", "min_count over texts, not occurrences")
def build_vocabulary_texts(texts, min_count=1):
    counts = Counter(word for text in texts for word in text.split())
    seen_in = Counter(word for text in texts for word in set(text.split()))
    kept = [word for word, _ in counts.most_common() if seen_in[word] >= min_count]
    return {word: number for number, word in enumerate(["<pad>", "<unk>", *kept])}


@mistake("pad_batch", "torch.tensor makes floats of an empty list")
def pad_batch_floats(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    rows = [torch.tensor(sequence) for sequence in sequences]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths


@mistake("pad_batch", "the lists of the caller are filled up")
def pad_batch_in_place(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    width = max(map(len, sequences))
    for sequence in sequences:
        sequence.extend([0] * (width - len(sequence)))
    return torch.tensor(sequences, dtype=torch.int64), lengths


@mistake("pad_batch", "cut to the shortest")
def pad_batch_cut(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    rows = list(zip(*sequences))
    return torch.tensor(rows, dtype=torch.int64).T, lengths


@mistake("SentimentClassifier", "a bag of words", baseline_of=["classifier_loss"])
class SentimentClassifierBag(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.layers = nn.Sequential(
            nn.Linear(embedding, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, ids, lengths):
        mean = self.embedding(ids).sum(1) / lengths.clamp(min=1)[:, None]
        return self.layers(mean)


@mistake("SentimentClassifier", "length - 1, also for empty texts")
class SentimentClassifierMinusOne(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        out, _ = self.lstm(self.embedding(ids))
        return self.classifier(out[torch.arange(len(ids), device=ids.device), lengths - 1])


@mistake("SentimentClassifier", "packed without the order of the batch given back")
class SentimentClassifierSorted(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        lengths, order = lengths.clamp(min=1).sort(descending=True)
        words = self.embedding(F.pad(ids, (0, 1))[order])
        packed = nn.utils.rnn.pack_padded_sequence(words, lengths.cpu(), batch_first=True)
        return self.classifier(self.lstm(packed)[1][0][-1])


@mistake("SentimentClassifier", "packed with lengths on the GPU")
class SentimentClassifierLengths(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(F.pad(ids, (0, 1))),
            lengths.clamp(min=1),
            batch_first=True,
            enforce_sorted=False,
        )
        return self.classifier(self.lstm(packed)[1][0][-1])


@mistake("SentimentClassifier", "h[0] of two layers, h of the first layer only")
class SentimentClassifierH0(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, num_layers=2, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(F.pad(ids, (0, 1))),
            lengths.clamp(min=1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        return self.classifier(self.lstm(packed)[1][0][0])


@mistake("SentimentClassifier", "a start on the CPU")
class SentimentClassifierStart(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        start = torch.zeros(1, len(ids), self.hidden)
        out, _ = self.lstm(self.embedding(F.pad(ids, (1, 0))), (start, start))
        return self.classifier(out[torch.arange(len(ids)), lengths])


@mistake("SentimentClassifier", "the state goes on from batch to batch")
class SentimentClassifierLeak(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.state = None
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        if self.state is not None and self.state[0].shape[1] != len(ids):
            self.state = None
        out, state = self.lstm(self.embedding(F.pad(ids, (1, 0))), self.state)
        self.state = tuple(part.detach() for part in state)
        return self.classifier(out[torch.arange(len(ids), device=ids.device), lengths])


@mistake("SentimentClassifier", "layers in a plain list")
class SentimentClassifierList(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.layers = [nn.LSTM(embedding, hidden, batch_first=True), nn.Linear(hidden, classes)]

    def forward(self, ids, lengths):
        out, _ = self.layers[0](self.embedding(F.pad(ids, (1, 0))))
        return self.layers[1](out[torch.arange(len(ids), device=ids.device), lengths])


@mistake("SentimentClassifier", "the mean of an empty text")
class SentimentClassifierMean(nn.Module):
    def __init__(self, vocabulary_size, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, ids, lengths):
        ids = F.pad(ids, (0, 1))
        out, _ = self.lstm(self.embedding(ids))
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        return self.classifier((out * real[..., None]).sum(1) / lengths[:, None])
