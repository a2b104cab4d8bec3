//! The compiler behind [`nin!`](https://docs.rs/nin): a pipeline of `spec` (words with spans),
//! `shape` (checks), `net` (the plain representation), `plan` (algorithms and memory), `winograd`
//! (transforms) and `emit` (Rust code). This file alone names `proc_macro`.

#![forbid(unsafe_code)]

mod budget;
mod check;
mod diag;
mod emit;
mod lesson;
mod net;
mod plan;
mod repair;
mod shape;
mod source;
mod spec;
mod stand_in;
mod weights;
mod winograd;

use proc_macro2::TokenStream;
use quote::quote;

use crate::source::Source;

/// Compiles a spec to a statically shaped network; see the crate `nin`.
#[proc_macro]
pub fn nin(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    compile(input.into()).into()
}

/// The transforms `F4x5`, `F6x3`, … as generated code has them, for the runtime's own tests and
/// benchmarks. Not for people.
#[doc(hidden)]
#[proc_macro]
pub fn transforms(names: proc_macro::TokenStream) -> proc_macro::TokenStream {
    winograd::transforms(names.into()).into()
}

/// The whole pipeline, from tokens to tokens.
fn compile(input: TokenStream) -> TokenStream {
    let source = Source::new(input);
    let mut checked = check::check_and_prove(&source);
    if let Some(Err(problem)) = checked.net.as_ref().map(net::Net::verify) {
        let what = format!("a bug of nin, please report it: {problem}");
        checked.net = None;
        checked.errors.push(diag::Error::new(checked.spec.name_at, what));
    }
    let errors = checked.errors.iter().map(|error| error.to_tokens(&source));
    let errors: TokenStream = errors.collect();
    let net = match &checked.net {
        Some(net) => Some(net.clone()),
        None => stand_in::stand_in(&source, &checked),
    };
    let emitted = checked.spec.head.as_ref().zip(net).map(|(head, net)| {
        let plan = plan::Plan::new(&net);
        emit::emit(head, &net, &plan, &lesson::table(&net, &lesson::columns(&net, &plan)))
    });
    quote!(#errors #emitted)
}

#[cfg(test)]
mod tests;
