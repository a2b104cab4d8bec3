//! Whole expansions as a person reads them. `INSTA_UPDATE=always cargo test -p nin-macros` writes
//! them anew after a change, to be read in the diff.

use proc_macro2::{Group, TokenStream, TokenTree};

use crate::compile;

/// The fewest words that make a net.
const MINIMAL: &str = "MinimalNin<input(1, 8, 8), conv(3, kernel = 3), global_avg_pool>";

/// Every element, and what its arguments can be.
const EVERYTHING: &str = "
    /// Three widths to a block, and a last convolution without ReLU.
    pub(crate) FullNin<
        input(3, 30, 41),
        block(24, 20, 16, kernel = (5, 3), stride = 2, padding = (2, 1)) -> (16, 15, 21),
        max_pool(3, stride = 2, padding = 1),
        dropout(0.25),
        conv(32, kernel = (3, 5), padding = (1, 2)),
        avg_pool((3, 2), stride = 2, ceil = true),
        conv(10, kernel = 1, relu = false, algorithm = direct),
        global_avg_pool,
    >";

/// Weights and activations of half the size.
const HALF: &str = "
    HalfNin<
        input(1, 12, 12),
        conv(4, kernel = 3, padding = 1),
        dropout(0.5),
        conv(5, kernel = 3),
        max_pool(2),
        conv(3, kernel = 1),
        global_avg_pool,
    > where storage = f16";

/// Images so large that they go through the first layers one by one, or two by two.
const LARGE: &str = "
    LargeNin<
        input(1, 72, 72),
        block(16, kernel = 3, padding = 1),
        max_pool(3, stride = 3),
        conv(4, kernel = 3),
        global_avg_pool,
    >";

fn expand(spec: &str) -> TokenStream {
    compile(spec.parse().expect("the spec lexes"))
}

/// The expansion, laid out as rustfmt would, with all that the runtime's features bring.
fn pretty(spec: &str) -> String {
    let items = with_all_features(expand(spec));
    let file = syn::parse2(items).expect("the expansion is a list of items");
    prettyplease::unparse(&file)
}

/// The tokens with `rt::if_alloc! { items }` as `items`, since macros are not laid out.
fn with_all_features(tokens: TokenStream) -> TokenStream {
    let mut all: Vec<TokenTree> = Vec::new();
    for tree in tokens {
        let TokenTree::Group(group) = tree else {
            all.push(tree);
            continue;
        };
        let items = with_all_features(group.stream());
        // `rt`, `:`, `:`, the macro's name and `!` are five trees.
        let before = all.len().saturating_sub(5);
        let path: String = all[before..].iter().map(TokenTree::to_string).collect();
        if path.starts_with("rt::if_") && path.ends_with('!') {
            all.truncate(before);
            all.extend(items);
        } else {
            all.push(Group::new(group.delimiter(), items).into());
        }
    }
    all.into_iter().collect()
}

#[test]
fn the_smallest_net_expands_to_this() {
    insta::assert_snapshot!("minimal", pretty(MINIMAL));
}

#[test]
fn a_net_of_every_element_expands_to_this() {
    insta::assert_snapshot!("everything", pretty(EVERYTHING));
}

#[test]
fn a_net_of_halves_expands_to_this() {
    insta::assert_snapshot!("half", pretty(HALF));
}

#[test]
fn a_net_of_large_images_expands_to_this() {
    insta::assert_snapshot!("large", pretty(LARGE));
}

#[test]
fn the_same_spec_gives_the_same_tokens_whatever_was_compiled_before() {
    let text = |spec| expand(spec).to_string();
    let (minimal, everything) = (text(MINIMAL), text(EVERYTHING));
    assert_eq!([text(EVERYTHING), text(MINIMAL)], [everything, minimal]);
}
