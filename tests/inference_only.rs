//! A program that only infers links nothing of training. This test is such a program, and looks at its
//! own symbols.
#![cfg(unix)]

use nin::prelude::*;
use object::{Object, ObjectSymbol};

nin! {
    Net<
        input(1, 28, 28),
        block(16, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        avg_pool(2),
        global_avg_pool,
    >
}

/// The functions in this program whose mangled names contain one of the words.
fn symbols(words: &[&str]) -> Vec<String> {
    let program = std::env::current_exe().and_then(std::fs::read).expect("the program can be read");
    let program = object::File::parse(&*program).expect("it is a program");
    let names = program.symbols().filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    names.filter(|name| words.iter().any(|word| name.contains(word))).collect()
}

#[test]
fn a_program_that_only_infers_links_no_backward_code() {
    let net = Net::new(1);
    let bytes = std::env::temp_dir().join(format!("nin-inference-{}", std::process::id()));
    net.save(&bytes).and_then(|()| Net::load(&bytes)).expect("weights come back");
    std::fs::remove_file(&bytes).expect("the file is there");
    let images = vec![Image::zeros(); 3];
    let one = net.forward(&images[0], &mut Net::scratch());
    assert_eq!(net.forward_batch(&images), [one; 3]);

    assert!(!symbols(&["winograd"]).is_empty(), "the forward code has names");
    let training = symbols(&[
        "WeightGradient",
        "InputGradient",
        "OfGradient",
        "Trainable",
        "Trainer",
        "pool_backward",
        "transposed",
        "dropout",
        "cross_entropy",
        "optim",
    ]);
    assert!(training.is_empty(), "{training:#?}");
}
