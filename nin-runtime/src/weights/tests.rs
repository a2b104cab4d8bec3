use std::{
    fs,
    path::{Path, PathBuf},
    string::{String, ToString},
    vec::Vec,
};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{from_bytes, load, save};
use crate::{Error, Order, ParamInfo};

/// Two layers whose channel counts leave the panels ragged, one in either order.
const TABLE: &[ParamInfo] = &[
    ParamInfo { name: "0.0.weight", shape: &[5, 2, 3, 2], offset: 0, order: Order::Planar },
    ParamInfo { name: "0.0.bias", shape: &[5], offset: 192, order: Order::Planar },
    ParamInfo {
        name: "2.0.weight",
        shape: &[17, 5, 2, 1],
        offset: 208,
        order: Order::ChannelsLast,
    },
    ParamInfo { name: "2.0.bias", shape: &[17], offset: 528, order: Order::ChannelsLast },
];
const ARENA: usize = 560;

/// Name, type, shape and bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// Weights that half precision holds exactly.
fn arena() -> Vec<f32> {
    let mut arena = vec![0.0; ARENA];
    for (i, place) in TABLE.iter().flat_map(ParamInfo::indices).enumerate() {
        arena[place] = (i % 101) as f32 / 4.0 - 12.0;
    }
    arena
}

/// The tensors of `arena` as any writer of the format would hand them over.
fn tensors(arena: &[f32], dtype: Dtype) -> Vec<Tensor> {
    let encode = |value: f32| match dtype {
        Dtype::F32 => value.to_le_bytes().to_vec(),
        Dtype::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(value).to_le_bytes().to_vec(),
        other => panic!("{other}"),
    };
    TABLE
        .iter()
        .map(|param| {
            let bytes = (0..param.len()).flat_map(|i| encode(arena[param.index(i)])).collect();
            (param.name.to_string(), dtype, param.shape.to_vec(), bytes)
        })
        .collect()
}

fn serialize(tensors: &[Tensor]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// The file of `arena` with its header replaced by `edit` of it.
fn with_header(edit: impl Fn(&str) -> String) -> Vec<u8> {
    let bytes = serialize(&tensors(&arena(), Dtype::F32));
    let (prefix, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*prefix) as usize);
    let header = edit(core::str::from_utf8(header).unwrap());
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nin-weights-{}-{test}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Asserts that `bytes` fail with `problem`, from memory and from a file, and leave the arena alone.
#[track_caller]
fn check_rejected(test: &str, bytes: &[u8], problem: &str) {
    let before: Vec<f32> = (0..ARENA).map(|i| i as f32).collect();
    let mut after = before.clone();
    let error = from_bytes(bytes, TABLE, &mut after).unwrap_err();
    assert_eq!(error.to_string(), format!("weights in memory: {problem}"));
    assert_eq!(after, before);

    let folder = folder(test);
    let path = folder.join("bad.safetensors");
    fs::write(&path, bytes).unwrap();
    let error = load(&path, TABLE, &mut after).unwrap_err();
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(error.to_string(), format!("{}: {problem}", path.display()));
    assert_eq!(after, before);
}

#[test]
fn what_is_saved_loads_to_the_same_bits() {
    let folder = folder("round-trip");
    let path = folder.join("net.safetensors");
    let mut weights = arena();
    weights[TABLE[0].index(3)] = f32::NAN;
    weights[TABLE[2].index(7)] = f32::from_bits(1);
    save(&path, TABLE, &weights).unwrap();
    let mut loaded = vec![0.0; ARENA];
    load(&path, TABLE, &mut loaded).unwrap();
    let bits = |weights: &[f32]| weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&loaded), bits(&weights));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_reference_reader_reads_what_is_saved() {
    let folder = folder("reference");
    let path = folder.join("net.safetensors");
    let weights = arena();
    save(&path, TABLE, &weights).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header % 8, 0);
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    let read = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.len(), TABLE.len());
    for (name, dtype, shape, bytes) in tensors(&weights, Dtype::F32) {
        let tensor = read.tensor(&name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape(), tensor.data()), (dtype, &*shape, &*bytes));
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn files_of_single_and_half_precision_load_in_any_order() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let mut tensors = tensors(&arena(), dtype);
        tensors.reverse();
        let mut loaded = vec![0.0; ARENA];
        from_bytes(&serialize(&tensors), TABLE, &mut loaded).unwrap();
        assert_eq!(loaded, arena(), "{dtype}");
    }
}

#[test]
fn a_file_longer_than_a_chunk_loads() {
    const LARGE: &[ParamInfo] = &[ParamInfo {
        name: "0.0.weight",
        shape: &[16, 7, 11, 13],
        offset: 0,
        order: Order::ChannelsLast,
    }];
    let folder = folder("large");
    let path = folder.join("net.safetensors");
    let weights: Vec<f32> = (0..16 * 7 * 11 * 13).map(|i| i as f32).collect();
    save(&path, LARGE, &weights).unwrap();
    let mut loaded = vec![0.0; weights.len()];
    load(&path, LARGE, &mut loaded).unwrap();
    assert_eq!(loaded, weights);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_padding_of_panels_is_not_written() {
    let mut loaded = vec![f32::INFINITY; ARENA];
    from_bytes(&serialize(&tensors(&arena(), Dtype::F32)), TABLE, &mut loaded).unwrap();
    let weights: usize = TABLE.iter().map(ParamInfo::len).sum();
    assert_eq!(loaded.iter().filter(|w| w.is_finite()).count(), weights);
}

#[test]
fn other_tensors_than_the_nets_are_named_with_what_was_expected() {
    let with = |edit: fn(&mut Vec<Tensor>)| {
        let mut tensors = tensors(&arena(), Dtype::F32);
        edit(&mut tensors);
        serialize(&tensors)
    };
    let missing = with(|t| drop(t.remove(2)));
    let extra = with(|t| t.push(("4.0.bias".into(), Dtype::F32, vec![2], vec![0; 8])));
    let shape = with(|t| t[2].2 = vec![17, 10, 1, 1]);
    let dtype = with(|t| t[3] = (t[3].0.clone(), Dtype::I32, vec![17], vec![0; 68]));
    let double = serialize(&tensors(&arena(), Dtype::F64));
    for (test, bytes, problem) in [
        ("missing", missing, "tensor `2.0.weight` of shape [17, 5, 2, 1] is missing"),
        ("extra", extra, "unexpected tensor `4.0.bias` of shape [2]: the net has none such"),
        ("shape", shape, "tensor `2.0.weight` has shape [17, 10, 1, 1], expected [17, 5, 2, 1]"),
        ("type", dtype, "tensor `2.0.bias` has type I32, expected F32, F16 or BF16"),
        ("double", double, "tensor `0.0.bias` has type F64, expected F32, F16 or BF16"),
    ] {
        check_rejected(test, &bytes, problem);
    }
}

#[test]
fn a_file_of_another_length_than_its_header_says_is_rejected() {
    let whole = serialize(&tensors(&arena(), Dtype::F32));
    let header = u64::from_le_bytes(*whole.first_chunk().unwrap());
    let data = whole.len() as u64 - 8 - header;
    let no_prefix =
        "not a safetensors file: it ends before the 8 bytes of its header's length".to_string();
    for length in 0..whole.len() {
        let rest = length as u64 - 8.min(length as u64);
        let problem = if length < 8 {
            no_prefix.clone()
        } else if rest < header {
            format!(
                "truncated, or not a safetensors file: a header of {header} bytes is announced, {rest} follow"
            )
        } else {
            format!("truncated: {} bytes of weights, expected {data}", rest - header)
        };
        check_rejected("truncated", &whole[..length], &problem);
    }
    let longer = [&whole[..], &[0]].concat();
    let problem = format!("trailing bytes: {} bytes of weights, expected {data}", data + 1);
    check_rejected("trailing", &longer, &problem);
}

#[test]
fn offsets_that_lie_are_rejected() {
    // The writer sorts by name: 0.0.bias, 0.0.weight, 2.0.bias, 2.0.weight.
    for (test, from, to, problem) in [
        (
            "overlap",
            "[20,260]",
            "[16,256]",
            "tensor `0.0.weight` stands at bytes 16..256 of the data, expected 20..260",
        ),
        (
            "hole",
            "[328,1008]",
            "[332,1012]",
            "tensor `2.0.weight` stands at bytes 332..1012 of the data, expected 328..1008",
        ),
        (
            "short",
            "[328,1008]",
            "[328,1004]",
            "tensor `2.0.weight` stands at bytes 328..1004 of the data, expected 328..1008",
        ),
        (
            "backwards",
            "[328,1008]",
            "[328,0]",
            "tensor `2.0.weight` stands at bytes 328..0 of the data, expected 328..1008",
        ),
        (
            "huge",
            "[328,1008]",
            "[328,18446744073709551615]",
            "tensor `2.0.weight` stands at bytes 328..18446744073709551615 of the data, expected 328..1008",
        ),
    ] {
        let bytes = with_header(|header| {
            assert!(header.contains(from), "{header}");
            header.replace(from, to)
        });
        check_rejected(test, &bytes, problem);
    }
}

#[test]
fn headers_that_no_writer_makes_are_rejected() {
    let malformed = |json: &str, problem: &str| {
        let bytes = [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat();
        check_rejected("malformed", &bytes, &format!("the header is malformed: {problem}"));
    };
    malformed("", "EOF while parsing a value at line 1 column 0");
    malformed("[]", "invalid type: sequence, expected an object of tensors at line 1 column 0");
    malformed("{}x", "trailing characters at line 1 column 3");
    malformed(
        r#"{"0.0.bias":{"dtype":"F32","shape":[-5],"data_offsets":[0,20]}}"#,
        "invalid value: integer `-5`, expected usize at line 1 column 38",
    );
    let long = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    check_rejected(
        "long",
        &long,
        "truncated, or not a safetensors file: a header of 18446744073709551615 bytes is announced, 2 follow",
    );
    let mut padded = (1u64 << 21).to_le_bytes().to_vec();
    padded.resize(8 + (1 << 21), b' ');
    check_rejected(
        "padded",
        &padded,
        "the header has 2097152 bytes, expected at most 1052672 for 4 tensors",
    );
    let twice = with_header(|header| {
        let first = r#"{"0.0.bias":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}"#;
        header
            .replace(
                first,
                &format!("{first},{}", first.trim_start_matches('{').replace("[0,20]", "[20,40]")),
            )
            .replace("[20,260]", "[40,280]")
    });
    check_rejected("twice", &twice, "tensor `0.0.bias` appears twice");
}

#[test]
fn any_byte_of_the_header_may_be_wrong_without_a_panic() {
    let whole = serialize(&tensors(&arena(), Dtype::F32));
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    for position in 0..header {
        for value in [0, b'0', b'9', b'{', b'"', b',', 0xff] {
            let mut bytes = whole.clone();
            bytes[position] = value;
            let _ = from_bytes(&bytes, TABLE, &mut vec![0.0; ARENA]);
        }
    }
}

#[test]
fn a_missing_file_and_a_folder_are_errors_of_the_system() {
    let folder = folder("missing");
    for path in [folder.join("none.safetensors"), folder.clone()] {
        let error = load(&path, TABLE, &mut vec![0.0; ARENA]).unwrap_err();
        let (Error::Io { path: named, .. } | Error::Weights { path: named, .. }) = &error else {
            panic!("{error}");
        };
        assert_eq!(Path::new(named), path);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_failed_save_leaves_the_old_file_and_nothing_else() {
    let folder = folder("failed-save");
    // A folder of that name can't be replaced by a file, so the rename fails.
    let path = folder.join("net.safetensors");
    fs::create_dir(&path).unwrap();
    assert!(matches!(save(&path, TABLE, &arena()), Err(Error::Io { .. })));
    assert!(save(&folder.join(".."), TABLE, &arena()).is_err());
    assert!(save(&folder.join("no/net.safetensors"), TABLE, &arena()).is_err());
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [path]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn saves_of_several_threads_to_one_path_do_not_mix() {
    let folder = folder("threads");
    let path = folder.join("net.safetensors");
    std::thread::scope(|scope| {
        for value in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..10 {
                    save(path, TABLE, &[value as f32; ARENA]).unwrap();
                    let mut loaded = vec![-1.0; ARENA];
                    load(path, TABLE, &mut loaded).unwrap();
                    let weights: Vec<_> =
                        TABLE.iter().flat_map(ParamInfo::indices).map(|i| loaded[i]).collect();
                    assert!(weights.iter().all(|w| *w == weights[0]), "{weights:?}");
                }
            });
        }
    });
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}
