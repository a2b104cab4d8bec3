//! The `Trainable` impl: forward with everything kept, loss, and backward, layer by layer.

use std::ops::Range;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::layer::{self, Memory};
use super::names::Names;
use crate::net::{Layer, Net, Op};
use crate::plan::{Gradient, LayerPlan, Method, Plan, TrainPlan};

pub(super) fn trainable(name: &Ident, net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let TrainPlan { group, image, brief, work, .. } = &plan.train;
    let transposed = plan.transposed;
    let transpose = transpose(net, plan, names);
    let train = train(net, plan, names);
    quote! {
        impl rt::Trainable for #name {
            const GROUP: usize = #group;
            const TRAIN_IMAGE: usize = #image;
            const TRAIN_BRIEF: usize = #brief;
            const TRAIN_WORK: usize = #work;
            const TRANSPOSED: usize = #transposed;

            #transpose
            #train
        }
    }
}

fn transpose(net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let mut calls = Vec::new();
    for (i, (layer, plan)) in net.layers.iter().zip(&plan.layers).enumerate() {
        let (Op::Conv { params, .. }, Some(conv)) = (&layer.op, &plan.conv) else { continue };
        if plan.dx.is_none() {
            continue;
        }
        let name = names.layer(i);
        let weights = layer::range(&layer::places(params).0);
        let to = layer::range(&conv.transposed);
        let method = match conv.input_gradient {
            Method::Direct | Method::Sparse => quote!(transpose_weights),
            Method::Winograd(tile) => {
                let tile = names.tile(tile);
                quote!(winograd_transposed::<#tile>)
            }
            Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
        };
        calls.push(quote!(#name::SHAPE.#method(cx, &params[#weights], &mut transposed[#to]);));
    }
    let store = layer::store(names.storage());
    let arguments = if calls.is_empty() {
        quote!(_cx: &rt::Context, _params: &[#store], _transposed: &mut [f32])
    } else {
        quote!(cx: &rt::Context, params: &[#store], transposed: &mut [f32])
    };
    quote! {
        fn transpose(#arguments) {
            #(#calls)*
        }
    }
}

fn train(net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let mut steps = Vec::new();
    if let Some(place) = &plan.arranged {
        let (c, h, w) = (net.input.c, net.input.h, net.input.w);
        let regions = regions(names, false, &[Part::activations("x", &place.train)]);
        steps.push(quote! {
            #regions
            rt::arrange_images(cx, n, (#c, #h, #w), images, x);
        });
    }
    let layers = || net.layers.iter().zip(&plan.layers).enumerate();
    steps.extend(in_pairs(layers().map(|(i, (layer, step))| {
        (step.forward_in_pairs, forward(i, layer, step, &plan.train, names))
    })));
    steps.push(loss(net, &plan.train, names));
    steps.extend(in_pairs(layers().rev().map(|(i, (layer, step))| {
        (step.backward_in_pairs, backward(i, layer, step, &plan.train, names))
    })));
    // What no layer of this net uses must not be bound.
    let uses_prepared = plan.prepared > 0;
    let uses_transposed = plan.transposed > 0;
    let uses_dropout = net.layers.iter().any(|layer| matches!(layer.op, Op::Dropout { .. }));
    let optional = [
        uses_prepared.then(|| quote!(prepared,)),
        uses_transposed.then(|| quote!(transposed,)),
        uses_dropout.then(|| quote!(seed, number,)),
        (plan.train.brief > 0).then(|| quote!(brief,)),
    ];
    let store = layer::store(names.storage());
    quote! {
        fn train(cx: &rt::Context, pass: rt::Pass<'_, #store>) -> rt::Loss {
            let rt::Pass { images, labels, scale, params, memory, work, gradients, #(#optional)* .. } = pass;
            let n = images.len();
            let loss;
            #({ #steps })*
            loss
        }
    }
}

/// Steps in their order, where runs of those that go in pairs stand in one loop over the pairs.
fn in_pairs(steps: impl Iterator<Item = (bool, TokenStream)>) -> Vec<TokenStream> {
    let mut all = Vec::new();
    let mut run = Vec::new();
    let close = |run: &mut Vec<TokenStream>, all: &mut Vec<TokenStream>| {
        let steps = std::mem::take(run);
        if !steps.is_empty() {
            all.push(quote!(for pair in rt::pairs(n) { #({ #steps })* }));
        }
    };
    for (in_pairs, step) in steps {
        if in_pairs {
            run.push(step);
        } else {
            close(&mut run, &mut all);
            all.push(step);
        }
    }
    close(&mut run, &mut all);
    all
}

/// An operand of a step, and its place in the plan.
struct Part<'a> {
    name: &'static str,
    place: &'a Range<usize>,
    brief: bool,
}

impl<'a> Part<'a> {
    fn activations(name: &'static str, place: &'a Range<usize>) -> Self {
        Self { name, place, brief: false }
    }

    fn gradient(name: &'static str, Gradient { place, brief }: &'a Gradient) -> Self {
        Self { name, place, brief: *brief }
    }
}

/// Brings a step's operands into scope, of all images or of a pair.
fn regions(names: &Names<'_>, in_pairs: bool, parts: &[Part<'_>]) -> TokenStream {
    let of = |brief: bool| -> Vec<_> {
        let parts = parts.iter().filter(|part| part.brief == brief);
        parts.map(|part| (part.name, part.place)).collect()
    };
    let memory = if in_pairs { Memory::Pair } else { Memory::Group };
    let kept = layer::regions(names.storage(), memory, &of(false));
    let brief = layer::regions(names.storage(), Memory::Brief, &of(true));
    let count = in_pairs.then(|| quote!(let n = pair.end - pair.start;));
    quote!(#kept #count #brief)
}

/// The gate of a gradient that is given `x`, and what else there is to do: kernels read a gate of `f32`
/// themselves.
fn gate(names: &Names<'_>, gate: bool) -> (TokenStream, Option<TokenStream>) {
    match (gate, names.storage().is_narrow()) {
        (false, _) => (quote!(rt::None), None),
        (true, false) => (quote!(rt::Some(x)), None),
        (true, true) => (quote!(rt::None), Some(quote!(rt::gate(cx, x, dx);))),
    }
}

fn dropout(i: usize, p: f32) -> TokenStream {
    let i = i as u64;
    quote!(&rt::Dropout::new(#p, seed, #i, number))
}

fn forward(
    i: usize,
    layer: &Layer,
    plan: &LayerPlan,
    train: &TrainPlan,
    names: &Names<'_>,
) -> TokenStream {
    let mut parts = Vec::new();
    if let Some(x) = &plan.x {
        parts.push(Part::activations("x", &x.train));
    }
    let in_pairs = plan.forward_in_pairs;
    if let Op::Dropout { p } = layer.op {
        let (regions, dropout) = (regions(names, in_pairs, &parts), dropout(i, p));
        return quote!(#regions rt::dropout_forward(cx, n, #dropout, x););
    }
    if let Some(y) = &plan.y {
        parts.push(Part::activations("y", &y.train));
    } else {
        parts.push(Part::activations("logits", &train.logits));
    }
    let regions = regions(names, in_pairs, &parts);
    let images = images(i, in_pairs);
    let call = layer::forward((layer, &[]), i, plan.conv.as_ref(), names, &quote!(work));
    let cut = cut_logits(layer, "logits");
    quote!(#regions #images #cut #call)
}

/// The images of a pair, if layer `i` reads images and goes in pairs.
fn images(i: usize, in_pairs: bool) -> Option<TokenStream> {
    (i == 0 && in_pairs).then(|| quote!(let images = &images[pair.start..pair.end];))
}

/// The part of a row of logits' buffer that `n` images' logits take.
fn cut_logits(layer: &Layer, name: &str) -> TokenStream {
    let (name, classes) = (quote::format_ident!("{name}"), layer.output.c);
    matches!(layer.op, Op::GlobalAvgPool)
        .then(|| quote!(let #name = &mut #name[..n * #classes];))
        .unwrap_or_default()
}

fn loss(net: &Net, train: &TrainPlan, names: &Names<'_>) -> TokenStream {
    let classes = net.classes();
    let parts =
        [Part::activations("logits", &train.logits), Part::activations("dlogits", &train.dlogits)];
    let regions = regions(names, false, &parts);
    quote! {
        #regions
        let (logits, dlogits) = (&logits[..n * #classes], &mut dlogits[..n * #classes]);
        loss = rt::Loss::of(logits, labels, #classes, scale, dlogits);
    }
}

fn backward(
    i: usize,
    layer: &Layer,
    plan: &LayerPlan,
    train: &TrainPlan,
    names: &Names<'_>,
) -> TokenStream {
    let (gate, in_pairs) = (plan.gate, plan.backward_in_pairs);
    match (&layer.op, &plan.dx) {
        (Op::Conv { .. }, _) => conv(i, layer, plan, names),
        (_, None) => TokenStream::new(),
        (Op::Dropout { p }, Some(dx)) => {
            let dropout = dropout(i, *p);
            let x = plan.x.as_ref().filter(|_| gate).map(|x| Part::activations("x", &x.train));
            let parts: Vec<_> = x.into_iter().chain([Part::gradient("dx", dx)]).collect();
            let regions = regions(names, in_pairs, &parts);
            let (gate, gating) = self::gate(names, gate);
            quote!(#regions rt::dropout_backward(cx, n, #dropout, #gate, dx); #gating)
        }
        (op, Some(dx)) => {
            let Some(x) = &plan.x else { return TokenStream::new() };
            let mut parts = vec![Part::activations("x", &x.train), Part::gradient("dx", dx)];
            if let Op::GlobalAvgPool = op {
                parts.push(Part::activations("dlogits", &train.dlogits));
                let (c, h, w) = (layer.input.c, layer.input.h, layer.input.w);
                let (regions, cut) =
                    (regions(names, in_pairs, &parts), cut_logits(layer, "dlogits"));
                return quote! {
                    #regions
                    #cut
                    rt::global_avg_pool_backward(cx, n, (#c, #h, #w), #gate, x, dlogits, dx);
                };
            }
            let Some(dy) = &plan.dy else { return TokenStream::new() };
            parts.push(Part::gradient("dy", dy));
            let (regions, name) = (regions(names, in_pairs, &parts), names.layer(i));
            if matches!(op, Op::MaxPool { .. }) {
                quote!(#regions rt::max_pool_backward(cx, n, &#name::SHAPE, #gate, x, dy, dx);)
            } else {
                quote!(#regions rt::avg_pool_backward(cx, n, &#name::SHAPE, #gate, x, dy, dx);)
            }
        }
    }
}

/// The gradients of a convolution's weights and bias, and of its input if something before it has
/// parameters.
fn conv(i: usize, layer: &Layer, plan: &LayerPlan, names: &Names<'_>) -> TokenStream {
    let (Op::Conv { params, .. }, Some(conv), Some(dy)) = (&layer.op, &plan.conv, &plan.dy) else {
        return TokenStream::new();
    };
    let (name, source) = (names.layer(i), layer::source(i));
    let mut parts = vec![Part::gradient("dy", dy)];
    if let Some(x) = &plan.x {
        parts.push(Part::activations("x", &x.train));
    }
    if let Some(dx) = &plan.dx {
        parts.push(Part::gradient("dx", dx));
    }
    let regions = regions(names, plan.backward_in_pairs, &parts);
    let images = images(i, plan.backward_in_pairs);
    let call = |method: Method| match method {
        Method::Direct => quote!(direct),
        Method::Sparse => quote!(sparse),
        Method::Winograd(tile) => {
            let tile = names.tile(tile);
            quote!(winograd::<#tile>)
        }
        Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
    };
    let weight_call = call(conv.weight_gradient);
    let (weights, bias) = layer::places(params);
    let (weights, bias) = (layer::range(&weights), layer::range(&bias));
    let weight_gradient = quote! {
        let [dw, db] = rt::regions(gradients, 1, [#weights, #bias]);
        let pass = rt::WeightGradient { shape: &#name::SHAPE, n, x: #source, dy };
        pass.#weight_call(cx, dw, db, work);
    };
    let input_gradient = plan.dx.as_ref().map(|_| {
        let input_call = call(conv.input_gradient);
        let transposed = layer::range(&conv.transposed);
        let (gate, gating) = gate(names, plan.gate);
        let work = (conv.input_gradient != Method::Sparse).then(|| quote!(work));
        quote! {
            let pass = rt::InputGradient { shape: &#name::SHAPE, n, dy, gate: #gate };
            pass.#input_call(cx, &transposed[#transposed], dx, #work);
            #gating
        }
    });
    quote!(#regions #images #weight_gradient #input_gradient)
}
