"""Times Python's frameworks for `run.py`: `peers.py SIDE ONNX_DIR THREADS`, or `peers.py export ONNX_DIR`.

Each line of input, `NET WORK BATCH COUNT`, asks for so many runs; the answer is a line with their
milliseconds as JSON, or `null` if the side can't do that.
"""

import json
import pathlib
import sys
import time
import warnings

SIZES = {"d2l": 224, "small": 28}
BATCHES = (1, 16)


def net(name):
    from torch import nn

    def block(inputs, outputs, kernel, stride=1, padding=0):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1), nn.ReLU(),
        )

    def pool():
        return nn.MaxPool2d(3, stride=2)

    blocks = {
        "d2l": [block(1, 96, 11, 4), pool(), block(96, 256, 5, 1, 2), pool(),
                block(256, 384, 3, 1, 1), pool(), nn.Dropout(0.5), block(384, 10, 3, 1, 1)],
        "small": [block(1, 32, 5, 1, 2), pool(), block(32, 64, 3, 1, 1), pool(),
                  nn.Dropout(0.5), block(64, 10, 3, 1, 1)],
    }
    return nn.Sequential(*blocks[name], nn.AdaptiveAvgPool2d(1), nn.Flatten())


def export(folder):
    """Writes the nets as ONNX files, one for each size of a batch."""
    import torch

    warnings.filterwarnings("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in SIZES.items():
        for batch in BATCHES:
            images = torch.randn(batch, 1, size, size)
            file = folder / f"{name}-{batch}.onnx"
            torch.onnx.export(net(name).eval(), (images,), file, input_names=["x"], dynamo=False)


def pixels(name, batch):
    import numpy

    shape = (batch, 1, SIZES[name], SIZES[name])
    return numpy.random.default_rng(1).random(shape, dtype=numpy.float32)


def onnxruntime(name, work, batch, folder, threads):
    import onnxruntime

    if work == "train":
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / f"{name}-{batch}.onnx", options, providers=["CPUExecutionProvider"]
    )
    images = {"x": pixels(name, batch)}
    return lambda: session.run(None, images)


def openvino(name, work, batch, folder, threads):
    import openvino

    if work == "train":
        return None
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
              "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(folder / f"{name}-{batch}.onnx", "CPU", config)
    request, images = model.create_infer_request(), pixels(name, batch)
    return lambda: request.infer([images], share_inputs=True)


def pytorch(name, work, batch, folder, threads, channels_last=False):
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    model, images = net(name), torch.from_numpy(pixels(name, batch))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    if work == "forward":
        model.eval()
        return torch.inference_mode()(lambda: model(images))
    labels = torch.arange(batch) % 10
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step():
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        sgd.step()

    return step


def pytorch_channels_last(*arguments):
    return pytorch(*arguments, channels_last=True)


SIDES = {side.__name__.replace("_", "-"): side
         for side in (onnxruntime, openvino, pytorch, pytorch_channels_last)}


def measure(run, count):
    """The milliseconds of each run, after one that isn't counted."""
    run()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def serve(side, folder, threads):
    runs = {}
    for line in sys.stdin:
        name, work, batch, count = line.split()
        key = (name, work, int(batch))
        if key not in runs:
            runs[key] = SIDES[side](*key, folder, threads)
        run = runs[key]
        print(json.dumps(run and measure(run, int(count))), flush=True)


def main():
    side, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if side == "export":
        export(folder)
    else:
        serve(side, folder, int(sys.argv[3]))


if __name__ == "__main__":
    main()
