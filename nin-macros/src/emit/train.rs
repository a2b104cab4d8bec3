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
    let lane_sums = plan.train.lane_sums.iter().map(layer::range);
    let transposed = plan.transposed;
    let transpose = transpose(net, plan, names);
    let train = train(net, plan, names);
    quote! {
        impl rt::Trainable for #name {
            const GROUP: usize = #group;
            const TRAIN_IMAGE: usize = #image;
            const TRAIN_BRIEF: usize = #brief;
            const TRAIN_WORK: usize = #work;
            const LANE_SUMS: &'static [::core::ops::Range<usize>] = &[#(#lane_sums),*];
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
        let [weights, _] = layer::places(params);
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
        steps.push(Step::Lane(quote! {
            #regions
            rt::arrange_images(cx, n, (#c, #h, #w), lane.images, x);
        }));
    }
    let layers = || net.layers.iter().zip(&plan.layers).enumerate();
    for (i, (layer, step)) in layers() {
        let tokens = forward(i, layer, step, &plan.train, names);
        steps.push(Step::of(step.forward_singly, tokens));
    }
    steps.push(Step::Lane(loss(net, &plan.train, names)));
    for (i, (layer, step)) in layers().rev() {
        steps.extend(sum_over_lanes(i, layer, step, names).map(Step::Group));
        let tokens = backward(i, layer, step, &plan.train, names);
        steps.push(Step::of(step.backward_singly, tokens));
    }
    let steps = Schedule::of(steps);
    // What no layer of this net uses must not be bound.
    let uses_prepared = plan.prepared > 0;
    let uses_transposed = plan.transposed > 0;
    let uses_dropout = net.layers.iter().any(|layer| matches!(layer.op, Op::Dropout { .. }));
    let optional = [
        uses_prepared.then(|| quote!(prepared,)),
        uses_transposed.then(|| quote!(transposed,)),
        uses_dropout.then(|| quote!(seed, number,)),
    ];
    let store = layer::store(names.storage());
    quote! {
        fn train(cx: &rt::Context, pass: rt::Pass<'_, #store>) -> rt::Loss {
            let rt::Pass { mut lanes, scale, params, work, gradients, #(#optional)* .. } = pass;
            #(#steps)*
            lanes.loss()
        }
    }
}

/// A step of training, and what takes it.
enum Step {
    /// Each lane, with all its images together.
    Lane(TokenStream),
    /// Each image of a lane.
    Image(TokenStream),
    /// All images of a group, for which the lanes meet.
    Group(TokenStream),
}

impl Step {
    fn of(singly: bool, tokens: TokenStream) -> Self {
        if singly { Self::Image(tokens) } else { Self::Lane(tokens) }
    }
}

/// Steps in their order, where runs of those that lanes take stand in one closure, and in it runs of those that
/// images take in one loop.
#[derive(Default)]
struct Schedule {
    all: Vec<TokenStream>,
    /// The run of steps that lanes take, which has not ended.
    lane: Vec<TokenStream>,
    /// The run of steps in it that images take, which has not ended.
    image: Vec<TokenStream>,
}

impl Schedule {
    fn of(steps: impl IntoIterator<Item = Step>) -> Vec<TokenStream> {
        let mut schedule = Self::default();
        steps.into_iter().for_each(|step| schedule.push(step));
        schedule.end_lane();
        schedule.all
    }

    fn push(&mut self, step: Step) {
        match step {
            Step::Image(tokens) if tokens.is_empty() => {}
            Step::Image(tokens) => self.image.push(tokens),
            Step::Lane(tokens) => {
                self.end_images();
                self.lane.extend((!tokens.is_empty()).then(|| quote!({ #tokens })));
            }
            Step::Group(tokens) => {
                self.end_lane();
                self.all.push(quote!({ #tokens }));
            }
        }
    }

    fn end_images(&mut self) {
        let steps = std::mem::take(&mut self.image);
        if !steps.is_empty() {
            self.lane.push(quote!(for image in rt::singles(n) { #({ #steps })* }));
        }
    }

    fn end_lane(&mut self) {
        self.end_images();
        let steps = std::mem::take(&mut self.lane);
        if !steps.is_empty() {
            self.all.push(quote! {
                lanes.each(cx, work, gradients, |cx, lane| {
                    let n = lane.images.len();
                    #(#steps)*
                });
            });
        }
    }
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

/// Brings a step's operands into scope, of a lane or of an image.
fn regions(names: &Names<'_>, singly: bool, parts: &[Part<'_>]) -> TokenStream {
    let of = |brief: bool| -> Vec<_> {
        let parts = parts.iter().filter(|part| part.brief == brief);
        parts.map(|part| (part.name, part.place)).collect()
    };
    let memory = if singly { Memory::Single } else { Memory::Lane };
    let kept = layer::regions(names.storage(), memory, &of(false));
    let brief = layer::regions(names.storage(), Memory::Brief, &of(true));
    let count = singly.then(|| quote!(let n = image.end - image.start;));
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
    quote!(&rt::Dropout::new(#p, seed, #i, number).from_image(lane.first))
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
    let singly = plan.forward_singly;
    if let Op::Dropout { p } = layer.op {
        let (regions, dropout) = (regions(names, singly, &parts), dropout(i, p));
        return quote!(#regions rt::dropout_forward(cx, n, #dropout, x););
    }
    if let Some(y) = &plan.y {
        parts.push(Part::activations("y", &y.train));
    } else {
        parts.push(Part::activations("logits", &train.logits));
    }
    let regions = regions(names, singly, &parts);
    let images = images(i, singly);
    let call = layer::forward((layer, &[]), i, plan.conv.as_ref(), names, &quote!(lane.work));
    let cut = cut_logits(layer, "logits");
    quote!(#regions #images #cut #call)
}

/// The images that layer `i` reads, if it reads images.
fn images(i: usize, singly: bool) -> Option<TokenStream> {
    let of =
        if singly { quote!(&lane.images[image.start..image.end]) } else { quote!(lane.images) };
    (i == 0).then(|| quote!(let images = #of;))
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
        *lane.loss = rt::Loss::of(logits, lane.labels, #classes, scale, dlogits);
    }
}

fn backward(
    i: usize,
    layer: &Layer,
    plan: &LayerPlan,
    train: &TrainPlan,
    names: &Names<'_>,
) -> TokenStream {
    let (gate, singly) = (plan.gate, plan.backward_singly);
    match (&layer.op, &plan.dx) {
        (Op::Conv { .. }, _) => conv(i, layer, plan, names),
        (_, None) => TokenStream::new(),
        (Op::Dropout { p }, Some(dx)) => {
            let dropout = dropout(i, *p);
            let x = plan.x.as_ref().filter(|_| gate).map(|x| Part::activations("x", &x.train));
            let parts: Vec<_> = x.into_iter().chain([Part::gradient("dx", dx)]).collect();
            let regions = regions(names, singly, &parts);
            let (gate, gating) = self::gate(names, gate);
            quote!(#regions rt::dropout_backward(cx, n, #dropout, #gate, dx); #gating)
        }
        (op, Some(dx)) => {
            let Some(x) = &plan.x else { return TokenStream::new() };
            let mut parts = vec![Part::activations("x", &x.train), Part::gradient("dx", dx)];
            if let Op::GlobalAvgPool = op {
                parts.push(Part::activations("dlogits", &train.dlogits));
                let (c, h, w) = (layer.input.c, layer.input.h, layer.input.w);
                let (regions, cut) = (regions(names, singly, &parts), cut_logits(layer, "dlogits"));
                return quote! {
                    #regions
                    #cut
                    rt::global_avg_pool_backward(cx, n, (#c, #h, #w), #gate, x, dlogits, dx);
                };
            }
            let Some(dy) = &plan.dy else { return TokenStream::new() };
            parts.push(Part::gradient("dy", dy));
            let (regions, name) = (regions(names, singly, &parts), names.layer(i));
            if matches!(op, Op::MaxPool { .. }) {
                quote!(#regions rt::max_pool_backward(cx, n, &#name::SHAPE, #gate, x, dy, dx);)
            } else {
                quote!(#regions rt::avg_pool_backward(cx, n, &#name::SHAPE, #gate, x, dy, dx);)
            }
        }
    }
}

/// The gradient of a convolution's input if something before it has parameters, and those of its weights and bias
/// unless they are sums over all lanes.
fn conv(i: usize, layer: &Layer, plan: &LayerPlan, names: &Names<'_>) -> TokenStream {
    let (Op::Conv { params, .. }, Some(conv), Some(dy)) = (&layer.op, &plan.conv, &plan.dy) else {
        return TokenStream::new();
    };
    let (name, source) = (names.layer(i), layer::source(i));
    let weight_gradient = conv.lane_sums.as_ref().map(|sums| {
        let arena = layer::places(params);
        let sums = sums.each_ref().map(layer::range);
        let images = images(i, plan.backward_singly);
        let call = gradient(conv.weight_gradient, names);
        quote! {
            #images
            let places = rt::of_lane(lane.number, [[#(#arena),*], [#(#sums),*]]);
            let [dw, db] = rt::regions(lane.gradients, 1, places);
            let pass = rt::WeightGradient { shape: &#name::SHAPE, n, x: #source, dy };
            pass.#call(cx, dw, db, lane.work);
        }
    });
    let input_gradient = plan.dx.as_ref().map(|_| {
        let call = gradient(conv.input_gradient, names);
        let transposed = layer::range(&conv.transposed);
        let (gate, gating) = gate(names, plan.gate);
        let work = (conv.input_gradient != Method::Sparse).then(|| quote!(lane.work));
        quote! {
            let pass = rt::InputGradient { shape: &#name::SHAPE, n, dy, gate: #gate };
            pass.#call(cx, &transposed[#transposed], dx, #work);
            #gating
        }
    });
    if weight_gradient.is_none() && input_gradient.is_none() {
        return TokenStream::new();
    }
    let mut parts = vec![Part::gradient("dy", dy)];
    let reads_x = weight_gradient.is_some() || plan.gate;
    parts.extend(plan.x.iter().filter(|_| reads_x).map(|x| Part::activations("x", &x.train)));
    parts.extend(plan.dx.iter().map(|dx| Part::gradient("dx", dx)));
    let regions = regions(names, plan.backward_singly, &parts);
    quote!(#regions #weight_gradient #input_gradient)
}

/// The gradients of a convolution's weights and bias, if they are sums over all lanes.
fn sum_over_lanes(
    i: usize,
    layer: &Layer,
    plan: &LayerPlan,
    names: &Names<'_>,
) -> Option<TokenStream> {
    let (Op::Conv { params, .. }, Some(conv), Some(dy)) = (&layer.op, &plan.conv, &plan.dy) else {
        return None;
    };
    let Method::Winograd(tile) = conv.weight_gradient else { return None };
    let (name, tile, dy) = (names.layer(i), names.tile(tile), layer::range(&dy.place));
    let source = match &plan.x {
        Some(x) => {
            let x = layer::range(&x.train);
            quote!(rt::Source::Activations(lane.region(#x)))
        }
        None => quote!(rt::Source::Images(lane.images)),
    };
    let [weights, bias] = layer::places(params);
    Some(quote! {
        let passes = lanes.views().map(|lane| rt::WeightGradient {
            shape: &#name::SHAPE,
            n: lane.images.len(),
            x: #source,
            dy: lane.region(#dy),
        });
        let [dw, db] = rt::regions(gradients, 1, [#weights, #bias]);
        rt::WeightGradient::winograd_of::<#tile>(&passes, cx, dw, db, work);
    })
}

/// The method that computes a gradient.
fn gradient(method: Method, names: &Names<'_>) -> TokenStream {
    match method {
        Method::Direct => quote!(direct),
        Method::Sparse => quote!(sparse),
        Method::Winograd(tile) => {
            let tile = names.tile(tile);
            quote!(winograd::<#tile>)
        }
        Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
    }
}
