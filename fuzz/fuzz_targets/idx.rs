//! No file makes the readers of data sets panic, and images are as many as they say.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nin_runtime::datasets::{IdxImages, IdxLabels};
use std::path::PathBuf;
use std::sync::LazyLock;

/// The readers read files, compressed or not.
static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("nin-fuzz-{}.idx", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*PATH, bytes).expect("the file can be written");
    if let Ok(images) = IdxImages::read(&*PATH) {
        assert_eq!(images.pixels.len(), images.count * images.rows * images.columns);
        assert_eq!(images.image(images.count - 1).len(), images.rows * images.columns);
    }
    let _ = IdxLabels::read(&*PATH);
});
