//! Second pass: from words to a checked net.
//!
//! Every error is collected. A size that a mistake leaves unknown stays unknown, and what depends
//! on it is not judged.

pub(crate) mod axis;
mod expect;
mod formula;
mod layers;
mod limits;
mod offers;
mod order;
mod too_large;
mod trail;
mod window;

use crate::diag::Error;
use crate::net::{Layer, Net, Options, Shape};
use crate::source::Source;
use crate::spec::{Element, Kind, Spec};
use order::Roles;
use trail::Trail;

/// Channels, rows and columns, as far as they are known.
pub(crate) type Flow = [Option<u64>; 3];

/// Checks a spec. There is a net if nothing was wrong, here or before.
pub(crate) fn check(source: &Source, spec: &Spec, errors: &mut Vec<Error>) -> Option<Net> {
    let roles = order::check(source, spec, errors);
    let mut pass = Pass::new(source, spec, false);
    pass.run(&roles);
    // If an author's expectation and the computed shape differ, either may be what was meant. What is
    // wrong further on counts if it is wrong both ways.
    if pass.mismatches > 0 {
        let mut other = Pass::new(source, spec, true);
        other.run(&roles);
        pass.errors.retain(|error| other.errors.iter().any(|another| another.at == error.at));
    }
    errors.append(&mut pass.errors);
    if !errors.is_empty() {
        return None;
    }
    let input = pass.layers.first()?.input;
    let options = options(spec);
    let arena_len = usize::try_from(pass.arena).ok()?;
    // Whether a file of weights fits is asked when the net is known.
    Some(Net { input, layers: pass.layers, options, arena_len, pretrained: None })
}

fn options(spec: &Spec) -> Options {
    let options = &spec.options;
    Options {
        algorithm: options.algorithm.as_ref().map(|word| word.value).unwrap_or_default(),
        storage: options.storage.as_ref().map(|word| word.value).unwrap_or_default(),
        ram_budget: options.ram_budget.as_ref().map(|word| word.value),
    }
}

/// The state of the pass on its way through the elements.
struct Pass<'a> {
    source: &'a Source,
    spec: &'a Spec,
    errors: Vec<Error>,
    trail: Trail,
    /// The shape that reaches the next element.
    flow: Flow,
    layers: Vec<Layer>,
    /// Elements of the parameter arena so far.
    arena: u64,
    /// The receptive field and the distance between neighbours' fields, of rows and columns.
    field: [(u64, u64); 2],
    /// The image's rows and columns.
    image: [Option<u64>; 2],
    /// Shapes so far that were not as expected.
    mismatches: usize,
    /// Whether the pass goes on with the expected shape then, not with the computed one.
    trusting: bool,
}

impl<'a> Pass<'a> {
    fn new(source: &'a Source, spec: &'a Spec, trusting: bool) -> Self {
        Self {
            source,
            spec,
            errors: Vec::new(),
            trail: Trail::default(),
            flow: [None; 3],
            layers: Vec::new(),
            arena: 0,
            field: [(1, 1); 2],
            image: [None; 2],
            mismatches: 0,
            trusting,
        }
    }

    fn run(&mut self, roles: &Roles) {
        let elements = &self.spec.elements;
        if let Some(input) = roles.input.map(|input| &elements[input])
            && let Kind::Input(shape) = &input.kind
        {
            self.input(input, shape);
        }
        let computing = elements.iter().enumerate().filter(|&(i, _)| roles.computes(i));
        for (module, (_, element)) in computing.enumerate() {
            self.element(element, module);
        }
    }

    fn input(&mut self, element: &Element, shape: &[Option<crate::source::Word<u64>>; 3]) {
        let names = ["channels", "rows", "columns"];
        for (number, name) in shape.iter().zip(names) {
            let Some(number) = number.filter(|number| number.value == 0) else { continue };
            let what = format!("an image with no {name} is no image");
            let variants = ["1", "28", "32", "224"];
            self.errors.push(
                Error::new(number.at, what)
                    .because("form", "input(channels, height, width)")
                    .offer_any(variants.map(|text| offers::replace(number.at, text, ""))),
            );
        }
        self.flow = shape.map(|number| number.map(|n| n.value).filter(|&n| n > 0));
        self.image = [self.flow[1], self.flow[2]];
        self.trail.step("input".to_owned(), self.flow);
        self.expect(element, None);
        self.fits_memory(element);
    }

    fn element(&mut self, element: &Element, module: usize) {
        match &element.kind {
            Kind::Block(convs) => self.convs(element, convs, module, true),
            Kind::Conv(convs) => self.convs(element, convs, module, false),
            Kind::Pool { average, window, ceil } => {
                self.pool(element, *average, window, *ceil, module);
            }
            Kind::Dropout(p) => self.dropout(element, *p, module),
            Kind::GlobalAvgPool => self.global_avg_pool(element, module),
            Kind::Unknown | Kind::Dense => {
                self.flow = [None; 3];
                self.trail.step("?".to_owned(), self.flow);
            }
            Kind::Input(_) | Kind::Ignored => {}
        }
    }

    /// The shape that reaches the next element, if it is known in full.
    fn shape(&self) -> Option<Shape> {
        shape(self.flow)
    }
}

fn shape([c, h, w]: Flow) -> Option<Shape> {
    let size = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    Some(Shape { c: size(c)?, h: size(h)?, w: size(w)? })
}

#[cfg(test)]
mod tests;
