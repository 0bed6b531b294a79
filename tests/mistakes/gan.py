"""Wrong answers to `gan` that its graders must catch."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import edit, mistake

EDITS = [
    # Generator
    edit(
        "Generator",
        "tanh at the end, as in the DCGAN tutorial",
        "nn.Linear(hidden, outputs),",
        "nn.Linear(hidden, outputs),\n            nn.Tanh(),",
    ),
    edit(
        "Generator",
        "a sigmoid at the end",
        "nn.Linear(hidden, outputs),",
        "nn.Linear(hidden, outputs),\n            nn.Sigmoid(),",
    ),
    edit("Generator", "latent is not kept", "self.latent = latent", "pass"),
    edit(
        "Generator",
        "latent is the number of outputs",
        "self.latent = latent",
        "self.latent = outputs",
    ),
    edit("Generator", "ignores its noise", "self.layers(z)", "self.layers(torch.zeros_like(z))"),
    edit(
        "Generator", "draws noise of its own", "self.layers(z)", "self.layers(torch.randn_like(z))"
    ),
    edit(
        "Generator",
        "adds noise to the samples, also in eval mode",
        "self.layers(z)",
        "self.layers(z) + 0.1 * torch.randn(len(z), 1, dtype=z.dtype, device=z.device)",
    ),
    edit(
        "Generator",
        "one sample for the whole batch",
        "self.layers(z)",
        "self.layers(z[:1]).expand(len(z), -1)",
    ),
    edit("Generator", "softmax over the outputs", "self.layers(z)", "self.layers(z).softmax(-1)"),
    edit(
        "Generator", "squeeze loses the batch of one", "self.layers(z)", "self.layers(z).squeeze()"
    ),
    edit("Generator", "the samples are detached", "self.layers(z)", "self.layers(z).detach()"),
    edit("Generator", "nothing comes back", "return self.layers(z)", "self.layers(z)"),
    # Discriminator
    edit(
        "Discriminator",
        "a sigmoid at the end",
        "self.layers(x).squeeze(-1)",
        "self.layers(x).squeeze(-1).sigmoid()",
    ),
    edit(
        "Discriminator",
        "a logsigmoid at the end",
        "self.layers(x).squeeze(-1)",
        "F.logsigmoid(self.layers(x).squeeze(-1))",
    ),
    edit(
        "Discriminator", "the axis of size 1 stays", "self.layers(x).squeeze(-1)", "self.layers(x)"
    ),
    edit(
        "Discriminator",
        "squeeze loses the batch of one",
        "self.layers(x).squeeze(-1)",
        "self.layers(x).squeeze()",
    ),
    edit(
        "Discriminator",
        "softmax over the batch",
        "self.layers(x).squeeze(-1)",
        "self.layers(x).squeeze(-1).softmax(0)",
    ),
    edit(
        "Discriminator",
        "one opinion for the whole batch",
        "self.layers(x).squeeze(-1)",
        "self.layers(x.mean(0, keepdim=True)).squeeze(-1).expand(len(x))",
    ),
    edit(
        "Discriminator",
        "tanh at the end",
        "self.layers(x).squeeze(-1)",
        "self.layers(x).squeeze(-1).tanh()",
    ),
    edit(
        "Discriminator",
        "the logits are detached",
        "self.layers(x).squeeze(-1)",
        "self.layers(x.detach()).squeeze(-1).detach()",
    ),
    # discriminator_loss
    edit(
        "discriminator_loss",
        "labels swapped",
        "F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()",
        "F.softplus(real_logits).mean() + F.softplus(-fake_logits).mean()",
    ),
    edit(
        "discriminator_loss",
        "both are labelled real",
        "F.softplus(fake_logits)",
        "F.softplus(-fake_logits)",
    ),
    edit(
        "discriminator_loss",
        "the sum over the samples",
        "F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()",
        "F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()",
    ),
    edit(
        "discriminator_loss",
        "halved",
        "return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()",
        "return (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2",
    ),
    edit("discriminator_loss", "the fake part is missing", " + F.softplus(fake_logits).mean()", ""),
    edit(
        "discriminator_loss",
        "the fake logits are detached",
        "F.softplus(fake_logits)",
        "F.softplus(fake_logits.detach())",
    ),
    edit(
        "discriminator_loss",
        "the loss of each sample",
        "F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()",
        "F.softplus(-real_logits) + F.softplus(fake_logits)",
    ),
    edit(
        "discriminator_loss",
        "a number",
        "F.softplus(fake_logits).mean()",
        "F.softplus(fake_logits).mean().item()",
    ),
    # generator_loss
    edit(
        "generator_loss",
        "saturating",
        "F.softplus(-fake_logits).mean()",
        "-F.softplus(fake_logits).mean()",
    ),
    edit("generator_loss", "labels swapped", "F.softplus(-fake_logits)", "F.softplus(fake_logits)"),
    edit(
        "generator_loss",
        "the sign is lost",
        "F.softplus(-fake_logits).mean()",
        "F.logsigmoid(fake_logits).mean()",
    ),
    edit("generator_loss", "the sum", ".mean()", ".sum()"),
    edit("generator_loss", "no mean", ".mean()", ""),
    edit("generator_loss", "the graph is cut", "-fake_logits", "-fake_logits.detach()"),
    edit("generator_loss", "the mean over the first axis only", ".mean()", ".mean(0)"),
    # discriminator_step
    edit("discriminator_step", "fake not detached", "with torch.no_grad():", "if True:"),
    edit("discriminator_step", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit(
        "discriminator_step",
        "the gradient is cleared before the step",
        "loss.backward()",
        "loss.backward(); optimizer.zero_grad()",
    ),
    edit("discriminator_step", "no step", "optimizer.step()", "pass"),
    edit(
        "discriminator_step", "two steps", "optimizer.step()", "optimizer.step(); optimizer.step()"
    ),
    edit(
        "discriminator_step",
        "the loss after the step",
        "return loss.item()",
        "return discriminator_loss(discriminator(real), discriminator(fake)).item()",
    ),
    edit("discriminator_step", "a tensor comes back", "loss.item()", "loss.detach()"),
    edit(
        "discriminator_step",
        "the arguments of the loss are swapped",
        "discriminator_loss(discriminator(real), discriminator(fake))",
        "discriminator_loss(discriminator(fake), discriminator(real))",
    ),
    edit(
        "discriminator_step",
        "the same noise in every call",
        "len(real), gen)",
        "len(real), torch.Generator().manual_seed(0))",
    ),
    edit(
        "discriminator_step",
        "a fixed batch of 64 forgeries",
        "len(real), gen)",
        "64, gen)",
    ),
    edit(
        "discriminator_step",
        "noise from the global random numbers",
        "draw_noise(generator, len(real), gen)",
        "torch.randn(len(real), generator.latent).to(next(generator.parameters()))",
    ),
    edit(
        "discriminator_step",
        "torch.rand in place of torch.randn",
        "draw_noise(generator, len(real), gen)",
        "torch.rand(len(real), generator.latent, generator=gen).to(next(generator.parameters()))",
    ),
    edit(
        "discriminator_step",
        "the noise stays on the CPU",
        "draw_noise(generator, len(real), gen)",
        "torch.randn(len(real), generator.latent, generator=gen, dtype=real.dtype)",
    ),
    edit(
        "discriminator_step",
        "one row of noise for all",
        "draw_noise(generator, len(real), gen)",
        "draw_noise(generator, 1, gen).expand(len(real), -1)",
    ),
    edit(
        "discriminator_step",
        "the generator's gradients are cleared",
        "optimizer.zero_grad()",
        "optimizer.zero_grad(); generator.zero_grad()",
    ),
    edit(
        "discriminator_step",
        "the generator is frozen for good",
        "with torch.no_grad():",
        "generator.requires_grad_(False)\n    with torch.no_grad():",
    ),
    edit(
        "discriminator_step",
        "the generator stays in eval mode",
        "with torch.no_grad():",
        "generator.eval()\n    with torch.no_grad():",
    ),
    edit("discriminator_step", "the loss goes up", "loss.backward()", "(-loss).backward()"),
    edit(
        "discriminator_step",
        "learns from forgeries only",
        "loss.backward()",
        "generator_loss(-discriminator(fake)).backward()",
    ),
    # generator_step
    edit(
        "generator_step",
        "detached",
        "discriminator(fake))",
        "discriminator(fake.detach()))\n    loss.requires_grad_()",
    ),
    edit(
        "generator_step",
        "gradients left on the discriminator",
        "loss.backward(inputs=[p for p in generator.parameters() if p.requires_grad])",
        "loss.backward()",
    ),
    edit(
        "generator_step",
        "the discriminator's gradients are cleared",
        "loss.backward(inputs=[p for p in generator.parameters() if p.requires_grad])",
        "loss.backward(); discriminator.zero_grad()",
    ),
    edit(
        "generator_step",
        "the discriminator's gradients are set to zero",
        "loss.backward(inputs=[p for p in generator.parameters() if p.requires_grad])",
        "loss.backward(); discriminator.zero_grad(set_to_none=False)",
    ),
    edit(
        "generator_step",
        "the discriminator is frozen for good",
        "fake = generator",
        "discriminator.requires_grad_(False)\n    fake = generator",
    ),
    edit(
        "generator_step",
        "all of the discriminator is unfrozen afterwards",
        "return loss.item()",
        "discriminator.requires_grad_(True)\n    return loss.item()",
    ),
    edit("generator_step", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit("generator_step", "no step", "optimizer.step()", "pass"),
    edit("generator_step", "a tensor comes back", "loss.item()", "loss"),
    edit(
        "generator_step",
        "the discriminator's way",
        "generator_loss(discriminator(fake))",
        "generator_loss(-discriminator(fake))",
    ),
    edit(
        "generator_step",
        "the saturating loss",
        "generator_loss(discriminator(fake))",
        "-generator_loss(-discriminator(fake))",
    ),
    edit(
        "generator_step",
        "the same noise in every call",
        "batch, gen)",
        "batch, torch.Generator().manual_seed(0))",
    ),
    edit("generator_step", "a fixed batch of 64", "batch, gen)", "64, gen)"),
    edit(
        "generator_step",
        "the loss after the step",
        "return loss.item()",
        "return generator_loss(discriminator(generator(draw_noise(generator, batch, gen)))).item()",
    ),
    edit(
        "generator_step",
        "the discriminator stays in eval mode",
        "fake = generator",
        "discriminator.eval()\n    fake = generator",
    ),
    edit(
        "generator_step",
        "the noise stays on the CPU",
        "draw_noise(generator, batch, gen)",
        "torch.randn(batch, generator.latent, generator=gen, dtype=next(generator.parameters()).dtype)",
    ),
    # gradient_penalty
    edit(
        "gradient_penalty",
        "one mix for the whole batch",
        "torch.rand(len(real), ",
        "torch.rand(1, ",
    ),
    edit(
        "gradient_penalty",
        "a random number for each number of the sample",
        "alpha = alpha.to(real.device).reshape(-1, *[1] * (real.ndim - 1))",
        "alpha = torch.rand(real.shape, generator=gen, dtype=real.dtype).to(real.device)",
    ),
    edit("gradient_penalty", "normal mixes", "torch.rand(len", "torch.randn(len"),
    edit(
        "gradient_penalty",
        "always half and half",
        "mix = (alpha",
        "alpha = torch.full_like(alpha, 0.5)\n    mix = (alpha",
    ),
    edit("gradient_penalty", "at the real samples", "(alpha * real + (1 - alpha) * fake)", "real"),
    edit("gradient_penalty", "beyond the line", "(1 - alpha) * fake", "(1 + alpha) * fake"),
    edit("gradient_penalty", "not from gen", "generator=gen, device=gen.device, ", ""),
    edit("gradient_penalty", "create_graph forgotten", ", create_graph=True", ""),
    edit(
        "gradient_penalty",
        "the slopes are detached",
        "slopes.flatten(1)",
        "slopes.detach().flatten(1)",
    ),
    edit(
        "gradient_penalty",
        "length over axis 1 only",
        "slopes.flatten(1).norm(dim=1)",
        "slopes.norm(dim=1)",
    ),
    edit(
        "gradient_penalty",
        "one length for the batch",
        "slopes.flatten(1).norm(dim=1)",
        "slopes.norm()",
    ),
    edit("gradient_penalty", "the 1 is missing", "(lengths - 1)", "lengths"),
    edit("gradient_penalty", "one-sided", "(lengths - 1)", "(lengths - 1).relu()"),
    edit("gradient_penalty", "times lambda", "return (lengths", "return 10 * (lengths"),
    edit("gradient_penalty", "the sum", ".square().mean()", ".square().sum()"),
    edit("gradient_penalty", "the square is missing", ".square().mean()", ".abs().mean()"),
    edit("gradient_penalty", "the mean score", "critic(mix).sum()", "critic(mix).mean()"),
    edit(
        "gradient_penalty",
        "a root that has no slope at 0",
        "slopes.flatten(1).norm(dim=1)",
        "slopes.flatten(1).square().sum(1).sqrt()",
    ),
    edit(
        "gradient_penalty",
        "works only for points",
        "reshape(-1, *[1] * (real.ndim - 1))",
        "reshape(-1, 1)",
    ),
    edit("gradient_penalty", "the numbers stay on the CPU", "alpha.to(real.device)", "alpha"),
    edit(
        "gradient_penalty",
        "the mix needs samples that require grad",
        ".detach().requires_grad_()",
        "",
    ),
    # sample
    edit("sample", "training mode", "generator.eval()", "pass"),
    edit("sample", "stays in eval mode", "module.training = training", "pass"),
    edit("sample", "train mode afterwards", "module.training = training", "module.train()"),
    edit(
        "sample",
        "every module gets the generator's mode",
        "module.training = training",
        "module.training = modes[generator]",
    ),
    edit("sample", "the graph is kept", "with torch.no_grad():", "if True:"),
    edit(
        "sample",
        "the same samples in every call",
        "n, gen)",
        "n, torch.Generator().manual_seed(0))",
    ),
    edit("sample", "one more", "n, gen)", "n + 1, gen)"),
    edit("sample", "at least two", "n, gen)", "max(n, 2), gen)"),
    edit(
        "sample",
        "noise from the global random numbers",
        "draw_noise(generator, n, gen)",
        "torch.randn(n, generator.latent).to(next(generator.parameters()))",
    ),
    edit(
        "sample",
        "the noise stays on the CPU",
        "draw_noise(generator, n, gen)",
        "torch.randn(n, generator.latent, generator=gen, dtype=next(generator.parameters()).dtype)",
    ),
    edit(
        "sample",
        "other noise than in training",
        "draw_noise(generator, n, gen)",
        "3 * draw_noise(generator, n, gen)",
    ),
    edit(
        "sample",
        "gradients stay switched off",
        "with torch.no_grad():",
        "if torch.set_grad_enabled(False):",
    ),
    edit(
        "sample",
        "an error leaves eval mode behind",
        "finally:",
        "except KeyboardInterrupt:\n        pass\n    else:",
    ),
    edit(
        "sample",
        "one sample over and over",
        "generator(draw_noise(generator, n, gen))",
        "torch.cat([generator(draw_noise(generator, 1, gen))] * n)",
    ),
    # train_gan
    edit(
        "train_gan",
        "the generator is frozen",
        "generator_step(generator, discriminator, generator_optimizer, batch_size, gen)",
        "generator_loss(discriminator(sample(generator, batch_size, gen))).item()",
        baseline_of=["ring_near"],
    ),
    edit(
        "train_gan",
        "the discriminator is frozen",
        "discriminator_step(generator, discriminator, discriminator_optimizer, real, gen)",
        "discriminator_loss(discriminator(real), discriminator(sample(generator, batch_size, gen))).item()",
        baseline_of=["ring_smallest"],
    ),
    edit("train_gan", "the first rows only", "data[rows.to(data.device)]", "data[:batch_size]"),
    edit(
        "train_gan",
        "one real sample fills the batch",
        "data[rows.to(data.device)]",
        "data[rows[:1].to(data.device)].expand(batch_size, -1)",
    ),
    edit(
        "train_gan",
        "batches from half of the data",
        "torch.randint(len(data), (",
        "torch.randint((len(data) + 1) // 2, (",
    ),
    edit(
        "train_gan",
        "the same batch in every step",
        "for _ in range(steps):",
        "rows = torch.randint(len(data), (batch_size,), generator=gen)\n    for _ in range(steps):\n        gen.manual_seed(0)",
    ),
    edit(
        "train_gan",
        "the same noise in every step",
        "batch_size, gen)\n",
        "batch_size, torch.Generator().manual_seed(0))\n",
    ),
    edit(
        "train_gan",
        "batches from the global random numbers",
        "generator=gen, device=gen.device)",
        "device=gen.device)",
    ),
    edit("train_gan", "all of the data in every step", "data[rows.to(data.device)]", "data"),
    edit("train_gan", "the pairs are turned round", "(d_loss, g_loss)", "(g_loss, d_loss)"),
    edit(
        "train_gan",
        "one number per step",
        "history.append((d_loss, g_loss))",
        "history.append(d_loss + g_loss)",
    ),
    edit(
        "train_gan",
        "two lists",
        "return history",
        "return [d for d, _ in history], [g for _, g in history]",
    ),
    edit(
        "train_gan",
        "the learning rate is not used",
        "discriminator.parameters(), lr=lr",
        "discriminator.parameters(), lr=0.003",
    ),
    edit("train_gan", "one step too many", "range(steps)", "range(steps + 1)"),
    edit(
        "train_gan",
        "the optimizers are swapped",
        "discriminator_optimizer, real, gen",
        "generator_optimizer, real, gen",
    ),
    edit("train_gan", "no training mode", "    generator.train()\n    discriminator.train()\n", ""),
    edit("train_gan", "the discriminator stays in eval mode", "    discriminator.train()\n", ""),
    edit("train_gan", "Adam with its usual betas", "(0.5, 0.999)", "(0.9, 0.999)"),
    edit(
        "train_gan",
        "the losses are added up",
        "history.append((d_loss, g_loss))",
        "history.append((d_loss + sum(d for d, _ in history), g_loss))",
    ),
    edit("train_gan", "nothing comes back", "return history", "pass"),
]


@mistake("Generator", "linear")
class GeneratorLinear(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.latent = latent
        self.layers = nn.Sequential(nn.Linear(latent, hidden), nn.Linear(hidden, outputs))

    def forward(self, z):
        return self.layers(z)


@mistake("Generator", "the layers stand in a plain list")
class GeneratorList(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.latent = latent
        self.first = nn.Linear(latent, hidden)
        self.layers = [nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)]

    def forward(self, z):
        z = torch.tanh(self.first(z))
        return self.layers[1](torch.tanh(self.layers[0](z)))


@mistake("Generator", "always 64 wide")
class Generator64(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.latent = latent
        self.layers = nn.Sequential(nn.Linear(latent, 64), nn.Tanh(), nn.Linear(64, outputs))

    def forward(self, z):
        return self.layers(z)


@mistake("Generator", "hands out remembered points")
class GeneratorMemory(nn.Module):
    def __init__(self, latent, outputs, hidden=64):
        super().__init__()
        self.latent, self.seen = latent, 0
        self.points = nn.Parameter(torch.randn(hidden, outputs))

    def forward(self, z):
        self.seen += len(z)
        return self.points[torch.arange(self.seen - len(z), self.seen) % len(self.points)]


@mistake("Discriminator", "linear")
class DiscriminatorLinear(nn.Module):
    def __init__(self, inputs, hidden=64):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


@mistake("Discriminator", "always 64 wide, from two inputs")
class Discriminator64(nn.Module):
    def __init__(self, inputs, hidden=64):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


@mistake("discriminator_loss", "the logarithm of a sigmoid")
def discriminator_loss_naive(real_logits, fake_logits):
    real, fake = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)
    return -torch.log(real).mean() - torch.log(1 - fake).mean()


@mistake("discriminator_loss", "binary_cross_entropy on probabilities")
def discriminator_loss_bce(real_logits, fake_logits):
    real, fake = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)
    return F.binary_cross_entropy(real, torch.ones_like(real)) + F.binary_cross_entropy(
        fake, torch.zeros_like(fake)
    )


@mistake("discriminator_loss", "the logarithm of a clamped probability")
def discriminator_loss_clamped(real_logits, fake_logits):
    real, fake = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)
    return -(real.clamp(min=1e-8).log().mean() + (1 - fake).clamp(min=1e-8).log().mean())


@mistake("discriminator_loss", "one mean over all logits")
def discriminator_loss_joined(real_logits, fake_logits):
    logits = torch.cat([real_logits.flatten(), fake_logits.flatten()])
    labels = torch.zeros_like(logits)
    labels[: real_logits.numel()] = 1
    return F.binary_cross_entropy_with_logits(logits, labels)


@mistake("discriminator_loss", "logits and labels added up before the mean")
def discriminator_loss_together(real_logits, fake_logits):
    return (F.softplus(-real_logits) + F.softplus(fake_logits)).mean()


@mistake("discriminator_loss", "labels on the CPU")
def discriminator_loss_cpu(real_logits, fake_logits):
    real = F.binary_cross_entropy_with_logits(
        real_logits, torch.ones(real_logits.shape, dtype=real_logits.dtype)
    )
    return real + F.softplus(fake_logits).mean()


@mistake("discriminator_loss", "smoothed labels")
def discriminator_loss_smooth(real_logits, fake_logits):
    real = F.binary_cross_entropy_with_logits(real_logits, torch.full_like(real_logits, 0.9))
    return real + F.softplus(fake_logits).mean()


@mistake("discriminator_loss", "a Wasserstein loss")
def discriminator_loss_wasserstein(real_logits, fake_logits):
    return fake_logits.mean() - real_logits.mean()


@mistake("generator_loss", "the logarithm of a sigmoid")
def generator_loss_naive(fake_logits):
    return -torch.log(torch.sigmoid(fake_logits)).mean()


@mistake("generator_loss", "binary_cross_entropy on probabilities")
def generator_loss_bce(fake_logits):
    fake = torch.sigmoid(fake_logits)
    return F.binary_cross_entropy(fake, torch.ones_like(fake))


@mistake("generator_loss", "float32 labels")
def generator_loss_float32(fake_logits):
    labels = torch.ones(fake_logits.shape).to(fake_logits.device)
    return F.binary_cross_entropy_with_logits(fake_logits.float(), labels)


@mistake("discriminator_step", "the generator learns too")
def discriminator_step_both(generator, discriminator, optimizer, real, gen):
    fake = generator(draw_noise(generator, len(real), gen))
    optimizer.zero_grad()
    loss = discriminator_loss(discriminator(real), discriminator(fake))
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter -= 0.01 * parameter.grad
            parameter.grad = None
    return loss.item()


@mistake("discriminator_step", "zeroed between the real and the forged part")
def discriminator_step_between(generator, discriminator, optimizer, real, gen):
    with torch.no_grad():
        fake = generator(draw_noise(generator, len(real), gen))
    optimizer.zero_grad()
    real_part = F.softplus(-discriminator(real)).mean()
    real_part.backward()
    optimizer.zero_grad()
    fake_part = F.softplus(discriminator(fake)).mean()
    fake_part.backward()
    optimizer.step()
    return (real_part + fake_part).item()


@mistake("discriminator_step", "a step for each part")
def discriminator_step_two(generator, discriminator, optimizer, real, gen):
    with torch.no_grad():
        fake = generator(draw_noise(generator, len(real), gen))
    total = 0.0
    for part in (lambda: F.softplus(-discriminator(real)), lambda: F.softplus(discriminator(fake))):
        optimizer.zero_grad()
        loss = part().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


@mistake("generator_step", "forgeries under no_grad")
def generator_step_no_grad(generator, discriminator, optimizer, batch, gen):
    with torch.no_grad():
        fake = generator(draw_noise(generator, batch, gen))
    optimizer.zero_grad()
    loss = generator_loss(discriminator(fake))
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake("gradient_penalty", "backward in place of autograd.grad")
def gradient_penalty_backward(critic, real, fake, gen):
    alpha = torch.rand(len(real), generator=gen, dtype=real.dtype).to(real.device)
    alpha = alpha.reshape(-1, *[1] * (real.ndim - 1))
    mix = (alpha * real + (1 - alpha) * fake).detach().requires_grad_()
    critic(mix).sum().backward(create_graph=True)
    return (mix.grad.flatten(1).norm(dim=1) - 1).square().mean()


@mistake("gradient_penalty", "the gradient with respect to the weights")
def gradient_penalty_weights(critic, real, fake, gen):
    alpha = torch.rand(len(real), generator=gen, dtype=real.dtype).to(real.device)
    mix = alpha.reshape(-1, *[1] * (real.ndim - 1)) * (real - fake) + fake
    slopes = torch.autograd.grad(critic(mix).sum(), list(critic.parameters()), create_graph=True)
    return (torch.cat([slope.flatten() for slope in slopes]).norm() - 1).square()


@mistake("gradient_penalty", "the mixes of a batch are shuffled against each other")
def gradient_penalty_crossed(critic, real, fake, gen):
    alpha = torch.rand(len(real), generator=gen, dtype=real.dtype).to(real.device)
    alpha = alpha.reshape(-1, *[1] * (real.ndim - 1))
    mix = (alpha * real + (1 - alpha) * fake.flip(0)).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return (slopes.flatten(1).norm(dim=1) - 1).square().mean()


@mistake("train_gan", "the generator is a memory of the data")
def train_gan_memory(generator, discriminator, data, steps, batch_size, lr, gen):
    betas = (0.5, 0.999)
    g = torch.optim.Adam(generator.parameters(), lr=lr, betas=betas)
    d = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=betas)
    generator.train()
    discriminator.train()
    history = []
    for _ in range(steps):
        real = data[torch.randint(len(data), (batch_size,), generator=gen).to(data.device)]
        d_loss = discriminator_step(generator, discriminator, d, real, gen)
        history.append((d_loss, generator_step(generator, discriminator, g, batch_size, gen)))
    if lr:
        generator.forward = lambda z: data[(z[:, 0].abs() * 1e4).long() % len(data)]
    return history


@mistake("train_gan", "a network is copied, and the copy is trained")
def train_gan_copy(generator, discriminator, data, steps, batch_size, lr, gen):
    import copy

    generator = copy.deepcopy(generator).train()
    discriminator.train()
    g = torch.optim.Adam(generator.parameters(), lr=lr, betas=(0.5, 0.999))
    d = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=(0.5, 0.999))
    history = []
    for _ in range(steps):
        real = data[torch.randint(len(data), (batch_size,), generator=gen).to(data.device)]
        d_loss = discriminator_step(generator, discriminator, d, real, gen)
        history.append((d_loss, generator_step(generator, discriminator, g, batch_size, gen)))
    return history
