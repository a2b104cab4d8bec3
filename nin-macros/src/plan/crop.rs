//! What of each layer's output somebody reads.
//!
//! A pool of 3×3 pixels and stride 2 reads 27 of 28 rows. What it leaves is not computed, nor what only that would
//! have read: no output changes, and no gradient, since that of a value which nobody reads is zero.

use crate::net::{Layer, Net, Op, Shape, Window};

/// The net with each layer's input and output cropped to what is read. What reads the image gets it whole.
pub(super) fn crop(net: &Net) -> Net {
    let mut net = net.clone();
    if !matches!(net.layers[0].op, Op::Conv { .. }) {
        // What is read is a copy of the image, and dropouts work in it.
        return net;
    }
    let mut read = None;
    for (i, layer) in net.layers.iter_mut().enumerate().rev() {
        layer.output = read.unwrap_or(layer.output);
        if i > 0 {
            layer.input = reads(layer);
            read = Some(layer.input);
        }
    }
    net
}

/// What a layer reads of its input for its output.
fn reads(layer: &Layer) -> Shape {
    let Layer { input, output, .. } = *layer;
    match layer.op {
        Op::Conv { window, .. } | Op::MaxPool { window } | Op::AvgPool { window } => {
            let Window { kernel, stride, padding } = window;
            // The end of the last window; of padding alone, nothing is read.
            let axis =
                |input: usize, output: usize, kernel: usize, stride: usize, padding: usize| {
                    ((output - 1) * stride + kernel).saturating_sub(padding).clamp(1, input)
                };
            Shape {
                h: axis(input.h, output.h, kernel.0, stride.0, padding.0),
                w: axis(input.w, output.w, kernel.1, stride.1, padding.1),
                ..input
            }
        }
        Op::Dropout { .. } => output,
        Op::GlobalAvgPool => input,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::net;
    use super::*;

    /// The rows and columns of each layer's input and output that are left.
    fn sizes(layers: &str) -> Vec<[(usize, usize); 2]> {
        let net = crop(&net(&format!("N<{layers}, global_avg_pool>")));
        let size = |shape: Shape| (shape.h, shape.w);
        let layers = net.layers.iter().take(net.layers.len() - 1);
        layers.map(|layer| [size(layer.input), size(layer.output)]).collect()
    }

    #[test]
    fn what_a_pool_leaves_is_cropped_in_all_layers_before_it() {
        let layers = "input(1, 28, 29), conv(4, kernel = 5, padding = 2), conv(4, kernel = 1), \
            dropout(0.5), max_pool(3, stride = 2)";
        let expected = [
            [(28, 29), (27, 29)],
            [(27, 29), (27, 29)],
            [(27, 29), (27, 29)],
            [(27, 29), (13, 14)],
        ];
        assert_eq!(sizes(layers), expected);
    }

    #[test]
    fn strides_leave_rows_of_rows_that_were_left() {
        let layers = "input(1, 40, 40), conv(4, kernel = 3), avg_pool(2, stride = 3), \
            conv(4, kernel = 4, stride = 3)";
        assert_eq!(sizes(layers), [[(40, 40), (38, 38)], [(38, 38), (13, 13)], [(13, 13), (4, 4)]]);
        let layers = layers.replace("kernel = 4, stride = 3", "kernel = 4, stride = 5");
        assert_eq!(sizes(&layers), [[(40, 40), (26, 26)], [(26, 26), (9, 9)], [(9, 9), (2, 2)]]);
    }

    #[test]
    fn padding_is_not_read() {
        let layers = "input(1, 9, 9), conv(4, kernel = 1), conv(4, kernel = 3, padding = 1)";
        assert_eq!(sizes(layers)[1], [(9, 9), (9, 9)]);
        // The first of two windows lies on the padding, and the second ends with the sixth row.
        let layers =
            "input(1, 7, 7), conv(4, kernel = 1), conv(4, kernel = 2, stride = 9, padding = 5)";
        assert_eq!(sizes(layers)[1], [(6, 6), (2, 2)]);
    }

    #[test]
    fn windows_that_hang_over_read_all() {
        let layers = "input(1, 8, 8), conv(4, kernel = 1), max_pool(3, stride = 2, ceil = true)";
        assert_eq!(sizes(layers)[1], [(8, 8), (4, 4)]);
    }

    #[test]
    fn copies_of_the_image_stay_whole() {
        let layers = "input(1, 8, 8), max_pool(3, stride = 2), conv(4, kernel = 1)";
        assert_eq!(sizes(layers), [[(8, 8), (3, 3)], [(3, 3), (3, 3)]]);
    }
}
