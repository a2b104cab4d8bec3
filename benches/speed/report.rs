//! What the benchmarks share: groups that criterion times and that end with a table of what each
//! piece of work reached of the FMA peak.
//!
//! Both take turns, as short as the work lets them be, since a processor's clock, and what its other guests leave of
//! it, change from moment to moment. On a machine that is shared, a core's second hardware thread may be another
//! guest's, who takes more of what a kernel needs than of what the peak needs. So the table has two shares of the peak:
//! by the medians of all turns, and by the quickest tenth of them and the highest tenth of the peaks.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use nin_runtime::Context;
use nin_runtime::simd::{Isa, Kernel, Simd, Vector};

/// What one run of a piece of work amounts to.
#[derive(Clone, Copy)]
pub enum Work {
    /// Additions and multiplications, counted as direct sums whatever the algorithm.
    Flops(u64),
    /// Bytes read and written, each array counted once.
    Bytes(u64),
}

/// About how long work runs, on one thread, until the peak is measured again.
const TURN: Duration = Duration::from_micros(500);

/// Benchmarks that belong together.
pub struct Group<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    isa: Isa,
    threads: usize,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    work: Work,
    /// Of each turn, the seconds of one run.
    times: Vec<f64>,
    /// Of each turn, the FLOP/s that the processor had for it.
    peaks: Vec<f64>,
    /// Of each turn, what the peak would have done in the time of one run.
    flops: Vec<f64>,
}

/// Runs the benchmarks that `work` adds, on `threads` threads and each for about `time`, and prints
/// their table.
pub fn group(
    criterion: &mut Criterion,
    name: &str,
    threads: usize,
    time: Duration,
    work: impl FnOnce(&mut Group<'_>),
) {
    let mut group = criterion.benchmark_group(name);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(time);
    let isa = Context::current().isa();
    let mut group = Group { group, isa, threads, rows: Vec::new() };
    work(&mut group);
    let Group { group, rows, .. } = group;
    group.finish();
    if !rows.is_empty() {
        print_table(name, isa, &rows);
    }
}

impl Group<'_> {
    /// Times `run`.
    pub fn bench(&mut self, name: &str, work: Work, mut run: impl FnMut()) {
        self.group.throughput(match work {
            Work::Flops(count) => Throughput::Elements(count),
            Work::Bytes(count) => Throughput::Bytes(count),
        });
        let (isa, threads) = (self.isa, self.threads);
        let (mut times, mut peaks, mut flops) = (Vec::new(), Vec::new(), Vec::new());
        let mut runs_a_turn = None;
        self.group.bench_function(name, |bencher| {
            bencher.iter_custom(|runs| {
                let turn = *runs_a_turn.get_or_insert_with(|| {
                    let start = Instant::now();
                    run();
                    let time = start.elapsed().as_secs_f64();
                    (threads as f64 * TURN.as_secs_f64() / time).max(1.0) as u64
                });
                let mut before = peak(isa, threads);
                let (mut elapsed, mut left) = (Duration::ZERO, runs);
                while left > 0 {
                    let count = left.min(turn);
                    let start = Instant::now();
                    for _ in 0..count {
                        run();
                    }
                    let taken = start.elapsed();
                    let after = peak(isa, threads);
                    let time = taken.as_secs_f64() / count as f64;
                    let peak = (before + after) / 2.0;
                    times.push(time);
                    peaks.push(peak);
                    flops.push(time * peak);
                    elapsed += taken;
                    before = after;
                    left -= count;
                }
                elapsed
            });
        });
        // Nothing was timed if the command line's filter leaves this one out.
        if !times.is_empty() {
            for values in [&mut times, &mut peaks, &mut flops] {
                values.sort_by(f64::total_cmp);
            }
            self.rows.push(Row { name: name.to_owned(), work, times, peaks, flops });
        }
    }
}

/// What so many tenths of the values, which are sorted, are below.
fn below(values: &[f64], tenths: usize) -> f64 {
    values[values.len() * tenths / 10]
}

fn print_table(group: &str, isa: Isa, rows: &[Row]) {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut peaks: Vec<f64> = rows.iter().map(|row| below(&row.peaks, 5)).collect();
    peaks.sort_by(f64::total_cmp);
    println!("\n{group}: {}, FMA peak {:.1} GFLOP/s", isa.name(), below(&peaks, 5) / 1e9);
    for Row { name, work, times, peaks, flops } in rows {
        let time = below(times, 5);
        let ms = time * 1e3;
        match *work {
            Work::Flops(count) => {
                let count = count as f64;
                let best = below(times, 1) * below(peaks, 9);
                println!(
                    "  {name:width$}  {ms:10.4} ms  {:8.1} GFLOP/s  {:6.1} % of the peak, {:6.1} % at best",
                    count / time / 1e9,
                    100.0 * count / below(flops, 5),
                    100.0 * count / best,
                );
            }
            Work::Bytes(count) => {
                let rate = count as f64 / time;
                println!("  {name:width$}  {ms:10.4} ms  {:8.1} GB/s", rate / 1e9);
            }
        }
    }
    println!();
}

/// FLOP/s of `threads` threads that do nothing but multiply and add in registers.
fn peak(isa: Isa, threads: usize) -> f64 {
    let run = || {
        let start = Instant::now();
        let done = isa.run(Fma { rounds: 1 << 16 });
        done as f64 / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        run() + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// A loop of fused multiply-adds on registers alone. Its output is the number of FLOPs.
pub struct Fma {
    pub rounds: u64,
}

impl Kernel for Fma {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> u64 {
        // Enough sums that none waits for its last addition, and few enough for 16 registers.
        const SUMS: usize = 12;
        let (a, b) = (simd.splat(black_box(0.5)), simd.splat(black_box(0.5)));
        // Each starts from a value of its own, lest the compiler compute equal ones once.
        let mut sums: [S::V; SUMS] = core::array::from_fn(|_| simd.splat(black_box(1.0)));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(a, b);
            }
        }
        black_box(sums);
        2 * self.rounds * (SUMS * S::LANES) as u64
    }
}
