"""The nets of the parity tests as PyTorch's users write them: `nn.Sequential` of blocks, pools and dropout.

Each has its twin of the same name, a `nin!` spec, in `tests/behaviour/parity.rs`.
"""

from torch import nn


def block(inputs, widths, kernel, stride=1, padding=0):
    first, second, third = (widths,) * 3 if isinstance(widths, int) else widths
    return nn.Sequential(
        nn.Conv2d(inputs, first, kernel, stride, padding), nn.ReLU(),
        nn.Conv2d(first, second, 1), nn.ReLU(),
        nn.Conv2d(second, third, 1), nn.ReLU(),
    )


def conv(inputs, outputs, kernel, stride=1, padding=0, relu=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding)]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


def net(*modules):
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten())


# Name: (channels, height, width of the input), images in the batch, net.
NETS = {
    "minimal": ((1, 7, 7), 2, net(
        block(1, 4, 3),
    )),
    "three_widths": ((3, 12, 10), 3, net(
        block(3, (7, 5, 6), 5, padding=2),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.0),
        block(6, 5, 3, padding=1),
    )),
    "ceil_pools": ((3, 16, 16), 2, net(
        block(3, (12, 10, 8), 5, padding=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        block(8, 9, 5, padding=2),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        block(9, (9, 9, 10), 3, padding=1),
    )),
    "padded_pools": ((2, 13, 15), 2, net(
        block(2, 6, 3, padding=1),
        nn.MaxPool2d(3, 2, padding=1),
        block(6, 7, 3, padding=1),
        nn.AvgPool2d(3, 2, padding=1),
        block(7, 5, 3, padding=1),
    )),
    "padded_ceil_pools": ((2, 14, 12), 3, net(
        conv(2, 5, 3, padding=1),
        nn.AvgPool2d(4, 3, padding=2, ceil_mode=True),
        conv(5, 6, 3, padding=1, relu=False),
        nn.MaxPool2d(2, 2, padding=1, ceil_mode=True),
        conv(6, 4, 1, relu=False),
    )),
    "rectangles": ((2, 11, 17), 2, net(
        conv(2, 6, (3, 5), (2, 1), (1, 2)),
        nn.MaxPool2d((2, 3), (1, 2)),
        block(6, (5, 8, 6), (1, 3), padding=(0, 1)),
        nn.AvgPool2d((3, 2), (2, 1), padding=(1, 0)),
        conv(6, 3, (3, 1), relu=False),
    )),
    "strides": ((3, 35, 31), 2, net(
        block(3, 8, 11, 4),
        block(8, 7, 3, padding=2),
        block(7, 6, 2, 3),
    )),
    "single_channels": ((1, 9, 8), 3, net(
        conv(1, 1, 3),
        block(1, 1, 3, padding=1),
        nn.MaxPool2d(2, 1),
        conv(1, 2, 1, relu=False),
    )),
    "odd_widths": ((5, 10, 9), 2, net(
        block(5, (17, 19, 33), 3, padding=1),
        nn.AvgPool2d(2, 2),
        block(33, (31, 15, 11), 3, padding=1),
    )),
    "no_relu": ((3, 12, 12), 3, net(
        conv(3, 9, 3, padding=1, relu=False),
        nn.MaxPool2d(3, 2),
        conv(9, 8, 3, relu=False),
        nn.AvgPool2d(2, 1),
        conv(8, 10, 1, relu=False),
    )),
    "wide": ((3, 20, 18), 2, net(
        block(3, (32, 24, 32), 5, padding=2),
        nn.MaxPool2d(3, 2),
        conv(32, 32, 3, padding=1),
        conv(32, 10, 1, relu=False),
    )),
    "large_kernels": ((1, 22, 24), 2, net(
        conv(1, 16, 7, padding=3),
        nn.MaxPool2d(2, 2),
        conv(16, 16, 7, padding=3),
        nn.MaxPool2d(3, 2),
        conv(16, 12, 4, padding=1),
        conv(12, 5, 1, relu=False),
    )),
    "small": ((1, 28, 28), 2, net(
        block(1, 16, 5, padding=2),
        nn.MaxPool2d(3, 2),
        block(16, 24, 3, padding=1),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.0),
        block(24, 10, 3, padding=1),
    )),
}


def d2l():
    """The net of "Dive into Deep Learning", but for dropout, which no two frameworks draw alike."""
    return net(
        block(1, 96, 11, 4),
        nn.MaxPool2d(3, 2),
        block(96, 256, 5, padding=2),
        nn.MaxPool2d(3, 2),
        block(256, 384, 3, padding=1),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.0),
        block(384, 10, 3, padding=1),
    )
