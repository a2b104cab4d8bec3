//! The vocabulary: elements and their arguments, and the nearest word to a misspelt one.

/// The elements of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Input,
    Block,
    Conv,
    MaxPool,
    AvgPool,
    Dropout,
    GlobalAvgPool,
}

impl Name {
    pub(crate) const ALL: [Self; 7] = [
        Self::Input,
        Self::Block,
        Self::Conv,
        Self::MaxPool,
        Self::AvgPool,
        Self::Dropout,
        Self::GlobalAvgPool,
    ];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Block => "block",
            Self::Conv => "conv",
            Self::MaxPool => "max_pool",
            Self::AvgPool => "avg_pool",
            Self::Dropout => "dropout",
            Self::GlobalAvgPool => "global_avg_pool",
        }
    }

    /// How the element is written.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::Input => "input(channels, height, width)",
            Self::Block => {
                "block(n, kernel = k, stride = s, padding = p), or three widths n1, n2, n3"
            }
            Self::Conv => "conv(n, kernel = k, stride = s, padding = p, relu = true)",
            Self::MaxPool => "max_pool(k, stride = s, padding = p, ceil = false)",
            Self::AvgPool => "avg_pool(k, stride = s, padding = p, ceil = false)",
            Self::Dropout => "dropout(p), with 0 ≤ p < 1",
            Self::GlobalAvgPool => "global_avg_pool",
        }
    }

    /// The arguments that have a name.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Input | Self::Dropout | Self::GlobalAvgPool => &[],
            Self::Block => &["kernel", "stride", "padding", "algorithm"],
            Self::Conv => &["kernel", "stride", "padding", "relu", "algorithm"],
            Self::MaxPool | Self::AvgPool => &["stride", "padding", "ceil"],
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.text() == text)
    }

    /// The element whose name is closest to a misspelt one.
    pub(crate) fn nearest(text: &str) -> Option<Self> {
        nearest(text, Self::ALL.iter().map(|name| name.text())).and_then(Self::parse)
    }
}

/// All names of arguments.
pub(crate) const ARGUMENTS: [&str; 6] =
    ["kernel", "stride", "padding", "relu", "ceil", "algorithm"];

/// All names of options.
pub(crate) const OPTIONS: [&str; 4] = ["algorithm", "weights", "storage", "ram_budget"];

/// Whether a word is, or is meant to be, the name of an argument.
pub(crate) fn is_argument(text: &str) -> bool {
    super::foreign::argument(text).is_some() || nearest(text, ARGUMENTS).is_some()
}

/// A word without what styles of naming differ in: case and underscores.
pub(crate) fn fold(text: &str) -> String {
    text.chars().filter(|&c| c != '_').flat_map(char::to_lowercase).collect()
}

/// The candidate closest to a misspelt word, if it is close: a third of its letters may be wrong.
pub(crate) fn nearest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(text);
    // Nobody misspells a word of this length, and the distance costs its square.
    if folded.len() > 40 {
        return None;
    }
    let scored = candidates.into_iter().map(|candidate| {
        let start = folded.len() >= 3 && fold(candidate).starts_with(&folded);
        (if start { 1 } else { distance(&folded, &fold(candidate)) }, candidate)
    });
    let (distance, candidate) = scored.min_by_key(|&(distance, _)| distance)?;
    (distance <= folded.chars().count().div_ceil(3)).then_some(candidate)
}

/// Letters to insert, drop, replace or swap with their neighbour (Damerau–Levenshtein, restricted).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_element_has_a_nearest_name() {
        for (text, name) in [
            ("blok", Some(Name::Block)),
            ("bolck", Some(Name::Block)),
            ("maxpol", Some(Name::MaxPool)),
            ("avg_pol", Some(Name::AvgPool)),
            ("droput", Some(Name::Dropout)),
            ("global_average_pool", Some(Name::GlobalAvgPool)),
            ("imput", Some(Name::Input)),
            ("transformer", None),
            ("x", None),
        ] {
            assert_eq!(Name::nearest(text), name, "{text}");
        }
    }
}
