//! Errors as data: where, what, why, and repairs that are edits of the spec.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};

use crate::source::{Edit, Loc, Source};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// What is underlined.
    pub(crate) at: Loc,
    /// What is wrong, in the terms of the layer.
    pub(crate) what: String,
    /// Why: labelled lines such as the shapes on the way here and the formula with its numbers.
    pub(crate) because: Vec<(&'static str, String)>,
    /// Ways out. Each inner list holds variants of one idea, the best first; `repair::prove` keeps
    /// of each the first that compiles.
    pub(crate) offers: Vec<Vec<Repair>>,
    /// The repairs that compile.
    pub(crate) repairs: Vec<Repair>,
}

impl Error {
    pub(crate) fn new(at: Loc, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), because: Vec::new(), offers: Vec::new(), repairs: Vec::new() }
    }

    /// Adds a labelled line.
    pub(crate) fn because(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.because.push((label, text.into()));
        self
    }

    /// Offers a repair of one edit.
    pub(crate) fn offer(self, at: Loc, text: impl Into<String>, why: impl Into<String>) -> Self {
        self.offer_edit(Edit { at, text: text.into() }, why)
    }

    /// Offers a repair of one edit.
    pub(crate) fn offer_edit(self, edit: Edit, why: impl Into<String>) -> Self {
        self.offer_any([Repair::new([edit], why)])
    }

    /// Offers the first of some repairs that compiles.
    pub(crate) fn offer_any(mut self, variants: impl IntoIterator<Item = Repair>) -> Self {
        let variants: Vec<Repair> = variants.into_iter().collect();
        if !variants.is_empty() {
            self.offers.push(variants);
        }
        self
    }

    /// The whole message, for a terminal.
    pub(crate) fn message(&self, source: &Source) -> String {
        let mut lines: Vec<(&str, String)> = self.because.clone();
        for (i, repair) in self.repairs.iter().enumerate() {
            lines.push((if i == 0 { "repair" } else { "or" }, repair.phrase(source, self.at)));
        }
        let width = lines.iter().map(|(label, _)| label.len() + 1).max().unwrap_or(0);
        let mut message = self.what.clone();
        for (label, text) in lines {
            let label = format!("{label}:");
            message.push_str(&format!("\n{label:<width$} {text}"));
        }
        message
    }

    /// The call of `compile_error!` that underlines the mistake.
    pub(crate) fn to_tokens(&self, source: &Source) -> TokenStream {
        let (first, last) = source.spans(self.at);
        let mut message = proc_macro2::Literal::string(&self.message(source));
        message.set_span(last);
        let mut call = quote_spanned!(first=> ::core::compile_error!);
        quote_spanned!(last=> { #message }).to_tokens(&mut call);
        call
    }
}

/// Edits that together put a mistake right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    pub(crate) edits: Vec<Edit>,
    /// What is special about this way, such as "the largest kernel that fits".
    pub(crate) why: String,
    /// Edits that only move or wrap words are said in these words.
    say: Option<String>,
}

impl Repair {
    pub(crate) fn new(edits: impl IntoIterator<Item = Edit>, why: impl Into<String>) -> Self {
        Self { edits: edits.into_iter().collect(), why: why.into(), say: None }
    }

    /// Replaces the listing of the edits by other words.
    pub(crate) fn say(self, say: impl Into<String>) -> Self {
        Self { say: Some(say.into()), ..self }
    }

    /// The repair in words, for a mistake that is underlined at `at`.
    fn phrase(&self, source: &Source, at: Loc) -> String {
        let edits = || {
            let edits: Vec<String> =
                self.edits.iter().map(|edit| phrase(edit, source, at)).collect();
            edits.join(", and ")
        };
        let what = self.say.clone().unwrap_or_else(edits);
        if self.why.is_empty() { what } else { format!("{what} ({})", self.why) }
    }
}

fn phrase(edit: &Edit, source: &Source, at: Loc) -> String {
    let bare = |text: &str| {
        let item = text.trim_matches([',', ' ']);
        if item.is_empty() { text.trim().to_owned() } else { item.to_owned() }
    };
    let (old, new) = (bare(&source.text(edit.at)), bare(&edit.text));
    if edit.at.is_empty() {
        if new.chars().all(|char| char.is_ascii_punctuation()) && edit.at.start > 0 {
            let neighbour = source.text(Loc::token(edit.at.start - 1));
            return format!("add `{new}` after `{neighbour}`");
        }
        if edit.text.ends_with(", ") {
            return format!("add `{new}` before `{}`", source.text(Loc::token(edit.at.start)));
        }
        format!("add `{new}`")
    } else if new.is_empty() {
        format!("remove `{old}`")
    } else if edit.at == at {
        format!("write `{new}`")
    } else {
        format!("write `{new}` instead of `{old}`")
    }
}
