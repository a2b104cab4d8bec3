//! Fourth pass: which algorithm computes each pass of each layer, and which buffer lies where and
//! when.
//!
//! The numbers of elements are those that the runtime computes for the same geometry; constant
//! assertions in the generated code hold the two together.

mod alone;
mod choose;
mod crop;
mod geometry;
mod lanes;
mod memory;
mod mlp;
mod singles;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use crate::net::{Layer, Net, Op, Shape};
use crate::winograd::Size;
use choose::Chooser;
use geometry::ConvGeometry;
use lanes::LaneSums;
use memory::Arena;
use singles::Singles;

pub(crate) use geometry::padded;
pub(crate) use lanes::LANES;

/// What `emit` needs to know besides the net.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// As many as the net has layers.
    pub(crate) layers: Vec<LayerPlan>,
    /// Where the image is brought to channels last, if the first layer is no convolution.
    pub(crate) arranged: Option<Place>,
    /// Elements of the transformed weights of the forward passes.
    pub(crate) prepared: usize,
    /// Elements of the weights that input gradients read.
    pub(crate) transposed: usize,
    /// Scratch for one image's inference, as so many `f32`.
    pub(crate) scratch: usize,
    /// Images that inference takes through the net together.
    pub(crate) together: usize,
    /// Scratch for these, as so many `f32`.
    pub(crate) batch_scratch: usize,
    /// How many of the first layers see these images one at a time.
    pub(crate) alone: usize,
    /// What these layers leave of an image, as so many `f32`, which is a part of the scratch.
    pub(crate) kept: usize,
    pub(crate) train: TrainPlan,
}

/// The memory of training.
#[derive(Clone, Debug)]
pub(crate) struct TrainPlan {
    /// Images that go through the passes together.
    pub(crate) group: usize,
    /// Activations and gradients of one image, as so many `f32`.
    pub(crate) image: usize,
    /// Gradients that a lane needs for an image at a time, of one image, as so many `f32`.
    pub(crate) brief: usize,
    /// Elements of work space for a group.
    pub(crate) work: usize,
    /// The parts of the arena whose gradients each lane sums for itself, the first in the arena.
    pub(crate) lane_sums: Vec<Range<usize>>,
    pub(crate) logits: Range<usize>,
    pub(crate) dlogits: Range<usize>,
}

/// The places of one buffer, in units of an `f32`, for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the scratch of inference.
    pub(crate) infer: Range<usize>,
    /// Whether that is the part for what images leave that went through the first layers alone.
    pub(crate) kept: bool,
    /// In the memory of training.
    pub(crate) train: Range<usize>,
}

/// The place of the gradient of activations, in units of an `f32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gradient {
    pub(crate) place: Range<usize>,
    /// Whether it is needed for an image at a time; else it stands in the memory of training.
    pub(crate) brief: bool,
}

/// One layer's part of the plan.
#[derive(Clone, Debug)]
pub(crate) struct LayerPlan {
    /// The part of its input that it reads; the image is whole.
    pub(crate) input: Shape,
    /// The part of its output that is computed.
    pub(crate) output: Shape,
    /// What the layer reads; absent where that is the image.
    pub(crate) x: Option<Place>,
    /// What it writes; absent for the last layer, which writes logits. A dropout writes what it reads.
    pub(crate) y: Option<Place>,
    /// The gradient of what it writes.
    pub(crate) dy: Option<Gradient>,
    /// The gradient of what it reads; absent where nothing before it has parameters.
    pub(crate) dx: Option<Gradient>,
    /// Whether training takes single images forward through it and its neighbours.
    pub(crate) forward_singly: bool,
    /// The same of its way back.
    pub(crate) backward_singly: bool,
    /// Whether what it reads is the output of a ReLU, whose derivative goes into `dx`.
    pub(crate) gate: bool,
    pub(crate) conv: Option<ConvPlan>,
    /// How many layers after it inference computes with it, in one pass.
    pub(crate) next: usize,
    /// Whether it is one of those.
    pub(crate) follows: bool,
}

/// How a convolution's passes are computed.
#[derive(Clone, Debug)]
pub(crate) struct ConvPlan {
    pub(crate) forward: Method,
    pub(crate) weight_gradient: Method,
    /// Used where the layer has a `dx`.
    pub(crate) input_gradient: Method,
    /// Why the forward pass is computed so, for people.
    pub(crate) reason: String,
    /// Its transformed weights; empty for direct sums.
    pub(crate) prepared: Range<usize>,
    /// The weights that its input gradient reads.
    pub(crate) transposed: Range<usize>,
    /// The places of weights' and bias's gradients among the second lane's, if each lane sums them for itself.
    pub(crate) lane_sums: Option<[Range<usize>; 2]>,
    /// Work space of the forward pass of one image.
    pub(crate) work: Range<usize>,
    /// Pixels of the smallest block that it computes, if other layers are computed with it.
    pub(crate) least_pixels: usize,
}

/// An algorithm for one pass of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Direct,
    Winograd(Tile),
    /// Winograd along rows alone, by tiles of one row, whose products stay in registers: the forward pass of a first
    /// layer of few channels.
    Rowwise(Tile),
    /// Direct sums of a gradient that leave out its zeros: the way back of a pointwise layer before a max pool.
    Sparse,
}

/// F(m, r) for rows and for columns, each perhaps with a smaller one for the last tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tile {
    pub(crate) rows: Size,
    pub(crate) columns: Size,
}

impl Tile {
    /// Whether tiles at the edges are smaller.
    pub(crate) fn is_ragged(self) -> bool {
        self.rows.with.or(self.columns.with).is_some()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Sparse => f.write_str("sparse, without the max pool's zeros"),
            Self::Winograd(tile) | Self::Rowwise(tile) => {
                let of = |rows: Size, columns: Size| {
                    format!("F({}×{}, {}×{})", rows.m, columns.m, rows.r, columns.r)
                };
                let Tile { rows, columns } = tile;
                write!(f, "Winograd {}", of(*rows, *columns))?;
                if tile.is_ragged() {
                    write!(f, ", {} at the edges", of(rows.last(), columns.last()))?;
                }
                Ok(())
            }
        }
    }
}

/// Elements of activations that should stay in cache while a group goes through training: 4 MiB.
const GROUP_BUDGET: usize = 1 << 20;
/// With fewer images, matrix products of small layers are too short, and weights are read too often.
const MIN_GROUP: usize = 8;
/// Images that inference takes through the net together: enough for the matrix products of small layers,
/// and few enough for their activations to stay in cache.
const TOGETHER: usize = 4;
/// The runtime's `MAX_TOGETHER`.
const MAX_GROUP: usize = 64;

impl Plan {
    pub(crate) fn new(net: &Net) -> Self {
        let net = &crop::crop(net);
        let chooser = Chooser::new(net);
        let convs: Vec<Option<ConvChoice>> =
            net.layers.iter().enumerate().map(|(i, layer)| chooser.choose(i, layer)).collect();
        let mut plan = Buffers::new(net, &convs).plan();
        let group = (GROUP_BUDGET / plan.train.image.max(1)).clamp(MIN_GROUP, MAX_GROUP);
        plan.train.group = group;
        let lane = group.div_ceil(LANES);
        let work = convs.iter().zip(&plan.layers).filter_map(|(conv, layer)| {
            let images = |singly: bool| if singly { 1 } else { lane };
            let (forward, backward) = (layer.forward_singly, layer.backward_singly);
            Some(conv.as_ref()?.train_work(images(forward), images(backward), group))
        });
        plan.train.work = work.max().unwrap_or(0);
        plan
    }
}

/// A convolution's geometry and what was chosen for it.
#[derive(Clone, Debug)]
struct ConvChoice {
    geometry: ConvGeometry,
    forward: Method,
    weight_gradient: Method,
    input_gradient: Method,
    reason: String,
    /// Whether there is a gradient of its input.
    has_input_gradient: bool,
}

impl ConvChoice {
    /// Whether each lane sums the gradient of its weights for itself. Winograd's stages sum over all images before
    /// they transform back.
    fn sums_in_lanes(&self) -> bool {
        !matches!(self.weight_gradient, Method::Winograd(_))
    }

    /// Work space that its passes take over so many images of each lane, or of a group.
    fn train_work(&self, forward: usize, backward: usize, group: usize) -> usize {
        let forward = self.geometry.forward_work(self.forward, forward);
        let weights = |images| self.geometry.weight_gradient_work(self.weight_gradient, images);
        let input = if self.has_input_gradient {
            self.geometry.input_gradient_work(self.input_gradient, backward)
        } else {
            0
        };
        let lane = forward.max(input);
        if self.sums_in_lanes() {
            LANES * lane.max(weights(backward))
        } else {
            (LANES * lane).max(weights(group))
        }
    }
}

/// The places that were asked for one output.
#[derive(Clone, Copy)]
struct Reserved {
    len: usize,
    /// Absent if it is what images leave that went through the first layers alone.
    infer: Option<usize>,
    train: usize,
}

/// Lays out all buffers by their lifetimes.
struct Buffers<'a> {
    net: &'a Net,
    convs: &'a [Option<ConvChoice>],
    singles: Singles,
    /// How many of the first layers inference takes images through alone.
    alone: usize,
    /// For each layer, how many after it inference computes with it.
    next: Vec<usize>,
    infer: Arena,
    train: Arena,
    brief: Arena,
}

impl<'a> Buffers<'a> {
    fn new(net: &'a Net, convs: &'a [Option<ConvChoice>]) -> Self {
        let alone = alone::alone(&net.layers, convs);
        Self {
            net,
            convs,
            singles: Singles::new(&net.layers, convs),
            alone,
            next: if net.options.storage.is_narrow() {
                vec![0; convs.len()]
            } else {
                mlp::mlps(convs, alone)
            },
            infer: Arena::default(),
            train: Arena::default(),
            brief: Arena::default(),
        }
    }

    /// The step of training in which layer `i` goes backward; forward it goes in step `i`.
    fn backward(&self, i: usize) -> usize {
        2 * self.net.layers.len() - 1 - i
    }

    /// The layer that reads the output of layer `i` and writes elsewhere: dropouts work in place.
    fn reader(&self, i: usize) -> usize {
        let next = &self.net.layers[i + 1..];
        i + 1 + next.iter().take_while(|layer| matches!(layer.op, Op::Dropout { .. })).count()
    }

    /// Whether inference computes layer `i` with an earlier one.
    fn follows(&self, i: usize) -> bool {
        (0..i).any(|first| i <= first + self.next[first])
    }

    /// Elements of work space of an image's forward pass by layer `i`, and by those that are computed with it.
    fn forward_work(&self, i: usize, conv: &ConvChoice) -> usize {
        if self.follows(i) {
            return 0;
        }
        let next = self.convs[i + 1..=i + self.next[i]].iter().flatten();
        let next: Vec<_> = next.map(|conv| conv.geometry).collect();
        conv.geometry.forward_work(conv.forward, 1) + conv.geometry.mlp_work(conv.forward, &next)
    }

    /// The steps from the one in which layer `first` goes backward to that of layer `last`, and all in which
    /// layers go together with these.
    fn backward_steps(&self, first: usize, last: usize) -> (usize, usize) {
        (self.backward(self.singles.run(first).1), self.backward(self.singles.run(last).0))
    }

    /// Reserves the gradient of what layer `i` writes, and says whether it is a brief one.
    fn reserve_gradient(&mut self, i: usize) -> (usize, bool) {
        let (len, reader) = (len(self.net.layers[i].output), self.reader(i));
        if self.singles.is_between(reader, i) {
            return (self.brief.reserve(len, self.backward(reader)..=self.backward(i)), true);
        }
        let (from, to) = self.backward_steps(reader, i);
        (self.train.reserve(len, from..=to), false)
    }

    /// Reserves an output of `shape` that is written in step `from` and read by layer `reader`. In inference, what
    /// leaves the layers that see images alone is kept elsewhere, and what lies between layers that are computed
    /// as one is not kept.
    fn reserve(&mut self, shape: Shape, from: usize, reader: usize) -> Reserved {
        let len = len(shape) / self.net.options.storage.per_f32();
        let kept = from < self.alone && self.alone <= reader;
        let in_infer = if self.follows(reader) { 0 } else { len };
        let until = reader + self.next[reader];
        Reserved {
            len,
            infer: (!kept).then(|| self.infer.reserve(in_infer, from..=until)),
            train: self.train.reserve(len, from..=self.backward_steps(reader, reader).1),
        }
    }

    fn plan(mut self) -> Plan {
        let layers = &self.net.layers;
        let last = layers.len() - 1;
        let first_conv = matches!(layers[0].op, Op::Conv { .. });
        let first_params = layers.iter().position(|layer| layer.params > 0).unwrap_or(layers.len());

        // What each layer writes, as indices of reserved buffers.
        let arranged = (!first_conv).then(|| {
            let reader =
                if matches!(layers[0].op, Op::Dropout { .. }) { self.reader(0) } else { 0 };
            self.reserve(self.net.input, 0, reader)
        });
        let mut x = arranged;
        let mut ids = Vec::new();
        for (i, layer) in layers.iter().enumerate() {
            let y = match layer.op {
                Op::Dropout { .. } => x,
                Op::GlobalAvgPool => None,
                _ => Some(self.reserve(layer.output, i, self.reader(i))),
            };
            // A gradient lives from the backward step of the layer that reads it.
            let gradient = y.filter(|_| i >= first_params);
            let dy = gradient.map(|_| match layer.op {
                Op::Dropout { .. } => (usize::MAX, false),
                _ => self.reserve_gradient(i),
            });
            let work = self.convs[i]
                .as_ref()
                .map(|conv| self.infer.reserve(self.forward_work(i, conv), i..=i + self.next[i]));
            ids.push((x, y, dy, work));
            x = y;
        }
        let classes = padded(self.net.classes());
        let logits = self.train.reserve(classes, last..=last);
        let dlogits = self.train.reserve(classes, last..=self.backward(last));

        let (infer, scratch) = self.infer.place();
        // An image alone has the scratch to itself; after that each has its part.
        let of_alone = self.infer.extent(&infer, 0..self.alone);
        let of_each = self.infer.extent(&infer, self.alone..last + 1);
        let (train, image) = self.train.place();
        let (brief, brief_len) = self.brief.place();
        let place_gradient = |(id, is_brief): (usize, bool)| {
            let places: &[Range<usize>] = if is_brief { &brief } else { &train };
            Gradient { place: places[id].clone(), brief: is_brief }
        };
        let place = |reserved: Reserved| Place {
            infer: reserved.infer.map_or(0..reserved.len, |id| infer[id].clone()),
            kept: reserved.infer.is_none(),
            train: train[reserved.train].clone(),
        };
        let outputs = ids.iter().filter_map(|&(_, y, ..)| y);
        let kept = outputs.filter(|y| y.infer.is_none()).map(|y| y.len).max().unwrap_or(0);
        let (mut prepared, mut transposed) = (0, 0);
        let mut lane_sums = LaneSums::default();
        let mut gradient: Option<Gradient> = None;
        let mut plans = Vec::new();
        for (i, &(x, y, dy, work)) in ids.iter().enumerate() {
            let dx = gradient.take();
            let in_place = matches!(layers[i].op, Op::Dropout { .. });
            let dy = if in_place { dx.clone() } else { dy.map(place_gradient) };
            gradient.clone_from(&dy);
            let conv = self.convs[i].as_ref().map(|conv| {
                let take = |total: &mut usize, len: usize| {
                    *total += len;
                    *total - len..*total
                };
                ConvPlan {
                    forward: conv.forward,
                    weight_gradient: conv.weight_gradient,
                    input_gradient: conv.input_gradient,
                    reason: conv.reason.clone(),
                    prepared: take(&mut prepared, conv.geometry.prepared_len(conv.forward)),
                    transposed: take(
                        &mut transposed,
                        if dx.is_some() {
                            conv.geometry.transposed_len(conv.input_gradient)
                        } else {
                            0
                        },
                    ),
                    lane_sums: if conv.sums_in_lanes() { lane_sums.take(&layers[i]) } else { None },
                    work: work.map_or(0..0, |id| infer[id].clone()),
                    least_pixels: conv.geometry.least_pixels(conv.forward),
                }
            });
            plans.push(LayerPlan {
                input: layers[i].input,
                output: layers[i].output,
                x: x.map(place),
                y: y.map(place),
                dy,
                dx,
                forward_singly: self.singles.forward[i],
                backward_singly: self.singles.backward[i],
                gate: reads_relu(layers, i),
                conv,
                next: self.next[i],
                follows: self.follows(i),
            });
        }
        Plan {
            layers: plans,
            arranged: arranged.map(place),
            prepared,
            transposed,
            scratch: scratch + kept,
            together: TOGETHER,
            batch_scratch: TOGETHER * kept + of_alone.max(TOGETHER * of_each),
            alone: self.alone,
            kept,
            train: TrainPlan {
                group: 0,
                image,
                brief: brief_len,
                work: 0,
                lane_sums: lane_sums.parts,
                logits: train[logits].clone(),
                dlogits: train[dlogits].clone(),
            },
        }
    }
}

/// Whether layer `i` reads what a convolution's ReLU wrote.
fn reads_relu(layers: &[Layer], i: usize) -> bool {
    i > 0 && matches!(layers[i - 1].op, Op::Conv { relu: true, .. })
}

/// Elements of one image's activations.
fn len(shape: Shape) -> usize {
    shape.h * shape.w * padded(shape.c)
}
