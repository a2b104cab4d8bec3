//! Sliding windows: numbers that can't be, and the rule of sizes.

use super::axis::Axis;
use super::formula::misfit;
use super::trail::{pair, window as text};
use super::{Pass, offers, too_large};
use crate::diag::Error;
use crate::net::Window;
use crate::source::{Loc, Word};
use crate::spec::{self, Element, Given, Kind};

/// A window whose numbers are known.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) kernel: [u64; 2],
    pub(super) stride: [u64; 2],
    pub(super) padding: [u64; 2],
    pub(super) ceil: bool,
}

impl Known {
    pub(super) fn axes(self, rows: u64, columns: u64) -> [Axis; 2] {
        [(rows, 0), (columns, 1)].map(|(input, i)| Axis {
            input,
            kernel: self.kernel[i],
            stride: self.stride[i],
            padding: self.padding[i],
            ceil: self.ceil,
        })
    }

    /// The window in the net's terms.
    pub(super) fn window(self) -> Window {
        #[allow(clippy::cast_possible_truncation)]
        let pair = |[rows, columns]: [u64; 2]| (rows as usize, columns as usize);
        Window { kernel: pair(self.kernel), stride: pair(self.stride), padding: pair(self.padding) }
    }

    /// The window's size and stride, for people; `?` if they are not known.
    pub(super) fn label(known: Option<Self>) -> String {
        known.map_or("?".to_owned(), |known| text(known.kernel, known.stride))
    }
}

impl Pass<'_> {
    /// The numbers of a window; zeros are reported.
    pub(super) fn window(
        &mut self,
        element: &Element,
        window: &spec::Window,
        pool: bool,
    ) -> Option<Known> {
        let name = &element.call.name.value;
        let numbers = |given: Given, default: Option<[u64; 2]>| match given {
            Given::Default => default,
            Given::Wrong => None,
            Given::Is(word) => Some(word.value),
        };
        let kernel = numbers(window.kernel, None);
        let stride = numbers(window.stride, if pool { kernel } else { Some([1; 2]) });
        let padding = numbers(window.padding, Some([0; 2]));
        let shapes = self.trail.to(name);
        let size = zero(window.kernel, [3, 2, 1]).map(|(at, variants)| {
            let what = format!("a window without rows or columns: `{name}` would look at nothing");
            Error::new(at, what).because("shapes", &*shapes).offer_any(variants)
        });
        let step = zero(window.stride, [1, 2, 3]).map(|(at, variants)| {
            let [_, rows, _] = self.flow;
            let formula = match (rows, kernel, padding) {
                (Some(input), Some([kernel, _]), Some([padding, _])) => {
                    Axis { input, kernel, stride: 0, padding, ceil: false }.formula()
                }
                _ => "⌊(input + 2·padding − kernel) / stride⌋ + 1".to_owned(),
            };
            let formula = format!("{formula}, and nothing can be divided by 0");
            Error::new(at, format!("with stride 0 the window of `{name}` never moves"))
                .because("shapes", &*shapes)
                .because("formula", formula)
                .offer_any(variants)
        });
        let sound = size.is_none() && step.is_none();
        self.errors.extend(size.into_iter().chain(step));
        let known = Known { kernel: kernel?, stride: stride?, padding: padding?, ceil: false };
        sound.then_some(known)
    }

    /// A pool may be padded by half its window at most, as in PyTorch.
    pub(super) fn padding_fits(&mut self, element: &Element, known: &Known, label: &str) -> bool {
        let [kernel, padding] = [known.kernel, known.padding];
        if (0..2).all(|i| 2 * padding[i] <= kernel[i]) {
            return true;
        }
        let name = &element.call.name.value;
        let at = element.call.named("padding").map_or(element.at, |argument| argument.at);
        let half = pair([kernel[0] / 2, kernel[1] / 2]);
        let double = pair([0, 1].map(|i| kernel[i].max(2 * padding[i])));
        let formula = format!(
            "padding = {} > {} / 2: a window at the border could lie wholly in the padding, which \
             has no maximum and no mean",
            pair(padding),
            pair(kernel)
        );
        let smaller = element.call.set(self.source, "padding", &half);
        let larger = offers::kernel_edit(element, self.source, &double);
        let error = Error::new(at, format!("`{name}` is padded by more than half its window"))
            .because("shapes", self.trail.to(label))
            .because("formula", formula)
            .offer_any(smaller.map(|edit| offers::edit(edit, "half the window")))
            .offer_any(larger.map(|edit| offers::edit(edit, "the smallest for this padding")));
        self.errors.push(error);
        false
    }

    /// Slides a window over the rows and columns. The size is unknown if it does not fit.
    pub(super) fn slide(
        &mut self,
        element: &Element,
        known: Option<Known>,
        label: &str,
    ) -> Option<[Axis; 2]> {
        let [_, rows, columns] = self.flow;
        let input = rows.zip(columns);
        (self.flow[1], self.flow[2]) = (None, None);
        let (known, (rows, columns)) = (known?, input?);
        let axes = known.axes(rows, columns);
        if axes.iter().any(|axis| axis.output() == 0) {
            let at = kernel_at(element);
            let [kernel_rows, kernel_columns] = known.kernel;
            let what = format!(
                "the {kernel_rows}×{kernel_columns} window of `{}` is larger than the \
                    {rows}×{columns} image that reaches it{}",
                element.call.name.value,
                if known.padding == [0; 2] { "" } else { ", padding included" },
            );
            let mut error =
                Error::new(at, what).because("shapes", self.trail.to(&format!("{label} → ?")));
            error = error.because("formula", misfit(axes));
            if let Some(eater) = self.trail.eater() {
                error = error.because("because", eater);
            }
            error.offers = too_large::offers(self.source, self.spec, element, axes);
            self.errors.push(error);
            return None;
        }
        (self.flow[1], self.flow[2]) = (Some(axes[0].output()), Some(axes[1].output()));
        Some(axes)
    }
}

/// Where a number of a pair is 0, and repairs that put others in its place.
fn zero(given: Given, instead: [u64; 3]) -> Option<(Loc, [crate::diag::Repair; 3])> {
    let Given::Is(Word { value, at }) = given else { return None };
    let fixed = |n: u64| pair(value.map(|old| if old == 0 { n } else { old }));
    value.contains(&0).then(|| (at, instead.map(|n| offers::replace(at, &fixed(n), "for example"))))
}

/// Where the kernel's size is written.
fn kernel_at(element: &Element) -> Loc {
    let window = match &element.kind {
        Kind::Block(convs) | Kind::Conv(convs) => &convs.window,
        Kind::Pool { window, .. } => window,
        _ => return element.at,
    };
    let Given::Is(kernel) = window.kernel else { return element.at };
    element.call.named("kernel").map_or(kernel.at, |argument| argument.at)
}
