//! Random nets: the emitted schedule is played on memory that remembers who wrote each element, so that
//! a buffer which loses what is still to be read is found whatever the plan says of lifetimes.

use std::fmt::Write as _;

use super::super::*;
use crate::check::check;
use crate::source::Source;

/// The last writer of each element.
struct Memory<T>(Vec<T>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    /// What the layer reads, in the order of layers: the output of the one before it.
    Input(usize),
    /// The gradient of what the layer writes.
    Gradient(usize),
    Work,
    Logits,
    LogitsGradient,
}

impl<T: Copy + fmt::Debug + PartialEq> Memory<T> {
    fn new(len: usize, nothing: T) -> Self {
        Self(vec![nothing; len])
    }

    fn write(&mut self, place: &Range<usize>, content: T) {
        self.0[place.clone()].fill(content);
    }

    #[track_caller]
    fn read(&self, place: &Range<usize>, content: T) {
        let found = self.0[place.clone()].iter().find(|found| **found != content);
        assert_eq!(found, None, "{content:?} is gone from {place:?}");
    }
}

fn is_dropout(layer: &Layer) -> bool {
    matches!(layer.op, Op::Dropout { .. })
}

/// For each layer, the index of the first with the same input: dropouts work in place.
fn inputs(net: &Net) -> Vec<usize> {
    let mut current = 0;
    let mut inputs = Vec::new();
    for (i, layer) in net.layers.iter().enumerate() {
        inputs.push(current);
        if !is_dropout(layer) {
            current = i + 1;
        }
    }
    inputs
}

fn play_inference(net: &Net, plan: &Plan) {
    assert_eq!(plan.together, IMAGES);
    let rest = plan.batch_scratch - IMAGES * plan.kept;
    assert!(rest <= IMAGES * (plan.scratch - plan.kept));
    let mut inference = Inference {
        scratch: Memory::new(rest, (Content::Nothing, 0)),
        kept: Memory::new(IMAGES * plan.kept, (Content::Nothing, 0)),
    };
    let all = 0..IMAGES;
    if let Some(place) = &plan.arranged {
        inference.write(&all, false, place, Content::Input(0));
    }
    let play = |inference: &mut Inference, i: usize, images: &Range<usize>| {
        let (layer, step) = (&net.layers[i], &plan.layers[i]);
        if is_dropout(layer) {
            return;
        }
        let alone = i < plan.alone;
        let x = step.x.as_ref().map(|x| (x.clone(), Content::Input(inputs(net)[i])));
        let y = step.y.as_ref().map(|y| (y.clone(), Content::Input(i + 1)));
        let work = step.conv.as_ref().map(|conv| {
            let work = Place { infer: conv.work.clone(), kept: false, train: 0..0 };
            (work, Content::Work)
        });
        for (place, content) in work.iter().chain(&y) {
            inference.write(images, alone, place, *content);
        }
        for (place, content) in x.iter().chain(&work).chain(&y) {
            inference.read(images, alone, place, *content);
        }
    };
    for image in all.clone() {
        (0..plan.alone).for_each(|i| play(&mut inference, i, &(image..image + 1)));
    }
    (plan.alone..net.layers.len()).for_each(|i| play(&mut inference, i, &all));
}

/// The scratch of inference, with each image's contents told apart.
struct Inference {
    scratch: Memory<(Content, usize)>,
    kept: Memory<(Content, usize)>,
}

impl Inference {
    /// The memory that a place lies in.
    fn memory(&mut self, place: &Place) -> &mut Memory<(Content, usize)> {
        if place.kept { &mut self.kept } else { &mut self.scratch }
    }

    fn write(&mut self, images: &Range<usize>, alone: bool, place: &Place, content: Content) {
        for image in images.clone() {
            self.memory(place).write(&place_of(image, alone, place), (content, image));
        }
    }

    #[track_caller]
    fn read(&mut self, images: &Range<usize>, alone: bool, place: &Place, content: Content) {
        for image in images.clone() {
            self.memory(place).read(&place_of(image, alone, place), (content, image));
        }
    }
}

/// What an image has of a place: one that goes alone has the whole scratch to itself.
fn place_of(image: usize, alone: bool, place: &Place) -> Range<usize> {
    match alone && !place.kept {
        true => part(&place.infer, 1, 0),
        false => part(&place.infer, IMAGES, image),
    }
}

/// Images whose way through the net is played; in training those of a lane, since each has its own memory.
const IMAGES: usize = 4;

/// The memory of training, with each image's contents told apart.
struct Training {
    memory: Memory<(Content, usize)>,
    brief: Memory<(Content, usize)>,
}

impl Training {
    fn write(&mut self, images: &Range<usize>, place: &Range<usize>, content: Content) {
        for image in images.clone() {
            self.memory.write(&part(place, IMAGES, image), (content, image));
        }
    }

    #[track_caller]
    fn read(&self, images: &Range<usize>, place: &Range<usize>, content: Content) {
        for image in images.clone() {
            self.memory.read(&part(place, IMAGES, image), (content, image));
        }
    }

    fn write_gradient(&mut self, images: &Range<usize>, gradient: &Gradient, content: Content) {
        if !gradient.brief {
            return self.write(images, &gradient.place, content);
        }
        for (i, image) in images.clone().enumerate() {
            self.brief.write(&part(&gradient.place, images.len(), i), (content, image));
        }
    }

    #[track_caller]
    fn read_gradient(&self, images: &Range<usize>, gradient: &Gradient, content: Content) {
        if !gradient.brief {
            return self.read(images, &gradient.place, content);
        }
        for (i, image) in images.clone().enumerate() {
            self.brief.read(&part(&gradient.place, images.len(), i), (content, image));
        }
    }
}

/// What image `image` of `n` has of a place.
fn part(place: &Range<usize>, n: usize, image: usize) -> Range<usize> {
    let start = n * place.start + image * place.len();
    start..start + place.len()
}

/// The steps of layers in their order, each with images that go through it at a time.
fn steps(layers: &[(usize, bool)]) -> Vec<(usize, Range<usize>)> {
    let mut steps = Vec::new();
    for run in layers.chunk_by(|a, b| a.1 && b.1) {
        let size = if run[0].1 { 1 } else { IMAGES };
        for first in (0..IMAGES).step_by(size) {
            steps.extend(run.iter().map(|&(i, _)| (i, first..first + size)));
        }
    }
    steps
}

fn play_training(net: &Net, plan: &Plan) {
    let inputs = inputs(net);
    let all = 0..IMAGES;
    let mut memory = Training {
        memory: Memory::new(IMAGES * plan.train.image, (Content::Nothing, 0)),
        brief: Memory::new(plan.train.brief, (Content::Nothing, 0)),
    };
    if let Some(place) = &plan.arranged {
        memory.write(&all, &place.train, Content::Input(0));
    }
    let layers: Vec<_> = plan.layers.iter().map(|step| step.forward_singly).enumerate().collect();
    for (i, images) in steps(&layers) {
        let (layer, step) = (&net.layers[i], &plan.layers[i]);
        if let (Some(y), false) = (&step.y, is_dropout(layer)) {
            memory.write(&images, &y.train, Content::Input(i + 1));
        }
        if step.y.is_none() {
            memory.write(&images, &plan.train.logits, Content::Logits);
        }
        if let Some(x) = &step.x {
            memory.read(&images, &x.train, Content::Input(inputs[i]));
        }
    }
    memory.write(&all, &plan.train.dlogits, Content::LogitsGradient);
    memory.read(&all, &plan.train.logits, Content::Logits);
    let layers = plan.layers.iter().map(|step| step.backward_singly).enumerate();
    for (i, images) in steps(&layers.rev().collect::<Vec<_>>()) {
        play_backward(net, plan, (i, &images), &mut memory);
    }
}

fn play_backward(
    net: &Net,
    plan: &Plan,
    (i, images): (usize, &Range<usize>),
    memory: &mut Training,
) {
    let (layer, step) = (&net.layers[i], &plan.layers[i]);
    let read_dy = |memory: &Training| match (&layer.op, &step.dy) {
        (Op::GlobalAvgPool, _) => {
            memory.read(images, &plan.train.dlogits, Content::LogitsGradient);
        }
        (_, Some(dy)) => memory.read_gradient(images, dy, Content::Gradient(i)),
        (op, None) => assert!(!matches!(op, Op::Conv { .. }), "weights without a gradient"),
    };
    read_dy(memory);
    if let Some(dx) = &step.dx {
        memory.write_gradient(images, dx, Content::Gradient(i - 1));
    }
    // All operands of a step are there at the same time; only dropouts work in place.
    if !is_dropout(layer) {
        read_dy(memory);
    }
    let x = step.x.as_ref().filter(|_| layer.params > 0 || step.dx.is_some());
    if let Some(x) = x {
        memory.read(images, &x.train, Content::Input(inputs(net)[i]));
    }
}

/// Weights that are derived from the parameters have places of their own.
fn check_weights(plan: &Plan) {
    let mut ends = (0, 0);
    for conv in plan.layers.iter().filter_map(|layer| layer.conv.as_ref()) {
        assert_eq!((conv.prepared.start, conv.transposed.start), ends);
        ends = (conv.prepared.end, conv.transposed.end);
    }
    assert_eq!(ends, (plan.prepared, plan.transposed));
}

/// Xorshift, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).expect("small")
    }

    fn window(&mut self) -> String {
        let (rows, columns) = (1 + self.below(5), 1 + self.below(5));
        let stride = 1 + self.below(3).saturating_sub(1);
        let padding = self.below(rows.min(columns) / 2 + 1);
        let kernel = format!("({rows}, {columns})");
        format!("{kernel}, stride = {stride}, padding = {padding}")
    }

    /// A spec that may be valid.
    fn spec(&mut self) -> String {
        // Some images are so large that they go through the first layers one at a time.
        let size = [20, 20, 90][self.below(3)];
        let (c, h, w) = (1 + self.below(4), 6 + self.below(size), 6 + self.below(size));
        let mut spec = format!("Net<input({c}, {h}, {w}), ");
        for _ in 0..1 + self.below(7) {
            let width = 1 + self.below(40);
            let window = self.window();
            let element = match self.below(7) {
                0 => format!("conv({width}, kernel = {window}, relu = {})", self.below(2) == 0),
                1 => format!("block({width}, {}, 9, kernel = {window})", 1 + self.below(20)),
                2 => format!("max_pool({window})"),
                3 => format!("avg_pool({window}, ceil = {})", self.below(2) == 0),
                4 => "dropout(0.5)".to_owned(),
                5 => format!("block({width}, kernel = {window}), max_pool(3, stride = 2)"),
                _ => format!("conv({width}, kernel = 3, padding = 1)"),
            };
            write!(spec, "{element}, ").expect("strings take everything");
        }
        let options = ["", " where algorithm = direct", " where storage = f16"][self.below(3)];
        format!("{spec}conv(3, kernel = 1), global_avg_pool>{options}")
    }
}

#[test]
fn no_buffer_of_a_random_net_is_overwritten_while_it_is_needed() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut played = 0;
    // Layers with sparse gradients, of which some go backward an image at a time.
    let mut sparse = [0, 0];
    while played < 300 {
        let spec = random.spec();
        let tokens = spec.parse().expect("it lexes");
        let Some(net) = check(&Source::new(tokens)).net else { continue };
        let plan = Plan::new(&net);
        let played_well = std::panic::catch_unwind(|| {
            play_inference(&net, &plan);
            play_training(&net, &plan);
            check_weights(&plan);
        });
        assert!(played_well.is_ok(), "{spec}\n{net}");
        played += 1;
        for layer in &plan.layers {
            if layer.conv.as_ref().is_some_and(|conv| conv.weight_gradient == Method::Sparse) {
                sparse[usize::from(layer.backward_singly)] += 1;
            }
        }
    }
    assert!(sparse[0] >= 10 && sparse[1] >= 10, "{sparse:?} sparse layers");
}

#[test]
fn a_plan_with_an_overlap_is_caught() {
    let spec = "Net<input(1, 9, 9), conv(4, kernel = 3), conv(5, kernel = 3), global_avg_pool>";
    let net = super::net(spec);
    let mut plan = Plan::new(&net);
    let x = plan.layers[1].x.clone().expect("an input");
    plan.layers[1].y = Some(x);
    assert!(std::panic::catch_unwind(|| play_inference(&net, &plan)).is_err());
    assert!(std::panic::catch_unwind(|| play_training(&net, &plan)).is_err());
}
