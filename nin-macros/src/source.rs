//! The spec as one flat list of tokens, so that a place in it is a range of indices.
//!
//! Spans of `proc_macro` can be neither compared nor cut. Ranges can: errors keep their order, a
//! repair is an edit of the list, and every place is inside the spec by construction.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// A place in the spec: tokens `start..end`. An empty place stands between two tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Loc {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Loc {
    pub(crate) fn new(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }

    pub(crate) fn token(index: usize) -> Self {
        Self { start: index, end: index + 1 }
    }

    /// The gap in front of a token.
    pub(crate) fn before(index: usize) -> Self {
        Self { start: index, end: index }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// From the start of this place to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }
}

/// A word of the spec: what it says and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<T> {
    pub(crate) value: T,
    pub(crate) at: Loc,
}

/// A change of the spec's text: what stands at `at` gives way to `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) at: Loc,
    pub(crate) text: String,
}

/// One token; brackets are tokens of their own.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    /// The token itself; none for brackets.
    tree: Option<TokenTree>,
    span: Span,
    /// For an opening bracket, the index of its closing one.
    close: usize,
}

/// A spec's tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    tokens: Vec<Token>,
}

impl Source {
    /// Flattens a stream. Groups without brackets, which `macro_rules!` leaves around what it has
    /// captured, vanish.
    pub(crate) fn new(stream: TokenStream) -> Self {
        let mut tokens = Vec::new();
        let mut stack = vec![(stream.into_iter(), None)];
        while let Some((trees, closing)) = stack.last_mut() {
            match trees.next() {
                Some(TokenTree::Group(group)) => {
                    let closing = bracket(group.delimiter()).map(|(open, close)| {
                        tokens.push(Token::bracket(open, group.span_open()));
                        (close, group.span_close())
                    });
                    stack.push((group.stream().into_iter(), closing));
                }
                Some(tree) => tokens.push(Token::leaf(tree)),
                None => {
                    if let Some((text, span)) = *closing {
                        tokens.push(Token::bracket(text, span));
                    }
                    stack.pop();
                }
            }
        }
        let mut source = Self { tokens };
        source.pair_brackets();
        source
    }

    fn pair_brackets(&mut self) {
        let mut open = Vec::new();
        for i in 0..self.tokens.len() {
            if self.tokens[i].tree.is_some() {
                continue;
            }
            if matches!(self.tokens[i].text.as_str(), "(" | "[" | "{") {
                open.push(i);
            } else if let Some(start) = open.pop() {
                self.tokens[start].close = i;
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The text of a token; nothing behind the end.
    pub(crate) fn get(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// Whether the token is an identifier or a keyword.
    pub(crate) fn is_ident(&self, index: usize) -> bool {
        matches!(self.tree(index), Some(TokenTree::Ident(_)))
    }

    /// Whether the token is a number, a text or the like.
    pub(crate) fn is_literal(&self, index: usize) -> bool {
        matches!(self.tree(index), Some(TokenTree::Literal(_)))
    }

    /// The token, unless it is a bracket.
    pub(crate) fn tree(&self, index: usize) -> Option<&TokenTree> {
        self.tokens.get(index).and_then(|token| token.tree.as_ref())
    }

    /// Whether the token opens a bracket.
    pub(crate) fn opens(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.close != 0)
    }

    /// The first index behind the token, or behind the bracketed group that it opens.
    pub(crate) fn skip(&self, index: usize) -> usize {
        if self.opens(index) { self.tokens[index].close + 1 } else { index + 1 }
    }

    /// Whether the two characters stand here as one operator, such as `->`.
    pub(crate) fn is_operator(&self, index: usize, operator: &str) -> bool {
        let mut chars = operator.chars();
        let (first, second) = (chars.next(), chars.next());
        let joint = |tree: Option<&TokenTree>| match tree {
            Some(TokenTree::Punct(punct)) => Some((punct.as_char(), punct.spacing())),
            _ => None,
        };
        joint(self.tree(index)).is_some_and(|(char, spacing)| {
            Some(char) == first && (second.is_none() || spacing == proc_macro2::Spacing::Joint)
        }) && (second.is_none() || joint(self.tree(index + 1)).map(|(char, _)| char) == second)
    }

    /// The edit that takes out an item of a comma-separated list, with one of its commas.
    pub(crate) fn remove_item(&self, at: Loc) -> Edit {
        let at = if at.start > 0 && self.get(at.start - 1) == "," {
            Loc::new(at.start - 1..at.end)
        } else if self.get(at.end) == "," {
            Loc::new(at.start..at.end + 1)
        } else {
            at
        };
        Edit { at, text: String::new() }
    }

    /// The edit that adds an item at the end of the list whose closing bracket is `close`.
    pub(crate) fn push_item(&self, close: usize, item: &str) -> Edit {
        let before = self.get(close.wrapping_sub(1));
        let comma = if matches!(before, "," | "(" | "<") { "" } else { ", " };
        Edit { at: Loc::before(close), text: format!("{comma}{item}") }
    }

    /// The spec with the edits made; none if a text does not lex or the edits overlap.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Option<Self> {
        let mut edits: Vec<&Edit> = edits.iter().collect();
        edits.sort_by_key(|edit| edit.at);
        let mut tokens = Vec::with_capacity(self.tokens.len());
        let mut done = 0;
        for edit in edits {
            tokens.extend_from_slice(self.tokens.get(done..edit.at.start)?);
            tokens.extend(Self::new(TokenStream::from_str(&edit.text).ok()?).tokens);
            done = edit.at.end;
        }
        tokens.extend_from_slice(self.tokens.get(done..)?);
        let mut source = Self { tokens };
        source.pair_brackets();
        Some(source)
    }

    /// The tokens of a place as a stream again; what follows a bracket without its partner is
    /// left out.
    pub(crate) fn stream(&self, at: Loc) -> TokenStream {
        let mut outer = Vec::new();
        let mut stream = TokenStream::new();
        for token in &self.tokens[at.start.min(self.len())..at.end.min(self.len())] {
            let tree = match (&token.tree, token.text.as_str()) {
                (Some(tree), _) => tree.clone(),
                (None, "(" | "[" | "{") => {
                    outer.push(std::mem::take(&mut stream));
                    continue;
                }
                (None, close) => {
                    let Some(before) = outer.pop() else { return stream };
                    let inner = std::mem::replace(&mut stream, before);
                    TokenTree::Group(Group::new(delimiter(close), inner))
                }
            };
            stream.extend([tree]);
        }
        outer.into_iter().next().unwrap_or(stream)
    }

    /// The first and the last span of a place; for a gap, those of the token before it.
    pub(crate) fn spans(&self, at: Loc) -> (Span, Span) {
        let Some(last) = self.len().checked_sub(1) else {
            return (Span::call_site(), Span::call_site());
        };
        let (start, end) =
            if at.is_empty() { (at.start.saturating_sub(1), at.start) } else { (at.start, at.end) };
        let span = |index: usize| self.tokens[index.min(last)].span;
        (span(start), span(end.saturating_sub(1)))
    }

    /// The text of a place, spaced as people write it.
    pub(crate) fn text(&self, at: Loc) -> String {
        let mut text = String::new();
        let end = at.end.min(self.len());
        for i in at.start..end {
            text.push_str(self.get(i));
            if i + 1 < end && self.spaced(i) {
                text.push(' ');
            }
        }
        text
    }

    /// Whether a space stands between this token and the next.
    fn spaced(&self, index: usize) -> bool {
        let (this, next) = (self.get(index), self.get(index + 1));
        let arrow = self.is_operator(index, "->") || self.is_operator(index, "=>");
        match (this, next) {
            (_, "," | ";" | ")" | "]" | "." | ":") | ("(" | "[" | "." | "-" | "<" | "#", _) => {
                false
            }
            _ if arrow => false,
            (word, "(" | "<") => !(self.is_ident(index) && word != "in"),
            (_, ">") => self.is_operator(index, "="),
            _ => true,
        }
    }
}

impl Token {
    fn leaf(tree: TokenTree) -> Self {
        Self { text: tree.to_string(), span: tree.span(), tree: Some(tree), close: 0 }
    }

    fn bracket(text: &str, span: Span) -> Self {
        Self { text: text.to_owned(), tree: None, span, close: 0 }
    }
}

fn bracket(delimiter: Delimiter) -> Option<(&'static str, &'static str)> {
    match delimiter {
        Delimiter::Parenthesis => Some(("(", ")")),
        Delimiter::Bracket => Some(("[", "]")),
        Delimiter::Brace => Some(("{", "}")),
        Delimiter::None => None,
    }
}

fn delimiter(close: &str) -> Delimiter {
    match close {
        ")" => Delimiter::Parenthesis,
        "]" => Delimiter::Bracket,
        _ => Delimiter::Brace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text.parse().expect("the test's text lexes"))
    }

    #[test]
    fn a_place_prints_as_people_write_it() {
        for text in [
            "Net<input(1, 28, 28), block(96, kernel = 11) -> (96, 54, 54), global_avg_pool>",
            "max_pool((3, 2), stride = 2, ceil = true)",
            "dropout(-1.5)",
        ] {
            let source = source(text);
            assert_eq!(source.text(Loc::new(0..source.len())), text);
        }
    }

    #[test]
    fn edits_are_made_together() {
        let source = source("f(1, kernel = 2)");
        let edits = [
            source.push_item(7, "padding = 1"),
            Edit { at: Loc::token(0), text: "g".to_owned() },
            source.remove_item(Loc::token(2)),
        ];
        let edited = source.edited(&edits).expect("the edits do not overlap");
        assert_eq!(edited.text(Loc::new(0..edited.len())), "g(kernel = 2, padding = 1)");
    }

    #[test]
    fn brackets_survive_the_way_there_and_back() {
        let source = source("a(b[c] { d }) e");
        let stream = source.stream(Loc::new(0..source.len()));
        assert_eq!(Source::new(stream).text(Loc::new(0..99)), source.text(Loc::new(0..99)));
    }
}
