//! The plan of nets from their specs.

mod schedule;

use super::*;
use crate::check::check;
use crate::source::Source;

pub(super) fn net(spec: &str) -> Net {
    let tokens = spec.parse().expect("tokens");
    let checked = check(&Source::new(tokens));
    checked.net.unwrap_or_else(|| panic!("{:#?}", checked.errors))
}

const D2L: &str = "pub D2l<
    input(1, 224, 224),
    block(96, kernel = 11, stride = 4),
    max_pool(3, stride = 2),
    block(256, kernel = 5, padding = 2),
    max_pool(3, stride = 2),
    block(384, kernel = 3, padding = 1),
    max_pool(3, stride = 2),
    dropout(0.5),
    block(10, kernel = 3, padding = 1),
    global_avg_pool,
>";

fn forward_methods(net: &Net) -> Vec<String> {
    Plan::new(net)
        .layers
        .iter()
        .filter_map(|layer| Some(layer.conv.as_ref()?.forward.to_string()))
        .collect()
}

#[test]
fn large_kernels_go_by_winograd_and_pointwise_ones_direct() {
    let methods = forward_methods(&net(D2L));
    assert!(
        methods[0].starts_with("Winograd") && methods[3].starts_with("Winograd"),
        "{methods:?}"
    );
    // The pool reads 25 of 26 rows.
    assert_eq!(methods[3], "Winograd F(4×4, 5×5), F(1×1, 5×5) at the edges");
    for i in [1, 2, 4, 5, 7, 8] {
        assert_eq!(methods[i], "direct");
    }
}

const SMALL: &str = "pub Small<
    input(1, 28, 28),
    block(32, kernel = 5, padding = 2),
    max_pool(3, stride = 2),
    block(64, kernel = 3, padding = 1),
    max_pool(3, stride = 2),
    dropout(0.5),
    block(10, kernel = 3, padding = 1),
    global_avg_pool,
>";

#[test]
fn first_layers_of_few_channels_go_along_rows_where_that_costs_less() {
    let first = |spec: &str| forward_methods(&net(spec)).swap_remove(0);
    assert_eq!(first(SMALL), "Winograd F(1×4, 5×5)");
    assert_eq!(first(&SMALL.replace("kernel = 5", "kernel = 7")), "Winograd F(1×2, 7×7)");
    assert_eq!(first(&SMALL.replace("input(1", "input(3")), "Winograd F(1×4, 5×5)");
    // A stride takes rows apart, and a kernel of one pixel is no filter.
    for other in ["kernel = 5, stride = 2", "kernel = 1"] {
        let method = first(&SMALL.replace("kernel = 5", other));
        assert!(!method.contains("F(1×"), "{other}: {method}");
    }
    assert_eq!(first(&format!("{SMALL} where algorithm = direct")), "direct");
    assert_eq!(first(&format!("{SMALL} where storage = f16")), "direct");
}

#[test]
fn pointwise_layers_are_computed_with_the_layer_before_them() {
    let of = |spec: &str| {
        let plan = Plan::new(&net(spec));
        let follow: Vec<bool> = plan.layers.iter().map(|layer| layer.follows).collect();
        let next: Vec<usize> = plan.layers.iter().map(|layer| layer.next).collect();
        for (i, &next) in next.iter().enumerate() {
            assert!(follow[i + 1..=i + next].iter().all(|follows| *follows), "{spec}");
        }
        assert_eq!(follow.iter().filter(|follows| **follows).count(), next.iter().sum());
        next
    };
    // Winograd's stages are computed by themselves.
    assert_eq!(of(D2L), [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(of(SMALL), [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]);
    assert!(of(&format!("{SMALL} where storage = f16")).iter().all(|next| *next == 0));
}

#[test]
fn direct_is_obeyed_for_a_net_and_for_a_layer() {
    let whole = format!("{D2L} where algorithm = direct");
    assert!(forward_methods(&net(&whole)).iter().all(|method| method == "direct"));
    let one = D2L.replace("kernel = 5, padding = 2", "kernel = 5, padding = 2, algorithm = direct");
    let methods = forward_methods(&net(&one));
    assert!(methods[0].starts_with("Winograd") && methods[3] == "direct", "{methods:?}");
}

#[test]
fn narrow_storage_halves_activations_and_needs_no_transformed_weights() {
    let wide = Plan::new(&net(D2L));
    for storage in ["f16", "bf16"] {
        let net = net(&format!("{D2L} where storage = {storage}"));
        let plan = Plan::new(&net);
        assert!(forward_methods(&net).iter().all(|method| method == "direct"));
        assert_eq!(plan.prepared, 0);
        let reasons = plan.layers.iter().filter_map(|layer| Some(&layer.conv.as_ref()?.reason));
        assert!(reasons.into_iter().all(|reason| *reason == format!("{storage} storage")));
        let len = |plan: &Plan| plan.layers[0].y.as_ref().map_or(0, |y| y.infer.len());
        assert_eq!(2 * len(&plan), len(&wide));
        assert!(10 * plan.scratch <= 6 * wide.scratch, "{} of {}", plan.scratch, wide.scratch);
    }
}

#[test]
fn single_images_go_through_layers_where_they_are_large_that_see_few_as_well_as_many() {
    let net = net(D2L);
    let layers = Plan::new(&net).layers;
    let of = |goes: fn(&LayerPlan) -> bool| layers.iter().map(goes).collect::<Vec<_>>();
    let forward = of(|layer| layer.forward_singly);
    // Up to the second pool: the third block's images are small.
    assert_eq!(forward, (0..layers.len()).map(|i| i <= 7).collect::<Vec<_>>());
    // Winograd's weight gradients sum over images.
    let backward = of(|layer| layer.backward_singly);
    assert_eq!(
        backward,
        (0..layers.len()).map(|i| [1, 2, 3, 5, 6, 7].contains(&i)).collect::<Vec<_>>()
    );
    let brief = of(|layer| layer.dy.as_ref().is_some_and(|dy| dy.brief));
    assert_eq!(brief, (0..layers.len()).map(|i| [1, 2, 5, 6].contains(&i)).collect::<Vec<_>>());
}

#[test]
fn inference_takes_images_alone_as_far_as_they_are_large() {
    for (spec, alone, kept) in [
        (D2L, 8, 256 * 12 * 12),
        // The second block's 6×6 pixels share the reading of weights.
        (
            "N<input(1, 18, 18), block(128, kernel = 1), dropout(0.1), max_pool(3, stride = 3), conv(3, kernel = 3), global_avg_pool>",
            5,
            128 * 6 * 6,
        ),
        // Fewer pixels, and fewer channels.
        ("N<input(1, 15, 16), conv(999, kernel = 1), global_avg_pool>", 0, 0),
        ("N<input(1, 16, 16), conv(48, kernel = 1), global_avg_pool>", 0, 0),
        ("N<input(1, 99, 99), max_pool(2), conv(4, kernel = 1), global_avg_pool>", 0, 0),
    ] {
        let plan = Plan::new(&net(spec));
        assert_eq!((plan.alone, plan.kept), (alone, kept), "{spec}");
    }
}

/// The modules whose gradients leave out zeros.
fn sparse(spec: &str) -> Vec<String> {
    let net = net(spec);
    let plan = Plan::new(&net);
    let mut modules = Vec::new();
    for (layer, plan) in net.layers.iter().zip(&plan.layers) {
        let Some(conv) = &plan.conv else { continue };
        assert_ne!(conv.forward, Method::Sparse, "{spec}");
        let gradients = [conv.weight_gradient, conv.input_gradient];
        if gradients.contains(&Method::Sparse) {
            assert_eq!(gradients, [Method::Sparse; 2], "{spec}");
            modules.push(layer.module.clone());
        }
    }
    modules
}

#[test]
fn gradients_are_sparse_in_pointwise_layers_before_a_max_pool_that_leaves_few_pixels() {
    for options in
        ["", " where algorithm = direct", " where storage = f16", " where storage = bf16"]
    {
        assert_eq!(sparse(&format!("{D2L}{options}")), ["0.4", "2.4", "4.4"], "{options}");
    }
    for (layers, are) in [
        ("block(5, kernel = 3), max_pool(3, stride = 2)", true),
        ("block(5, kernel = 3), max_pool(3, stride = 1)", false),
        ("block(5, kernel = 3), avg_pool(3, stride = 2)", false),
        ("block(5, kernel = 3), dropout(0.1), max_pool(3, stride = 2)", false),
        ("block(5, kernel = 3), conv(6, kernel = 3), max_pool(3, stride = 2)", false),
        ("block(5, kernel = 3), conv(6, kernel = 1, relu = false), max_pool(2)", true),
        ("conv(5, kernel = 3), conv(6, kernel = 1, stride = 2), max_pool(2)", false),
        // 18 × 18 pixels: windows leave a half, a third, and a pixel more than that in each row.
        ("block(5, kernel = 3), max_pool((1, 2))", false),
        ("block(5, kernel = 3), max_pool((1, 3))", true),
        ("block(5, kernel = 3), max_pool((1, 3), padding = (0, 1), ceil = true)", false),
        // The gradients of a layer that reads the image, and of one with too many channels.
        ("conv(5, kernel = 1), max_pool(2)", false),
        ("conv(5, kernel = 3), conv(4096, kernel = 1), max_pool(2)", true),
        ("conv(5, kernel = 3), conv(4097, kernel = 1), max_pool(2)", false),
    ] {
        let found =
            sparse(&format!("N<input(2, 20, 20), {layers}, conv(3, kernel = 1), global_avg_pool>"));
        assert_eq!(found.len(), usize::from(are), "{layers}: {found:?}");
    }
}

/// Work space that gradients of a sparse layer take over so many pixels: the input in panels of 64 pixels, if it
/// is not summed where it lies, the sums, and of 64 pixels each value and a bit.
fn sparse_work(pixels: usize, ci: usize, co: usize, in_place: bool) -> usize {
    let packed = if in_place { 0 } else { pixels.next_multiple_of(64) * ci };
    packed + ci * co + 66 * co
}

#[test]
fn work_space_of_sparse_gradients_is_for_an_image_or_all_of_each_lane() {
    // The other layers' direct sums read in place, and need none.
    let work = |layers: &str, options: &str| {
        let spec =
            format!("N<{layers}, max_pool(2), conv(3, kernel = 1), global_avg_pool>{options}");
        let plan = Plan::new(&net(&spec));
        (plan.train.work, plan.train.group.div_ceil(2), plan.layers[1].backward_singly)
    };
    let large = "input(1, 26, 20), conv(129, kernel = 1), conv(130, kernel = 1)";
    let (found, _, singly) = work(large, "");
    assert_eq!((found, singly), (2 * sparse_work(26 * 20, 144, 144, false), true));
    // Of seven columns the pool reads six.
    let small = large.replace("26, 20", "10, 7");
    let (found, lane, singly) = work(&small, "");
    assert_eq!((found, singly), (2 * sparse_work(lane * 10 * 6, 144, 144, false), false));
    let narrow = small.replace("129", "17");
    let (found, lane, _) = work(&narrow, "");
    assert_eq!(found, 2 * sparse_work(lane * 10 * 6, 32, 144, true));
    let (found, half_lane, _) = work(&narrow.replace("130", "30"), " where storage = f16");
    assert!(half_lane >= lane);
    assert_eq!(found, 2 * sparse_work(half_lane * 10 * 6, 32, 32, false));
}

/// Winograd's gradients of weights are sums over all lanes, and all others those of each lane.
#[test]
fn lanes_sum_the_gradients_that_are_not_transformed() {
    let net = net(D2L);
    let plan = Plan::new(&net);
    let mut places = Vec::new();
    for (layer, plan) in net.layers.iter().zip(&plan.layers) {
        let (Op::Conv { params, .. }, Some(conv)) = (&layer.op, &plan.conv) else { continue };
        let is_winograd = matches!(conv.weight_gradient, Method::Winograd(_));
        assert_eq!(conv.lane_sums.is_none(), is_winograd, "{}", layer.module);
        if let Some([weights, bias]) = &conv.lane_sums {
            assert_eq!((weights.len(), bias.len()), (params.weight_len, params.bias_len));
            places.extend([weights.clone(), bias.clone()]);
        }
    }
    assert!(places.windows(2).all(|two| two[0].end == two[1].start));
    // A part for the two pointwise layers of each block.
    let parts = &plan.train.lane_sums;
    assert_eq!(parts.len(), 4);
    assert_eq!(
        parts.iter().map(Range::len).sum::<usize>(),
        places.last().map_or(0, |last| last.end)
    );
}

#[test]
fn what_a_step_reads_and_writes_never_overlaps() {
    for spec in [
        D2L,
        "N<input(2, 9, 7), max_pool(2), dropout(0.1), conv(5, kernel = 3), dropout(0.2), block(3, 4, 5, kernel = 1), avg_pool((2, 1)), global_avg_pool>",
    ] {
        let net = net(spec);
        let plan = Plan::new(&net);
        for layer in &plan.layers {
            let (Some(x), Some(y)) = (&layer.x, &layer.y) else { continue };
            let disjoint =
                |a: &Range<usize>, b: &Range<usize>| a.end <= b.start || b.end <= a.start;
            let apart = x.kept != y.kept || disjoint(&x.infer, &y.infer);
            assert!(x == y || (apart && disjoint(&x.train, &y.train)));
            if let Some(conv) = &layer.conv {
                assert!([x, y].iter().all(|a| a.kept || disjoint(&conv.work, &a.infer)));
            }
            if let (Some(dx), Some(dy)) = (&layer.dx, &layer.dy) {
                let apart = dx.brief != dy.brief || disjoint(&dx.place, &dy.place);
                assert!(dx == dy || apart);
                assert!([dx, dy].iter().all(|d| d.brief || disjoint(&d.place, &x.train)));
            }
        }
    }
}
