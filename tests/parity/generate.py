"""Writes the golden files of the parity tests: `python3 generate.py`.

For each net NAME of `nets.py`, `golden/NAME.weights.safetensors` is its state dict, and
`golden/NAME.safetensors` has the input, the labels, and what PyTorch makes of them: logits, loss, the
gradient of every parameter, and the parameters after five steps of SGD and after five of Adam.

Weights and inputs are f32; PyTorch computes in f64, so that a test sees the rounding of `nin` alone.
"""

import copy
import math
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

import nets

GOLDEN = pathlib.Path(__file__).parent / "golden"
STEPS = 5
# Where rounding decides whether a ReLU or a pool tips over, a step goes one way or another. In nets with
# many of both, seeds are chosen for margins well above the rounding of f32.
SEEDS = {"small": 295}
MARGIN = 5e-6


def initialise(net, generator):
    """Kaiming-uniform weights, and biases that keep most ReLUs of these small nets alive."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            bound = math.sqrt(6 / module.weight[0].numel())
            with torch.no_grad():
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-0.1, 0.3, generator=generator)


class Margin:
    """How near the ReLUs behind convolutions, and the max pools, come to tipping over."""

    def __init__(self):
        self.least = math.inf

    def watch(self, net):
        for module in net.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(lambda _, x: self.see(x[0].abs()))
            if isinstance(module, nn.MaxPool2d):
                module.register_forward_pre_hook(self.see_windows)

    def see(self, distances):
        self.least = min(self.least, distances.detach().min().item())

    def see_windows(self, pool, x):
        planes = x[0].detach().flatten(0, 1).unsqueeze(1)
        windows = nn.functional.unfold(planes, pool.kernel_size, padding=pool.padding, stride=pool.stride)
        first, second = windows.topk(2, dim=1).values.unbind(1)
        # Where all are zero, behind a ReLU, no gradient goes on.
        self.see((first - second)[first > 0])


def gradients(net, images, labels):
    net.zero_grad()
    logits = net(images)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    return logits.detach(), loss.detach(), {name: p.grad for name, p in net.named_parameters()}


def after_steps(net, images, labels, make_optimizer, margin=None):
    net = copy.deepcopy(net)
    if margin:
        margin.watch(net)
    optimizer = make_optimizer(net.parameters())
    for _ in range(STEPS):
        gradients(net, images, labels)
        optimizer.step()
    return net.state_dict()


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=5e-4)


def adam(parameters):
    # With the default eps of 1e-8, rounding decides which way a weight moves whose gradient is zero.
    return torch.optim.Adam(parameters, lr=0.002, eps=1e-3)


def golden(name, shape, batch, net, seed):
    generator = torch.Generator().manual_seed(seed)
    initialise(net, generator)
    save_file(net.state_dict(), GOLDEN / f"{name}.weights.safetensors", {"format": "pt"})
    images = torch.empty(batch, *shape).uniform_(-1, 1, generator=generator)
    net, exact = net.double(), images.double()
    classes = net(exact).shape[1]
    labels = torch.arange(batch) * 3 % classes
    logits, loss, grads = gradients(net, exact, labels)
    for parameter, grad in grads.items():
        assert grad.abs().max() > 1e-4, f"{name}: {parameter} learns nothing, try another seed"
    tensors = {"input": images, "logits": logits, "loss": loss.reshape(1)}
    tensors |= {f"gradient/{k}": v for k, v in grads.items()}
    margin = Margin()
    tensors |= {f"sgd/{k}": v for k, v in after_steps(net, exact, labels, sgd, margin).items()}
    tensors |= {f"adam/{k}": v for k, v in after_steps(net, exact, labels, adam, margin).items()}
    assert name not in SEEDS or margin.least > MARGIN, f"{name}: {margin.least}, try another seed"
    tensors = {k: v.float().contiguous() for k, v in tensors.items()}
    tensors["labels"] = labels.to(torch.uint8)
    save_file(tensors, GOLDEN / f"{name}.safetensors")
    print(f"{name}: loss {loss:.4f}, logits {logits.min():.3f} to {logits.max():.3f}")


def uniform(stream, count):
    """`count` numbers from -1 to 1 that `tests/behaviour/parity.rs` makes alike: SplitMix64 of stream and place."""
    z = np.uint64(stream << 32) + np.arange(1, count + 1, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def book():
    """The book's net at full size: weights and input by a formula, gradients as checksums."""
    net = nets.d2l()
    with torch.no_grad():
        for stream, parameter in enumerate(net.parameters()):
            shape = parameter.shape
            bound = math.sqrt(6 / math.prod(shape[1:])) if len(shape) == 4 else 0.1
            values = uniform(stream, parameter.numel()) * np.float32(bound)
            parameter.copy_(torch.from_numpy(values).reshape(shape))
    images = torch.from_numpy(uniform(1000, 2 * 224 * 224)).reshape(2, 1, 224, 224)
    logits, loss, grads = gradients(net.double(), images.double(), torch.tensor([3, 8]))
    tensors = {"logits": logits.float(), "loss": loss.float().reshape(1)}
    for name, grad in grads.items():
        assert grad.abs().max() > 1e-6, name
        sums = [grad.sum(), grad.abs().sum(), grad.square().sum(), grad.abs().max()]
        tensors[f"sums/{name}"] = torch.stack(sums)
        tensors[f"first/{name}"] = grad.flatten()[:16].clone()
    save_file(tensors, GOLDEN / "d2l.safetensors")
    print(f"d2l: loss {loss:.4f}, logits {logits.flatten().tolist()}")


def main():
    GOLDEN.mkdir(exist_ok=True)
    for seed, (name, (shape, batch, net)) in enumerate(nets.NETS.items()):
        golden(name, shape, batch, net, SEEDS.get(name, seed))
    book()


if __name__ == "__main__":
    main()
