//! The size of a sliding window's output along one axis: PyTorch's rule, and its words.

/// Rows or columns under a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) input: u64,
    pub(crate) kernel: u64,
    pub(crate) stride: u64,
    pub(crate) padding: u64,
    pub(crate) ceil: bool,
}

impl Axis {
    /// What the window can slide over before it has moved at all.
    pub(crate) fn padded(self) -> u64 {
        self.input + 2 * self.padding
    }

    /// How many places the window has; none if it is larger than the padded input.
    ///
    /// With `ceil`, a last window may hang over the end if it starts inside the input or the
    /// padding before it, as in PyTorch's `pooling_output_shape`.
    pub(crate) fn output(self) -> u64 {
        self.rounded().saturating_sub(u64::from(self.starts_outside()))
    }

    /// The formula's value, before the rule about the last window.
    fn rounded(self) -> u64 {
        let up = if self.ceil { self.stride - 1 } else { 0 };
        match (self.padded() + up).checked_sub(self.kernel) {
            Some(room) => room / self.stride + 1,
            None => 0,
        }
    }

    /// Whether the last window of `ceil` would see nothing but the padding behind the input.
    fn starts_outside(self) -> bool {
        self.ceil && {
            let places = self.rounded();
            places > 1 && (places - 1) * self.stride >= self.input + self.padding
        }
    }

    /// Rows at the end of the input that no window reaches.
    pub(crate) fn cut_off(self) -> u64 {
        let reached = match self.output() {
            0 => 0,
            places => (places - 1) * self.stride + self.kernel,
        };
        (self.padding + self.input).saturating_sub(reached).min(self.input)
    }

    /// The smallest input with this many places.
    pub(crate) fn smallest_input(self, output: u64) -> u64 {
        let places = output.saturating_sub(1) * self.stride + self.kernel;
        places.saturating_sub(2 * self.padding).max(1)
    }

    /// The left side of the formula, with the numbers in it.
    pub(crate) fn formula(self) -> String {
        let Self { input, kernel, stride, padding, ceil } = self;
        let (open, close) = if ceil { ("⌈", "⌉") } else { ("⌊", "⌋") };
        let last =
            if self.starts_outside() { " − 1 (the last window would start outside)" } else { "" };
        format!("{open}({input} + 2·{padding} − {kernel}) / {stride}{close} + 1{last}")
    }

    /// Why no window fits.
    pub(crate) fn misfit(self) -> String {
        let Self { input, kernel, padding, .. } = self;
        let room = self.kernel - self.padded().min(kernel);
        format!("{input} + 2·{padding} − {kernel} = −{room}: not even one window fits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_pytorchs() {
        // (input, kernel, stride, padding, ceil), what PyTorch gives; 0 where it refuses.
        for (input, kernel, stride, padding, ceil, output) in [
            (224, 11, 4, 0, false, 54),
            (54, 3, 2, 0, false, 26),
            (26, 5, 1, 2, false, 26),
            (5, 5, 1, 0, false, 1),
            (5, 6, 1, 0, false, 0),
            (5, 11, 4, 0, false, 0),
            (32, 3, 2, 0, true, 16),
            (32, 3, 2, 0, false, 15),
            (16, 3, 2, 0, true, 8),
            (28, 2, 2, 1, false, 15),
            (28, 2, 2, 1, true, 15),
            (27, 2, 2, 1, true, 14),
            (2, 3, 2, 0, true, 1),
            (1, 4, 2, 0, true, 0),
            (4, 1, 3, 0, true, 2),
            (3, 1, 3, 0, true, 1),
            (5, 2, 4, 1, true, 2),
            (1, 2, 2, 1, true, 1),
        ] {
            let axis = Axis { input, kernel, stride, padding, ceil };
            assert_eq!(axis.output(), output, "{axis:?}");
        }
    }

    #[test]
    fn rows_that_no_window_reaches_are_counted() {
        for (input, kernel, stride, padding, cut) in [
            (224, 11, 4, 0, 1),
            (28, 3, 2, 0, 1),
            (28, 2, 2, 0, 0),
            (28, 3, 2, 1, 0),
            (10, 1, 4, 0, 1),
        ] {
            let axis = Axis { input, kernel, stride, padding, ceil: false };
            assert_eq!(axis.cut_off(), cut, "{axis:?}");
        }
    }

    #[test]
    fn the_smallest_input_is_the_smallest() {
        for kernel in 1..6 {
            for stride in 1..5 {
                for padding in 0..3 {
                    for output in 1..5 {
                        let axis = Axis { input: 0, kernel, stride, padding, ceil: false };
                        let input = axis.smallest_input(output);
                        assert!(Axis { input, ..axis }.output() >= output);
                        if input > 1 {
                            assert!(Axis { input: input - 1, ..axis }.output() < output);
                        }
                    }
                }
            }
        }
    }
}
