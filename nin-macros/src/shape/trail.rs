//! The shapes on the way to a layer, for people.

use super::Flow;

/// What has happened to the image so far.
#[derive(Debug, Default)]
pub(super) struct Trail {
    steps: Vec<String>,
}

impl Trail {
    /// The image itself.
    pub(super) fn start(&mut self, flow: Flow) {
        self.steps = vec![format!("input {}", text(flow))];
    }

    /// A layer and the shape that it gives.
    pub(super) fn step(&mut self, layer: String, flow: Flow) {
        self.steps.push(format!("{layer} → {}", text(flow)));
    }

    /// The way to a layer that could not be computed: the input, and the last few layers.
    pub(super) fn to(&self, layer: &str) -> String {
        join(self.steps.iter().map(String::as_str).chain([layer]).collect())
    }

    /// The way up to the last layer and its shape.
    pub(super) fn to_here(&self) -> String {
        join(self.steps.iter().map(String::as_str).collect())
    }
}

/// The input and the last few steps.
fn join(mut steps: Vec<&str>) -> String {
    const SHOWN: usize = 4;
    if steps.len() > SHOWN + 2 {
        steps.splice(1..steps.len() - SHOWN, ["…"]);
    }
    steps.join(" → ")
}

/// A shape, with `?` for what is not known.
pub(super) fn text(flow: Flow) -> String {
    let [c, h, w] = flow.map(|n| n.map_or("?".to_owned(), |n| n.to_string()));
    format!("{c}×{h}×{w}")
}

/// A window's size and stride: `3×3/2`.
pub(super) fn window([kh, kw]: [u64; 2], [sh, sw]: [u64; 2]) -> String {
    match (sh, sw) {
        (1, 1) => format!("{kh}×{kw}"),
        (sh, sw) if sh == sw => format!("{kh}×{kw}/{sh}"),
        (sh, sw) => format!("{kh}×{kw}/({sh}, {sw})"),
    }
}

/// One number, or a pair as it is written in a spec.
pub(super) fn pair([rows, columns]: [u64; 2]) -> String {
    if rows == columns { rows.to_string() } else { format!("({rows}, {columns})") }
}
