//! First pass: the words as written, each with its place. No arithmetic.
//!
//! The parser recovers: a word that is wrong is reported and read as what it probably means, or
//! left unknown, and the rest of the spec is still read.

mod bind;
mod call;
mod element;
mod foreign;
mod literal;
mod options;
mod parse;
mod values;
mod windows;
pub(crate) mod words;

use proc_macro2::{Ident, TokenStream};

pub(crate) use call::Call;
pub(crate) use parse::parse;
pub(crate) use words::Name;

use crate::net::{Algorithm, Format};
use crate::source::{Loc, Word};

/// One call of `nin!` as read.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    /// Absent if no name could be made out.
    pub(crate) head: Option<Head>,
    /// The net's name, or where it should stand.
    pub(crate) name_at: Loc,
    pub(crate) elements: Vec<Element>,
    /// The index of the bracket that closes the list of elements.
    pub(crate) close: usize,
    pub(crate) options: Options,
}

/// What stands in front of the list: the struct's own words.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) attributes: TokenStream,
    pub(crate) visibility: TokenStream,
    pub(crate) name: Ident,
}

/// One element of the list.
#[derive(Debug)]
pub(crate) struct Element {
    /// From the element's name to the end of its arguments.
    pub(crate) at: Loc,
    /// The same with the expected shape.
    pub(crate) whole: Loc,
    pub(crate) call: Call,
    pub(crate) kind: Kind,
    /// The shape that the author expects here.
    pub(crate) expect: Option<Word<[Word<u64>; 3]>>,
}

/// What an element is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Channels, rows and columns of the image, as far as they could be read.
    Input([Option<Word<u64>>; 3]),
    Block(Convs),
    Conv(Convs),
    Pool {
        average: bool,
        window: Window,
        ceil: bool,
    },
    /// The probability, if it could be read.
    Dropout(Option<Word<f64>>),
    GlobalAvgPool,
    /// A fully connected layer, reported: it stands where a net's head should be.
    Dense,
    /// A word that has no place in a spec, reported: the net is read as if it were not there.
    Ignored,
    /// Reported; what it would do to the shape is not known.
    Unknown,
}

/// The arguments of `block` and `conv`.
#[derive(Debug)]
pub(crate) struct Convs {
    /// One width or a block's three; empty if they could not be read.
    pub(crate) widths: Vec<Word<u64>>,
    pub(crate) window: Window,
    pub(crate) relu: bool,
    pub(crate) algorithm: Option<Algorithm>,
}

/// The arguments of a sliding window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) kernel: Given,
    pub(crate) stride: Given,
    pub(crate) padding: Given,
}

/// A number, or a pair (rows, columns), that may be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given {
    Default,
    /// Reported.
    Wrong,
    Is(Word<[u64; 2]>),
}

/// What follows `where`, each with its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) algorithm: Option<Word<Algorithm>>,
    pub(crate) storage: Option<Word<Format>>,
    pub(crate) weights: Option<Word<String>>,
    pub(crate) ram_budget: Option<Word<u64>>,
}
