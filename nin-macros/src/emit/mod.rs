//! Last pass: Rust code. Safe, deterministic, and readable: a person can learn from it how a net is
//! computed.
//!
//! Everything stands in one anonymous constant, so that two nets in a module don't meet, and names the
//! runtime only by `::nin::__rt`.

mod layer;
mod names;
mod numbers;
mod passes;
mod public;
#[cfg(test)]
mod tests;
mod train;

use proc_macro2::TokenStream;
use quote::quote;

use crate::net::Net;
use crate::plan::Plan;
use crate::spec::Head;

/// The struct and all that belongs to it. `docs` are the lines of the layer table.
pub(crate) fn emit(head: &Head, net: &Net, plan: &Plan, docs: &str) -> TokenStream {
    let Head { attributes, visibility, name } = head;
    let names = names::Names::new(net, plan);
    let types = names.types();
    let transforms = names.transforms();
    let checks = layer::checks(net, plan, &names);
    let public = public::items(name, net, plan);
    let network = passes::network(name, net, plan, &names);
    let trainable = train::trainable(name, net, plan, &names);
    let items = numbers::readable(quote! {
        #types
        #checks
        #public
        #network
        #trainable
        #transforms
    });
    quote! {
        #attributes
        #[doc = #docs]
        #visibility struct #name {
            weights: ::nin::__rt::Weights<Self>,
        }

        const _: () = {
            use ::nin::__rt as rt;

            #items
        };
    }
}
