//! Readers of IDX files, the format of MNIST and Fashion-MNIST, gzip-compressed or plain.
//!
//! A header of big-endian 32-bit numbers – a magic number and one size for each dimension – is followed
//! by the bytes of the images or labels. What a header promises is believed only as far as the file
//! bears it out: memory grows with the data that arrive.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

/// Magic numbers: two zeros, the type (8: unsigned bytes), the number of dimensions.
const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Grey images of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxImages {
    /// The number of images.
    pub count: usize,
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// `(count, rows, columns)`: one byte a pixel, 0 to 255.
    pub pixels: Vec<u8>,
}

impl IdxImages {
    /// Reads a file of images such as `train-images-idx3-ubyte.gz`.
    ///
    /// # Errors
    /// [`Error::Dataset`] if the file is missing or not what its header says.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let ([count, rows, columns], pixels) = read(path, IMAGES_MAGIC, "images")?;
        Ok(Self { count, rows, columns, pixels })
    }

    /// The pixels of image `i`, row by row.
    ///
    /// # Panics
    /// If there is no image `i`.
    #[must_use]
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.rows * self.columns;
        &self.pixels[i * size..][..size]
    }
}

/// The classes of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxLabels {
    /// One class an image.
    pub labels: Vec<u8>,
}

impl IdxLabels {
    /// Reads a file of labels such as `train-labels-idx1-ubyte.gz`.
    ///
    /// # Errors
    /// [`Error::Dataset`] if the file is missing or not what its header says.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let ([_], labels) = read(path.as_ref(), LABELS_MAGIC, "labels")?;
        Ok(Self { labels })
    }
}

/// Images and their classes, as many of these as of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxDataset {
    /// The images.
    pub images: IdxImages,
    /// The class of each.
    pub labels: Vec<u8>,
}

impl IdxDataset {
    /// Reads one part of a data set of MNIST's family from its folder: the files
    /// `{part}-images-idx3-ubyte` and `{part}-labels-idx1-ubyte`, either with or without `.gz`. The parts
    /// are `train` and `t10k`.
    ///
    /// # Errors
    /// [`Error::Dataset`] if a file is missing or not what its header says, or if there are more images than
    /// labels or fewer.
    pub fn read(folder: impl AsRef<Path>, part: &str) -> Result<Self> {
        let folder = folder.as_ref();
        let images_path = find(folder, &format!("{part}-images-idx3-ubyte"))?;
        let labels_path = find(folder, &format!("{part}-labels-idx1-ubyte"))?;
        let images = IdxImages::read(images_path)?;
        let IdxLabels { labels } = IdxLabels::read(&labels_path)?;
        if labels.len() != images.count {
            let problem = format!(
                "{} labels, expected one for each of {} images",
                labels.len(),
                images.count
            );
            return Err(error(&labels_path, problem));
        }
        Ok(Self { images, labels })
    }
}

fn error(path: &Path, problem: String) -> Error {
    Error::Dataset { path: path.display().to_string(), problem }
}

/// The file `name` in `folder`, compressed or not.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let compressed = folder.join(format!("{name}.gz"));
    let plain = folder.join(name);
    [compressed, plain]
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| error(folder, format!("neither {name}.gz nor {name} is there")))
}

/// The sizes and the content of the file at `path`, whose magic number should be `magic` and whose
/// content is `what`.
fn read<const D: usize>(path: &Path, magic: u32, what: &str) -> Result<([usize; D], Vec<u8>)> {
    let file = File::open(path).map_err(|e| error(path, format!("cannot be opened: {e}")))?;
    decompress(file)
        .and_then(|mut reader| parse(&mut reader, magic, what))
        .map_err(|e| error(path, describe(&e)))
}

/// The bytes of a file: as they are, or decompressed if they start with gzip's magic number.
fn decompress(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    (&mut file).take(2).read_to_end(&mut start)?;
    let gzip = start == [0x1f, 0x8b];
    let whole = BufReader::new(io::Cursor::new(start).chain(file));
    Ok(if gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

fn parse<const D: usize>(
    reader: &mut dyn Read,
    magic: u32,
    what: &str,
) -> io::Result<([usize; D], Vec<u8>)> {
    let found = number(reader)?;
    if found != magic {
        return Err(invalid(format!(
            "magic number {found:#010x}, expected {magic:#010x} for {what}"
        )));
    }
    let mut sizes = [0; D];
    for size in &mut sizes {
        *size = number(reader)? as usize;
    }
    let length = sizes.iter().try_fold(1, |length: usize, size| length.checked_mul(*size));
    let Some(length) = length.filter(|length| *length > 0) else {
        return Err(invalid(format!("the header says {what} of sizes {sizes:?}")));
    };
    let mut content = Vec::new();
    (&mut *reader).take(length as u64).read_to_end(&mut content)?;
    if content.len() < length {
        let got = content.len();
        return Err(invalid(format!(
            "truncated: {got} bytes of {what}, expected {length} for sizes {sizes:?}"
        )));
    }
    // Reading on to the end also checks gzip's checksum.
    if reader.read(&mut [0])? > 0 {
        return Err(invalid(format!(
            "trailing bytes: expected {length} bytes of {what} for sizes {sizes:?}"
        )));
    }
    content.shrink_to_fit();
    Ok((sizes, content))
}

fn number(reader: &mut dyn Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            String::from("truncated: the file ends within its header or its gzip data")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// A folder that goes when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("nin-idx-{}-{test}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn idx(header: &[u32], content: &[u8]) -> Vec<u8> {
        header.iter().flat_map(|n| n.to_be_bytes()).chain(content.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Two images of 2 × 3.
    fn images() -> Vec<u8> {
        idx(&[IMAGES_MAGIC, 2, 2, 3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255])
    }

    #[track_caller]
    fn check_rejected(test: &str, bytes: &[u8], problem: &str) {
        let folder = Folder::new(test);
        let path = folder.write("images", bytes);
        let message = IdxImages::read(&path).unwrap_err().to_string();
        assert_eq!(message, format!("{}: {problem}", path.display()));
    }

    #[test]
    fn images_are_read_compressed_and_plain() {
        let folder = Folder::new("images");
        for (name, bytes) in [("plain", images()), ("compressed", gzip(&images()))] {
            let images = IdxImages::read(folder.write(name, &bytes)).unwrap();
            assert_eq!((images.count, images.rows, images.columns), (2, 2, 3));
            assert_eq!(images.image(1), [6, 7, 8, 9, 10, 255]);
        }
    }

    #[test]
    fn a_part_is_read_from_its_folder() {
        let folder = Folder::new("part");
        folder.write("train-images-idx3-ubyte.gz", &gzip(&images()));
        folder.write("train-labels-idx1-ubyte", &idx(&[LABELS_MAGIC, 2], &[7, 3]));
        let part = IdxDataset::read(&folder.0, "train").unwrap();
        assert_eq!((part.images.count, part.labels), (2, vec![7, 3]));
    }

    #[test]
    fn missing_files_are_named() {
        let folder = Folder::new("absent");
        let at = folder.0.display();
        assert_eq!(
            IdxDataset::read(&folder.0, "t10k").unwrap_err().to_string(),
            format!("{at}: neither t10k-images-idx3-ubyte.gz nor t10k-images-idx3-ubyte is there")
        );
        let message = IdxLabels::read(folder.0.join("none")).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{at}/none: cannot be opened: ")), "{message}");
    }

    #[test]
    fn images_and_labels_of_different_number_are_rejected() {
        let folder = Folder::new("pair");
        folder.write("train-images-idx3-ubyte", &images());
        let labels = folder.write("train-labels-idx1-ubyte", &idx(&[LABELS_MAGIC, 3], &[7, 3, 1]));
        assert_eq!(
            IdxDataset::read(&folder.0, "train").unwrap_err().to_string(),
            format!("{}: 3 labels, expected one for each of 2 images", labels.display())
        );
    }

    #[test]
    fn labels_are_not_taken_for_images() {
        let labels = idx(&[LABELS_MAGIC, 1], &[7]);
        let problem = "magic number 0x00000801, expected 0x00000803 for images";
        check_rejected("magic", &labels, problem);
        check_rejected("magic-gzip", &gzip(&labels), problem);
    }

    #[test]
    fn a_file_that_ends_early_is_rejected_wherever_it_ends() {
        let whole = images();
        for length in 0..whole.len() {
            let problem = if length < 16 {
                "truncated: the file ends within its header or its gzip data".to_string()
            } else {
                format!(
                    "truncated: {} bytes of images, expected 12 for sizes [2, 2, 3]",
                    length - 16
                )
            };
            check_rejected("truncated", &whole[..length], &problem);
            check_rejected("truncated-content", &gzip(&whole[..length]), &problem);
        }
        let compressed = gzip(&whole);
        for length in 2..compressed.len() {
            let problem = "truncated: the file ends within its header or its gzip data";
            check_rejected("truncated-gzip", &compressed[..length], problem);
        }
    }

    #[test]
    fn trailing_bytes_are_rejected() {
        let longer = [&images()[..], &[0]].concat();
        let problem = "trailing bytes: expected 12 bytes of images for sizes [2, 2, 3]";
        check_rejected("trailing", &longer, problem);
        check_rejected("trailing-gzip", &gzip(&longer), problem);
    }

    #[test]
    fn sizes_without_content_or_beyond_memory_are_rejected() {
        for sizes in [[0, 28, 28], [u32::MAX, 0, 1], [u32::MAX; 3]] {
            let header = idx(&[IMAGES_MAGIC, sizes[0], sizes[1], sizes[2]], &[]);
            check_rejected("sizes", &header, &format!("the header says images of sizes {sizes:?}"));
        }
    }

    #[test]
    fn a_header_that_promises_more_than_the_file_holds_costs_no_memory() {
        let header = idx(&[IMAGES_MAGIC, 1 << 30, 1 << 10, 1 << 10], &[1, 2, 3]);
        check_rejected(
            "promise",
            &header,
            "truncated: 3 bytes of images, expected 1125899906842624 for sizes [1073741824, 1024, 1024]",
        );
    }

    #[test]
    fn damaged_gzip_data_are_rejected() {
        let mut bytes = gzip(&images());
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        check_rejected("checksum", &bytes, "corrupt gzip stream does not have a matching checksum");
    }
}
