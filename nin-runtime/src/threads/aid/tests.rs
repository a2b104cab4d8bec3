use super::*;
use crate::Context;
use crate::simd::Isa;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Takes two lanes through `loops` loops each, of which those of lane `slow` take long. What each task did is
/// counted.
fn run(cx: &Context, slow: usize, loops: usize) -> Vec<usize> {
    const TASKS: usize = 16;
    let done: Vec<_> = (0..2 * TASKS).map(|_| AtomicUsize::new(0)).collect();
    cx.for_each_lane(2, |cx, lane| {
        assert_eq!(cx.threads(), 1);
        for _ in 0..loops {
            cx.for_each(TASKS, usize::MAX, |task| {
                if lane == slow {
                    std::thread::sleep(Duration::from_micros(50));
                }
                done[lane * TASKS + task].fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    done.into_iter().map(AtomicUsize::into_inner).collect()
}

#[test]
fn a_lane_that_is_done_aids_the_other() {
    let threads = Threads::new(2);
    threads.install(|| {
        let cx = Context::current();
        for i in 0..20 {
            assert_eq!(run(&cx, i % 2, 20), [20; 32]);
        }
    });
    assert!(threads.aid().entries() > 0, "nobody aided");
    assert!(!threads.aid().is_there(), "somebody still waits");
}

#[test]
fn lanes_run_on_any_number_of_threads() {
    for threads in [1, 2, 3, 5] {
        let cx = Context::with_threads(Isa::get(), threads);
        for slow in [0, 1, 2] {
            assert_eq!(run(&cx, slow, 3), [3; 32], "{threads} threads");
        }
    }
    assert_eq!(run(&Context::sequential(Isa::get()), 0, 3), [3; 32]);
}

/// A loop within a loop's task, which is shared already, is done by whoever has the task.
#[test]
fn tasks_may_have_loops_of_their_own() {
    let cx = Context::with_threads(Isa::get(), 2);
    let sum = AtomicUsize::new(0);
    for _ in 0..50 {
        cx.for_each_lane(2, |cx, lane| {
            for _ in 0..1 + 9 * lane {
                cx.for_each(4, usize::MAX, |i| {
                    cx.for_each(4, usize::MAX, |j| {
                        sum.fetch_add(4 * i + j, Ordering::Relaxed);
                    });
                });
            }
        });
    }
    assert_eq!(sum.into_inner(), 50 * 11 * 120);
}

#[test]
fn a_panic_in_a_lane_or_where_it_is_aided_reaches_the_caller() {
    let threads = Threads::new(2);
    threads.install(|| {
        let cx = Context::current();
        for i in 0..20 {
            let lane_panics = i % 2 == 0;
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                cx.for_each_lane(2, |cx, lane| {
                    if lane == i / 2 % 2 {
                        return;
                    }
                    for round in 0..20 {
                        cx.for_each(16, usize::MAX, |task| {
                            std::thread::sleep(Duration::from_micros(20));
                            assert!(lane_panics || round < 10 || task != 13, "unlucky");
                        });
                    }
                    assert!(!lane_panics, "unlucky");
                });
            }));
            assert!(panicked.is_err());
            assert_eq!(run(&cx, 0, 3), [3; 32], "the pool lives on");
        }
    });
}
