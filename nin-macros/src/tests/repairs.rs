//! Each mistake gives one error, and each repair that it offers compiles when it is made.

use super::{checked, edited, mistakes};

#[test]
fn every_mistake_gives_one_error_and_every_repair_compiles() {
    let mut failures = Vec::new();
    let mistakes = mistakes();
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
