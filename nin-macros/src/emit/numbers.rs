//! Numbers as people write them: `quote` puts the type behind each, which every place here implies.

use proc_macro2::{Group, Literal, TokenStream, TokenTree};

/// The tokens with `10080usize` as `10_080`.
pub(super) fn readable(tokens: TokenStream) -> TokenStream {
    tokens.into_iter().map(readable_tree).collect()
}

fn readable_tree(tree: TokenTree) -> TokenTree {
    match tree {
        TokenTree::Group(group) => {
            let mut readable = Group::new(group.delimiter(), readable(group.stream()));
            readable.set_span(group.span());
            readable.into()
        }
        TokenTree::Literal(literal) => match shortened(&literal.to_string()) {
            Some(mut shortened) => {
                shortened.set_span(literal.span());
                shortened.into()
            }
            None => literal.into(),
        },
        other => other,
    }
}

/// The literal without its type and in groups of three digits, if it is a number with a type.
fn shortened(literal: &str) -> Option<Literal> {
    if let Some(float) = literal.strip_suffix("f32") {
        return float.contains('.').then(|| float.parse().ok())?;
    }
    let digits = literal.strip_suffix("usize").or_else(|| literal.strip_suffix("u64"))?;
    let mut grouped = String::new();
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    // Strings may end like a number with a type, but are none.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| grouped.parse().ok())?
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn numbers_lose_their_type_and_strings_keep_theirs() {
        let typed = quote!(f(0usize, 999usize, [1234567u64], 0.25f32, 1_000, "12usize", 7u8));
        let plain = quote!(f(0, 999, [1_234_567], 0.25, 1_000, "12usize", 7u8));
        assert_eq!(readable(typed).to_string(), plain.to_string());
    }
}
