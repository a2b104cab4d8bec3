//! burn with its `flex` backend for CPUs.

use burn::{
    module::Module,
    nn::{
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        loss::CrossEntropyLossConfig,
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    optim::{GradientsParams, SgdConfig, momentum::MomentumConfig},
    prelude::*,
    tensor::{Int, activation::relu},
};

use crate::{Job, Run};

#[derive(Module, Debug)]
struct Net {
    /// Three convolutions to a block.
    convs: Vec<Conv2d>,
    pool: MaxPool2d,
}

impl Net {
    fn new(name: &str, device: &Device) -> Self {
        let mut convs = Vec::new();
        let mut block = |channels: [usize; 2], kernel, stride, padding| {
            let first = Conv2dConfig::new(channels, [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding));
            convs.push(first.init(device));
            for _ in 0..2 {
                convs.push(Conv2dConfig::new([channels[1]; 2], [1; 2]).init(device));
            }
        };
        if name == "d2l" {
            block([1, 96], 11, 4, 0);
            block([96, 256], 5, 1, 2);
            block([256, 384], 3, 1, 1);
            block([384, 10], 3, 1, 1);
        } else {
            block([1, 32], 5, 1, 2);
            block([32, 64], 3, 1, 1);
            block([64, 10], 3, 1, 1);
        }
        Self { convs, pool: MaxPool2dConfig::new([3; 2]).with_strides([2; 2]).init() }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<2> {
        let mut x = input;
        for (i, block) in self.convs.chunks(3).enumerate() {
            if i > 0 {
                x = self.pool.forward(x);
            }
            for conv in block {
                x = relu(conv.forward(x));
            }
        }
        let [batch, classes, _, _] = x.dims();
        x.mean_dim(3).mean_dim(2).reshape([batch, classes])
    }
}

fn images(job: &Job, device: &Device) -> Tensor<4> {
    Tensor::ones([job.batch, 1, job.side(), job.side()], device)
}

pub fn forward(job: &Job) -> Run {
    let device = Device::flex();
    let (net, images) = (Net::new(job.net, &device), images(job, &device));
    Box::new(move || {
        net.forward(images.clone()).into_data();
        Ok(())
    })
}

pub fn training(job: &Job) -> Run {
    let device = Device::flex().autodiff();
    let mut net = Some(Net::new(job.net, &device));
    let images = images(job, &device);
    let labels: Vec<i64> = (0..job.batch as i64).map(|i| i % 10).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &device);
    let loss = CrossEntropyLossConfig::new().init(&device);
    let momentum = MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov: false };
    let mut sgd = SgdConfig::new().with_momentum(Some(momentum)).init();
    Box::new(move || {
        let before = net.take().expect("put back after each step");
        let loss = loss.forward(before.forward(images.clone()), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &before);
        net = Some(sgd.step(1e-3, before, gradients));
        Ok(())
    })
}
