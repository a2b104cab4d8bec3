//! The shapes that authors expect.

use super::axis::Axis;
use super::formula::formula;
use super::{Pass, offers, trail};
use crate::diag::Error;
use crate::source::Word;
use crate::spec::Element;

impl Pass<'_> {
    /// Compares the shape with the one that the author expects.
    pub(super) fn expect(&mut self, element: &Element, axes: Option<[Axis; 2]>) {
        let Some(expect) = &element.expect else { return };
        let wrong: Vec<usize> = (0..3)
            .filter(|&i| self.flow[i].is_some_and(|computed| computed != expect.value[i].value))
            .collect();
        let Some((&first, rest)) = wrong.split_first() else { return };
        let at = if rest.is_empty() { expect.value[first].at } else { expect.at };
        let name = &element.call.name.value;
        let wanted = trail::text(expect.value.map(|number| Some(number.value)));
        let what = format!("`{name}` gives {}, not {wanted}", trail::text(self.flow));
        let mut error = Error::new(at, what).because("shapes", self.trail.to_here());
        if let Some(axes) = axes.filter(|_| wrong != [0]) {
            error = error.because("formula", formula(axes));
            if let Some(why) = even_kernel(axes, expect.value) {
                error = error.because("because", why);
            }
        }
        let computed = self.flow.map(Option::unwrap_or_default);
        error.offers = offers::mismatch(self.source, element, axes, &wrong, computed);
        self.errors.push(error);
        self.mismatches += 1;
        if self.trusting {
            for &i in &wrong {
                self.flow[i] = Some(expect.value[i].value).filter(|&number| number > 0);
            }
        }
    }
}

/// Whether an even kernel stands where the author wants the size to stay.
fn even_kernel(axes: [Axis; 2], expect: [Word<u64>; 3]) -> Option<String> {
    let axis = axes.into_iter().zip(&expect[1..]).find_map(|(axis, expect)| {
        (axis.kernel % 2 == 0 && axis.stride == 1 && expect.value == axis.input).then_some(axis)
    })?;
    Some(format!(
        "kernel {} is even, so no padding keeps the size: it would take half a row on each side",
        axis.kernel
    ))
}
