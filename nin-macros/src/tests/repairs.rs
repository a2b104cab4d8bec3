//! Each mistake gives one error, and each repair that it offers compiles when it is made.

use super::{checked, edited, messages, programs};

#[test]
fn every_mistake_gives_one_error_and_every_repair_compiles() {
    let mut failures = Vec::new();
    let mistakes = programs("mistakes");
    assert!(mistakes.len() >= 45);
    for mistake in &mistakes {
        let (source, result) = checked(&mistake.text);
        let messages: Vec<String> = result.errors.iter().map(|e| e.message(&source)).collect();
        if std::env::var_os("NIN_SHOW").is_some() {
            println!("== {}\n{}\n", mistake.name, messages.join("\n--\n"));
        }
        let [error] = &result.errors[..] else {
            failures.push(format!("{} gives {} errors", mistake.name, result.errors.len()));
            continue;
        };
        if error.repairs.is_empty() {
            failures.push(format!("{} offers no repair", mistake.name));
        }
        for repair in &error.repairs {
            let repaired = edited(&mistake.text, &source, &repair.edits);
            let (source, after) = checked(&repaired);
            for error in after.errors {
                let message = error.message(&source);
                failures.push(format!("{}, {repair:?}: {message}", mistake.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const FIVE: &str = "Net<
    input(1, 28, 28),
    block(32, kernal = 5, padding = 2) -> (32, 28, 29),
    max_pool(3, stride = 2),
    block(64, kernel = 3, padding = 1.0),
    dropout(1.5),
    block(10, kernel = 3, padding = 1),
    global_avg_pool,
> where storage = f61";

#[test]
fn five_independent_mistakes_give_five_errors_in_the_order_of_the_source() {
    let firsts: Vec<String> = messages(FIVE)
        .iter()
        .map(|message| message.lines().next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        firsts,
        [
            "`block` has no argument `kernal`",
            "`block` gives 32×28×28, not 32×28×29",
            "`padding` is a whole number, not 1.0",
            "`dropout` takes a probability, and 1.5 is none",
            "`f61` is no storage",
        ]
    );
}

#[test]
fn following_the_first_repairs_leads_to_a_net() {
    let (source, result) = checked(FIVE);
    let edits: Vec<_> = result.errors.iter().flat_map(|e| e.repairs[0].edits.clone()).collect();
    let (_, after) = checked(&edited(FIVE, &source, &edits));
    assert_eq!(after.errors, []);
}

#[test]
fn what_only_follows_from_a_mistake_is_not_reported() {
    for (spec, count) in [
        // The shape behind the mistake is unknown, so the expectations can't be judged.
        (
            "Net<input(1, 28, 28), block(8, kernel = 0), max_pool(99), block(10, kernel = 3) -> (10, 5, 5), global_avg_pool>",
            1,
        ),
        (
            "Net<input(1, 28, 28), transformer(8), max_pool(99) -> (8, 1, 1), block(10, kernel = 3), global_avg_pool>",
            1,
        ),
        // The channels are known all the same.
        (
            "Net<input(1, 28, 28), block(8, kernel = 0) -> (9, 1, 1), block(10, kernel = 3), global_avg_pool>",
            2,
        ),
        // Without its image, nothing is known of a net.
        ("Net<block(8, kernel = 5), max_pool(99), block(10, kernel = 3), global_avg_pool>", 1),
        ("Net<input(1, 28), block(8, kernel = 55), global_avg_pool>", 1),
        ("Net<input(0, 28, 28), block(8, kernel = 3), global_avg_pool>", 1),
        (
            "Net<input(1, 28, 28), block(8, kernel = 3), Flatten(), Linear(8, 32), ReLU(), Linear(32, 10)>",
            4,
        ),
        // Either side of a mismatch may be what was meant: 62 follows from 64, not from 65.
        (
            "Net<input(3, 64, 64), block(8, kernel = 4, padding = 2) -> (8, 64, 64), block(10, kernel = 3) -> (10, 62, 62), global_avg_pool>",
            1,
        ),
        (
            "Net<input(3, 64, 64), block(8, kernel = 4, padding = 2) -> (8, 64, 64), block(10, kernel = 3) -> (10, 99, 99), global_avg_pool>",
            2,
        ),
        ("", 1),
        ("Net", 1),
        ("Net<>", 1),
        ("Net<", 1),
        ("<>", 2),
    ] {
        let messages = messages(spec);
        assert_eq!(messages.len(), count, "{spec}: {messages:#?}");
    }
}
