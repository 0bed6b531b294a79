"""Unusual right answers to `gan` that must get full marks."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import alternative, edit

EDITS = [
    edit(
        "gradient_penalty",
        "the other direction",
        "(alpha * real + (1 - alpha) * fake)",
        "torch.lerp(real, fake, alpha)",
    ),
    edit(
        "gradient_penalty",
        "the gradient flows on into the samples",
        ".detach().requires_grad_()",
        ".requires_grad_()",
    ),
    edit("train_gan", "Adam forgets even faster", "(0.5, 0.999)", "(0.0, 0.99)"),
]


@alternative("Generator", "ModuleList, batch normalisation, names of another school")
class GeneratorBatchNorm(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.latent = latent
        self.stack = nn.ModuleList(
            [nn.Linear(latent, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)]
        )
        self.norm = nn.BatchNorm1d(hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, noise):
        noise = self.norm(self.stack[0](noise))
        for layer in self.stack[1:]:
            noise = layer(noise.tanh())
        return self.head(noise.tanh())


@alternative("Generator", "parameters by hand, the last layer starts near zero")
class GeneratorByHand(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.latent = latent
        self.w1 = nn.Parameter(torch.randn(latent, hidden) / latent**0.5)
        self.b1 = nn.Parameter(torch.randn(hidden))
        self.w2 = nn.Parameter(torch.randn(hidden, hidden) / hidden**0.5)
        self.b2 = nn.Parameter(torch.zeros(hidden))
        self.w3 = nn.Parameter(0.01 * torch.randn(outputs, hidden))
        self.b3 = nn.Parameter(torch.zeros(outputs))

    def forward(self, z):
        h = torch.tanh(torch.tanh(z @ self.w1 + self.b1) @ self.w2 + self.b2)
        return F.linear(h, self.w3, self.b3)


@alternative("Generator", "ReLU, a property for latent", trained=True)
class GeneratorReLU(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )

    @property
    def latent(self):
        return self.net[0].in_features

    def forward(self, z):
        return self.net(z)


@alternative("Discriminator", "leaky ReLU, dropout, the axis taken away by index")
class DiscriminatorLeaky(nn.Module):
    def __init__(self, inputs, hidden=64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.05),
        )
        self.score = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.score(self.body(x))[:, 0]


@alternative("Discriminator", "a dot product at the end, flatten")
class DiscriminatorDot(nn.Module):
    def __init__(self, inputs, hidden=64):
        super().__init__()
        self.a = nn.Linear(inputs, hidden)
        self.b = nn.Linear(hidden, hidden)
        self.w = nn.Parameter(torch.randn(hidden) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        h = torch.tanh(self.b(torch.tanh(self.a(x))))
        return torch.einsum("bh,h->b", h, self.w) + self.bias


@alternative("discriminator_loss", "torch's loss with labels")
def discriminator_loss_with_logits(real_logits, fake_logits):
    loss = nn.BCEWithLogitsLoss()
    return loss(real_logits, torch.ones_like(real_logits)) + loss(
        fake_logits, torch.zeros_like(fake_logits)
    )


@alternative("discriminator_loss", "logaddexp, sums divided by counts")
def discriminator_loss_logaddexp(real_logits, fake_logits):
    zero = real_logits.new_zeros(())
    real = torch.logaddexp(zero, -real_logits).sum() / real_logits.numel()
    return real + torch.logaddexp(zero, fake_logits).sum() / fake_logits.numel()


@alternative("generator_loss", "logsigmoid")
def generator_loss_logsigmoid(fake_logits):
    return F.logsigmoid(fake_logits).mean().neg()


@alternative("generator_loss", "two-class cross-entropy")
def generator_loss_two_classes(fake_logits):
    logits = fake_logits.flatten()
    pairs = torch.stack([torch.zeros_like(logits), logits], dim=1)
    return F.cross_entropy(pairs, torch.ones(len(logits), dtype=torch.long, device=logits.device))


@alternative("discriminator_step", "two backward passes, detach, noise by hand, its own losses")
def discriminator_step_tutorial(generator, discriminator, optimizer, real, gen):
    discriminator.zero_grad()
    real_part = F.softplus(-discriminator(real)).mean()
    real_part.backward()
    noise = torch.randn(real.size(0), generator.latent, generator=gen, dtype=real.dtype)
    fake = generator(noise.to(real.device))
    fake_part = F.softplus(discriminator(fake.detach())).mean()
    fake_part.backward()
    optimizer.step()
    return float(real_part) + float(fake_part)


@alternative("discriminator_step", "one pass over both, gradients by autograd.grad")
def discriminator_step_joined(generator, discriminator, optimizer, real, gen):
    was_training = generator.training
    generator.eval()
    with torch.inference_mode():
        fake = generator(draw_noise(generator, real.shape[0], gen))  # noqa: F821
    generator.train(was_training)
    real_logits, fake_logits = discriminator(torch.cat([real, fake.clone()])).tensor_split(
        [len(real)]
    )
    loss = discriminator_loss(real_logits, fake_logits)  # noqa: F821
    learners = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter, gradient in zip(learners, torch.autograd.grad(loss, learners)):
        parameter.grad = gradient
    optimizer.step()
    return loss.item()


@alternative("generator_step", "the discriminator is frozen, then each parameter put back")
def generator_step_frozen(generator, discriminator, optimizer, batch, gen):
    flags = [parameter.requires_grad for parameter in discriminator.parameters()]
    discriminator.requires_grad_(False)
    parameter = next(generator.parameters())
    noise = torch.randn((batch, generator.latent), generator=gen).to(parameter)
    generator.zero_grad(set_to_none=False)
    loss = F.softplus(-discriminator(generator(noise))).mean()
    loss.backward()
    optimizer.step()
    for parameter, flag in zip(discriminator.parameters(), flags):
        parameter.requires_grad_(flag)
    return float(loss.detach())


@alternative("generator_step", "gradients of the discriminator are kept and put back")
def generator_step_put_back(generator, discriminator, optimizer, batch, gen):
    kept = [p.grad for p in discriminator.parameters()]
    for p in discriminator.parameters():
        p.grad = None
    optimizer.zero_grad()
    loss = generator_loss(discriminator(generator(draw_noise(generator, batch, gen))))  # noqa: F821
    loss.backward()
    optimizer.step()
    for p, grad in zip(discriminator.parameters(), kept):
        p.grad = grad
    return loss.tolist()


@alternative("gradient_penalty", "a root of a sum with a small number under it, grad_outputs")
def gradient_penalty_eps(critic, real, fake, gen):
    share = torch.rand((real.shape[0],), generator=gen).to(real)
    share = share.view([-1] + [1] * (real.dim() - 1)).expand_as(real)
    mix = (fake.detach() + share * (real.detach() - fake.detach())).requires_grad_(True)
    scores = critic(mix)
    slopes = torch.autograd.grad(
        outputs=scores,
        inputs=mix,
        grad_outputs=torch.ones_like(scores),
        create_graph=True,
        retain_graph=True,
    )[0]
    slopes = slopes.reshape(len(slopes), -1)
    return ((torch.sqrt((slopes**2).sum(dim=1) + 1e-12) - 1) ** 2).mean()


@alternative("gradient_penalty", "sample by sample")
def gradient_penalty_loop(critic, real, fake, gen):
    mixes = []
    for one, other in zip(real, fake):
        share = torch.rand((), generator=gen).item()
        mixes.append(share * one.detach() + (1 - share) * other.detach())
    mix = torch.stack(mixes).requires_grad_()
    slope = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)[0]
    return sum((torch.linalg.vector_norm(each) - 1) ** 2 for each in slope) / len(slope)


@alternative("sample", "a copy of the generator, in parts")
def sample_copy(generator, n, gen):
    import copy

    twin = copy.deepcopy(generator).eval().requires_grad_(False)
    noise = draw_noise(twin, n, gen)  # noqa: F821
    return torch.cat([twin(part) for part in noise.split(50)])


@alternative("sample", "ExitStack, noise by hand, detach")
def sample_stack(generator, n, gen):
    from contextlib import ExitStack

    like = next(iter(generator.parameters()))
    with ExitStack() as stack:
        for module in generator.modules():
            stack.callback(setattr, module, "training", module.training)
            module.training = False
        noise = torch.randn(n, generator.latent, generator=gen, dtype=like.dtype).to(like.device)
        return generator(noise).detach()


@alternative("train_gan", "RMSprop, shuffled epochs")
def train_gan_rmsprop(generator, discriminator, data, steps, batch_size, lr, gen):
    generator.train(True)
    discriminator.train(True)
    one = torch.optim.RMSprop(discriminator.parameters(), lr)
    two = torch.optim.RMSprop(generator.parameters(), lr)
    history, order = [], torch.zeros(0, dtype=torch.long)
    while len(history) < steps:
        while len(order) < batch_size:
            order = torch.cat([order, torch.randperm(data.size(0), generator=gen)])
        rows, order = order[:batch_size], order[batch_size:]
        real = data.index_select(0, rows.to(data.device))
        d_loss = discriminator_step(generator, discriminator, one, real, gen)  # noqa: F821
        g_loss = generator_step(generator, discriminator, two, batch_size, gen)  # noqa: F821
        history += [(d_loss, g_loss)]
    return history


@alternative("train_gan", "no step functions, a faster discriminator, a loader, lists of two")
def train_gan_loader(generator, discriminator, data, steps, batch_size, lr, gen):
    from torch.utils.data import DataLoader, TensorDataset

    generator.train()
    discriminator.train()
    one = torch.optim.AdamW(
        discriminator.parameters(), 1.5 * lr, betas=(0.5, 0.99), weight_decay=0.0
    )
    two = torch.optim.AdamW(generator.parameters(), lr, betas=(0.5, 0.99), weight_decay=0.0)
    loader, history = DataLoader(TensorDataset(data), batch_size, shuffle=True, generator=gen), []
    device = next(generator.parameters()).device
    while True:
        for (real,) in loader:
            if len(history) == steps:
                return history
            noise = torch.randn(2, len(real), generator.latent, generator=gen).to(device)
            d_loss = F.softplus(-discriminator(real)).mean()
            d_loss = d_loss + F.softplus(discriminator(generator(noise[0]).detach())).mean()
            one.zero_grad()
            d_loss.backward()
            one.step()
            g_loss = F.softplus(-discriminator(generator(noise[1]))).mean()
            two.zero_grad()
            g_loss.backward()
            two.step()
            history.append([d_loss.item(), g_loss.item()])
