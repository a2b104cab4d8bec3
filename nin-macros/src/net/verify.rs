//! The invariants of a net, checked again from its data alone.

use super::{Layer, Net, Op, PANEL, Shape, Window};

impl Net {
    /// Checks that the net is whole: shapes follow from one another, and each parameter has a place
    /// of its own in the arena. The error says which layer breaks what.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let mut shape = self.input;
        let mut arena = 0;
        for layer in &self.layers {
            let fail =
                |what: String| Err(format!("layer {} ({}): {what}", layer.module, layer.name));
            if layer.input != shape {
                return fail(format!("reads {}, but {shape} reaches it", layer.input));
            }
            if let Err(what) = layer.verify_shape().and_then(|()| layer.verify_params(&mut arena)) {
                return fail(what);
            }
            shape = layer.output;
        }
        for (i, layer) in self.layers.iter().enumerate() {
            if self.layers[..i].iter().any(|other| other.module == layer.module) {
                return Err(format!("two layers are called {}", layer.module));
            }
            if (layer.op == Op::GlobalAvgPool) != (i + 1 == self.layers.len()) {
                return Err(
                    "the global average pool must be the last layer, and no other".to_owned()
                );
            }
        }
        if arena != self.arena_len {
            return Err(format!(
                "the arena has {} elements, its parameters {arena}",
                self.arena_len
            ));
        }
        if self.params() == 0 { Err("the net has no parameters".to_owned()) } else { Ok(()) }
    }
}

impl Layer {
    fn verify_shape(&self) -> Result<(), String> {
        let Shape { c, h, w } = self.input;
        let channels = match self.op {
            Op::Conv { .. } => self.output.c,
            _ => c,
        };
        let expected = match self.op {
            Op::Conv { window, .. } => window.output(h, w, false),
            // A pool's size may have been rounded either way.
            Op::MaxPool { window } | Op::AvgPool { window } => {
                let up = window.output(h, w, true);
                if (self.output.h, self.output.w) == up { up } else { window.output(h, w, false) }
            }
            Op::Dropout { .. } => (h, w),
            Op::GlobalAvgPool => (1, 1),
        };
        let expected = Shape { c: channels, h: expected.0, w: expected.1 };
        if self.output != expected {
            return Err(format!("gives {}, expected {expected}", self.output));
        }
        if [expected.c, expected.h, expected.w].contains(&0) {
            return Err(format!("gives nothing: {expected}"));
        }
        match self.op {
            Op::Dropout { p } if !(0.0..1.0).contains(&p) => {
                Err(format!("drops with probability {p}"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the place of the layer's parameters, which follows that of the layer before.
    fn verify_params(&self, arena: &mut usize) -> Result<(), String> {
        let Op::Conv { window, params, .. } = self.op else {
            return if (self.params, self.macs) == (0, 0) {
                Ok(())
            } else {
                Err("has parameters or multiply-adds".to_owned())
            };
        };
        let (ci, co) = (self.input.c, self.output.c);
        let taps = window.kernel.0 * window.kernel.1 * ci;
        let panels = co.div_ceil(PANEL) * PANEL;
        let weight = *arena;
        let bias = weight + taps * panels;
        if (params.weight, params.weight_len) != (weight, taps * panels) {
            return Err(format!("weights at {} should stand at {weight}", params.weight));
        }
        if (params.bias, params.bias_len) != (bias, panels) {
            return Err(format!("bias at {} should stand at {bias}", params.bias));
        }
        *arena = bias + panels;
        let macs = taps as u64 * co as u64 * self.output.h as u64 * self.output.w as u64;
        if (self.params, self.macs) != (taps * co + co, macs) {
            return Err(format!(
                "counts {} parameters and {} multiply-adds",
                self.params, self.macs
            ));
        }
        Ok(())
    }
}

impl Window {
    /// Rows and columns of the output, none where no window fits.
    fn output(self, h: usize, w: usize, ceil: bool) -> (usize, usize) {
        let axis = |input: usize, kernel: usize, stride: usize, padding: usize| {
            let up = if ceil { stride - 1 } else { 0 };
            let room = (input + 2 * padding + up).checked_sub(kernel);
            let places = room.map_or(0, |room| room / stride + 1);
            let outside = ceil && places > 1 && (places - 1) * stride >= input + padding;
            places - usize::from(outside)
        };
        let Self { kernel, stride, padding } = self;
        (axis(h, kernel.0, stride.0, padding.0), axis(w, kernel.1, stride.1, padding.1))
    }
}

#[cfg(test)]
mod tests {
    use crate::check::check;
    use crate::net::Net;
    use crate::source::Source;

    fn net(spec: &str) -> Net {
        let checked = check(&Source::new(spec.parse().expect("the test's spec lexes")));
        checked.net.unwrap_or_else(|| panic!("{:?}", checked.errors))
    }

    const SPEC: &str = "Net<input(3, 20, 24), block(40, 20, 10, kernel = (3, 5), stride = 2), \
        max_pool(3, stride = 2, ceil = true), dropout(0.5), conv(10, kernel = 1), global_avg_pool>";

    #[test]
    fn a_checked_net_verifies() {
        assert_eq!(net(SPEC).verify(), Ok(()));
    }

    #[test]
    fn a_broken_net_does_not_verify() {
        let breaks: [fn(&mut Net); 6] = [
            |net| net.input.c = 1,
            |net| net.layers[1].output.h += 1,
            |net| net.layers[2].module = "0.0".to_owned(),
            |net| net.layers[0].params += 1,
            |net| net.arena_len += 16,
            |net| drop(net.layers.pop()),
        ];
        for (i, change) in breaks.iter().enumerate() {
            let mut net = net(SPEC);
            change(&mut net);
            assert!(net.verify().is_err(), "change {i} went unseen");
        }
    }

    #[test]
    fn a_net_prints_itself() {
        let text = net(SPEC).to_string();
        let lines: Vec<&str> = text.lines().take(2).collect();
        let expected = [
            "net 3×20×24, 10 classes, 2980 parameters, 254000 multiply-adds, arena 4032",
            "0.0  conv 3×5/2         3×20×24 → 40×9×10, sees 3×5, 1840 parameters at 0 and 2160, \
             162000 multiply-adds; cut off at the end: 1 row and 1 column, which no window reaches",
        ];
        assert_eq!(lines, expected);
    }
}
