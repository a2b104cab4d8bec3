//! `where weights = "file.safetensors"`: the net with the file's weights in the program.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]

use nin::prelude::*;

nin! {
    /// The net of a file that PyTorch wrote.
    pub Small<
        input(1, 28, 28),
        block(16, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(24, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    > where weights = "tests/parity/golden/small.weights.safetensors"
}

#[test]
fn a_pretrained_net_is_the_one_that_its_file_holds() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/golden/small.weights.safetensors");
    let loaded = Small::load(file).expect("the file fits");
    let pretrained = Small::pretrained();
    assert_eq!(pretrained.parameters(), loaded.parameters());
    let image = Image::from_fn(|_c, y, x| if (x + y) % 3 == 0 { 1.0 } else { 0.0 });
    let mut scratch = Small::scratch();
    let logits = pretrained.forward(&image, &mut scratch);
    let bits = |logits: [f32; Small::CLASSES]| logits.map(f32::to_bits);
    assert_eq!(bits(logits), bits(loaded.forward(&image, &mut scratch)));
    assert_ne!(bits(logits), bits(Small::new(1).forward(&image, &mut scratch)));
}
