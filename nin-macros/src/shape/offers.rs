//! Ways out of a mistake, computed from its numbers. `repair` keeps those that compile.

use super::axis::Axis;
use super::trail::pair;
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Source, Word};
use crate::spec::{Call, Element, Kind};

/// How far a search for a number goes.
pub(super) const REACH: u64 = 12;

pub(super) fn edit(edit: Edit, why: impl Into<String>) -> Repair {
    Repair::new([edit], why)
}

pub(super) fn replace(at: Loc, text: &str, why: &str) -> Repair {
    edit(Edit { at, text: text.to_owned() }, why)
}

/// The edit that changes the size of an element's window.
pub(super) fn kernel_edit(element: &Element, source: &Source, size: &str) -> Option<Edit> {
    match element.kind {
        Kind::Pool { .. } => {
            let at = element.call.positional().next()?.at;
            Some(Edit { at, text: size.to_owned() })
        }
        _ => element.call.set(source, "kernel", size),
    }
}

/// Widths for a layer that has none: the expected, the one that comes in, or any.
pub(super) fn widths(element: &Element, input: Option<u64>, at: Loc) -> Vec<Repair> {
    let expected = element.expect.as_ref().map(|expect| expect.value[0].value);
    let expected = expected.map(|n| replace(at, &n.to_string(), "the expected number"));
    let input = input.filter(|&n| n > 1).map(|n| replace(at, &n.to_string(), "as many as come in"));
    expected.into_iter().chain(input).chain([replace(at, "32", "for example")]).collect()
}

/// Ways out for a shape that is not the expected one.
pub(super) fn mismatch(
    source: &Source,
    element: &Element,
    axes: Option<[Axis; 2]>,
    wrong: &[usize],
    computed: [u64; 3],
) -> Vec<Vec<Repair>> {
    let Some(expect) = &element.expect else { return Vec::new() };
    let right = match wrong {
        [i] => replace(expect.value[*i].at, &computed[*i].to_string(), "the shape that it has"),
        _ => {
            let known = [0, 1, 2].map(|i| match wrong.contains(&i) {
                true => computed[i],
                false => expect.value[i].value,
            });
            let [c, h, w] = known;
            replace(expect.at, &format!("({c}, {h}, {w})"), "the shape that it has")
        }
    };
    let mut offers = vec![vec![right]];
    let wanted = [expect.value[1].value, expect.value[2].value];
    match (&element.kind, wrong) {
        (Kind::Block(convs) | Kind::Conv(convs), [0]) => {
            let width = convs.widths.last().map(|width| {
                replace(width.at, &expect.value[0].value.to_string(), "the width that you expect")
            });
            offers.extend(width.map(|width| vec![width]));
        }
        (Kind::Input(numbers), [i]) => {
            let number = numbers[*i].map(|number| {
                replace(number.at, &expect.value[*i].value.to_string(), "the size that you expect")
            });
            offers.extend(number.map(|number| vec![number]));
        }
        (_, wrong) if !wrong.contains(&0) => {
            if let Some(axes) = axes {
                offers.extend(windows_for(source, element, axes, wanted));
            }
        }
        _ => {}
    }
    offers
}

/// Changes of one argument of a window that give the wanted rows and columns.
fn windows_for(
    source: &Source,
    element: &Element,
    axes: [Axis; 2],
    wanted: [u64; 2],
) -> Vec<Vec<Repair>> {
    let why = "for the shape that you expect";
    let call: &Call = &element.call;
    let search = |with: &dyn Fn(Axis, u64) -> Axis, from: u64| -> Option<[u64; 2]> {
        let mut found = [0; 2];
        for i in 0..2 {
            let fits = |&n: &u64| with(axes[i], n).output() == wanted[i];
            found[i] = (from..from + REACH).find(fits)?;
        }
        // Rows and columns apart only where they were apart before.
        let [rows, columns] = axes;
        let square = Axis { input: columns.input, ..rows } == columns;
        Some(found).filter(|[rows, columns]| !square || rows == columns)
    };
    let padding = search(&|axis, padding| Axis { padding, ..axis }, 0);
    let stride = search(&|axis, stride| Axis { stride, ..axis }, 1);
    let kernel = search(&|axis, kernel| Axis { kernel, ..axis }, 1);
    let padding = padding.and_then(|p| call.set(source, "padding", &pair(p)));
    let stride = stride.and_then(|s| call.set(source, "stride", &pair(s)));
    let kernel = kernel.and_then(|k| kernel_edit(element, source, &pair(k)));
    let ceil = match element.kind {
        Kind::Pool { ceil, .. } => {
            let turned = axes.map(|axis| Axis { ceil: !ceil, ..axis }.output());
            (turned == wanted).then(|| call.set(source, "ceil", &(!ceil).to_string())).flatten()
        }
        _ => None,
    };
    let edits = [ceil, padding, stride, kernel].into_iter().flatten();
    edits.map(|set| vec![edit(set, why)]).collect()
}

/// A dropout that is no probability below 1.
pub(super) fn dropout(source: &Source, p: Word<f64>) -> Error {
    let text = source.text(p.at);
    let what = match p.value {
        1.0 => "`dropout` with probability 1 would drop everything".to_owned(),
        _ => format!("`dropout` takes a probability, and {text} is none"),
    };
    let form = "0 ≤ p < 1, since what is kept is scaled by 1 / (1 − p)";
    let error = Error::new(p.at, what).because("form", form);
    let error = match p.value {
        percent @ 1.0..100.0 if percent > 1.0 => {
            error.offer(p.at, format!("{}", percent / 100.0), format!("{text} percent"))
        }
        _ => error,
    };
    error.offer(p.at, "0.5", "as in the NiN paper")
}

/// Halves of a layer's widths, until the net can be addressed.
pub(super) fn smaller(source: &Source, element: &Element) -> Vec<Vec<Repair>> {
    let (Kind::Block(convs) | Kind::Conv(convs)) = &element.kind else { return Vec::new() };
    let powers = (1..31).map(|shift| {
        let edits = convs
            .widths
            .iter()
            .map(|width| Edit { at: width.at, text: (width.value >> shift).max(1).to_string() });
        Repair::new(edits, "a power of two less, and it can be addressed")
    });
    let kernel = kernel_edit(element, source, "3").map(|set| vec![edit(set, "a usual size")]);
    std::iter::once(powers.collect()).chain(kernel).collect()
}

/// An image of a usual size.
pub(super) fn smaller_input(element: &Element, channels: Option<&Word<u64>>) -> Vec<Vec<Repair>> {
    let channels = channels.map_or(1, |channels| channels.value.min(3));
    let sizes = [224, 1024, 32].map(|size| {
        replace(element.at, &format!("input({channels}, {size}, {size})"), "a usual size")
    });
    vec![sizes.to_vec()]
}
