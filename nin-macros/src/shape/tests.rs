use crate::check::check;
use crate::net::Net;
use crate::source::Source;

const D2L: &str = "
    /// NiN of the book.
    pub D2lNin<
        input(1, 224, 224),
        block(96, kernel = 11, stride = 4) -> (96, 54, 54),
        max_pool(3, stride = 2) -> (96, 26, 26),
        block(256, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(384, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >";

const CIFAR: &str = "CifarNin<
        input(3, 32, 32),
        block(192, 160, 96, kernel = 5, padding = 2),
        max_pool(3, stride = 2, ceil = true) -> (96, 16, 16),
        dropout(0.5),
        block(192, kernel = 5, padding = 2),
        avg_pool(3, stride = 2, ceil = true) -> (192, 8, 8),
        dropout(0.5),
        block(192, 192, 10, kernel = 3, padding = 1),
        global_avg_pool
    >";

fn net(spec: &str) -> Net {
    let checked = check(&Source::new(spec.parse().expect("the test's spec lexes")));
    checked.net.unwrap_or_else(|| panic!("{:#?}", checked.errors))
}

#[test]
fn the_nets_of_the_book_and_the_paper_have_the_known_costs() {
    for (spec, params, macs, classes) in
        [(D2L, 1_992_166, 762_297_352, 10), (CIFAR, 966_986, 222_486_528, 10)]
    {
        let net = net(spec);
        assert_eq!((net.params(), net.macs(), net.classes()), (params, macs, classes));
        net.verify().expect("the net is whole");
    }
}

#[test]
fn layers_are_named_as_in_pytorch() {
    let modules: Vec<String> = net(D2L).layers.iter().map(|layer| layer.module.clone()).collect();
    let expected = [
        "0.0", "0.2", "0.4", "1", "2.0", "2.2", "2.4", "3", "4.0", "4.2", "4.4", "5", "6", "7.0",
        "7.2", "7.4", "8",
    ];
    assert_eq!(modules, expected);
}

#[test]
fn receptive_fields_grow_with_kernels_and_strides() {
    let fields: Vec<usize> = net(D2L).layers.iter().map(|layer| layer.receptive_field.0).collect();
    let expected = [11, 11, 11, 19, 51, 51, 51, 67, 99, 99, 99, 131, 131, 195, 195, 195, 224];
    assert_eq!(fields, expected);
}

#[test]
fn every_word_of_the_grammar_is_understood() {
    let specs = [
        "A<input(1, 8, 8), block(4, kernel = 3), global_avg_pool>",
        "pub(crate) A<input(1, 8, 8,), block(4, 5, 6, kernel = (3, 1), stride = (1, 2), padding = (1, 0),), global_avg_pool,> ",
        "pub(in crate::a) A<input(1, 8, 8), conv(4, kernel = 3, relu = false, algorithm = direct), global_avg_pool -> (4, 1, 1)>",
        "#[derive(Clone)] #[cfg(test)] A<input(1, 8, 8) -> (1, 8, 8), avg_pool(2), max_pool((2, 1), stride = (1, 2), padding = (1, 0), ceil = false), block(3, kernel = 1, algorithm = auto), dropout(0), global_avg_pool> where algorithm = direct,",
        "A<input(1, 8, 8), conv(1_0, kernel = 0x2), global_avg_pool> where storage = f32, ram_budget = 256 KiB",
        "A<input(1, 8, 8), conv(10, kernel = 2), global_avg_pool> where ram_budget = 1MiB, storage = f32",
        "r#type<input(1, 8, 8), conv(10, kernel = 2), global_avg_pool> where ram_budget = 4096",
    ];
    for spec in specs {
        net(spec).verify().expect("the net is whole");
    }
}

#[test]
fn options_arrive_in_the_net() {
    let spec = "A<input(1, 8, 8), conv(10, kernel = 2), global_avg_pool> \
        where algorithm = direct, storage = f32, ram_budget = 256 KiB";
    let options = net(spec).options;
    assert_eq!(options.ram_budget, Some(256 * 1024));
    assert_eq!(options.storage, crate::net::Format::F32);
    assert_eq!(options.algorithm, crate::net::Algorithm::Direct);
}

#[test]
fn sizes_and_refusals_are_those_of_pytorch() {
    for line in include_str!("pytorch_sizes.txt").lines().filter(|line| !line.starts_with('#')) {
        let (operation, numbers) = line.split_once(' ').expect("an operation and its numbers");
        let numbers: Vec<u64> =
            numbers.split(' ').map(|n| n.parse().expect("a whole number")).collect();
        let [input, kernel, stride, padding, ceil, output] = numbers[..] else { panic!("{line}") };
        // The single row is read by a single row; the columns are put to the test.
        let slide = format!("stride = {stride}, padding = (0, {padding})");
        let element = match operation {
            "conv" => format!("conv(2, kernel = (1, {kernel}), {slide})"),
            _ => format!("max_pool((1, {kernel}), {slide}, ceil = {})", ceil == 1),
        };
        let spec =
            format!("A<input(1, 1, {input}), {element}, conv(1, kernel = 1), global_avg_pool>");
        let checked = check(&Source::new(spec.parse().expect("the test's spec lexes")));
        let computed = checked.net.map_or(0, |net| net.layers[0].output.w as u64);
        assert_eq!(computed, output, "{line}: {:?}", checked.errors);
    }
}

#[test]
fn remarks_stand_in_notes() {
    for (element, note) in [
        (
            "max_pool(2, stride = 3)",
            Some("stride 3 is larger than the window 2: some rows and columns are never looked at"),
        ),
        ("max_pool((2, 1), stride = (2, 1))", None),
        ("conv(4, kernel = 3, stride = 3)", None),
        (
            "conv(4, kernel = 4, stride = 4)",
            Some("cut off at the end: 2 rows and 3 columns, which no window reaches"),
        ),
        (
            "conv(4, kernel = 4, padding = 2)",
            Some("kernel 4 is even, so no padding keeps the number of rows and columns"),
        ),
        (
            "conv(4, kernel = (1, 4), padding = (0, 2))",
            Some("kernel (1, 4) is even, so no padding keeps the number of columns"),
        ),
        (
            "conv(4, kernel = 1, padding = 1)",
            Some(
                "padding is as large as the window: the outermost rows and columns see nothing but zeros",
            ),
        ),
        ("conv(4, kernel = 3, padding = 1)", None),
    ] {
        let net =
            net(&format!("A<input(1, 30, 31), {element}, conv(10, kernel = 1), global_avg_pool>"));
        let notes = &net.layers[0].notes;
        match note {
            Some(note) => assert!(notes.iter().any(|n| n == note), "{element}: {notes:?}"),
            None => assert!(notes.iter().all(|n| n.starts_with("cut off")), "{element}: {notes:?}"),
        }
    }
}
