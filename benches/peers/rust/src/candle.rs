//! candle: nets written with `candle_nn`.

use anyhow::Result;
use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{Conv2dConfig, VarBuilder, VarMap, conv2d, seq};

use crate::{Job, Run};

pub fn forward(job: &Job) -> Result<Run> {
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let net = net(job.net, &builder)?;
    let shape = (job.batch, 1, job.side(), job.side());
    let input = Tensor::rand(0f32, 1f32, shape, &Device::Cpu)?;
    Ok(Box::new(move || {
        net.forward(&input)?.mean((2, 3))?;
        Ok(())
    }))
}

fn net(name: &str, builder: &VarBuilder) -> Result<candle_nn::Sequential> {
    let block = |place, channels: (usize, usize), kernel, stride, padding| -> Result<_> {
        let config = Conv2dConfig { stride, padding, ..Default::default() };
        let (inputs, outputs) = channels;
        let at = |i: usize| builder.pp(format!("{place}.{i}"));
        Ok(seq()
            .add(conv2d(inputs, outputs, kernel, config, at(0))?)
            .add(candle_nn::Activation::Relu)
            .add(conv2d(outputs, outputs, 1, Default::default(), at(1))?)
            .add(candle_nn::Activation::Relu)
            .add(conv2d(outputs, outputs, 1, Default::default(), at(2))?)
            .add(candle_nn::Activation::Relu))
    };
    let pool = |x: &Tensor| x.max_pool2d_with_stride(3, 2);
    Ok(match name {
        "d2l" => seq()
            .add(block(0, (1, 96), 11, 4, 0)?)
            .add_fn(pool)
            .add(block(1, (96, 256), 5, 1, 2)?)
            .add_fn(pool)
            .add(block(2, (256, 384), 3, 1, 1)?)
            .add_fn(pool)
            .add(block(3, (384, 10), 3, 1, 1)?),
        _ => seq()
            .add(block(0, (1, 32), 5, 1, 2)?)
            .add_fn(pool)
            .add(block(1, (32, 64), 3, 1, 1)?)
            .add_fn(pool)
            .add(block(2, (64, 10), 3, 1, 1)?),
    })
}
