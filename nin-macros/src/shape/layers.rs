//! The shape rule of each element.

use super::axis::Axis;
use super::formula::{formula, notes};
use super::trail::window as window_text;
use super::window::Known;
use super::{Pass, offers, shape};
use crate::diag::Error;
use crate::net::{Algorithm, ConvParams, Layer, Op, PANEL, Shape};
use crate::source::Word;
use crate::spec::{Convs, Element, Name, Window};

/// One convolution of a block, or a plain one.
struct Conv {
    module: String,
    width: Option<u64>,
    window: Option<Known>,
    relu: bool,
    algorithm: Algorithm,
}

impl Pass<'_> {
    pub(super) fn convs(&mut self, element: &Element, convs: &Convs, module: usize, block: bool) {
        let name = if block { "block" } else { "conv" };
        for width in convs.widths.iter().filter(|width| width.value == 0) {
            let error = Error::new(width.at, format!("`{name}` with no channels gives nothing"))
                .because("shapes", self.trail.to(name));
            let error = error.offer_any(offers::widths(element, self.flow[0], width.at));
            self.errors.push(error);
        }
        let window = self.window(element, &convs.window, false);
        let label = format!("{name} {}", Known::label(window));
        let width = |i: usize| {
            let width = convs.widths.get(i).or(convs.widths.last());
            width.map(|width| width.value).filter(|&width| width > 0)
        };
        let algorithm = convs.algorithm.or(self.spec.options.algorithm.as_ref().map(|a| a.value));
        let mut conv = Conv {
            module: format!("{module}.0"),
            width: width(0),
            window,
            relu: convs.relu,
            algorithm: algorithm.unwrap_or_default(),
        };
        let before = self.flow;
        self.conv(element, &conv, &label);
        if block {
            for i in 1..3 {
                let one = Known { kernel: [1; 2], stride: [1; 2], padding: [0; 2], ceil: false };
                conv.module = format!("{module}.{}", 2 * i);
                (conv.width, conv.window) = (width(i), Some(one));
                self.conv(element, &conv, &label);
            }
        }
        self.trail.step(label, self.flow);
        self.expect(element, window.and_then(|known| Some(known.axes(before[1]?, before[2]?))));
        self.fits_memory(element);
    }

    fn conv(&mut self, element: &Element, conv: &Conv, label: &str) {
        let input = self.flow;
        self.flow[0] = conv.width;
        let axes = self.slide(element, conv.window, label);
        let (Some(known), Some(input), Some(output)) = (conv.window, shape(input), self.shape())
        else {
            return;
        };
        let Some(cost) = self.cost(element, known.kernel, input, output) else { return };
        let window = known.window();
        let op =
            Op::Conv { window, relu: conv.relu, algorithm: conv.algorithm, params: cost.place };
        let name = format!("conv {}", window_text(known.kernel, known.stride));
        self.push(conv.module.clone(), name, op, input, axes);
        if let Some(layer) = self.layers.last_mut() {
            (layer.params, layer.macs) = (cost.params, cost.macs);
        }
    }

    pub(super) fn pool(
        &mut self,
        element: &Element,
        average: bool,
        window: &Window,
        ceil: bool,
        module: usize,
    ) {
        let name = if average { Name::AvgPool.text() } else { Name::MaxPool.text() };
        let known = self.window(element, window, true).map(|known| Known { ceil, ..known });
        let label = format!("{name} {}", Known::label(known));
        let before = self.flow;
        let known = known.filter(|known| self.padding_fits(element, known, &label));
        let axes = self.slide(element, known, &label);
        if let (Some(known), Some(input)) = (known, shape(before)) {
            let window = known.window();
            let op = if average { Op::AvgPool { window } } else { Op::MaxPool { window } };
            self.push(module.to_string(), label.clone(), op, input, axes);
        }
        self.trail.step(label, self.flow);
        self.expect(element, axes);
        self.fits_memory(element);
    }

    pub(super) fn dropout(&mut self, element: &Element, p: Option<Word<f64>>, module: usize) {
        let label = match p {
            Some(p) => format!("dropout {}", p.value),
            None => "dropout".to_owned(),
        };
        if let Some(p) = p {
            #[allow(clippy::cast_possible_truncation)]
            let rounded = p.value as f32;
            if !(0.0..1.0).contains(&rounded) || p.value < 0.0 {
                self.errors.push(offers::dropout(self.source, p));
            } else if let Some(input) = self.shape() {
                self.push(
                    module.to_string(),
                    label.clone(),
                    Op::Dropout { p: rounded },
                    input,
                    None,
                );
            }
        }
        self.trail.step(label, self.flow);
        self.expect(element, None);
    }

    pub(super) fn global_avg_pool(&mut self, element: &Element, module: usize) {
        let input = self.shape();
        (self.flow[1], self.flow[2]) = (Some(1), Some(1));
        let name = Name::GlobalAvgPool.text();
        if let Some(input) = input {
            self.push(module.to_string(), name.to_owned(), Op::GlobalAvgPool, input, None);
            if let (Some(layer), [Some(rows), Some(columns)]) = (self.layers.last_mut(), self.image)
            {
                let size = |n| usize::try_from(n).unwrap_or(usize::MAX);
                layer.receptive_field = (size(rows), size(columns));
                layer.formula = format!("the mean of {}×{} values", input.h, input.w);
            }
        }
        self.trail.step(name.to_owned(), self.flow);
        self.expect(element, None);
    }

    /// Adds a layer that gives the present shape.
    fn push(
        &mut self,
        module: String,
        name: String,
        op: Op,
        input: Shape,
        axes: Option<[Axis; 2]>,
    ) {
        let Some(output) = self.shape() else { return };
        if let (Some(axes), [Some(rows), Some(columns)]) = (axes, self.image) {
            for (i, (axis, image)) in axes.into_iter().zip([rows, columns]).enumerate() {
                let (field, step) = self.field[i];
                let field = field.saturating_add((axis.kernel - 1).saturating_mul(step)).min(image);
                self.field[i] = (field, step.saturating_mul(axis.stride));
            }
        }
        let field = self.field.map(|(field, _)| usize::try_from(field).unwrap_or(usize::MAX));
        self.layers.push(Layer {
            module,
            name,
            formula: axes.map_or("the size stays".to_owned(), formula),
            notes: axes.map_or(Vec::new(), |axes| notes(axes, &op)),
            op,
            input,
            output,
            params: 0,
            macs: 0,
            receptive_field: (field[0], field[1]),
        });
    }
}

/// Elements of the arena for so many output channels.
pub(super) fn padded(channels: usize) -> usize {
    channels.div_ceil(PANEL) * PANEL
}

/// What a convolution costs, and where its parameters stand.
pub(super) struct Cost {
    pub(super) params: usize,
    pub(super) macs: u64,
    pub(super) place: ConvParams,
}
