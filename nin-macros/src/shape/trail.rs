//! The shapes on the way to a layer, for people.

use super::Flow;

/// What has happened to the image so far.
#[derive(Debug, Default)]
pub(super) struct Trail {
    steps: Vec<Step>,
}

/// A layer, what came in and what it gave.
#[derive(Debug)]
struct Step {
    layer: String,
    input: Flow,
    output: Flow,
}

impl Trail {
    /// A layer and the shape that it gives; the image itself is the first.
    pub(super) fn step(&mut self, layer: String, output: Flow) {
        let input = self.steps.last().map_or(output, |step| step.output);
        self.steps.push(Step { layer, input, output });
    }

    /// The way to a layer that could not be computed.
    pub(super) fn to(&self, layer: &str) -> String {
        join(self.texts().chain([layer.to_owned()]).collect())
    }

    /// The way up to the last layer and its shape.
    pub(super) fn to_here(&self) -> String {
        join(self.texts().collect())
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        let text = |(i, step): (usize, &Step)| {
            let arrow = if i == 0 { "" } else { "→ " };
            format!("{} {arrow}{}", step.layer, text(step.output))
        };
        self.steps.iter().enumerate().map(text)
    }

    /// Which layer took most of the image, if any took half of the rows or more.
    pub(super) fn eater(&self) -> Option<String> {
        let shares = self.steps.iter().filter_map(|step| {
            let [_, rows, columns] = step.input;
            let (left, rows, columns) = (step.output[1]?, rows?, columns?);
            // Thousandths, so that they can be compared.
            Some((left * 1000 / rows, step, rows, columns))
        });
        let (share, step, rows, columns) = shares.min_by_key(|&(share, ..)| share)?;
        let [_, left_rows, left_columns] = step.output.map(Option::unwrap_or_default);
        let what = format!("`{}` took most: of {rows}×{columns} it left", step.layer);
        (share <= 500).then(|| format!("{what} {left_rows}×{left_columns}"))
    }
}

/// The input and the last few steps.
fn join(mut steps: Vec<String>) -> String {
    const SHOWN: usize = 4;
    if steps.len() > SHOWN + 2 {
        steps.splice(1..steps.len() - SHOWN, ["…".to_owned()]);
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
