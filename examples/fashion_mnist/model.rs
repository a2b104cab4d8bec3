//! The nets in training, and what the loop asks of either.

use std::path::Path;

use nin::{Trainer, prelude::*};

use crate::{net::FashionNin, train::Recipe};

nin! {
    /// NiN of "Dive into Deep Learning", for images of 224 × 224.
    pub D2lNin<
        input(1, 224, 224),
        block(96, kernel = 11, stride = 4) -> (96, 54, 54),
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

fashion_nin! {
    /// [`FashionNin`] by direct sums alone, to compare Winograd's algorithm with.
    DirectFashionNin where algorithm = direct
}

/// A net in training. Images come as flat pixels, one image after the other.
pub trait Model: Sized {
    /// Rows and columns of an image.
    const SIDE: usize;

    /// A net of fresh weights or of those in a file.
    fn new(recipe: &Recipe, seed: u64, resume: Option<&Path>) -> nin::Result<Self>;

    /// The mean loss of the images before the step, and how many of them the net got right.
    fn step(&mut self, pixels: &[f32], labels: &[u8], rate: f32) -> nin::Result<(f32, usize)>;

    /// The logits of each image.
    fn logits(&self, pixels: &[f32]) -> nin::Result<Vec<[f32; 10]>>;

    fn save(&self, path: &Path) -> nin::Result<()>;
}

macro_rules! model {
    ($(#[$doc:meta])* $name:ident: $net:ident, images of $side:literal, $init:ident, at most $batch:literal in a step) => {
        $(#[$doc])*
        pub struct $name {
            net: $net,
            trainer: Trainer<$net, $batch>,
        }

        impl Model for $name {
            const SIDE: usize = $side;

            fn new(recipe: &Recipe, seed: u64, resume: Option<&Path>) -> nin::Result<Self> {
                let net = match resume {
                    Some(path) => $net::load(path)?,
                    None => $net::with_init(Init::$init, seed),
                };
                let sgd = Sgd::new(recipe.rate)
                    .momentum(recipe.momentum)
                    .weight_decay(recipe.weight_decay);
                Ok(Self { net, trainer: $net::trainer::<$batch>(sgd, seed) })
            }

            fn step(
                &mut self,
                pixels: &[f32],
                labels: &[u8],
                rate: f32,
            ) -> nin::Result<(f32, usize)> {
                self.trainer.set_learning_rate(rate);
                let images = Image::<1, $side, $side>::slice_from(pixels)?;
                let loss = self.trainer.step(&mut self.net, images, labels)?;
                Ok((loss, self.trainer.correct()))
            }

            fn logits(&self, pixels: &[f32]) -> nin::Result<Vec<[f32; 10]>> {
                Ok(self.net.forward_batch(Image::<1, $side, $side>::slice_from(pixels)?))
            }

            fn save(&self, path: &Path) -> nin::Result<()> {
                self.net.save(path)
            }
        }
    };
}

model!(
    /// The small net and its trainer.
    FashionTraining: FashionNin, images of 28, KaimingUniform, at most 256 in a step
);
model!(
    /// The small net by direct sums and its trainer.
    DirectTraining: DirectFashionNin, images of 28, KaimingUniform, at most 256 in a step
);
model!(
    /// The book's net and its trainer.
    BookTraining: D2lNin, images of 224, XavierUniform, at most 128 in a step
);
