//! Once a net and its trainer are there, nothing allocates; and what they take is what they say.

mod nets;

use nets::{D2lF16, D2lNin, Mixed, MixedF16, images, labels};
use nin::prelude::*;
use nin::{Buffer, Threads};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what all threads ask of the system's allocator.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        let bytes = BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(bytes, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `f` gives, the bytes that it keeps, and the most that it had at a time.
fn measure<R>(f: impl FnOnce() -> R) -> (R, usize, usize) {
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = f();
    (result, BYTES.load(Relaxed) - before, PEAK.load(Relaxed) - before)
}

/// Fails if `f`, called a hundred times, allocates even once, on whatever thread.
fn check(entry: &str, threads: usize, mut f: impl FnMut()) {
    let before = CALLS.load(Relaxed);
    (0..100).for_each(|_| f());
    let calls = CALLS.load(Relaxed) - before;
    assert_eq!(calls, 0, "{entry} with {threads} threads");
}

macro_rules! entry_points_allocate_nothing {
    ($net:ident, $threads:expr, $optimizer:expr) => {{
        let (threads, optimizer) = ($threads, $optimizer);
        let (images, labels) = (images(6), labels(6));
        let mut net = $net::new(1);
        let mut scratch = $net::scratch();
        let mut batch = $net::batch_scratch();
        let mut logits = [[0.0; 10]; 6];
        let mut trainer = $net::trainer::<6>(optimizer, 2);
        check("forward", threads, || {
            logits[0] = net.forward(&images[0], &mut scratch);
        });
        for n in [1, 5, 6] {
            check("forward_batch_into", threads, || {
                net.forward_batch_into(&images[..n], &mut logits[..n], &mut batch);
            });
        }
        check("step", threads, || {
            trainer.step(&mut net, &images, &labels).expect("the batch fits");
        });
        check("backward and apply", threads, || {
            trainer.backward(&net, &images[..3], &labels[..3]).expect("the batch fits");
            trainer.apply(&mut net);
        });
        check("a step that fails", threads, || {
            trainer.step(&mut net, &images, &labels[1..]).expect_err("a label is missing");
        });
    }};
}

fn a_trainer_takes_what_train_bytes_says() {
    let optimizers = || (Sgd::new(0.1).momentum(0.9), Adam::new(0.001));
    let (sgd, adam) = optimizers();
    let (_trainer, kept, peak) = measure(|| D2lNin::trainer::<16>(sgd, 1));
    let said = D2lNin::train_bytes::<16, Sgd>();
    println!("d2l, 16 images: {said} bytes to train by SGD");
    assert_eq!((kept, peak), (said, said), "d2l by SGD");
    let (_trainer, kept, peak) = measure(|| D2lNin::trainer::<16>(adam, 1));
    let said = D2lNin::train_bytes::<16, Adam>();
    println!("d2l, 16 images: {said} bytes to train by Adam");
    assert_eq!((kept, peak), (said, said), "d2l by Adam");
    let (sgd, adam) = optimizers();
    let (_trainer, kept, peak) = measure(|| D2lF16::trainer::<128>(sgd.clone(), 1));
    let said = D2lF16::train_bytes::<128, Sgd>();
    println!("d2l as f16, 128 images: {said} bytes to train by SGD");
    assert_eq!((kept, peak), (said, said), "d2l as f16 by SGD");
    let (_trainer, kept, _) = measure(|| Mixed::trainer::<3>(sgd, 1));
    assert_eq!(kept, Mixed::train_bytes::<3, Sgd>(), "a small net by SGD");
    let (_trainer, kept, _) = measure(|| Mixed::trainer::<33>(adam, 1));
    assert_eq!(kept, Mixed::train_bytes::<33, Adam>(), "a small net by Adam");
}

/// What a buffer of so many bytes takes from the allocator.
fn allocated(bytes: usize) -> usize {
    Buffer::allocated_bytes(bytes / size_of::<f32>())
}

fn scratch_takes_what_scratch_bytes_says() {
    let (_scratch, kept, peak) = measure(D2lNin::scratch);
    println!("d2l: {} bytes of scratch, {kept} of the allocator's", D2lNin::SCRATCH_BYTES);
    assert_eq!((kept, peak), (allocated(D2lNin::SCRATCH_BYTES), kept));
    let (_scratch, kept, peak) = measure(D2lF16::scratch);
    println!("d2l as f16: {} bytes of scratch, {kept} of the allocator's", D2lF16::SCRATCH_BYTES);
    assert_eq!((kept, peak), (allocated(D2lF16::SCRATCH_BYTES), kept));
    let (_scratch, kept, peak) = measure(Mixed::scratch);
    assert_eq!((kept, peak), (allocated(Mixed::SCRATCH_BYTES), kept));
}

/// A net is its parameters and the transformed weights; reading it takes little more at any moment.
fn loading_takes_little_more_than_the_net() {
    let (half, size, peak) = measure(|| D2lF16::new(1));
    println!("d2l as f16: {size} bytes of weights");
    assert_eq!((size, peak), (allocated(D2lF16::WEIGHTS_BYTES), size));
    drop(half);
    let path = std::env::temp_dir().join(format!("nin-allocations-{}", std::process::id()));
    let (net, size, peak) = measure(|| D2lNin::new(1));
    assert!(size >= Buffer::bytes(net.parameters().len()));
    assert_eq!(peak, size, "making a net takes nothing besides");
    let (saved, kept, peak) = measure(|| net.save(&path));
    saved.expect("the file can be written");
    println!("d2l: {size} bytes of weights, {peak} more while they are saved");
    assert!(kept == 0 && peak < 64 << 10, "saving keeps {kept} and takes {peak} bytes");
    let (loaded, kept, peak) = measure(|| D2lNin::load(&path));
    std::fs::remove_file(path).expect("the file can be removed");
    loaded.expect("the file fits");
    println!("d2l: {} bytes more while they are loaded", peak - size);
    assert_eq!(kept, size);
    assert!(peak < size + (64 << 10), "loading {size} bytes takes {peak}");
}

/// A program of its own: the counts are those of the whole process, and the usual harness has a thread that
/// allocates when a test takes long.
fn main() {
    for threads in [1, 2, 5] {
        Threads::new(threads).install(|| {
            entry_points_allocate_nothing!(Mixed, threads, Sgd::new(0.01).momentum(0.9));
            entry_points_allocate_nothing!(Mixed, threads, Adam::new(0.001));
            entry_points_allocate_nothing!(MixedF16, threads, Adam::new(0.001));
        });
    }
    Threads::new(2).install(|| {
        a_trainer_takes_what_train_bytes_says();
        scratch_takes_what_scratch_bytes_says();
        loading_takes_little_more_than_the_net();
    });
    println!("nothing allocates after construction, and memory is as stated");
}
