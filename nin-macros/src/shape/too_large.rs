//! Ways out for a window that is larger than what reaches it.

use super::axis::Axis;
use super::offers::{REACH, edit, kernel_edit, replace};
use super::trail::pair;
use crate::diag::Repair;
use crate::source::{Source, Word};
use crate::spec::{Element, Given, Kind, Spec, Window};

/// All ways out, the nearest to the mistake first.
pub(super) fn offers(
    source: &Source,
    spec: &Spec,
    element: &Element,
    axes: [Axis; 2],
) -> Vec<Vec<Repair>> {
    if let Some(swapped) = channels_first(spec) {
        return vec![vec![swapped]];
    }
    let pool = matches!(element.kind, Kind::Pool { .. });
    let ceil = match element.kind {
        Kind::Pool { ceil: false, .. } => element.call.set(source, "ceil", "true"),
        _ => None,
    };
    let ceil = ceil.map(|ceil| edit(ceil, "the window may hang over the end"));
    let remove = pool.then(|| edit(source.remove_item(element.whole), ""));
    let mut offers = vec![
        smaller_kernels(source, element, axes),
        paddings(source, element, axes),
        padded_blocks(source, spec).into_iter().collect(),
        gentler_strides(source, spec, element),
        ceil.into_iter().collect(),
        remove.into_iter().collect(),
        larger_inputs(spec),
    ];
    offers.retain(|variants| !variants.is_empty());
    offers
}

/// Smaller windows, the largest first.
fn smaller_kernels(source: &Source, element: &Element, axes: [Axis; 2]) -> Vec<Repair> {
    let largest = axes.map(|axis| axis.padded().min(axis.kernel));
    // A pool over a single pixel is no repair that anyone wants.
    if matches!(element.kind, Kind::Pool { .. }) && largest == [1, 1] {
        return Vec::new();
    }
    let smaller = |less: u64| {
        let size = [0, 1].map(|i| match axes[i].output() {
            0 => largest[i].saturating_sub(less),
            _ => axes[i].kernel,
        });
        let size = Some(size).filter(|size| !size.contains(&0))?;
        let why = match less {
            0 => "the largest window that fits",
            _ => "the largest window with which the rest fits too",
        };
        Some(edit(kernel_edit(element, source, &pair(size))?, why))
    };
    (0..REACH).filter_map(smaller).collect()
}

/// Larger paddings, the smallest first, as long as each window sees something.
fn paddings(source: &Source, element: &Element, axes: [Axis; 2]) -> Vec<Repair> {
    let larger = |more: u64| {
        let padding = axes.map(|axis| match axis.kernel.checked_sub(axis.input) {
            Some(short) if axis.output() == 0 => short.div_ceil(2) + more,
            _ => axis.padding,
        });
        let sees = axes.iter().zip(padding).all(|(axis, padding)| padding < axis.kernel);
        let why = match more {
            0 => "the smallest padding that makes it fit",
            _ => "the smallest padding with which the rest fits too",
        };
        let set = element.call.set(source, "padding", &pair(padding)).filter(|_| sees)?;
        Some(edit(set, why))
    };
    (0..REACH).filter_map(larger).collect()
}

/// Padding for all convolutions that have none, so that only strides and pools shrink the image.
fn padded_blocks(source: &Source, spec: &Spec) -> Option<Repair> {
    let padded = spec.elements.iter().filter_map(|element| {
        let (Kind::Block(convs) | Kind::Conv(convs)) = &element.kind else { return None };
        let Window { kernel: Given::Is(kernel), padding: Given::Default, .. } = convs.window else {
            return None;
        };
        let half = kernel.value.map(|size| size.saturating_sub(1) / 2);
        let set = element.call.set(source, "padding", &pair(half))?;
        (half != [0, 0]).then_some((set, element.call.name.value.as_str(), half))
    });
    let padded: Vec<_> = padded.collect();
    let (_, name, half) = padded.first().filter(|_| padded.len() > 1)?;
    let say = format!(
        "pad each `block` and `conv` by (kernel − 1) / 2, beginning with `padding = {}` in the \
            first `{name}`",
        pair(*half)
    );
    let edits = padded.iter().map(|(set, ..)| set.clone());
    Some(Repair::new(edits, "then only strides and pools shrink the image").say(say))
}

/// Smaller strides in the layers before this one, the nearest first.
fn gentler_strides(source: &Source, spec: &Spec, element: &Element) -> Vec<Repair> {
    let upto = spec.elements.iter().position(|other| other.at == element.at).unwrap_or(0);
    let mut repairs = Vec::new();
    for earlier in spec.elements[..upto].iter().rev() {
        let Some(window) = window(&earlier.kind) else { continue };
        let [rows, columns] = stride(earlier, window);
        for stride in (1..rows.max(columns).min(REACH)).rev() {
            let name = &earlier.call.name.value;
            let text = pair([rows.min(stride), columns.min(stride)]);
            let why = format!("in the earlier `{name}`, so that it leaves more");
            repairs.extend(earlier.call.set(source, "stride", &text).map(|set| edit(set, why)));
        }
    }
    repairs
}

/// Larger images, the smallest with which every window fits first.
fn larger_inputs(spec: &Spec) -> Vec<Repair> {
    let Some((first, [c, h, w])) = input(spec) else { return Vec::new() };
    let mut need = [1, 1];
    for element in spec.elements.iter().rev() {
        let Some(window) = window(&element.kind) else { continue };
        let Given::Is(kernel) = window.kernel else { return Vec::new() };
        let stride = stride(element, window);
        let padding = match window.padding {
            Given::Is(padding) => padding.value,
            _ => [0; 2],
        };
        for (i, need) in need.iter_mut().enumerate() {
            let (kernel, stride, padding) = (kernel.value[i], stride[i].max(1), padding[i]);
            *need = Axis { input: 0, kernel, stride, padding, ceil: false }.smallest_input(*need);
        }
    }
    let [rows, columns] = [h.value.max(need[0]), w.value.max(need[1])];
    let text = format!("input({}, {rows}, {columns})", c.value);
    vec![replace(first.at, &text, "the smallest image for these layers")]
}

/// An image given as (height, width, channels).
fn channels_first(spec: &Spec) -> Option<Repair> {
    let (element, [c, h, w]) = input(spec)?;
    let swapped = w.value <= 4 && c.value > 4;
    let text = format!("input({}, {}, {})", w.value, c.value, h.value);
    swapped.then(|| replace(element.at, &text, "the channels come first"))
}

fn input(spec: &Spec) -> Option<(&Element, [Word<u64>; 3])> {
    spec.elements.iter().find_map(|element| match element.kind {
        Kind::Input([c, h, w]) => Some((element, [c?, h?, w?])),
        _ => None,
    })
}

fn window(kind: &Kind) -> Option<&Window> {
    match kind {
        Kind::Block(convs) | Kind::Conv(convs) => Some(&convs.window),
        Kind::Pool { window, .. } => Some(window),
        _ => None,
    }
}

fn stride(element: &Element, window: &Window) -> [u64; 2] {
    match (window.stride, window.kernel) {
        (Given::Is(stride), _) => stride.value,
        // A pool's stride is its window.
        (Given::Default, Given::Is(kernel)) if matches!(element.kind, Kind::Pool { .. }) => {
            kernel.value
        }
        _ => [1; 2],
    }
}
