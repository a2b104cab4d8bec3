//! Training by Winograd's algorithm and by direct sums, from the same seeds, on the committed subset of
//! Fashion-MNIST: the two have to end alike, which is to say that the mean of either lies among the other's ends.

#![cfg(feature = "datasets")]

use std::path::Path;

use nin::datasets::IdxDataset;
use nin::prelude::*;

/// A net for images of 28 × 28, with other options.
macro_rules! learner {
    ($name:ident $($options:tt)*) => {
        nin! {
            $name<
                input(1, 28, 28),
                block(16, kernel = 5, padding = 2),
                max_pool(3, stride = 2),
                block(32, kernel = 3, padding = 1),
                max_pool(3, stride = 2),
                block(48, kernel = 3, padding = 1),
                conv(10, kernel = 1, relu = false),
                global_avg_pool,
            > $($options)*
        }
    };
}

learner!(ByWinograd);
learner!(ByDirectSums where algorithm = direct);

const BATCH: usize = 32;
/// The learning rate of each epoch: the last one lets what is left of the noise settle, and neither is so
/// large that a rounding error decides where a training ends.
const RATES: [f32; 2] = [0.01, 0.003];

/// What a training came to.
#[derive(Debug)]
struct End {
    /// Mean loss over the last epoch.
    loss: f32,
    /// Part of the test images whose class is predicted.
    accuracy: f32,
}

/// What the trainings of all seeds came to.
#[derive(Debug)]
struct Spread {
    least: f32,
    mean: f32,
    most: f32,
}

impl Spread {
    fn new(values: impl ExactSizeIterator<Item = f32> + Clone) -> Self {
        let count = values.len() as f32;
        Self {
            least: values.clone().fold(f32::MAX, f32::min),
            mean: values.clone().sum::<f32>() / count,
            most: values.fold(f32::MIN, f32::max),
        }
    }

    fn has(&self, value: f32) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

/// One part of the data set.
struct Data {
    /// Of all images, one behind the other.
    pixels: Vec<f32>,
    labels: Vec<u8>,
}

impl Data {
    fn read(part: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/fashion-mnist");
        let data = IdxDataset::read(&folder, part).expect("the subset is complete");
        let images = (0..data.labels.len()).flat_map(|i| data.images.image(i));
        let pixels = images.map(|&pixel| (f32::from(pixel) / 255.0 - 0.286) / 0.353).collect();
        Self { pixels, labels: data.labels }
    }

    fn images(&self) -> &[Image<1, 28, 28>] {
        Image::slice_from(&self.pixels).expect("whole images")
    }
}

macro_rules! train {
    ($net:ident, $seed:expr, $training:expr, $test:expr) => {{
        let (images, labels) = ($training.images(), &$training.labels);
        let (test, answers) = ($test.images(), &$test.labels);
        let mut net = $net::with_init(Init::KaimingUniform, $seed);
        let mut trainer = $net::trainer::<BATCH>(Sgd::new(RATES[0]).momentum(0.9), $seed);
        let mut random = nin::Rng::new($seed);
        let mut order: Vec<usize> = (0..images.len()).collect();
        let mut loss = 0.0;
        for rate in RATES {
            trainer.set_learning_rate(rate);
            random.shuffle(&mut order);
            let batches = order.chunks_exact(BATCH);
            let steps = batches.len() as f32;
            loss = 0.0;
            for batch in batches {
                let pick: Vec<_> = batch.iter().map(|&i| &images[i]).collect();
                let labels: Vec<u8> = batch.iter().map(|&i| labels[i]).collect();
                loss += trainer.step(&mut net, &pick, &labels).expect("it converges") / steps;
            }
        }
        let logits = net.forward_batch(test);
        let class = |row: &[f32; 10]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b]));
        let right = logits
            .iter()
            .zip(answers)
            .filter(|(row, label)| class(row) == Some(usize::from(**label)));
        End { loss, accuracy: right.count() as f32 / test.len() as f32 }
    }};
}

#[test]
fn both_algorithms_end_alike_from_the_same_seeds() {
    let (training, test) = (Data::read("train"), Data::read("t10k"));
    let ends: Vec<[End; 2]> = (1..=5)
        .map(|seed| {
            let ends = [
                train!(ByWinograd, seed, training, test),
                train!(ByDirectSums, seed, training, test),
            ];
            println!("seed {seed}: {ends:?}");
            ends
        })
        .collect();
    for (what, value) in
        [("loss", (|end| end.loss) as fn(&End) -> f32), ("accuracy", |end| end.accuracy)]
    {
        let [winograd, direct] =
            [0, 1].map(|of| Spread::new(ends.iter().map(|ends| value(&ends[of]))));
        println!("{what}: {winograd:?} and {direct:?}");
        assert!(direct.has(winograd.mean), "{what}: {winograd:?}, {direct:?}");
        assert!(winograd.has(direct.mean), "{what}: {winograd:?}, {direct:?}");
    }
    assert!(ends.iter().flatten().all(|end| end.accuracy > 0.6), "all learn: {ends:?}");
}
