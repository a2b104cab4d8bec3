//! Weight files: streamed in, and replaced in one step that no crash can halve.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{decode, header};
use crate::simd::Element;
use crate::{Error, ParamInfo, Result};

/// Bytes that are read and decoded at a time; a multiple of every format's element.
const CHUNK: usize = 16 * 1024;

/// Reads the weights of a net from the `.safetensors` file at `path` into `arena`. The tensors may be
/// of type `F32`, `F16` or `BF16`, in any order.
///
/// # Errors
/// [`Error::Weights`] if the file is no such file or holds other tensors than `table` lists – then
/// `arena` is as it was –, or a number that is too large for a `T`. [`Error::Io`] if the system can't
/// open or read the file.
pub fn load<T: Element>(path: &Path, table: &[ParamInfo], arena: &mut [T]) -> Result<()> {
    let fail = |problem| Error::Weights { path: path.display().to_string(), problem };
    let refused = |source| Error::Io { path: path.display().to_string(), source };
    let mut file = File::open(path).map_err(refused)?;
    let size = file.metadata().map_err(refused)?.len();
    let Some(rest) = size.checked_sub(header::PREFIX as u64) else {
        return Err(fail(header::no_prefix()));
    };
    let mut prefix = [0; header::PREFIX];
    file.read_exact(&mut prefix).map_err(refused)?;
    let mut header = vec![0; header::length(prefix, rest, table.len()).map_err(fail)?];
    file.read_exact(&mut header).map_err(refused)?;
    let data = rest - header.len() as u64;
    let stored = header::check(&header, data, table).map_err(fail)?;
    let mut chunk = [0; CHUNK];
    for tensor in stored {
        let param = &table[tensor.param];
        let (mut places, mut left) = (param.indices(), tensor.bytes(table));
        while left > 0 {
            let chunk = &mut chunk[..left.min(CHUNK)];
            file.read_exact(chunk).map_err(refused)?;
            decode(tensor.format, chunk, param, places.by_ref(), arena)
                .map_err(|problem| fail(problem.to_string()))?;
            left -= chunk.len();
        }
    }
    Ok(())
}

/// Writes the weights in `arena` to a `.safetensors` file of its type at `path`, in one step: whoever
/// opens `path` finds the old file or the new one, whole, even if the process or the machine stops in
/// between. The new file is first written beside the old one as `.nin-*.tmp`.
///
/// # Errors
/// [`Error::Io`] if the system can't write in the folder of `path`.
pub fn save<T: Element>(path: &Path, table: &[ParamInfo], arena: &[T]) -> Result<()> {
    replace(path, |file| {
        file.write_all(&header::write(table, T::FORMAT))?;
        for param in table {
            for place in param.indices() {
                file.write_all(arena[place].to_le_bytes().as_ref())?;
            }
        }
        Ok(())
    })
    .map_err(|source| Error::Io { path: path.display().to_string(), source })
}

/// Puts what `write` writes in the place of the file at `path`.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (temporary, file) = create_in(folder)?;
    write_through(&file, write).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // What went wrong first is what the caller hears of.
        let _ = fs::remove_file(&temporary);
    })?;
    sync_folder(folder)
}

/// Creates a file of a new name in `folder`. It has to be the folder of the file that it will replace: a
/// rename works only within one file system.
fn create_in(folder: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".nin-{}-{count}.tmp", process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            // A process that had our number was killed here.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Writes and waits until it is on the disk: only then may a name point to it.
fn write_through(
    file: &File,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = BufWriter::with_capacity(CHUNK, file);
    write(&mut buffer)?;
    buffer.flush()?;
    file.sync_all()
}

/// Puts a rename in `folder` on the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
