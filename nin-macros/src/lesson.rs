//! The table in a net's documentation: what each layer gives, why, and at what cost.

use crate::net::{Format, Layer, Net, Op, Shape};
use crate::plan::{ConvPlan, LayerPlan, Plan};

/// A further column of the table, with one cell for each layer.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) cells: Vec<String>,
}

/// How each layer is computed, and what its output takes where it is kept: in training, and in inference unless the
/// next layer is computed with it.
pub(crate) fn columns(net: &Net, plan: &Plan) -> [Column; 2] {
    let layers = net.layers.iter().zip(&plan.layers);
    let output = plan.layers.iter().map(|layer| layer.y.as_ref().map(|place| place.train.len()));
    [
        Column { title: "computed by", cells: layers.map(computed_by).collect() },
        Column {
            title: "memory",
            cells: output.map(|len| len.map_or(String::new(), |len| memory(4 * len))).collect(),
        },
    ]
}

/// How a convolution's passes are computed, and why; gradients only where they differ from the forward pass.
fn computed_by((layer, plan): (&Layer, &LayerPlan)) -> String {
    let Some(conv) = &plan.conv else { return String::new() };
    let ConvPlan { forward, weight_gradient, input_gradient, reason, .. } = conv;
    let weights = (weight_gradient != forward).then_some(weight_gradient);
    let input = (plan.dx.is_some() && input_gradient != forward).then_some(input_gradient);
    let gradients = match (weights, input) {
        (None, None) => String::new(),
        (Some(weights), Some(input)) if weights == input => format!("; gradients {weights}"),
        (Some(weights), Some(input)) => {
            format!("; gradient of the weights {weights}, of the input {input}")
        }
        (Some(weights), None) => format!("; gradient of the weights {weights}"),
        (None, Some(input)) => format!("; gradient of the input {input}"),
    };
    let (Shape { h, w, .. }, whole) = (plan.output, layer.output);
    let cropped = if (h, w) == (whole.h, whole.w) {
        String::new()
    } else {
        format!("; only {h}×{w} of {}×{}, as the next layers read no more", whole.h, whole.w)
    };
    format!("{forward}: {reason}{gradients}{cropped}")
}

/// Bytes, for people.
fn memory(bytes: usize) -> String {
    if bytes < 1024 {
        format!("{bytes} B")
    } else {
        format!("{} KiB", grouped(bytes as u64 / 1024))
    }
}

/// The documentation of a net in Markdown: a row for each layer, totals, what a fully connected
/// head would have cost, and remarks.
pub(crate) fn table(net: &Net, further: &[Column]) -> String {
    let mut titles = vec!["module", "layer", "output", "rows and columns"];
    titles.extend(["parameters", "multiply-adds", "sees"]);
    titles.extend(further.iter().map(|column| column.title));
    let mut text = opening(net);
    text.push_str(&row(&titles));
    text.push_str(&"|---".repeat(titles.len()));
    text.push_str("|\n");
    let image = ["", "`input`", &net.input.to_string(), "", "", "", "1×1"].map(str::to_owned);
    text.push_str(&row(&padded(image.to_vec(), titles.len())));
    for (i, layer) in net.layers.iter().enumerate() {
        let mut cells = cells(layer);
        let more = further.iter().map(|column| column.cells.get(i).cloned().unwrap_or_default());
        cells.extend(more);
        text.push_str(&row(&cells));
    }
    let [params, macs] = [net.params() as u64, net.macs()].map(|n| format!("**{}**", grouped(n)));
    let total = ["", "**in all**", "", "", &params, &macs, ""].map(str::to_owned);
    text.push_str(&row(&padded(total.to_vec(), titles.len())));
    text.push_str(LEGEND);
    text.push_str(&head(net));
    let notes = net.layers.iter().flat_map(|layer| {
        let line = |note: &String| format!("- `{}` `{}`: {note}.\n", layer.module, layer.name);
        layer.notes.iter().map(line)
    });
    let notes: String = notes.collect();
    if !notes.is_empty() {
        text.push_str(&format!("\nTo know:\n\n{notes}"));
    }
    text
}

fn row<S: AsRef<str>>(cells: &[S]) -> String {
    let mut row: String = cells.iter().map(|cell| format!("| {} ", cell.as_ref())).collect();
    row.push_str("|\n");
    row
}

/// A row that leaves the further columns empty.
fn padded(mut cells: Vec<String>, len: usize) -> Vec<String> {
    cells.resize(len, String::new());
    cells
}

fn cells(layer: &Layer) -> Vec<String> {
    let (rows, columns) = layer.receptive_field;
    let conv = matches!(layer.op, Op::Conv { .. });
    let count = |n: u64| if conv { grouped(n) } else { String::new() };
    vec![
        format!("`{}`", layer.module),
        format!("`{}`", layer.name),
        layer.output.to_string(),
        layer.formula.clone(),
        count(layer.params as u64),
        count(layer.macs),
        format!("{rows}×{columns}"),
    ]
}

/// A sentence, behind an empty line that sets it off from the author's own words.
fn opening(net: &Net) -> String {
    let Shape { c, h, w } = net.input;
    let channels = if c == 1 { "channel" } else { "channels" };
    let classes = net.classes();
    let storage = match net.options.storage {
        Format::F32 => String::new(),
        narrow => format!(" Weights and activations are kept as {}, sums are f32.", narrow.name()),
    };
    format!(
        "\nReads images of {c} {channels}, {h} rows and {w} columns, and gives the logits of \
            {classes} classes.{storage}\n\n"
    )
}

const LEGEND: &str = "\nShapes are channels×rows×columns; a size is \
    ⌊(input + 2·padding − kernel) / stride⌋ + 1. Parameters are k·k·in·out weights and a bias for \
    each channel out, multiply-adds are k·k·in·out for each pixel out, and a value *sees* that \
    part of the image.\n";

/// What a fully connected head would have cost in place of the last block and the global average
/// pool: one layer, and the head of VGG.
fn head(net: &Net) -> String {
    let module = |layer: &Layer| layer.module.split('.').next().map(str::to_owned);
    let convs = || net.layers.iter().filter(|layer| matches!(layer.op, Op::Conv { .. }));
    let Some(last) = convs().next_back().and_then(module) else { return String::new() };
    let block: Vec<&Layer> =
        convs().filter(|layer| module(layer).as_ref() == Some(&last)).collect();
    let Some(first) = block.first() else { return String::new() };
    let Shape { c, h, w } = first.input;
    let values = c as u128 * h as u128 * w as u128;
    let classes = net.classes() as u128;
    let layer = |inward: u128, outward: u128| inward * outward + outward;
    let single = layer(values, classes);
    let vgg = layer(values, 4096) + layer(4096, 4096) + layer(4096, classes);
    let own: usize = block.iter().map(|layer| layer.params).sum();
    let times = |n: u128| {
        let tenths = n * 10 / net.params().max(1) as u128;
        format!("{}.{}", grouped128(tenths / 10), tenths % 10)
    };
    format!(
        "\nGlobal average pooling has no parameters, so the head of this net is its last block: \
         {} parameters. Flattened, the {}×{h}×{w} = {} values that reach it would need {} in one \
         fully \
         connected layer, and {} in a head as VGG has it (4096, 4096, {classes}): {} times \
         as many as this whole net.\n",
        grouped(own as u64),
        c,
        grouped128(values),
        grouped128(single),
        grouped128(vgg),
        times(vgg),
    )
}

fn grouped(n: u64) -> String {
    grouped128(n.into())
}

/// A number with a comma between each three digits.
fn grouped128(n: u128) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Column, columns, table};
    use crate::check::check;
    use crate::net::Net;
    use crate::plan::Plan;
    use crate::source::Source;

    fn net(spec: &str) -> Net {
        check(&Source::new(spec.parse().expect("it lexes"))).net.expect("it is valid")
    }

    /// How the layers of a net are computed.
    fn computed_by(spec: &str) -> Vec<String> {
        let net = net(spec);
        let [computed_by, _] = columns(&net, &Plan::new(&net));
        computed_by.cells
    }

    #[test]
    fn the_table_tells_how_gradients_are_computed_where_that_differs() {
        let spec = "Net<input(3, 32, 32), conv(32, kernel = 5, padding = 2), max_pool(2), \
            block(48, kernel = 3, padding = 1), max_pool(3, stride = 2), \
            conv(10, kernel = 3, stride = 2), global_avg_pool>";
        let pointwise = "direct: one matrix product: a fully connected layer at each pixel";
        // The pool reads 15 of 16 rows.
        let cropped = "only 15×15 of 16×16, as the next layers read no more";
        let expected = [
            "Winograd F(1×4, 5×5): 1.9 times as cheap as direct sums; gradient of the weights Winograd F(4×4, 5×5)",
            "",
            &format!(
                "Winograd F(5×6, 3×3), F(5×3, 3×3) at the edges: 3.1 times as cheap as direct sums; gradient of \
                    the weights Winograd F(6×6, 3×3), F(3×3, 3×3) at the edges, of the input Winograd \
                    F(6×6, 3×3), F(4×4, 3×3) at the edges; {cropped}"
            ),
            &format!("{pointwise}; {cropped}"),
            &format!("{pointwise}; gradients sparse, without the max pool's zeros; {cropped}"),
            "",
            "direct: direct sums cost least",
            "",
        ];
        assert_eq!(computed_by(spec), expected);
    }

    #[test]
    fn a_gradient_that_a_layer_has_not_or_that_is_computed_as_its_forward_pass_goes_unsaid() {
        let gradients = |layers: &str| -> Vec<String> {
            let cells = computed_by(&format!("Net<input(16, 40, 40), {layers}, global_avg_pool>"));
            let said = cells.iter().filter_map(|cell| Some(cell.split_once("; ")?.1.to_owned()));
            said.collect()
        };
        // What reads the image, or pools of it, has no gradient of its input.
        assert_eq!(
            gradients("max_pool(2), conv(8, kernel = 1), max_pool(2)"),
            ["gradient of the weights sparse, without the max pool's zeros"]
        );
        // Winograd's stages have no gradient of a strided convolution's input.
        let strided = "conv(64, kernel = 1), conv(64, kernel = 6, stride = 2)";
        assert_eq!(gradients(strided), ["gradient of the input direct"]);
    }

    #[test]
    fn the_table_shows_shapes_formulas_and_costs() {
        let spec = "Net<input(3, 32, 32), block(16, kernel = 5, stride = 2), max_pool(3, stride = 2, ceil = true), \
            conv(10, kernel = 3), global_avg_pool>";
        let net = net(spec);
        let memory = Column { title: "memory", cells: vec!["1 KiB".to_owned()] };
        let expected = "
Reads images of 3 channels, 32 rows and 32 columns, and gives the logits of 10 classes.

| module | layer | output | rows and columns | parameters | multiply-adds | sees | memory |
|---|---|---|---|---|---|---|---|
|  | `input` | 3×32×32 |  |  |  | 1×1 |  |
| `0.0` | `conv 5×5/2` | 16×14×14 | ⌊(32 + 2·0 − 5) / 2⌋ + 1 = 14 | 1,216 | 235,200 | 5×5 | 1 KiB |
| `0.2` | `conv 1×1` | 16×14×14 | the size stays | 272 | 50,176 | 5×5 |  |
| `0.4` | `conv 1×1` | 16×14×14 | the size stays | 272 | 50,176 | 5×5 |  |
| `1` | `max_pool 3×3/2` | 16×7×7 | ⌈(14 + 2·0 − 3) / 2⌉ + 1 = 7 |  |  | 9×9 |  |
| `2.0` | `conv 3×3` | 10×5×5 | ⌊(7 + 2·0 − 3) / 1⌋ + 1 = 5 | 1,450 | 36,000 | 17×17 |  |
| `3` | `global_avg_pool` | 10×1×1 | the mean of 5×5 values |  |  | 32×32 |  |
|  | **in all** |  |  | **3,210** | **371,552** |  |  |

Shapes are channels×rows×columns; a size is ⌊(input + 2·padding − kernel) / stride⌋ + 1. Parameters are \
k·k·in·out weights and a bias for each channel out, multiply-adds are k·k·in·out for each pixel \
out, and a value *sees* that part of the image.

Global average pooling has no parameters, so the head of this net is its last block: 1,450 \
parameters. Flattened, the 16×7×7 = 784 values that reach it would need 7,850 in one fully \
connected layer, and 20,037,642 in a head as VGG has it (4096, 4096, 10): 6,242.2 times as many as \
this whole net.

To know:

- `0.0` `conv 5×5/2`: cut off at the end: 1 row and 1 column, which no window reaches.
";
        assert_eq!(table(&net, &[memory]), expected);
    }
}
