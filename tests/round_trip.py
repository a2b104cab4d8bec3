"""State dicts travel both ways: `python3 tests/round_trip.py`, with `tests/parity/requirements.txt` installed.

What PyTorch saves – f32, f16 or bf16 – gives PyTorch's logits in `nin`; what `nin` saves loads into PyTorch with
`strict=True` and has the same values.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests" / "parity"))
import nets  # noqa: E402

# Relative to the largest logit: f32 rounding and Winograd's transforms, as `tests/parity.rs` derives them.
TOLERANCE = 5e-5


def nin(weights, images, saved):
    """The logits by `nin`, which also saves the weights again."""
    pixels = saved.with_suffix(".f32")
    pixels.write_bytes(images.numpy().astype("<f4").tobytes())
    command = ["cargo", "run", "--release", "--quiet", "--example", "state_dict", "--"]
    run = subprocess.run(
        [*command, weights, pixels, saved], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return torch.tensor([json.loads(line) for line in run.stdout.splitlines()])


def check(dtype, folder):
    torch.manual_seed(7)
    net = nets.d2l().eval()
    for parameter in net.parameters():
        # PyTorch's own initialisation lets the signal fade over twelve layers.
        parameter.data.mul_(6**0.5)
    sent = {name: value.to(dtype) for name, value in net.state_dict().items()}
    net.load_state_dict({name: value.float() for name, value in sent.items()})
    images = torch.rand(4, 1, 224, 224)
    with torch.inference_mode():
        expected = net(images)
    assert (expected - expected[0]).abs().max() > 0.01 * expected.abs().max(), "images make no difference"

    weights, saved = folder / "pytorch.safetensors", folder / "nin.safetensors"
    save_file(sent, weights)
    logits = nin(weights, images, saved)
    deviation = ((logits - expected).abs().max() / expected.abs().max()).item()
    assert deviation < TOLERANCE, f"{dtype}: logits deviate by {deviation:.1e}"

    back = nets.d2l()
    back.load_state_dict(load_file(saved), strict=True)
    for name, value in back.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), f"{dtype}: {name} has changed"
    print(f"{str(dtype):>15}: logits deviate by {deviation:.1e}, all {len(sent)} tensors came back as sent")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            check(dtype, pathlib.Path(folder))


if __name__ == "__main__":
    main()
