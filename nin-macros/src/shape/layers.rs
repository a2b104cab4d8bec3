//! The shape rule of each element.

use super::axis::Axis;
use super::trail::{pair, window as window_text};
use super::{Pass, offers, shape};
use crate::diag::Error;
use crate::net::{Algorithm, ConvParams, Layer, Op, PANEL, Shape, Window};
use crate::source::Word;
use crate::spec::{Convs, Element, Given, Kind, Name};

/// A window whose numbers are known.
#[derive(Clone, Copy)]
struct Known {
    kernel: [u64; 2],
    stride: [u64; 2],
    padding: [u64; 2],
    ceil: bool,
}

impl Known {
    fn axes(self, rows: u64, columns: u64) -> [Axis; 2] {
        [(rows, 0), (columns, 1)].map(|(input, i)| Axis {
            input,
            kernel: self.kernel[i],
            stride: self.stride[i],
            padding: self.padding[i],
            ceil: self.ceil,
        })
    }

    fn window(self) -> Window {
        #[allow(clippy::cast_possible_truncation)]
        let pair = |[rows, columns]: [u64; 2]| (rows as usize, columns as usize);
        Window { kernel: pair(self.kernel), stride: pair(self.stride), padding: pair(self.padding) }
    }
}

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
        let label = format!("{name} {}", text_of(window));
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
        window: &crate::spec::Window,
        ceil: bool,
        module: usize,
    ) {
        let name = if average { Name::AvgPool.text() } else { Name::MaxPool.text() };
        let known = self.window(element, window, true).map(|known| Known { ceil, ..known });
        let label = format!("{name} {}", text_of(known));
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

    /// The numbers of a window; zeros are reported.
    fn window(
        &mut self,
        element: &Element,
        window: &crate::spec::Window,
        pool: bool,
    ) -> Option<Known> {
        let name = &element.call.name.value;
        let numbers = |given: Given, default: Option<[u64; 2]>| match given {
            Given::Default => default,
            Given::Wrong => None,
            Given::Is(word) => Some(word.value),
        };
        let kernel = numbers(window.kernel, None);
        let stride = numbers(window.stride, if pool { kernel } else { Some([1; 2]) });
        let padding = numbers(window.padding, Some([0; 2]));
        let trail = self.trail.to(name);
        let mut zero = |given: Given, error: &dyn Fn() -> Error| match given {
            Given::Is(Word { value, at }) if value.contains(&0) => {
                let fixed = |n: u64| pair(value.map(|old| if old == 0 { n } else { old }));
                let variants = [3, 2, 1].map(|n| offers::replace(at, &fixed(n), ""));
                let variants = if given_is_stride(given, window) {
                    variants.into_iter().rev().collect()
                } else {
                    variants.to_vec()
                };
                let mut error = error().because("shapes", trail.clone()).offer_any(variants);
                error.at = at;
                self.errors.push(error);
                true
            }
            _ => false,
        };
        let at = element.at;
        let bad = zero(window.kernel, &|| {
            Error::new(
                at,
                format!("a window of no rows or columns: `{name}` would look at nothing"),
            )
        });
        let stuck = zero(window.stride, &|| {
            Error::new(at, format!("with stride 0 the window of `{name}` never moves")).because(
                "sizes",
                "⌊(input + 2·padding − kernel) / stride⌋ + 1, and nothing is divided by 0",
            )
        });
        if bad || stuck {
            return None;
        }
        Some(Known { kernel: kernel?, stride: stride?, padding: padding?, ceil: false })
    }

    /// A pool may be padded by half its window at most, as in PyTorch.
    fn padding_fits(&mut self, element: &Element, known: &Known, label: &str) -> bool {
        let [kernel, padding] = [known.kernel, known.padding];
        if (0..2).all(|i| 2 * padding[i] <= kernel[i]) {
            return true;
        }
        let name = &element.call.name.value;
        let at = element.call.named("padding").map_or(element.at, |argument| argument.at);
        let half = pair([kernel[0] / 2, kernel[1] / 2]);
        let double = pair([0, 1].map(|i| kernel[i].max(2 * padding[i])));
        let error = Error::new(at, format!("`{name}` is padded by more than half its window"))
            .because("shapes", self.trail.to(label))
            .because("sizes", format!("padding = {} > {} / 2: a window at the border could lie wholly in the padding, which has no maximum and no mean", pair(padding), pair(kernel)))
            .offer_any(element.call.set(self.source, "padding", &half).map(|edit| offers::edit(edit, "the largest")))
            .offer_any(offers::kernel_edit(element, self.source, &double).map(|edit| offers::edit(edit, "the smallest window for this padding")));
        self.errors.push(error);
        false
    }

    /// Slides a window over the rows and columns. The size is unknown if it does not fit.
    fn slide(&mut self, element: &Element, known: Option<Known>, label: &str) -> Option<[Axis; 2]> {
        let [_, rows, columns] = self.flow;
        let input = rows.zip(columns);
        (self.flow[1], self.flow[2]) = (None, None);
        let (known, (rows, columns)) = (known?, input?);
        let axes = known.axes(rows, columns);
        if axes.iter().any(|axis| axis.output() == 0) {
            let at = kernel_at(element);
            let [kernel_rows, kernel_columns] = known.kernel;
            let what = format!(
                "the {kernel_rows}×{kernel_columns} window of `{}` is larger than the {rows}×{columns} that reaches it{}",
                element.call.name.value,
                if known.padding == [0; 2] { "" } else { ", even padded" },
            );
            let mut error =
                Error::new(at, what).because("shapes", self.trail.to(&format!("{label} → ?")));
            error = error.because("sizes", misfit(axes));
            if let Some(eater) = offers::eater(&self.layers) {
                error = error.because("because", eater);
            }
            error.offers = offers::too_large(self.source, self.spec, element, axes);
            self.errors.push(error);
            return None;
        }
        (self.flow[1], self.flow[2]) = (Some(axes[0].output()), Some(axes[1].output()));
        Some(axes)
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

    /// Compares the shape with the one that the author expects.
    pub(super) fn expect(&mut self, element: &Element, axes: Option<[Axis; 2]>) {
        let Some(expect) = &element.expect else { return };
        let names = ["channels", "rows", "columns"];
        let wrong: Vec<usize> = (0..3)
            .filter(|&i| self.flow[i].is_some_and(|computed| computed != expect.value[i].value))
            .collect();
        let Some((&first, rest)) = wrong.split_first() else { return };
        let at = if rest.is_empty() { expect.value[first].at } else { expect.at };
        let differ: Vec<String> = wrong
            .iter()
            .map(|&i| {
                let computed = self.flow[i].unwrap_or_default();
                format!("{computed} {}, not {}", names[i], expect.value[i].value)
            })
            .collect();
        let what = format!("`{}` gives {}", element.call.name.value, differ.join(" and "));
        let mut error = Error::new(at, what).because("shapes", self.trail.to_here());
        if let Some(axes) = axes.filter(|_| wrong != [0]) {
            error = error.because("sizes", formula(axes));
            if let Some(why) = even_kernel(axes, expect.value) {
                error = error.because("because", why);
            }
        }
        let computed = self.flow.map(Option::unwrap_or_default);
        error.offers = offers::mismatch(self.source, element, axes, &wrong, computed);
        self.errors.push(error);
    }
}

fn given_is_stride(given: Given, window: &crate::spec::Window) -> bool {
    matches!((given, window.stride), (Given::Is(a), Given::Is(b)) if a.at == b.at)
}

fn text_of(known: Option<Known>) -> String {
    known.map_or("?".to_owned(), |known| window_text(known.kernel, known.stride))
}

/// Where the kernel's size is written.
fn kernel_at(element: &Element) -> crate::source::Loc {
    let window = match &element.kind {
        Kind::Block(convs) | Kind::Conv(convs) => &convs.window,
        Kind::Pool { window, .. } => window,
        _ => return element.at,
    };
    let Given::Is(kernel) = window.kernel else { return element.at };
    element.call.named("kernel").map_or(kernel.at, |argument| argument.at)
}

/// The arithmetic of the output's rows and columns.
fn formula([rows, columns]: [Axis; 2]) -> String {
    let side = |axis: Axis| {
        let stays = Axis { input: axis.input, kernel: 1, stride: 1, padding: 0, ceil: axis.ceil };
        if axis == stays {
            return axis.input.to_string();
        }
        format!("{} = {}", axis.formula(), axis.output())
    };
    if rows == columns {
        if side(rows) == rows.input.to_string() {
            return "the size stays".to_owned();
        }
        return side(rows);
    }
    format!("rows {}, columns {}", side(rows), side(columns))
}

/// The same where no window fits.
fn misfit([rows, columns]: [Axis; 2]) -> String {
    let side = |axis: Axis| format!("{}, but {}", axis.formula(), axis.misfit());
    if rows == columns {
        return side(rows);
    }
    let sides = [(rows, "rows"), (columns, "columns")];
    let bad = sides.iter().filter(|(axis, _)| axis.output() == 0);
    bad.map(|&(axis, name)| format!("{name} {}", side(axis))).collect::<Vec<_>>().join("; ")
}

/// Remarks on a layer that are no errors.
fn notes(axes: [Axis; 2], op: &Op) -> Vec<String> {
    let mut notes = Vec::new();
    let each = |is: &dyn Fn(Axis) -> bool| match axes.map(is) {
        [true, true] => Some("rows and columns"),
        [true, false] => Some("rows"),
        [false, true] => Some("columns"),
        [false, false] => None,
    };
    let [rows, columns] = axes;
    if let Some(what) = each(&|axis| axis.stride > axis.kernel && axis.output() > 1) {
        let stride = pair([rows.stride, columns.stride]);
        let kernel = pair([rows.kernel, columns.kernel]);
        notes.push(format!(
            "stride {stride} is larger than the window {kernel}: some {what} are never looked at"
        ));
    }
    let cut: Vec<String> = [(rows.cut_off(), "row"), (columns.cut_off(), "column")]
        .iter()
        .filter(|&&(count, _)| count > 0)
        .map(|&(count, name)| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if !cut.is_empty() {
        let cut = cut.join(" and ");
        notes.push(format!("cut off at the end: {cut}, which no window reaches"));
    }
    let conv = matches!(op, Op::Conv { .. });
    let nearly = |axis: Axis| {
        conv && axis.kernel % 2 == 0 && axis.stride == 1 && axis.output().abs_diff(axis.input) == 1
    };
    if let Some(what) = each(&nearly) {
        let kernel = pair([rows.kernel, columns.kernel]);
        notes.push(format!("kernel {kernel} is even, so no padding keeps the number of {what}"));
    }
    if let Some(what) = each(&|axis| axis.padding >= axis.kernel) {
        notes.push(format!(
            "padding is as large as the window: the outermost {what} see nothing but zeros"
        ));
    }
    notes
}

/// Whether an even kernel stands where the author wants the size to stay.
fn even_kernel(axes: [Axis; 2], expect: [Word<u64>; 3]) -> Option<String> {
    let axis = axes.into_iter().zip(&expect[1..]).find_map(|(axis, expect)| {
        (axis.kernel % 2 == 0 && axis.stride == 1 && expect.value == axis.input).then_some(axis)
    })?;
    Some(format!(
        "kernel {} is even, so no padding keeps the size: it would take half a row on each side",
        axis.kernel
    ))
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
