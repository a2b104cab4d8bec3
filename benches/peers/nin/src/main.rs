//! Times nets for `benches/peers/run.py`, which compares them with other frameworks.
//!
//! Each line of input, `NET WORK BATCH COUNT`, asks for so many runs: `d2l forward 16 5`, `small train 16
//! 100`. The answer is a line with their milliseconds as JSON. `NIN_THREADS` sets the number of threads.

use std::{collections::HashMap, error::Error, io, time::Instant};

use nin::prelude::*;

nin! {
    D2lNin<
        input(1, 224, 224),
        block(96, kernel = 11, stride = 4),
        max_pool(3, stride = 2),
        block(256, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(384, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

nin! {
    SmallNin<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(64, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

type Run = Box<dyn FnMut()>;

/// A closure that runs a net once.
macro_rules! run {
    ($net:ident, $side:literal, $work:expr, $batch:expr) => {{
        let images: Vec<Box<Image<1, $side, $side>>> = (0..$batch)
            .map(|i| Image::from_fn(|_, y, x| ((i * 13 + y * 31 + x * 17) % 255) as f32 / 255.0))
            .collect();
        let mut net = $net::new(1);
        match ($work, $batch) {
            ("forward", 1) => {
                let mut scratch = $net::scratch();
                Ok(Box::new(move || {
                    std::hint::black_box(net.forward(&images[0], &mut scratch));
                }) as Run)
            }
            ("forward", _) => {
                let mut scratch = $net::batch_scratch();
                let mut logits = vec![[0.0; $net::CLASSES]; $batch];
                Ok(Box::new(move || {
                    net.forward_batch_into(&images, &mut logits, &mut scratch);
                    std::hint::black_box(&logits);
                }) as Run)
            }
            ("train", 1..=16) => {
                let labels: Vec<u8> = (0..$batch).map(|i| (i % 10) as u8).collect();
                let mut trainer = $net::trainer::<16>(Sgd::new(1e-3).momentum(0.9), 1);
                Ok(Box::new(move || {
                    trainer.step(&mut net, &images, &labels).expect("training goes on");
                }) as Run)
            }
            _ => Err(format!("{} of {} images: no such work", $work, $batch)),
        }
    }};
}

fn prepare(key: &str) -> Result<Run, Box<dyn Error>> {
    let [net, work, batch] = key.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("{key}: expected NET WORK BATCH").into());
    };
    let batch: usize = batch.parse()?;
    let run = match net {
        "d2l" => run!(D2lNin, 224, work, batch),
        "small" => run!(SmallNin, 28, work, batch),
        _ => Err(format!("{net}: no such net")),
    };
    Ok(run?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut runs: HashMap<String, Run> = HashMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        let (key, count) = line.rsplit_once(' ').ok_or("expected NET WORK BATCH COUNT")?;
        if !runs.contains_key(key) {
            runs.insert(key.to_string(), prepare(key)?);
        }
        if let Some(run) = runs.get_mut(key) {
            println!("{:?}", time(run, count.parse()?));
        }
    }
    Ok(())
}

/// The milliseconds of each of `count` runs, after one that isn't counted.
fn time(run: &mut Run, count: usize) -> Vec<f64> {
    run();
    (0..count)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect()
}
