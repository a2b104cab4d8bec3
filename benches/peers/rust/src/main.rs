//! Times other Rust crates for `benches/peers/run.py`: `nin-peers SIDE ONNX_DIR`.
//!
//! Each line of input, `NET WORK BATCH COUNT`, asks for so many runs; the answer is a line with their
//! milliseconds as JSON, or `null` if the side can't do that.

mod burn;
mod candle;
mod onnx;

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, Write},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// What is to be timed.
pub struct Job<'a> {
    pub net: &'a str,
    pub training: bool,
    pub batch: usize,
}

impl Job<'_> {
    /// Rows and columns of the net's images.
    pub fn side(&self) -> usize {
        if self.net == "d2l" { 224 } else { 28 }
    }
}

/// One run of a job.
pub type Run = Box<dyn FnMut() -> Result<()>>;

/// Prepares a job of a side; `None` if the side can't do it.
fn prepare(side: &str, job: &Job, onnx: &str) -> Result<Option<Run>> {
    let file = format!("{onnx}/{}-{}.onnx", job.net, job.batch);
    match (side, job.training) {
        ("tract" | "rten", true) => Ok(None),
        ("tract", false) => onnx::tract(&file, job).map(Some),
        ("rten", false) => onnx::rten(&file, job).map(Some),
        ("candle", false) => candle::forward(job).map(Some),
        // No backward for a pool whose window and stride differ.
        ("candle", true) => Ok(None),
        ("burn", false) => Ok(Some(burn::forward(job))),
        ("burn", true) => Ok(Some(burn::training(job))),
        _ => bail!("no side is called {side}"),
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [side, onnx] = arguments.as_slice() else { bail!("usage: nin-peers SIDE ONNX_DIR") };
    let mut runs: HashMap<String, Option<Run>> = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (key, count) = line.rsplit_once(' ').context("NET WORK BATCH COUNT")?;
        if !runs.contains_key(key) {
            let [net, work, batch] = key.split(' ').collect::<Vec<_>>()[..] else {
                bail!("{key}: expected NET WORK BATCH")
            };
            let job = Job { net, training: work == "train", batch: batch.parse()? };
            runs.insert(key.to_string(), prepare(side, &job, onnx)?);
        }
        let answer = match runs.get_mut(key).and_then(Option::as_mut) {
            Some(run) => format!("{:?}", time(run, count.parse()?)?),
            None => String::from("null"),
        };
        println!("{answer}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// The milliseconds of each of `count` runs, after one that isn't counted.
fn time(run: &mut Run, count: usize) -> Result<Vec<f64>> {
    run()?;
    (0..count)
        .map(|_| {
            let start = Instant::now();
            run()?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        })
        .collect()
}
