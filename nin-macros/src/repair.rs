//! Proves repairs: each is made on a copy of the spec, and only what then compiles is shown.

use crate::check;
use crate::diag::{Error, Repair};
use crate::source::Source;

/// More ways out than this confuse.
const SHOWN: usize = 3;

/// Tokens that all trials together may read, so that a hopeless spec still fails fast.
const BUDGET: usize = 200_000;

/// Keeps of each offer the first variant that compiles.
///
/// With other mistakes in the spec, a repair is good if it leaves fewer errors than there were. A
/// repair may also uncover a mistake that could not be judged before: if nothing better was
/// found, it is enough that its own error is gone.
pub(crate) fn prove(source: &Source, errors: &mut [Error]) {
    let count = errors.len();
    let mut budget = BUDGET;
    for error in errors {
        let what = error.what.clone();
        let offers = std::mem::take(&mut error.offers);
        let mut trial = |repair: &Repair, accept: &dyn Fn(&[Error]) -> bool| {
            budget = budget.saturating_sub(source.len() + 1);
            budget > 0
                && source
                    .edited(&repair.edits)
                    .is_some_and(|edited| accept(&check::check(&edited).errors))
        };
        let mut keep = |accept: &dyn Fn(&[Error]) -> bool| {
            let mut kept: Vec<Repair> = Vec::new();
            for variants in &offers {
                let proven = variants.iter().find(|repair| trial(repair, accept));
                let new = proven.filter(|new| kept.iter().all(|old| old.edits != new.edits));
                kept.extend(new.cloned());
                if kept.len() == SHOWN {
                    break;
                }
            }
            kept
        };
        error.repairs = keep(&|after| after.len() < count);
        if error.repairs.is_empty() && count > 0 {
            error.repairs =
                keep(&|after| after.len() <= count && after.iter().all(|e| e.what != what));
        }
    }
}
