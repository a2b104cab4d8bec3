//! Values of arguments as written: numbers, pairs, words and texts.

use proc_macro2::TokenTree;
use syn::Lit;

use crate::source::{Source, Word};

/// The largest number that a spec may hold. With it, no product of three overflows 128 bits.
pub(crate) const LARGEST: u64 = u32::MAX as u64;

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Int(u64),
    /// An integer beyond [`LARGEST`].
    TooLarge,
    Float(f64),
    /// A number with a sign in front of it.
    Signed,
    /// A number with letters behind it, such as `3px` or `96usize`.
    Suffixed(u64),
    Word(String),
    Text(String),
    /// Values in parentheses.
    Tuple(Vec<Word<Value>>),
    /// Reported.
    Wrong,
}

/// Reads one token that is no bracket.
pub(crate) fn read(source: &Source, index: usize) -> Value {
    match source.tree(index) {
        Some(TokenTree::Ident(word)) => Value::Word(word.to_string()),
        Some(TokenTree::Literal(literal)) => match Lit::new(literal.clone()) {
            Lit::Int(int) => match int.base10_digits().parse() {
                Ok(number) if number <= LARGEST && int.suffix().is_empty() => Value::Int(number),
                Ok(number) if number <= LARGEST => Value::Suffixed(number),
                _ => Value::TooLarge,
            },
            Lit::Float(float) => float.base10_digits().parse().map_or(Value::Wrong, Value::Float),
            Lit::Str(text) => Value::Text(text.value()),
            _ => Value::Text(literal.to_string()),
        },
        _ => Value::Wrong,
    }
}
