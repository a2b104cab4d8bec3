//! What is emitted for a spec with mistakes, so that the rest of the program gives no errors of its
//! own: the net that the spec would be if each mistake were repaired in the first way offered.

use crate::check::{Checked, check};
use crate::net::Net;
use crate::source::{Edit, Source};
use crate::spec::{Kind, Spec};

/// A repair can uncover a mistake that could not be judged before.
const ROUNDS: usize = 3;

/// A net in the place of one that has mistakes; its interface is what the author most likely means.
pub(crate) fn stand_in(source: &Source, checked: &Checked) -> Option<Net> {
    let mut errors = checked.errors.clone();
    let mut source = source.clone();
    for _ in 0..ROUNDS {
        let firsts = errors.iter().filter_map(|error| error.repairs.first());
        let edits: Vec<Edit> = firsts.flat_map(|repair| repair.edits.clone()).collect();
        let Some(repaired) = source.edited(&edits).filter(|_| !edits.is_empty()) else { break };
        source = repaired;
        let mut again = check(&source);
        if let Some(net) = again.net {
            return Some(net);
        }
        crate::repair::prove(&source, &mut again.errors);
        errors = again.errors;
    }
    check(&Source::new(smallest(&checked.spec).parse().ok()?)).net
}

/// The smallest spec with the image and the classes of another, as far as they are known.
fn smallest(spec: &Spec) -> String {
    let numbers = spec.elements.iter().find_map(|element| match &element.kind {
        Kind::Input(numbers) => Some(*numbers),
        _ => None,
    });
    let number = |i: usize, other: u64| {
        let known = numbers.and_then(|numbers| numbers[i]).map(|number| number.value);
        known.filter(|&n| n > 0).unwrap_or(other)
    };
    let [c, h, w] = [number(0, 1), number(1, 28), number(2, 28)];
    let width = spec.elements.iter().rev().find_map(|element| match &element.kind {
        Kind::Block(convs) | Kind::Conv(convs) => convs.widths.last().map(|width| width.value),
        _ => None,
    });
    let classes = width.filter(|&n| n > 0).unwrap_or(10);
    format!("Net<input({c}, {h}, {w}), conv({classes}, kernel = 1), global_avg_pool>")
}

#[cfg(test)]
mod tests {
    use super::stand_in;
    use crate::check::check_and_prove;
    use crate::source::Source;

    #[test]
    fn a_net_with_mistakes_has_a_stand_in_with_its_image_and_classes() {
        for (spec, image, classes) in [
            ("Net<input(3, 32, 40), block(7, kernel = 99), global_avg_pool>", "3×32×40", 7),
            (
                "Net<input(3, 32, 40), blok(7, kernel = 3.0), dropout(2), global_avg_pool> where x = 3",
                "3×32×40",
                7,
            ),
            ("Net<input(28, 28), transformer(4), block(7, kernel = 3)>", "1×28×28", 7),
            ("Net<input(2, 5, 5), ???, block(7, kernel = 3), block(,), block(3), ,,>", "2×5×5", 3),
            ("Net", "1×28×28", 10),
            ("Net<input(1, 8, 8), Sequential(>", "1×8×8", 10),
        ] {
            let Ok(stream) = spec.parse() else { continue };
            let source = Source::new(stream);
            let net = stand_in(&source, &check_and_prove(&source)).expect("a stand-in");
            assert_eq!((net.input.to_string().as_str(), net.classes()), (image, classes), "{spec}");
        }
    }
}
