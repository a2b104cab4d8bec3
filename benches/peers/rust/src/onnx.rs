//! The two crates that run ONNX files.

use anyhow::{Context, Result};
use rten_tensor::prelude::*;
use tract_onnx::prelude::*;

use crate::{Job, Run};

pub fn tract(file: &str, job: &Job) -> Result<Run> {
    let model = tract_onnx::onnx()
        .model_for_path(file)
        .with_context(|| file.to_string())?
        .into_optimized()?
        .into_runnable()?;
    let input = Tensor::zero::<f32>(&[job.batch, 1, job.side(), job.side()])?;
    Ok(Box::new(move || {
        model.run(tvec!(input.clone().into()))?;
        Ok(())
    }))
}

pub fn rten(file: &str, job: &Job) -> Result<Run> {
    let model = rten::Model::load_file(file).with_context(|| file.to_string())?;
    let input = rten_tensor::NdTensor::<f32, 4>::full([job.batch, 1, job.side(), job.side()], 0.5);
    Ok(Box::new(move || {
        model.run_one(input.view().into(), None)?;
        Ok(())
    }))
}
