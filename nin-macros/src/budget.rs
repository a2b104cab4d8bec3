//! `ram_budget`: whether the memory of inference keeps within what the author allows.

use crate::diag::{Error, Repair};
use crate::net::Net;
use crate::plan::{Place, Plan};
use crate::source::{Edit, Loc};
use crate::spec::Options;

/// Reports a budget that is exceeded, at its value.
pub(crate) fn check(options: &Options, net: &Net) -> Option<Error> {
    let budget = options.ram_budget?;
    let plan = Plan::new(net);
    // The runtime allocates whole cache lines.
    let needed = plan.scratch.div_ceil(16) as u64 * 64;
    if needed <= budget.value {
        return None;
    }
    let what = format!(
        "inference needs {} of scratch, the budget is {}",
        bytes(needed),
        bytes(budget.value)
    );
    let option = |name: &str, given: Option<Loc>, value: &str| match given {
        Some(at) => Edit { at, text: value.to_owned() },
        None => Edit { at: Loc::before(budget.at.end), text: format!(", {name} = {value}") },
    };
    let direct = option("algorithm", options.algorithm.as_ref().map(|word| word.at), "direct");
    let half = option("storage", options.storage.as_ref().map(|word| word.at), "f16");
    let enough = format!("{} KiB", needed.div_ceil(1024));
    let error = Error::new(budget.at, what)
        .because("because", costliest(net, &plan))
        .offer_any([
            Repair::new([direct], "direct sums need less work space, but take longer"),
            Repair::new([half], "activations then take half the memory; sums are direct"),
        ])
        .offer(budget.at, enough, "what it needs");
    Some(error)
}

/// The layer, or those that are computed together, at which most memory is in use, and what the buffers take.
fn costliest(net: &Net, plan: &Plan) -> String {
    let place = |place: &Option<Place>| place.as_ref().map_or(0, |p| p.infer.len());
    let buffers = |i: usize| {
        let (first, last) = (&plan.layers[i], &plan.layers[i + plan.layers[i].next]);
        let work = first.conv.as_ref().map_or(0, |conv| conv.work.len());
        [place(&first.x), place(&last.y), work].map(|len| len as u64 * 4)
    };
    let firsts = (0..net.layers.len()).filter(|&i| !plan.layers[i].follows);
    let most = firsts.map(|i| (i, buffers(i)));
    let Some((i, most)) = most.max_by_key(|(_, buffers)| buffers.iter().sum::<u64>()) else {
        return String::new();
    };
    let name = |i: usize| format!("{} `{}`", net.layers[i].module, net.layers[i].name);
    let (who, names) = match plan.layers[i].next {
        0 => (
            format!("layer {} needs", name(i)),
            ["its input", "its output", "the work space of its algorithm"],
        ),
        next => (
            format!("layers {} to {}, computed together, need", name(i), name(i + next)),
            ["their input", "their output", "work space"],
        ),
    };
    let parts = most.iter().zip(names).filter(|(len, _)| **len > 0);
    let parts: Vec<String> =
        parts.map(|(&len, name)| format!("{} for {name}", bytes(len))).collect();
    format!("{who} most: {}", parts.join(", "))
}

fn bytes(n: u64) -> String {
    if n < 1024 { format!("{n} B") } else { format!("{} KiB", n.div_ceil(1024)) }
}
