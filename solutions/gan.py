# %% [markdown]
# # Generative adversarial networks
#
# Two networks play against each other. The **generator** is a forger: it turns random numbers into
# samples and wants them to pass as real. The **discriminator** is a detective: it sees real samples
# and forged ones and says which is which. Each learns from the other. The detective's opinion is the
# only thing the forger ever hears; it never sees the data itself. If all goes well, the forger gets
# so good that the detective can only guess. Then the generator makes *new* samples that look like
# the data. That is a *generative adversarial network*, a GAN.
#
# Here you write both networks, their losses, one learning step for each, the famous gradient
# penalty, and the loop that trains a GAN on a ring of eight clouds of points. Afterwards you will be
# able to
#
# - say which gradient flows where in a GAN, and train one network without touching the other,
# - explain why the generator's loss is not simply the discriminator's with a minus sign,
# - take the gradient of a gradient, which is what a gradient penalty needs,
# - recognise *mode collapse*, the usual way in which a GAN fails.
#
# | word | letter | meaning |
# |---|---|---|
# | batch | `b`, `n` | how many samples are handled at once |
# | noise | `latent` | how many random numbers one sample is made from |
# | sample | `outputs`, `inputs` | numbers in one sample: 2 for a point, 64 for an 8 × 8 picture |
# | logit | | any real number: the detective's opinion, positive for "real", negative for "forged" |
# | hidden | `hidden` | width of the layers in between |
# | channels, height, width | `c`, `h`, `w` | the axes of a picture |
# | seeded randomness | `gen` | a `torch.Generator`, a source of random numbers; *not* the forger |

# %%
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# %% [markdown]
# ## The data, and the usual accident
#
# To *see* what a GAN does, take points in the plane. Eight small clouds stand on a circle of radius
# 2. Each cloud is called a *mode*: a place where many samples are. A good generator hits all eight.
# The usual accident is **mode collapse**: the forger finds one cloud that fools the detective and
# makes nothing else. Every sample looks fine, and yet the generator has learned next to nothing.
#
# In the notebook, the next cell draws both: on the left the data, on the right a collapsed
# generator, with all its samples on one cloud.

# %% tags=["picture"]
import matplotlib.pyplot as plt

source = torch.Generator().manual_seed(0)
angles = torch.randint(8, (800,), generator=source) * (2 * torch.pi / 8)
centres = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)
clouds = centres + 0.15 * torch.randn(800, 2, generator=source)
collapsed = torch.tensor([0.0, 2.0]) + 0.1 * torch.randn(800, 2, generator=source)

figure, panels = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for panel, title in zip(panels, ["what it should learn", "mode collapse"], strict=True):
    panel.scatter(*clouds.T, s=3, color="tab:blue", label="data")
    panel.set(title=title, xlabel="first number", ylabel="second number", aspect="equal")
panels[1].scatter(*collapsed.T, s=3, color="tab:red", label="samples")
panels[1].legend(loc="center")
plt.show()

# %% [markdown]
# ## Noise
#
# A generator is an ordinary network: the same input gives the same output. All the variety comes
# from its input, the *noise*. That is a row of `latent` numbers, drawn from the standard normal
# distribution (mean 0, spread 1), afresh for every sample. This helper is given. It draws with
# `gen`, so that a run can be repeated, and it puts the noise where the generator's parameters are:
# `gen` often lives on the CPU while the network is on a graphics card. Mind the names: `generator`
# is the forger, a network. `torch.Generator` is a source of random numbers, here always called
# `gen`, and torch's functions take it as `generator=gen`.
#
# ```pycon
# >>> forger = nn.Linear(3, 2)
# >>> forger.latent = 3
# >>> draw_noise(forger, 5, torch.Generator().manual_seed(0)).shape
# torch.Size([5, 3])
# ```
#
# A second call with the same `gen` gives other numbers. A new `gen` with the same seed gives the
# same numbers again:
#
# ```pycon
# >>> gen = torch.Generator().manual_seed(0)
# >>> first, second = draw_noise(forger, 5, gen), draw_noise(forger, 5, gen)
# >>> torch.equal(first, second)
# False
# >>> torch.equal(first, draw_noise(forger, 5, torch.Generator().manual_seed(0)))
# True
# ```


# %%
def draw_noise(generator: nn.Module, n: int, gen: torch.Generator) -> Float[Tensor, "n latent"]:
    """Draw `n` rows of standard normal noise with `gen`, to where the generator's parameters are."""
    like = next(generator.parameters())
    noise = torch.randn(n, generator.latent, generator=gen, device=gen.device, dtype=like.dtype)
    return noise.to(like.device)


# %% [markdown]
# ## 1. Generator
#
# The forger: noise in, sample out. Its input has shape `(n, latent)`, its output `(n, outputs)`.
# Three linear layers are plenty for the ring, with a *nonlinear* function after the first and after
# the second:
#
# $$\text{latent} \to \text{hidden} \to \text{hidden} \to \text{outputs}$$
#
# Why nonlinear? A linear layer can only turn, stretch and shift the cloud of noise. It stays one
# cloud, and we want eight. `tanh`, an S-shaped curve that rises from −1 to 1, can tear it apart.
# **By hand**, with one number of noise $z$ and the sample $\tanh(5z)$: three in four of all $z$
# below 0 land between −1 and −0.9, three in four of those above 0 between 0.9 and 1. One cloud has
# become two.
#
# ```pycon
# >>> torch.tanh(5 * torch.tensor([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0]))
# tensor([-1.0000, -0.9999, -0.9866,  0.9866,  0.9999,  1.0000])
# ```
#
# Keep `latent` as an attribute (`self.latent = latent`): whoever draws noise asks for it, as
# `draw_noise` does.
#
# **Traps.** The last layer stays linear. Many tutorials end their generator with `tanh`, since they
# have scaled their pictures to lie between −1 and 1. Here nobody has scaled anything: the clouds lie
# at distance 2, and a generator with `tanh` or a sigmoid at its end could never get there. And: use
# the given `hidden`, not always 64.


# %%
class Generator(nn.Module):
    """Turn noise into samples: `latent` numbers into `outputs` numbers of any size and sign.

    `latent` stays readable as an attribute. The same noise gives the same sample.
    """

    def __init__(self, latent: int, outputs: int, hidden: int = 64) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 10 minutes, easy
        # HINT: `draw_noise` needs to know how long a row of noise is: it reads `generator.latent`.
        self.latent = latent
        # HINT: `nn.Sequential` chains layers: Linear, Tanh, Linear, Tanh, Linear.
        self.layers = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, outputs),
        )
        ### END SOLUTION

    def forward(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n outputs"]:
        """Make one sample from each row of noise."""
        ### BEGIN SOLUTION
        return self.layers(z)
        ### END SOLUTION


# %% [markdown]
# ## 2. Discriminator
#
# The detective: sample in, *one* number out. The number is a **logit**: any real number. Large and
# positive means "surely real", large and negative "surely forged", 0 means "I cannot tell". Only the
# *sigmoid* $\sigma$ turns it into a probability between 0 and 1:
#
# $$\sigma(l) = \frac{1}{1 + e^{-l}}$$
#
# **By hand.** $\sigma(0) = 1/2$, $\sigma(2) = 1/(1 + 0.135) = 0.881$, $\sigma(-2) = 0.119$.
#
# ```pycon
# >>> torch.sigmoid(torch.tensor([-2.0, 0.0, 2.0]))
# tensor([0.1192, 0.5000, 0.8808])
# ```
#
# The sigmoid belongs to the loss, **not** to the network. The reason comes in the next task.
#
# **Trap: the shape.** The result is one number per sample, so its shape is `(b,)`. The last linear
# layer gives `(b, 1)`. Take away the axis of size 1, and only that one: a plain `squeeze()` removes
# *every* axis of size 1, so a batch of one sample loses its batch axis too.
#
# ```pycon
# >>> one = torch.zeros(1, 1)
# >>> one.squeeze().shape
# torch.Size([])
# >>> one.squeeze(-1).shape
# torch.Size([1])
# ```
#
# **A second trap.** A detective that is far stronger than the forger teaches nothing, and neither
# does a blind one. Make both networks alike: the same number of layers, the same `hidden`.


# %%
class Discriminator(nn.Module):
    """Judge samples: one logit each, positive for "real", negative for "forged"."""

    def __init__(self, inputs: int, hidden: int = 64) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 10 minutes, easy
        # HINT: The same plan as the generator: Linear, Tanh, Linear, Tanh, Linear.
        # HINT: The last layer gives a single number for each sample: `nn.Linear(hidden, 1)`.
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, 1),
        )
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b inputs"]) -> Float[Tensor, " b"]:
        """Give one logit per sample: no sigmoid."""
        ### BEGIN SOLUTION
        # HINT: Name the axis that has to go: the last one.
        return self.layers(x).squeeze(-1)  # (b,)
        ### END SOLUTION


# %% [markdown]
# ## 3. discriminator_loss
#
# How wrong is the detective? With $\sigma(l)$ it states the probability that a sample is real. The
# *binary cross-entropy* (BCE) takes minus the logarithm of the probability that it gave to the
# truth ($\log$ is the natural logarithm throughout). For a real sample with logit $l$ the truth is
# "real", for a forged one it is "forged":
#
# $$\text{real: } -\log \sigma(l) \qquad\qquad \text{forged: } -\log(1 - \sigma(l))$$
#
# Sure and right costs nearly nothing; sure and wrong costs much. The loss is the mean over the real
# samples **plus** the mean over the forged ones. With logits $r_1 \dots r_m$ for real samples and
# $f_1 \dots f_k$ for forged ones:
#
# $$L_D = -\frac1m \sum_i \log \sigma(r_i) \;-\; \frac1k \sum_j \log(1 - \sigma(f_j))$$
#
# **A formula that does not break.** From about $l = 17$ on, the sigmoid is so close to 1 that
# float32 rounds it to exactly 1. Then $1 - \sigma(l) = 0$, and the logarithm of 0 is minus
# infinity. At $l = 200$:
#
# ```pycon
# >>> torch.log(1 - torch.sigmoid(torch.tensor(200.0)))
# tensor(-inf)
# ```
#
# The true value is −200. A little algebra saves us. $1 - \sigma(l) = \sigma(-l)$, and
#
# $$-\log \sigma(l) = \log(1 + e^{-l}) = \operatorname{softplus}(-l), \qquad
# -\log(1 - \sigma(l)) = \operatorname{softplus}(l)$$
#
# `F.softplus(l)` computes $\log(1 + e^l)$ with care, for any $l$. Or take
# `F.binary_cross_entropy_with_logits(logits, labels)`: the labels are a tensor of 1.0 or 0.0, in
# the shape and dtype of the logits, and you get the mean loss. Either will do. That is why networks
# return logits.
#
# **By hand.** Real logits (0, 2), one forged logit −3. Real: $\operatorname{softplus}(0) = 0.6931$
# and $\operatorname{softplus}(-2) = 0.1269$, mean 0.4100. Forged: $\operatorname{softplus}(-3) =
# 0.0486$. Sum: 0.4586.
#
# ```pycon
# >>> F.softplus(torch.tensor([0.0, -2.0, -3.0]))
# tensor([0.6931, 0.1269, 0.0486])
# ```
#
# **Traps.** Two means, added. Do not put all logits into one row and take one mean: with 2 real and 1
# forged sample that gives 0.2896, another number. Do not halve the sum (some programs do; the
# learning rate then means something else). And `F.binary_cross_entropy`, the one *without*
# "logits", quietly takes 100 wherever the logarithm is infinite, with the gradient 0: for a forged
# sample already at $l = 17$, where the loss is 17.
#
# **How good can the detective get?** If it were perfect, its logit at a place would be
# $\log(p_\text{data} / p_\text{forged})$: the logarithm of how many times more real samples than
# forged ones come from there. In the notebook, the next cell draws it along a line: where the data
# (blue) is denser than the forgeries (red), the best logit (black) is above 0. It also shows where
# the forger should go: uphill on the black line, towards the data. When both densities agree, the
# best logit is 0 everywhere, and the loss is $2 \log 2 = 1.386$. Remember that number: a discriminator
# loss near 1.386 means that the detective is guessing.

# %% tags=["picture"]
import matplotlib.pyplot as plt

x = torch.linspace(-4, 4, 200)
data = torch.exp(-0.5 * (x - 1) ** 2) / (2 * torch.pi) ** 0.5
forged = torch.exp(-0.5 * (x + 1) ** 2) / (2 * torch.pi) ** 0.5

figure, panels = plt.subplots(2, 1, figsize=(7, 4.5), sharex=True)
panels[0].fill_between(x, data, color="tab:blue", alpha=0.4, label="data")
panels[0].fill_between(x, forged, color="tab:red", alpha=0.4, label="forgeries")
panels[0].set_ylabel("density")
panels[0].legend()
panels[1].plot(x, torch.log(data / forged), color="black", label="log(data / forgeries)")
panels[1].axhline(0, color="grey", linestyle=":")
panels[1].set(xlabel="sample", ylabel="logit")
panels[1].legend()
plt.show()


# %%
def discriminator_loss(
    real_logits: Float[Tensor, "..."], fake_logits: Float[Tensor, "..."]
) -> Float[Tensor, ""]:
    """Mean BCE of the real logits towards 1 plus mean BCE of the fake logits towards 0.

    The two may have any shapes, also different ones. Finite, with finite gradients, at ±200.

    Source: I. Goodfellow and others, "Generative Adversarial Nets" (NeurIPS 2014).
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: softplus(-l) is -log(sigmoid(l)); softplus(l) is -log(1 - sigmoid(l)). Which is for real?
    # HINT: Take the mean of each part first, then add.
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    ### END SOLUTION


# %% [markdown]
# ## 4. generator_loss
#
# The forger wants the detective to be wrong about forgeries. Two ways to say so, for one forged
# sample with logit $l$:
#
# $$\text{saturating: } \log(1 - \sigma(l)) \qquad\qquad \text{non-saturating: } -\log \sigma(l)$$
#
# The first one is the detective's loss for a forgery with a minus sign. The second one says:
# "label the forgery as real, and take the usual loss". Both get smaller as $l$ grows, so both push
# the same way. The difference is **how hard** they push; *saturating* means that a curve goes flat
# where it should push. Look at the slopes:
#
# $$\frac{d}{dl} \log(1 - \sigma(l)) = -\sigma(l) \qquad\qquad
# \frac{d}{dl} \big(-\log \sigma(l)\big) = -(1 - \sigma(l))$$
#
# At the beginning forgeries are bad and the detective is sure, say $l = -4$. **By hand**:
# $\sigma(-4) = 0.018$. The saturating loss has the slope −0.018: almost flat, the forger hears
# nothing, just when it has most to learn. The non-saturating one has −0.982, 55 times more. So we
# take the second one:
#
# $$L_G = -\frac1k \sum_j \log \sigma(f_j)$$
#
# In the notebook, the next cell draws both: on the left side, where the detective is sure, the
# saturating loss (red) is flat and the non-saturating one (blue) is steep.
#
# **By hand.** Forged logits −4 and 0: $\operatorname{softplus}(4) = 4.0181$ and
# $\operatorname{softplus}(0) = 0.6931$, mean 2.3556.
#
# ```pycon
# >>> F.softplus(torch.tensor([4.0, 0.0]))
# tensor([4.0181, 0.6931])
# ```
#
# **Trap.** A sign is easily lost here. Check it: a forgery that fools the detective ($l$ = 10) must
# cost the forger next to nothing.

# %% tags=["picture"]
import matplotlib.pyplot as plt

logit = torch.linspace(-6, 6, 200)
figure, axes = plt.subplots(figsize=(7, 4))
axes.plot(logit, F.softplus(-logit), color="tab:blue", label=r"non-saturating: $-\log \sigma(l)$")
axes.plot(logit, -F.softplus(logit), color="tab:red", label=r"saturating: $\log(1 - \sigma(l))$")
axes.axvline(-4, color="grey", linestyle=":")
axes.annotate("a sure detective", (-4, -5.5), (-3.7, -5.5))
axes.set(xlabel="logit of a forged sample, $l$", ylabel="loss of the generator")
axes.legend()
plt.show()


# %%
def generator_loss(fake_logits: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Mean BCE of the fake logits towards 1: the non-saturating loss.

    Logits of any shape. Finite, with finite gradients, at ±200.

    Source: I. Goodfellow and others, "Generative Adversarial Nets" (NeurIPS 2014), section 3.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: For the forger, "right" means: the detective calls the forgery real.
    # HINT: It is the real samples' part of `discriminator_loss`, with forged logits in it.
    return F.softplus(-fake_logits).mean()
    ### END SOLUTION


# %% [markdown]
# ## 5. discriminator_step
#
# One lesson for the detective, from one batch of real samples:
#
# 1. draw fresh noise, one row for each real sample, and let the generator make forgeries,
# 2. ask the discriminator about the real samples and about the forgeries,
# 3. compute the loss, go backward, let the optimizer take one step.
#
# The optimizer is given. It holds the discriminator's parameters, and nothing else.
#
# **The trap of all GAN traps.** The forgeries come out of the generator, and autograd remembers that.
# A plain `loss.backward()` runs through the forgeries into the generator and leaves gradients in
# *its* parameters. They point the wrong way, too: towards forgeries that are easier to spot. A later
# generator step that adds to them learns rubbish. So cut the graph between the two networks. Make the
# forgeries under `torch.no_grad()`, or `detach()` them:
#
# ```pycon
# >>> forger = nn.Linear(1, 1)
# >>> with torch.no_grad():
# ...     forged = forger(torch.ones(2, 1))
# >>> forged.requires_grad
# False
# >>> forger(torch.ones(2, 1)).detach().requires_grad
# False
# ```
#
# **More traps.** Gradients add up until you clear them: parameters may come to you with old gradients
# from elsewhere, so clear the *discriminator's* before you go backward. But leave the generator's
# `.grad` alone, whether it is `None` or holds numbers: it is not yours. Draw the noise **here**,
# anew in each call. From noise that is drawn once and used again, the detective learns a handful
# of forgeries by heart. And return a number (`loss.item()`), not a tensor: a tensor keeps the
# graph.
#
# Many programs call `backward()` twice, once for the real part and once for the forged part. Gradients
# add up, so this is the same step.


# %%
def discriminator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    real: Float[Tensor, "b ..."],
    gen: torch.Generator,
) -> float:
    """Teach the discriminator with one batch; the discriminator_loss before the step, as a number.

    Makes as many forgeries as there are real samples, from fresh noise drawn with `gen`. Takes one
    step of `optimizer`, with the gradient of this batch alone. The generator's parameters, and
    whatever their `.grad` holds, stay as they are.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: Nothing that happens under `torch.no_grad()` gets into the graph.
    with torch.no_grad():
        fake = generator(draw_noise(generator, len(real), gen))

    # HINT: As in every training loop: zero_grad, loss, backward, step.
    optimizer.zero_grad()
    loss = discriminator_loss(discriminator(real), discriminator(fake))
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% [markdown]
# ## 6. generator_step
#
# One lesson for the forger. It needs no real samples: fresh noise, forgeries, the detective's
# opinion, `generator_loss`, backward, step. This time the gradient **must** run from the loss through
# the discriminator into the generator: it says in which direction to move each forgery. So nothing
# may be cut here. With `detach()` or `no_grad()` the generator would learn nothing at all.
#
# **Trap.** On its way through the discriminator, a plain `loss.backward()` also leaves gradients in
# the discriminator's parameters. Nobody asked for them. Most tutorials live with that, and clear them
# at the beginning of the next discriminator step. Forget that line once, and the detective is trained
# to be fooled. A cleaner way: tell `backward` for which parameters you want gradients. Whatever else
# lies on the way is passed through and left alone:
#
# ```pycon
# >>> forger = torch.tensor(2.0, requires_grad=True)
# >>> detective = torch.tensor(3.0, requires_grad=True)
# >>> (forger * detective).backward(inputs=[forger])
# >>> forger.grad
# tensor(3.)
# >>> detective.grad is None
# True
# ```
#
# (By hand: the derivative of $f \cdot d$ with respect to $f$ is $d = 3$.) Give it only parameters
# that require a gradient; torch refuses the others.
#
# There are other ways. You may switch the discriminator's parameters off with `requires_grad_(False)`.
# Then put each one back to what it was, not all of them to `True`: somebody may have frozen a few
# on purpose. Clearing the discriminator's gradients afterwards is **not** the same as leaving them as
# they were: there may have been some before.


# %%
def generator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: int,
    gen: torch.Generator,
) -> float:
    """Teach the generator with `batch` forgeries; the generator_loss before the step, as a number.

    The noise is fresh, drawn with `gen`. Takes one step of `optimizer`, with the gradient of these
    forgeries alone. The discriminator stays as it is: its parameters, whatever their `.grad` holds,
    and their `requires_grad`.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: No `detach` and no `no_grad` here: the gradient runs through both networks.
    fake = generator(draw_noise(generator, batch, gen))

    optimizer.zero_grad()
    loss = generator_loss(discriminator(fake))
    # HINT: `loss.backward(inputs=[...])` fills the `.grad` of just these, here the generator's own.
    loss.backward(inputs=[p for p in generator.parameters() if p.requires_grad])
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% [markdown]
# ## 7. gradient_penalty
#
# In the *Wasserstein GAN*, the detective is called a *critic*. It does not say real or forged, it
# gives a score, and the difference of the mean scores of real and forged samples measures how far
# apart the two are. That works only if the critic is not too steep: its score must not change faster
# than the sample does: a slope of at most 1. The best such critic has the slope 1 between real and
# forged samples, as the paper shows. The **gradient penalty** asks for just that: it looks at
# places between real and forged samples and fines the critic wherever its slope is not 1:
#
# $$\hat x_i = \alpha_i\, x_i + (1 - \alpha_i)\, \tilde x_i, \qquad
# P = \frac1b \sum_i \big(\lVert \nabla D(\hat x_i) \rVert_2 - 1\big)^2$$
#
# $x_i$ is real sample number $i$, $\tilde x_i$ forged sample number $i$, $\alpha_i$ a random number,
# evenly spread between 0 and 1, and $\hat x_i$ the *mix* of the two: a point on the straight line
# between them. $\nabla D(\hat x_i)$ is the *gradient*: how much the score $D$ changes with each
# number of the sample. $\lVert\cdot\rVert_2$ is the length of a row of numbers: the root of the sum
# of their squares. In training, people add $\lambda P$ to the critic's loss, with $\lambda = 10$. You
# return $P$ itself, without $\lambda$. (The loop in task 9 trains an ordinary GAN, without $P$.)
#
# **By hand.** Let a sample be two numbers $(u, v)$ and its score $3u + 4v$. The gradient is (3, 4)
# everywhere, with length $\sqrt{9 + 16} = 5$. So $P = (5 - 1)^2 = 16$, wherever the mixes are. And
# a mix: real (0, 0), forged (4, 0), $\alpha = 0.25$ give
# $0.25 \cdot (0, 0) + 0.75 \cdot (4, 0) = (3, 0)$.
#
# **The gradient of a gradient.** $P$ is made of gradients, and then we want to train with $P$: the
# gradient of $P$ with respect to the critic's weights. `torch.autograd.grad(y, x)` gives the
# gradient as a *result*, a tuple with one tensor for each input, and fills no `.grad`. With
# `create_graph=True` that result is part of the graph:
#
# ```pycon
# >>> w = torch.tensor([3.0, 4.0], requires_grad=True)
# >>> x = torch.tensor([1.0, 1.0], requires_grad=True)
# >>> (slope,) = torch.autograd.grad((w * x).sum(), x, create_graph=True)
# >>> penalty = (slope.norm() - 1) ** 2
# >>> penalty.item()
# 16.0
# >>> torch.autograd.grad(penalty, w)
# (tensor([4.8000, 6.4000]),)
# ```
#
# (By hand: the gradient of the length of $w$ is $w$ over its length, $(3, 4) / 5$. With the slope
# of the square, that is $2 (5 - 1) \cdot (3, 4) / 5 = (4.8, 6.4)$.)
#
# How to get a gradient for each sample at once? Add up the scores of all samples. Sample $i$ matters
# for score $i$ only, so the gradient of the sum with respect to $\hat x_i$ is $\nabla D(\hat x_i)$.
# (With `BatchNorm` in the critic that is no longer true, since it computes with the mean of the
# whole batch. So critics of this kind do without it.)
#
# **Traps.**
#
# 1. *One $\alpha$ per sample.* One for the whole batch looks at one place on every line; one for each
#    *number* leaves the line. For pictures `(b, c, h, w)` it needs the shape `(b, 1, 1, 1)`, for
#    points `(b, 1)`. `[1] * 3` is the list `[1, 1, 1]`, and a star before it hands out its items:
#
#    ```pycon
#    >>> pictures = torch.zeros(5, 3, 8, 8)
#    >>> torch.rand(5).reshape(-1, *[1] * (pictures.ndim - 1)).shape
#    torch.Size([5, 1, 1, 1])
#    ```
#
#    Draw $\alpha$ where `gen` is, then move it to the samples, as `draw_noise` does with noise.
#
# 2. *One length per sample*, over **all** its numbers: channels, rows and columns. `flatten(1)` makes
#    one row of each sample.
# 3. *The mix must ask for a gradient.* Real samples and detached forgeries require none, so call
#    `requires_grad_()` on the mix, before the critic sees it.
# 4. *A root has no slope at 0.* Where the critic is flat, `slope.square().sum().sqrt()` gives the
#    gradient 0/0 = NaN, and one NaN spoils all weights. `norm` knows about that and gives 0.
#
# ```pycon
# >>> flat = torch.zeros(2, requires_grad=True)
# >>> torch.autograd.grad(flat.square().sum().sqrt(), flat)
# (tensor([nan, nan]),)
# >>> torch.autograd.grad(flat.norm(), flat)
# (tensor([0., 0.]),)
# ```


# %%
def gradient_penalty(
    critic: nn.Module,
    real: Float[Tensor, "b ..."],
    fake: Float[Tensor, "b ..."],
    gen: torch.Generator,
) -> Float[Tensor, ""]:
    """Mean (length of the critic's gradient - 1)² over random mixes of real and fake samples.

    Each sample has its own mix, drawn with `gen`; lengths run over all axes but the first. Without
    the factor λ. Differentiable with respect to the critic's weights, with finite gradients where
    the critic is flat; fills no `.grad`. Works whether or not `real` and `fake` require grad, for
    scores of shape (b,) or (b, 1), and for samples on another device than `gen`.

    Source: I. Gulrajani and others, "Improved Training of Wasserstein GANs" (NeurIPS 2017).
    """
    ### BEGIN SOLUTION
    # TASK: 25 minutes, hard
    # HINT: One number per sample, with as many axes as the samples have: (b, 1) or (b, 1, 1, 1).
    alpha = torch.rand(len(real), generator=gen, device=gen.device, dtype=real.dtype)
    alpha = alpha.to(real.device).reshape(-1, *[1] * (real.ndim - 1))  # (b, 1, ..., 1)

    mix = (alpha * real + (1 - alpha) * fake).detach().requires_grad_()

    # HINT: The sum of the scores; then the gradient with respect to the mix, not to the weights.
    # HINT: To go backward through a gradient later, `create_graph=True`.
    (slopes,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    lengths = slopes.flatten(1).norm(dim=1)  # (b,)
    return (lengths - 1).square().mean()
    ### END SOLUTION


# %% [markdown]
# ## 8. sample
#
# Training is over; somebody wants `n` new samples. Draw noise and run the generator. But take care
# of three things.
#
# 1. **No graph.** Nobody is going to train on these samples: `torch.no_grad()`.
# 2. **Eval mode** (`generator.eval()`). Some layers behave differently in training. Generators for
#    pictures are full of `BatchNorm`, a layer that shifts and scales its input by a mean and a
#    spread. In training mode these are the batch's own: then a sample depends on who else is in
#    the batch, the running averages that eval mode uses move with each call, and `BatchNorm1d`
#    refuses a single sample.
# 3. **Modes as they were.** (These are training and eval mode, not the clouds.) `sample` is often
#    called in the middle of training. If the generator stays in eval mode afterwards, the rest of
#    the training goes on in the wrong mode, and no error tells you. `train()` is not the way back:
#    each layer has a flag of its own, `training`, and they may differ. `modules()` gives the
#    network itself, then all its layers:
#
# ```pycon
# >>> forger = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
# >>> _ = forger[1].eval()  # this layer is frozen; the network as a whole is in training
# >>> [module.training for module in forger.modules()]
# [True, True, False]
# >>> _ = forger.eval().train()  # there and back: the frozen layer is not frozen any more
# >>> [module.training for module in forger.modules()]
# [True, True, True]
# ```
#
# So remember each flag before, and put each one back afterwards, even if the generator raises an
# error (`try` and `finally`). A flag is an ordinary attribute: you may assign to it.
#
# **Trap.** Do not seed anything in here. Two calls with the same `gen` must give different samples;
# whoever wants the same ones again makes a new `gen` with the same seed.


# %%
def sample(generator: nn.Module, n: int, gen: torch.Generator) -> Float[Tensor, "n ..."]:
    """Draw exactly `n` new samples, from noise drawn with `gen`, in eval mode and without a graph.

    Afterwards every module of the generator is in the mode in which it was before, also when the
    generator raises an error; the error goes on to the caller.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: A dict {module: module.training} over `generator.modules()` remembers every flag.
    modes = {module: module.training for module in generator.modules()}
    generator.eval()
    # HINT: What stands in a `finally` block runs in any case: there the flags are put back.
    try:
        with torch.no_grad():
            return generator(draw_noise(generator, n, gen))
    finally:
        for module, training in modes.items():
            module.training = training
    ### END SOLUTION


# %% [markdown]
# ## 9. train_gan
#
# Now the game. In each of `steps` rounds: draw a batch of `batch_size` real samples with `gen`, teach
# the discriminator, teach the generator, and note both losses. A batch may be drawn *with
# replacement*: any sample may come up any number of times. `torch.randint` gives the row numbers:
#
# ```pycon
# >>> gen = torch.Generator().manual_seed(0)
# >>> data = torch.tensor([[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]])
# >>> rows = torch.randint(len(data), (4,), generator=gen)
# >>> data[rows].shape
# torch.Size([4, 2])
# ```
#
# **Two optimizers**, one for each player: each step may move its own player only. Make them **once,
# before** the loop. We recommend `torch.optim.Adam`: its step is not made of the last gradient
# alone but of an average over earlier ones. A new Adam in each round would forget them.
#
# **Settings that matter.** A GAN is a game, not a descent, and it is picky. Adam's usual
# `betas=(0.9, 0.999)` means that each step is mostly made of the last ten gradients (that is the
# first number; leave the second as it is). But the opponent has moved on since then. With
# `betas=(0.5, 0.999)` it is mostly the last two. On the ring, with the settings of the last check,
# the usual betas hit one to four clouds, with most samples between them, and the check fails.
# `tanh` in both networks helps as well: with `ReLU`, about three times as many samples stray.
#
# **Do not trust the losses.** In other trainings, a falling loss means progress. Here one player's
# loss falls when the other one plays badly. If nobody can win, they are near $2 \log 2 = 1.386$
# for the discriminator and $\log 2 = 0.693$ for the generator. But that says only that the
# detective is guessing, and a weak detective guesses too: on the ring both losses are close to
# these numbers after 100 rounds, when most samples still lie between the clouds. A discriminator
# loss near 0 is a bad sign: the logit is low all around the forgeries, so it no longer says which
# way is better, and `generator_loss` cannot cure that. The only real test is to look at samples.
#
# **Traps.** Draw a *new* batch in each round. Use the whole data set, not its first rows. Put both
# networks into training mode first. Use `lr` for both. And let the generator learn from nothing but
# the discriminator: a generator that copies training points makes perfect samples and no new ones.
#
# **What you may choose.** The optimizers are your choice; with `lr = 0` they must leave the
# parameters alone. We recommend Adam with `betas=(0.5, 0.999)`. Plain SGD is far too slow here: it
# hits no cloud. The last check trains your `Generator(2, 2)` and `Discriminator(2)` for 500 rounds
# on 2000 points of the ring, in batches of 256, with `lr = 0.003`, a good rate for this Adam. If
# that does not work, it tries 0.001. It asks that every cloud is hit, that not too many samples
# are strays (points between the clouds), and that the samples are not copies of training points.
#
# When your checks pass, look at samples after 100, 200 and 400 rounds. The networks keep what they
# have learned from call to call:
#
# ```text
# import matplotlib.pyplot as plt
# from datasets.ring import sample_ring
#
# gen = torch.Generator().manual_seed(0)
# ring = sample_ring(2000, gen)
# forger, detective = Generator(2, 2), Discriminator(2)
# for rounds in [100, 100, 200]:
#     train_gan(forger, detective, ring, rounds, 256, 0.003, gen)
#     plt.scatter(*sample(forger, 2000, gen).T, s=3)
#     plt.show()
# ```


# %%
def train_gan(
    generator: nn.Module,
    discriminator: nn.Module,
    data: Float[Tensor, "samples ..."],
    steps: int,
    batch_size: int,
    lr: float,
    gen: torch.Generator,
) -> list[tuple[float, float]]:
    """Train both networks in place; for each step the pair (discriminator loss, generator loss).

    Each step teaches the discriminator with a new batch of `data`, then the generator. Batches and
    noise are drawn with `gen`: the same seed gives the same run. The losses are Python floats, each
    from before its network's step. Both networks are trained in training mode.
    """
    ### BEGIN SOLUTION
    # TASK: 25 minutes, medium
    # HINT: Two optimizers, made once: each knows the parameters of its own network only.
    betas = (0.5, 0.999)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=lr, betas=betas)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=betas)

    generator.train()
    discriminator.train()
    history = []
    for _ in range(steps):
        # HINT: `data[rows]` with a tensor of row numbers takes these rows, some of them twice.
        rows = torch.randint(len(data), (batch_size,), generator=gen, device=gen.device)
        real = data[rows.to(data.device)]

        # HINT: The work is done by the two step functions that you have written.
        d_loss = discriminator_step(generator, discriminator, discriminator_optimizer, real, gen)
        g_loss = generator_step(generator, discriminator, generator_optimizer, batch_size, gen)
        history.append((d_loss, g_loss))
    return history
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - I. Goodfellow and others, *Generative Adversarial Nets* (NeurIPS 2014): the first GAN. Section 3
#   has the non-saturating loss, section 4 the best discriminator.
# - A. Radford, L. Metz and S. Chintala, *Unsupervised Representation Learning with Deep Convolutional
#   Generative Adversarial Networks* (ICLR 2016): pictures, and where `betas=(0.5, 0.999)` comes from.
# - I. Gulrajani and others, *Improved Training of Wasserstein GANs* (NeurIPS 2017): the gradient
#   penalty.
# - L. Metz and others, *Unrolled Generative Adversarial Networks* (ICLR 2017): the ring of eight
#   Gaussians, and mode collapse in pictures.
# - The PyTorch tutorial on DCGAN. Read it with this page in mind: where does it detach, where does it
#   clear which gradients, and why does its generator end with `tanh`?
