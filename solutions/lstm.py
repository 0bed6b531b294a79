# %% [markdown]
# # LSTM: networks that read
#
# A sentence is a row of words, and the order matters. These two reviews hold exactly the same words:
#
# > the food was **good** but the film was **bad** &nbsp; (a bad review)
# >
# > the film was **bad** but the food was **good** &nbsp; (a good one)
#
# Whoever only counts words cannot tell them apart. A *recurrent* network reads as you do: one word
# after the other, from left to right. It keeps a few numbers in mind, the **hidden state**, and
# each new word changes them a little. After the last word, the hidden state holds what was read.
#
# Here you write the three famous cells (a *cell* is the rule for one step), a whole LSTM of several
# layers, and everything around it: from words to numbers, from texts of unequal length to one
# tensor, a classifier, and its training. Afterwards you will be able to
#
# - say what `nn.RNN`, `nn.LSTM` and `nn.GRU` compute, number by number, and load their weights into
#   your own code,
# - read a state correctly: which axis is time, which is the layer, and where the last word is,
# - handle texts of unequal length so that neither padding nor neighbours change an answer,
# - train a network that reads reviews, in English and in Korean at the same time.
#
# Words used on this page, with the letters that stand for them in shapes:
#
# | word | letter | meaning |
# |---|---|---|
# | batch | `b` | how many texts are read at once |
# | time | `t` | the steps, one per word: at least as many as the longest text has words |
# | inputs | `i` | numbers per word that go into a cell |
# | hidden | `d` | numbers in the hidden state |
# | layers | `l` | how many cells stand on top of each other |

# %%
from collections import Counter

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader

# %% [markdown]
# ## 1. rnn_cell
#
# The simplest cell. It has the new word $x$ ($i$ numbers; section 8 tells how a word becomes that)
# and the old hidden state $h$ ($d$ numbers), and makes the new hidden state:
#
# $$h' = \tanh(W_{ih}\, x + b_{ih} + W_{hh}\, h + b_{hh})$$
#
# The matrix $W_{ih}$ (say "input to hidden", shape $d \times i$) looks at the word, and $W_{hh}$
# ("hidden to hidden", $d \times d$) looks at the memory, which is $h$. The biases $b_{ih}$ and
# $b_{hh}$ ($d$ numbers each) are added. The same four are used for every word. $\tanh$ squeezes
# every number into $(-1, 1)$, so that the state cannot grow without end. Two biases that are
# simply added could be one; torch keeps both, so we do as well.
#
# **By hand**, with one number each: $x = 1$, $h = 0.5$, $W_{ih} = 2$, $b_{ih} = 0.1$, $W_{hh} = -1$,
# $b_{hh} = -0.6$. Inside stands $2 \cdot 1 + 0.1 - 1 \cdot 0.5 - 0.6 = 1$, so
# $h' = \tanh(1) = 0.7616$.
#
# **Rows, not columns.** The formula speaks of one column $x$. In a batch each text is a *row*, and
# the weights are stored as (outputs, inputs), so you need $x\,W^\top + b$. `F.linear` does that:
#
# ```pycon
# >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # two texts, two numbers each
# >>> w = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 10.0]])  # three outputs
# >>> F.linear(x, w, torch.tensor([0.5, 0.0, 0.0]))
# tensor([[ 3.5000,  1.0000, 20.0000],
#         [ 7.5000,  3.0000, 40.0000]])
# ```
#
# **Trap.** `w_hh` is square: transposed by mistake, it raises no error and gives wrong numbers.
# When `i` equals `d`, the same holds for a transposed `w_ih`, and for the two swapped. Compare
# numbers with torch's, not only shapes.
#
# In this task and the next two, write the formula yourself: torch's own cells (`nn.RNNCell`,
# `torch.lstm_cell`, `nn.GRU`, ...) are not allowed. Compare with them as much as you like.


# %%
def rnn_cell(
    x: Float[Tensor, "b i"],
    h: Float[Tensor, "b d"],
    w_ih: Float[Tensor, "d i"],
    w_hh: Float[Tensor, "d d"],
    b_ih: Float[Tensor, " d"],
    b_hh: Float[Tensor, " d"],
) -> Float[Tensor, "b d"]:
    """Read one word of each text: the new hidden state of a plain recurrent cell (tanh).

    Weights have the shapes of `nn.RNNCell` (J. Elman, "Finding Structure in Time", 1990).
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: Two calls of `F.linear`: one for the word, one for the memory. Which goes with which?
    # HINT: Add the two, biases and all, and only then squeeze the sum, with `torch.tanh`.
    return torch.tanh(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))
    ### END SOLUTION


# %% [markdown]
# ## 2. lstm_cell
#
# The plain cell forgets quickly: at each word the *whole* state is mixed anew, and after twenty words
# there is little left of the first. (In training, the gradient goes back from the last word to the
# first, and suffers the same: each step multiplies it by $W_{hh}$ and by the slope of $\tanh$, at
# most 1. Where 0.8 of it is left each time, $0.8^{20} = 0.01$ is left after twenty words.)
#
# The LSTM (*long short-term memory*) has a second state $c$, the **cell state**: a sheet of paper on
# which numbers stay as they are unless somebody changes them. Three **gates** decide what happens. A
# gate is a number between 0 (closed) and 1 (open), made by the sigmoid
# $\sigma(a) = 1 / (1 + e^{-a})$. Each of the $d$ numbers of the state (each *place*) has its own:
#
# $$\begin{aligned}
# i &= \sigma(W_{ii}\,x + b_{ii} + W_{hi}\,h + b_{hi}) && \text{input gate: how much is written} \\
# f &= \sigma(W_{if}\,x + b_{if} + W_{hf}\,h + b_{hf}) && \text{forget gate: how much stays} \\
# g &= \tanh(W_{ig}\,x + b_{ig} + W_{hg}\,h + b_{hg}) && \text{what would be written} \\
# o &= \sigma(W_{io}\,x + b_{io} + W_{ho}\,h + b_{ho}) && \text{output gate: how much is shown} \\
# c' &= f \odot c + i \odot g && \text{keep some, write some} \\
# h' &= o \odot \tanh(c') && \text{show some}
# \end{aligned}$$
#
# The letters of a weight say from where to where: $W_{hf}$ leads from the hidden state to the forget
# gate, $W_{if}$ from the input to it, $W_{ii}$ from the input to the input gate. ($i$ alone is the
# input gate here; in shapes it counts the inputs.)
# $\odot$ multiplies place by place. Mind that $f = 1$ means *keep everything*: the forget gate is
# really a "remember gate".
#
# The notebook of this page draws one step as a machine: the old $c$ runs straight through at the top,
# is multiplied by $f$, gets $i \odot g$ added, and goes on to the next word; at the bottom, $x$ and
# $h$ feed the four boxes; on the right $\tanh(c')$ times $o$ leaves as $h'$. Nothing but a product
# and a sum stands on the way from $c$ to $c'$: that is why an LSTM can remember for long.

# %% tags=["picture"]
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7.5, 3.4))
places = {"σ\nforget f": (2, 1.2), "σ\ninput i": (3.6, 1.2), "tanh\nwrite g": (5.2, 1.2)}
places |= {"σ\noutput o": (6.8, 1.2), "tanh": (8, 2.4)}
for words, place in places.items():
    box = {"boxstyle": "round", "fc": "gold" if "tanh" in words else "lightblue"}
    axes.text(*place, words, ha="center", va="center", bbox=box)
for sign, x, y in [("×", 2, 3.5), ("+", 4.4, 3.5), ("×", 4.4, 2.4), ("×", 8, 1.2)]:
    axes.text(x, y, sign, ha="center", va="center", bbox={"boxstyle": "circle", "fc": "white"})
for words, x, y in [("c", 0.6, 3.5), ("c'", 9.4, 3.5), ("x, h", 0.4, 0.2), ("h'", 9.4, 1.2)]:
    axes.text(x, y, words, ha="center", va="center", fontsize=13)
arrows = [
    (0.8, 3.5, 1.75, 3.5),
    (2.25, 3.5, 4.15, 3.5),
    (4.65, 3.5, 9.2, 3.5),
    (0.8, 0.2, 6.8, 0.2),
]
arrows += [(x, 0.2, x, 0.85) for x in (2, 3.6, 5.2, 6.8)] + [(2, 1.6, 2, 3.2), (4.4, 2.7, 4.4, 3.2)]
arrows += [(3.6, 1.6, 4.2, 2.2), (5.2, 1.6, 4.6, 2.2), (8, 3.5, 8, 2.65), (8, 2.15, 8, 1.5)]
for x, y, to_x, to_y in [*arrows, (7.4, 1.2, 7.7, 1.2), (8.3, 1.2, 9.2, 1.2)]:
    axes.annotate("", (to_x, to_y), (x, y), arrowprops={"arrowstyle": "->"})
axes.set(xlim=(0, 9.8), ylim=(-0.1, 4), title="one step of an LSTM")
axes.plot([], [])
axes.axis("off")
plt.show()

# %% [markdown]
# **One matrix for all four.** The weights of the four formulas are stored on top of each other:
# `w_ih` has $4d$ rows, first the $d$ rows of $W_{ii}$, then $W_{if}$, $W_{ig}$, $W_{io}$; `w_hh`
# and the biases likewise. One `F.linear` gives its part of all four sums side by side, and `chunk`
# cuts them apart:
#
# ```pycon
# >>> torch.tensor([[1, 1, 2, 2, 3, 3, 4, 4]]).chunk(4, dim=1)
# (tensor([[1, 1]]), tensor([[2, 2]]), tensor([[3, 3]]), tensor([[4, 4]]))
# ```
#
# **By hand**, with $d = 1$. Say that the four sums are $0$, $1.0986$, $0.5493$, $0$. Then
# $i = \sigma(0) = 0.5$, $f = \sigma(1.0986) = 0.75$, $g = \tanh(0.5493) = 0.5$, $o = 0.5$. With
# $c = 3$ the new cell state is $c' = 0.75 \cdot 3 + 0.5 \cdot 0.5 = 2.5$. It may well be above 1! And
# $h' = 0.5 \cdot \tanh(2.5) = 0.5 \cdot 0.9866 = 0.4933$.
#
# **What gates are good for.** Let us set the gates of one place by hand, for the review "the food was
# good but the film was bad". `good` writes +1 and `bad` writes −1: the input gate opens there. `but`
# closes the forget gate, since what came before does not count any more:
#
# ```pycon
# >>> c = 0.0
# >>> for word, f, i, g in [("good", 1, 1, 1), ("but", 0, 0, 0), ("film", 1, 0, 0), ("bad", 1, 1, -1)]:
# ...     c = f * c + i * g
# ...     print(word, c)
# good 1.0
# but 0.0
# film 0.0
# bad -1.0
# ```
#
# The notebook draws it for all nine words: a bar for each gate, dark where it is open, and below
# them the cell state: 0, up to 1 at `good`, back to 0 at `but`, down to −1 at `bad`. Training finds
# such gates by itself, softer and for many places at once.

# %% tags=["picture"]
import matplotlib.pyplot as plt

words = ["the", "food", "was", "good", "but", "the", "film", "was", "bad"]
forget = [0.0 if word == "but" else 1.0 for word in words]
write = [1.0 if word in ("good", "bad") else 0.0 for word in words]
cell = [0.0]
for word, f, i in zip(words, forget, write, strict=True):
    cell.append(f * cell[-1] + i * (1.0 if word == "good" else -1.0))
figure, (top, bottom) = plt.subplots(2, 1, figsize=(7.5, 3.6), sharex=True)
top.imshow([write, forget], cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
top.set(yticks=[0, 1], yticklabels=["input gate", "forget gate"], title="dark: open")
bottom.step(range(-1, len(words)), cell, where="mid", marker="o")
bottom.set(xticks=range(len(words)), xticklabels=words, ylabel="cell state c", ylim=(-1.3, 1.3))
bottom.set_xlim(-0.5, len(words) - 0.5)
bottom.axhline(0, color="grey", linewidth=0.5)
plt.tight_layout()
plt.show()

# %% [markdown]
# **Traps.** Torch's order is $i, f, g, o$; books and other libraries have other orders, and a wrong
# one raises no error. $g$ has a tanh, the other three have a sigmoid. $h'$ is made from the *new*
# $c'$, with a second tanh. And the order of what comes back is $(h', c')$, as in `nn.LSTMCell`.


# %%
def lstm_cell(
    x: Float[Tensor, "b i"],
    h: Float[Tensor, "b d"],
    c: Float[Tensor, "b d"],
    w_ih: Float[Tensor, "4*d i"],
    w_hh: Float[Tensor, "4*d d"],
    b_ih: Float[Tensor, " 4*d"],
    b_hh: Float[Tensor, " 4*d"],
) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
    """Read one word of each text: the new hidden state and the new cell state, `(h, c)`.

    Weights have the shapes of `nn.LSTMCell`, with the gates in torch's order i, f, g, o
    (S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997; forget gate: F. Gers and
    others, 2000).
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: First all four sums at once, as in rnn_cell but without the tanh: shape (b, 4 * d).
    sums = F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh)  # (b, 4 * d)
    i, f, g, o = sums.chunk(4, dim=1)  # (b, d) each

    # HINT: sigmoid for i, f and o; tanh for g. Keep f of the old c and add i of g.
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h, c
    ### END SOLUTION


# %% [markdown]
# ## 3. gru_cell
#
# The GRU (*gated recurrent unit*) is the LSTM's younger sister: no second state, two gates, three
# blocks of weights in the order $r, z, n$.
#
# $$\begin{aligned}
# r &= \sigma(W_{ir}\,x + b_{ir} + W_{hr}\,h + b_{hr}) && \text{reset: how much memory counts} \\
# z &= \sigma(W_{iz}\,x + b_{iz} + W_{hz}\,h + b_{hz}) && \text{update gate: how much of the old stays} \\
# n &= \tanh\bigl(W_{in}\,x + b_{in} + r \odot (W_{hn}\,h + b_{hn})\bigr) && \text{the new proposal} \\
# h' &= (1 - z) \odot n + z \odot h
# \end{aligned}$$
#
# The last line is a weighted mean: with $z = 1$ nothing changes, with $z = 0$ everything is new.
#
# **By hand**, with $d = 1$: $r = 0.5$, $z = 0.75$, old $h = 2$. The word's part of $n$ is
# $W_{in} x + b_{in} = 0$, the memory's part is $W_{hn} h + b_{hn} = 1.0986$. So
# $n = \tanh(0 + 0.5 \cdot 1.0986) = 0.5$ and $h' = 0.25 \cdot 0.5 + 0.75 \cdot 2 = 1.625$.
#
# **Traps.** You will meet three forms of the GRU, and only the one above is torch's:
#
# 1. Torch: $r$ multiplies the memory's part **after** the matrix and **with its bias**.
# 2. The published paper (Cho and others, 2014) has $W_{hn}(r \odot h)$: other numbers.
# 3. Some papers and tutorials swap the roles in the last line: $(1 - z) \odot h + z \odot n$.
#
# And since $r$ meets only the memory's part, you must **not** add word and memory for all three
# blocks at once, as the LSTM does. Keep the two apart:
#
# ```pycon
# >>> word = torch.tensor([[1.0, 2.0, 0.0]])  # from x: r, z, n
# >>> memory = torch.tensor([[-1.0, -2.0, 10.0]])  # from h: r, z, n
# >>> r = torch.sigmoid(word[:, 0] + memory[:, 0])
# >>> word[:, 2] + r * memory[:, 2]
# tensor([5.])
# ```


# %%
def gru_cell(
    x: Float[Tensor, "b i"],
    h: Float[Tensor, "b d"],
    w_ih: Float[Tensor, "3*d i"],
    w_hh: Float[Tensor, "3*d d"],
    b_ih: Float[Tensor, " 3*d"],
    b_hh: Float[Tensor, " 3*d"],
) -> Float[Tensor, "b d"]:
    """Read one word of each text: the new hidden state of a gated recurrent unit.

    Weights have the shapes of `nn.GRUCell`, with the blocks in torch's order r, z, n; the reset
    gate multiplies `W_hn h + b_hn` as in torch (after K. Cho and others, "Learning Phrase
    Representations using RNN Encoder-Decoder", 2014).
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: Two `F.linear`, each cut into three with `chunk(3, dim=1)`, and not yet added.
    x_r, x_z, x_n = F.linear(x, w_ih, b_ih).chunk(3, dim=1)  # (b, d) each
    h_r, h_z, h_n = F.linear(h, w_hh, b_hh).chunk(3, dim=1)

    # HINT: For r and z, word and memory are added. For n, r multiplies the memory's part first.
    r = torch.sigmoid(x_r + h_r)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return (1 - z) * n + z * h
    ### END SOLUTION


# %% [markdown]
# ## 4. LSTM
#
# Now whole texts. The cell goes over the words from the first to the last and hands its two states
# on. What comes out at each word is $h'$; these are collected along the time axis. With several
# layers, the second layer reads the outputs of the first as if they were words, and so on. Each
# layer has its own weights and its own two states.
#
# Your class takes and returns what `nn.LSTM(inputs, hidden, layers, batch_first=True)` does:
#
# | name | shape | what |
# |---|---|---|
# | `x` | `(b, t, i)` | the words as numbers; **batch first**, then time |
# | `state` | `(h, c)`, each `(l, b, d)` | where to start, layer by layer; `None` means zeros |
# | `out` | `(b, t, d)` | the `h` of the **last layer** after every word |
# | result | `(out, (h, c))` | the states of **every layer** after the last word, to go on from there |
#
# **Which is the last?** With one layer, the last output is the last state: `out[:, -1]` equals
# `h[0]`. With two layers, `out[:, -1]` equals `h[-1]`, the state of the last layer, and `h[0]` is
# something else.
#
# ```pycon
# >>> torch_lstm = nn.LSTM(3, 4, num_layers=2, batch_first=True)
# >>> out, (h, c) = torch_lstm(torch.randn(5, 7, 3))
# >>> out.shape, h.shape
# (torch.Size([5, 7, 4]), torch.Size([2, 5, 4]))
# >>> torch.equal(out[:, -1], h[-1]), torch.equal(out[:, -1], h[0])
# (True, False)
# ```
#
# **The names of the weights** must be torch's, so that you can load what others have trained:
# these, and no other parameters or buffers. (`l0` is a small L and the number of the layer.)
#
# ```pycon
# >>> for name, parameter in nn.LSTM(3, 4, num_layers=2).named_parameters():
# ...     print(name, tuple(parameter.shape))
# weight_ih_l0 (16, 3)
# weight_hh_l0 (16, 4)
# bias_ih_l0 (16,)
# bias_hh_l0 (16,)
# weight_ih_l1 (16, 4)
# weight_hh_l1 (16, 4)
# bias_ih_l1 (16,)
# bias_hh_l1 (16,)
# ```
#
# A name that is made while the program runs needs two helpers, one to set and one to get:
#
# ```pycon
# >>> class Steps(nn.Module):
# ...     def __init__(self):
# ...         super().__init__()
# ...         for number in range(2):
# ...             self.register_parameter(f"step_{number}", nn.Parameter(torch.full((1,), 0.5)))
# >>> getattr(Steps(), "step_1")
# Parameter containing:
# tensor([0.5000], requires_grad=True)
# ```
#
# **Traps.** Do not start the weights at zero: no gradient gets back through a matrix of zeros, so
# with two layers the lower one never learns. Draw each number at random between $-1/\sqrt d$ and
# $1/\sqrt d$, as torch does; `tensor.uniform_(low, high)` fills a tensor in this way. The zeros
# that the *state* starts from must have the dtype and the device of `x` (`x.new_zeros`): a plain
# `torch.zeros` breaks on a GPU. Don't keep the state in `self` either: the next batch has other
# texts. It comes in as an argument and goes out as a result.
#
# Write the walk over the words yourself. You may call your `lstm_cell` for each step; `nn.LSTM`
# and `nn.LSTMCell` are not allowed.


# %%
class LSTM(nn.Module):
    """`nn.LSTM(inputs, hidden, layers, batch_first=True)`, with the same parameter names."""

    def __init__(self, inputs: int, hidden: int, layers: int = 1) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 40 minutes, hard
        self.hidden, self.layers = hidden, layers
        bound = hidden**-0.5
        for layer in range(layers):
            # HINT: Layer 0 reads words of `inputs` numbers. What do the layers above it read?
            width = inputs if layer == 0 else hidden
            shapes = {
                "weight_ih": (4 * hidden, width),
                "weight_hh": (4 * hidden, hidden),
                "bias_ih": (4 * hidden,),
                "bias_hh": (4 * hidden,),
            }
            for name, shape in shapes.items():
                values = torch.empty(shape).uniform_(-bound, bound)
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(values))
        ### END SOLUTION

    def forward(
        self,
        x: Float[Tensor, "b t i"],
        state: tuple[Float[Tensor, "l b d"], Float[Tensor, "l b d"]] | None = None,
    ) -> tuple[Float[Tensor, "b t d"], tuple[Float[Tensor, "l b d"], Float[Tensor, "l b d"]]]:
        """Read whole texts, from `state` or from zeros: `(out, (h, c))`, as `nn.LSTM` does."""
        ### BEGIN SOLUTION
        if state is None:
            zeros = x.new_zeros(self.layers, len(x), self.hidden)
            state = zeros, zeros

        names = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
        last_h, last_c = [], []
        # HINT: The outer loop goes over the layers, the inner one over the words.
        for layer in range(self.layers):
            weights = [getattr(self, f"{name}_l{layer}") for name in names]
            h, c = state[0][layer], state[1][layer]  # (b, d) each

            outputs = []
            # HINT: `x.unbind(dim)` gives the slices along an axis, one by one. Time is axis 1.
            for word in x.unbind(1):  # (b, i)
                h, c = lstm_cell(word, h, c, *weights)
                outputs.append(h)
            # HINT: `torch.stack(outputs, dim)` puts the time axis back. The next layer reads this.
            x = torch.stack(outputs, 1)  # (b, t, d)

            last_h.append(h)
            last_c.append(c)
        return x, (torch.stack(last_h), torch.stack(last_c))
        ### END SOLUTION


# %% [markdown]
# ## 5. build_vocabulary
#
# Networks eat numbers. A *vocabulary* gives every word a number, its **id**. We take as a word what
# stands between blanks, in any writing system:
#
# ```pycon
# >>> "the film  was not bad".split()
# ['the', 'film', 'was', 'not', 'bad']
# >>> "영화는 안 지루했다".split()  # "the film was not boring"
# ['영화는', '안', '지루했다']
# ```
#
# Two ids are special: **0** is `<pad>`, which fills short texts up, and **1** is `<unk>`, which stands
# for every *unknown* word. The others are numbered from 2 on: the most frequent word first, and among
# words that are equally frequent the one that was *seen* first. Words that occur fewer than
# `min_count` times over all texts get no id of their own: from a word seen only once or twice,
# little can be learned. (You may rely on it that no text holds the words `<pad>` and `<unk>`.)
#
# **By hand.** The texts are "b a" and "c a". `a` occurs twice, `b` and `c` once, and `b` came before
# `c`: the vocabulary is `{"<pad>": 0, "<unk>": 1, "a": 2, "b": 3, "c": 4}`. With `min_count=2` only
# `a` is left of the three.
#
# A dict remembers the order in which its keys came, and `sorted` leaves equals in their order:
#
# ```pycon
# >>> ages = {"kim": 30, "lee": 41, "ada": 30}
# >>> sorted(ages, key=lambda name: -ages[name])
# ['lee', 'kim', 'ada']
# ```
#
# **Traps.** A `set` forgets the order, and another run of the program then gives other ids: a saved
# model reads nonsense. Ties broken by the alphabet are another rule. `split(" ")` is not `split()`: it
# makes empty words of double blanks and does not cut at line ends. And don't change the words: neither
# lower case, nor letters only (`[a-z]` knows no Korean).


# %%
def build_vocabulary(texts: list[str], min_count: int = 1) -> dict[str, int]:
    """Number the words (as `str.split()` gives them): 0 `<pad>`, 1 `<unk>`, then by count.

    Words that occur fewer than `min_count` times in all texts together are left out; of words that
    are equally frequent, the one that appears first comes first.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: `Counter(words)` counts; and like every dict it keeps the order of first appearance.
    counts = Counter(word for text in texts for word in text.split())
    # HINT: `most_common()` sorts by count and leaves equals in their order.
    kept = [word for word, count in counts.most_common() if count >= min_count]
    return {word: number for number, word in enumerate(["<pad>", "<unk>", *kept])}
    ### END SOLUTION


# %% [markdown]
# ## 6. encode
#
# With the vocabulary a text becomes a list of ids, one per word, in the order of the words. A word that
# the vocabulary does not know becomes 1, `<unk>`. It is not dropped: "not *wonderful*" must stay two
# words long.
#
# **By hand.** With `{"<pad>": 0, "<unk>": 1, "not": 2, "bad": 3}` the text "really not bad" becomes
# `[1, 2, 3]`. The empty text becomes `[]`.
#
# **Trap.** Cut texts in exactly the way in which the vocabulary was built: `split()`. And don't add new
# words to the vocabulary here: the network has no numbers for them.


# %%
def encode(text: str, vocabulary: dict[str, int]) -> list[int]:
    """Turn a text into the ids of its words; unknown words become 1, an empty text `[]`."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: One id per word, in the order of the text: a list comprehension over `text.split()`.
    # HINT: `some_dict.get(key, default)` gives the default where the key is missing.
    return [vocabulary.get(word, 1) for word in text.split()]
    ### END SOLUTION


# %% [markdown]
# ## 7. pad_batch
#
# A tensor is a rectangle, texts are not. So short ones are filled up with zeros (the id of `<pad>`)
# **at the end**, as far as the longest text of the batch reaches. The true lengths are noted beside
# it, or nobody could tell later where a text ended.
#
# **By hand.**
#
# $$[5, 2],\quad [\,],\quad [7, 3, 9] \quad\to\quad
# \text{ids} = \begin{pmatrix} 5 & 2 & 0 \\ 0 & 0 & 0 \\ 7 & 3 & 9 \end{pmatrix}, \quad
# \text{lengths} = (2, 0, 3)$$
#
# An empty text is allowed: its row is all padding, its length 0. If *all* texts are empty, `ids` has
# `b` rows and no columns. Both results are int64, torch's usual dtype for ids and indices.
# Slices of a row can be written to:
#
# ```pycon
# >>> table = torch.zeros(2, 4, dtype=torch.int64)
# >>> table[1, :2] = torch.tensor([8, 6])
# >>> table
# tensor([[0, 0, 0, 0],
#         [8, 6, 0, 0]])
# ```
#
# **Traps.** A tensor of an empty list is float32, and floats are no ids. The order of the texts must
# stay (sorting by length would tear texts and labels apart). And the lists belong to somebody else:
# don't append zeros to them.
#
# ```pycon
# >>> torch.tensor([]).dtype, torch.tensor([], dtype=torch.int64).dtype
# (torch.float32, torch.int64)
# ```


# %%
def pad_batch(sequences: list[list[int]]) -> tuple[Int[Tensor, "b t"], Int[Tensor, " b"]]:
    """Put lists of ids into one tensor, zeros at the end of short ones: `(ids, lengths)`, int64.

    The longest list decides the width. Empty lists are allowed, even if all are empty (width 0).
    There is at least one list.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: Begin with a table full of zeros that is as wide as the longest list.
    lengths = [len(sequence) for sequence in sequences]
    ids = torch.zeros(len(sequences), max(lengths), dtype=torch.int64)

    # HINT: Row by row: the first `len(sequence)` places take the ids, the others stay zero.
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = torch.tensor(sequence, dtype=torch.int64)
    return ids, torch.tensor(lengths)
    ### END SOLUTION


# %% [markdown]
# ## 8. SentimentClassifier
#
# Ids in, scores out. The plan has three parts:
#
# 1. An **embedding** turns each id into a row of numbers. It is a table with one learned row for each
#    word; looking up is all that it does. `padding_idx=0` keeps the row of `<pad>` at zeros.
# 2. A **recurrent network** reads these rows. `nn.LSTM` with `batch_first=True` is quickest; your own
#    `LSTM`, or a GRU, will do as well.
# 3. A **linear layer** makes one score per class from the state after the *last word*. The scores
#    are called *logits*. They are any real numbers; the *softmax* that turns them into
#    probabilities belongs to the loss, **not** to the network.
#
# ```pycon
# >>> table = nn.Embedding(100, 4, padding_idx=0)
# >>> table(torch.tensor([[5, 2, 0], [7, 3, 9]])).shape
# torch.Size([2, 3, 4])
# ```
#
# **The trap that everybody falls into: `out[:, -1]`.** The last *column* is the last word of the
# longest text only. For all others it is padding, and the network has read zeros since the text
# ended: the same review gets another score when a longer one comes into its batch. The same holds
# for `h[-1]` (and many a tutorial does just that). The notebook draws a padded batch: each row is a
# text, the padding is grey, and a red frame marks the last word of each row, which is in column
# `length - 1`, not in the last one.

# %% tags=["picture"]
import matplotlib.pyplot as plt

texts = ["the film was good", "not bad", "the plot was not very good", "awful"]
rows = [text.split() for text in texts]
figure, axes = plt.subplots(figsize=(7.5, 2.4))
for r, row in enumerate(rows):
    for column in range(6):
        word = row[column] if column < len(row) else "<pad>"
        last = column == len(row) - 1
        edge = {"ec": "crimson", "lw": 3} if last else {"ec": "black", "lw": 0.5}
        colour = "lightgrey" if word == "<pad>" else "white"
        axes.add_patch(plt.Rectangle((column - 0.45, r - 0.4), 0.9, 0.8, fc=colour, **edge))
        axes.text(column, r, word, ha="center", va="center", zorder=3)
axes.set(xlim=(-0.6, 5.6), ylim=(3.6, -0.6), xlabel="column (time)", ylabel="text")
axes.set(title="red: the state after this word is the text's own", yticks=range(4))
axes.plot([], [])
plt.tight_layout()
plt.show()

# %% [markdown]
# To pick in each row a column of its own, index with two rows of numbers, one for each of the
# first two axes. From `out` of shape `(b, t, d)` this picks `b` rows of $d$ numbers: `(b, d)`. In
# small:
#
# ```pycon
# >>> table = torch.tensor([[1, 2, 3], [4, 5, 6]])
# >>> table[torch.arange(2), torch.tensor([2, 0])]
# tensor([3, 4])
# ```
#
# (Or use `nn.utils.rnn.pack_padded_sequence(..., batch_first=True, enforce_sorted=False)`, which
# makes the LSTM stop at each text's end: then `h[-1]` *is* the state after the last word. Without
# `batch_first=True` it takes axis 0 for time, and may raise no error. It wants the lengths on
# the CPU, and it refuses a length of 0.)
#
# **Empty texts.** A text of length 0 has no last word, and `length - 1` would be −1: the last column
# again! Its scores may be what you like, but they must be finite and, as for every text, must not depend
# on how much padding there is. There may be none at all: if all texts are empty, `ids` has no
# column, and `nn.LSTM` refuses that. A trick helps against both: put one more column in, e.g. with
# `F.pad(ids, (1, 0))` one zero **in front**, as a mark "here it begins". Then every text
# has at least one thing to read, and its last word has moved by one.
#
# ```pycon
# >>> F.pad(torch.tensor([[5, 2, 0], [7, 3, 9]]), (1, 0))
# tensor([[0, 5, 2, 0],
#         [0, 7, 3, 9]])
# ```
#
# **Trained for a check.** One check trains `SentimentClassifier(vocabulary_size, 16, 32, 2)` in a
# loop of its own: 6 epochs of Adam on 1600 reviews, with `lr` 0.01, then 0.02. A network that
# reads in order learns them with ease; one that forgets the order cannot.
#
# **More traps.** `nn.LSTM` without `batch_first=True` takes axis 0 for time: it then reads *across* the
# texts of a batch, raises no error, and the texts influence each other. The mean of the word rows, or
# any other sum that forgets the order, is right in 50 % of our reviews: as good as a coin. If you
# use dropout (numbers set to zero at random in training), it must do nothing in eval mode:
# `nn.Dropout` obeys, `F.dropout(x, 0.5)` does not.


# %%
class SentimentClassifier(nn.Module):
    """Reads each text word by word and scores it for every class.

    `embedding` counts the numbers per word, `hidden` those in the state. Ids are below
    `vocabulary_size`.
    """

    def __init__(self, vocabulary_size: int, embedding: int, hidden: int, classes: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 25 minutes, hard
        # HINT: Three layers: nn.Embedding, nn.LSTM (which axis comes first?), nn.Linear.
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)
        ### END SOLUTION

    def forward(
        self, ids: Int[Tensor, "b t"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b classes"]:
        """Score every text for every class (logits); only the first `lengths` ids of a row count.

        `lengths` is on the device of `ids`. It may hold zeros (empty texts), and t may be 0.
        """
        ### BEGIN SOLUTION
        marked = F.pad(ids, (1, 0))  # (b, t + 1): a mark in front, so that no text is empty
        out, _ = self.lstm(self.embedding(marked))  # (b, t + 1, d)

        # HINT: `out[rows, columns]` with rows 0 ... b-1. With the mark in front, where is the end?
        # HINT: New index tensors must be on the device of ids: `torch.arange(..., device=...)`.
        rows = torch.arange(len(ids), device=ids.device)
        return self.classifier(out[rows, lengths])
        ### END SOLUTION


# %% [markdown]
# ## 9. train_sentiment
#
# The training loop. An *epoch* is one walk through the loader. For each batch: move it to the device,
# clear the old gradients, compute the loss, go backward, let the optimizer take a step. A
# batch has three parts here: ids, lengths, labels.
#
# The loss is cross-entropy. For one text with logits $s$ and right class $y$ it is
#
# $$\ell = -\log \frac{e^{s_y}}{\sum_k e^{s_k}}$$
#
# where $k$ runs over all classes. The fraction is the softmax: the probability that the network
# gives to the right class. `F.cross_entropy(logits, labels)` averages $\ell$ over the batch. It
# has the softmax inside, so give it the logits as they are. Two equal logits give
# $-\log \frac{1}{2} = 0.693$: a loss that stays there means that nothing was learned.
#
# **Exploding gradients.** On its way back, the gradient is multiplied by weights at every word.
# Where that makes it 1.5 times as long each time, it is $1.5^{20} = 3325$ times as long after
# twenty words. With plain SGD, one such step ruins what was learned; Adam takes tiny steps for a
# long time afterwards. Between `backward` and `step`, cut its length (the root of the sum of all
# squares, over all parameters together) down to 1 if it is longer:
#
# ```pycon
# >>> w = nn.Parameter(torch.zeros(2))
# >>> w.grad = torch.tensor([30.0, 40.0])
# >>> nn.utils.clip_grad_norm_([w], max_norm=1.0)  # gives the length before
# tensor(50.)
# >>> w.grad
# tensor([0.6000, 0.8000])
# ```
#
# **Trap: the history.** It holds one number per epoch: the mean, over all *samples* of that epoch,
# of the loss that was computed on the way, before each step. Say a batch of 4 has the mean loss
# 1.0 and the last one, of 1, has 3.0. The mean over samples is
# $(4 \cdot 1 + 1 \cdot 3) / 5 = 1.4$, not $(1 + 3) / 2 = 2$. Keep numbers (`loss.item()`), not
# tensors: a tensor keeps the whole graph alive.
#
# **More traps.** Gradients add up until you clear them. A model that arrives in eval mode must still be
# *trained* in training mode. `lengths` must go to the device too. No state is carried from one batch
# to the next: other texts, other thoughts.
#
# **What you may choose.** Any optimizer of `torch.optim` that adapts its steps (Adam, AdamW,
# NAdam, RMSprop), with the given `lr`; with `lr = 0` it must leave the parameters alone. We
# recommend `torch.optim.Adam`. Plain SGD mostly stays at 0.693 on these reviews. Whether you clip
# is up to you.
#
# The last check trains your `SentimentClassifier(vocabulary_size, 16, 32, 2)` with your
# `train_sentiment` for 6 epochs on 1600 reviews in English and Korean, in shuffled batches of 32,
# with `lr = 0.01`. If that is not enough, it tries 0.02 as well. The bar is low: a network that
# reads in order gets over it; one that counts words is right for one review in two, and fails.
#
# `datasets/reviews.py` makes the reviews, in *twins*: the same words, opposite labels (1 means
# good). What comes after "but" decides; what comes after "though" does not.
#
# ```pycon
# >>> from datasets.reviews import load_reviews
# >>> texts, labels, _, _ = load_reviews(seed=0, train=2, test=2, language="english")
# >>> for label, text in zip(labels.tolist(), texts, strict=True):
# ...     print(label, text)
# 0 frankly the story was not really poor but the food was not quite fun
# 1 frankly the food was not quite fun but the story was not really poor
# ```


# %%
def train_sentiment(
    model: nn.Module, loader: DataLoader, epochs: int, lr: float, device: torch.device | str
) -> list[float]:
    """Train `model` in place, on `device`, with cross-entropy; the mean loss of each epoch.

    The loader gives (ids, lengths, labels), on whatever device; `model(ids, lengths)` gives logits.
    The mean is over samples, in Python floats. The model stays on `device`; parameters that do not
    require grad stay as they are.
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    history = []
    for _ in range(epochs):
        model.train()
        total, samples = 0.0, 0
        for ids, lengths, labels in loader:
            ids, lengths, labels = ids.to(device), lengths.to(device), labels.to(device)

            # HINT: Clear, compute, backward, clip, step: five lines. Clipping is optional.
            optimizer.zero_grad()
            loss = F.cross_entropy(model(ids, lengths), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()

            # HINT: `loss` is a mean: times the batch's own length it is a sum, and sums add up.
            total += loss.item() * len(labels)
            samples += len(labels)
        history.append(total / samples)
    return history
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - Christopher Olah, *Understanding LSTM Networks* (2015), a page with the best pictures of the cell.
# - S. Hochreiter and J. Schmidhuber, *Long Short-Term Memory*, Neural Computation 9 (1997).
# - R. Jozefowicz, W. Zaremba and I. Sutskever, *An Empirical Exploration of Recurrent Network
#   Architectures*, ICML 2015: many cells compared, and why a forget gate should begin open.
# - R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training recurrent neural networks*,
#   ICML 2013: vanishing and exploding gradients, and clipping.
# - The pages of `nn.RNN`, `nn.LSTM` and `nn.GRU` in torch's documentation: the cells' formulas.
#
# Where to go from here: a network that reads can also write. Let it guess the next letter, give it its
# own guess to read, and you have a language model.
