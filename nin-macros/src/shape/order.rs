//! Which elements must be there, and in which order.

use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Source};
use crate::spec::{Element, Kind, Name, Spec};

/// What the elements are to the net.
pub(super) struct Roles {
    /// The `input` that counts.
    pub(super) input: Option<usize>,
    /// Elements that are in the wrong place, reported: the net is read without them.
    misplaced: Vec<usize>,
}

impl Roles {
    /// Whether the element is a module of the net.
    pub(super) fn computes(&self, index: usize) -> bool {
        Some(index) != self.input && !self.misplaced.contains(&index)
    }
}

/// Reports what is missing, superfluous or in the wrong place.
pub(super) fn check(source: &Source, spec: &Spec, errors: &mut Vec<Error>) -> Roles {
    let mut roles = Roles { input: None, misplaced: Vec::new() };
    if spec.elements.is_empty() {
        let brackets = spec.close > 0 && source.get(spec.close - 1) == "<";
        if errors.is_empty() || (brackets && source.get(spec.close) == ">") {
            let list = "input(1, 28, 28), block(10, kernel = 5), global_avg_pool";
            errors.push(
                Error::new(
                    Loc::new(spec.close.saturating_sub(1)..spec.close + 1),
                    "the list of elements is empty",
                )
                .because("form", "Name<input(…), block(…), …, global_avg_pool>")
                .offer(Loc::before(spec.close), list, "the smallest net"),
            );
        }
        return roles;
    }
    input(source, spec, &mut roles, errors);
    head(source, spec, &mut roles, errors);
    weights(source, spec, errors);
    roles
}

fn positions(spec: &Spec, is: impl Fn(&Kind) -> bool) -> Vec<usize> {
    (0..spec.elements.len()).filter(|&i| is(&spec.elements[i].kind)).collect()
}

/// `input` stands first, once.
fn input(source: &Source, spec: &Spec, roles: &mut Roles, errors: &mut Vec<Error>) {
    let inputs = positions(spec, |kind| matches!(kind, Kind::Input(_)));
    let first = &spec.elements[0];
    roles.input = inputs.first().copied();
    match inputs.first() {
        None if matches!(first.kind, Kind::Unknown) => {}
        None => errors.push(missing_input(first)),
        Some(0) => {}
        Some(&i) => {
            let input = &spec.elements[i];
            let text = format!("{}, ", source.text(input.whole));
            let edits = [
                source.remove_item(input.whole),
                Edit { at: Loc::before(first.whole.start), text },
            ];
            let repair = Repair::new(edits, "")
                .say(format!("move `{}` to the front", source.text(input.whole)));
            let name = &first.call.name.value;
            errors.push(
                Error::new(input.at, format!("`input` stands first, here it comes after `{name}`"))
                    .because("because", "each layer's shape follows from the one before it")
                    .offer_any([repair]),
            );
        }
    }
    for &i in inputs.iter().skip(1) {
        let again = &spec.elements[i];
        errors.push(
            Error::new(again.at, "the net has an `input` already")
                .because(
                    "because",
                    "a net reads one image; what each layer reads is the output \
                    of the one before it",
                )
                .offer_edit(source.remove_item(again.whole), ""),
        );
        roles.misplaced.push(i);
    }
}

fn missing_input(first: &Element) -> Error {
    let at = Loc::before(first.whole.start);
    let shapes = ["1, 28, 28", "3, 32, 32", "1, 224, 224", "3, 224, 224", "3, 1024, 1024"];
    let variants = shapes.map(|shape| {
        let edit = Edit { at, text: format!("input({shape}), ") };
        Repair::new([edit], "channels, height and width of your images")
    });
    Error::new(first.at, format!("`{}` comes before any `input`", first.call.name.value))
        .because("form", Name::Input.form())
        .because("because", "all shapes follow from the image's")
        .offer_any(variants)
}

/// `global_avg_pool` stands last, once.
fn head(source: &Source, spec: &Spec, roles: &mut Roles, errors: &mut Vec<Error>) {
    // A fully connected head has been reported, and its repair brings the pool.
    if spec.elements.iter().any(|element| matches!(element.kind, Kind::Dense)) {
        return;
    }
    let pools = positions(spec, |kind| matches!(kind, Kind::GlobalAvgPool));
    let counts = |element: &&Element| !matches!(element.kind, Kind::Ignored | Kind::Input(_));
    let Some(last) = spec.elements.iter().rfind(counts) else { return };
    let Some((&pool, others)) = pools.split_last() else {
        if !matches!(last.kind, Kind::Unknown) {
            errors.push(
                Error::new(last.at, "the net does not end in `global_avg_pool`")
                    .because(
                        "because",
                        "the mean of each of the last layer's channels is the logit of one class",
                    )
                    .offer_edit(source.push_item(spec.close, "global_avg_pool"), "at the end"),
            );
        }
        return;
    };
    for &i in others {
        let again = &spec.elements[i];
        let what = "`global_avg_pool` stands once, at the end";
        errors.push(
            Error::new(again.at, what)
                .because("because", "behind it only 1×1 is left of each channel")
                .offer_edit(source.remove_item(again.whole), "there is another one further on"),
        );
        roles.misplaced.push(i);
    }
    let element = &spec.elements[pool];
    if element.whole != last.whole {
        let whole = source.text(element.whole);
        let edits = [source.remove_item(element.whole), source.push_item(spec.close, &whole)];
        let next = spec.elements[pool + 1..].iter().find(counts).map_or("", |e| &e.call.name.value);
        errors.push(
            Error::new(
                element.at,
                format!("`global_avg_pool` stands last, here `{next}` follows it"),
            )
            .because("because", "behind it only 1×1 is left of each channel")
            .offer_any([Repair::new(edits, "").say("move `global_avg_pool` to the end")]),
        );
        roles.misplaced.push(pool);
    }
}

/// Something must have weights.
fn weights(source: &Source, spec: &Spec, errors: &mut Vec<Error>) {
    let learns =
        |kind: &Kind| matches!(kind, Kind::Block(_) | Kind::Conv(_) | Kind::Unknown | Kind::Dense);
    if spec.elements.iter().any(|element| learns(&element.kind)) {
        return;
    }
    let pool = spec.elements.iter().find(|element| matches!(element.kind, Kind::GlobalAvgPool));
    let blocks = ["block(10, kernel = 3, padding = 1)", "block(10, kernel = 1)"];
    let variants = blocks.map(|block| {
        let edit = match pool {
            Some(pool) => Edit { at: Loc::before(pool.whole.start), text: format!("{block}, ") },
            None => source.push_item(spec.close, block),
        };
        Repair::new([edit], "10 stands for the number of classes")
    });
    let at = pool.map_or(spec.name_at, |pool| pool.at);
    errors.push(
        Error::new(at, "the net has no `block`, so there is nothing that it could learn")
            .because("form", Name::Block.form())
            .offer_any(variants),
    );
}
