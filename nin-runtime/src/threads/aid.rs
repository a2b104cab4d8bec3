//! Lanes: long tasks, one for each thread, of which one that is done early aids those that are not.
//!
//! Threads that have half of the images each do not end together: if the other hardware thread of a core is busy, the
//! other core waited for a sixth to a quarter of its time in training. So a thread without anything left to do takes
//! its share of the loops that the others run.

use super::pool::{Apart, Shared, Threads, spin_until};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where threads that wait aid the others.
pub(super) struct Aid {
    shared: Shared,
    /// How many threads wait for something to do.
    waiting: Apart<AtomicUsize>,
}

/// How many lanes have begun and have ended, even by a panic.
#[derive(Default)]
struct Progress {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A lane that ends when this is dropped.
struct Lane<'a>(&'a Progress);

impl Progress {
    fn begin(&self) -> Lane<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Lane(self)
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

impl Aid {
    /// For so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { shared: Shared::new(threads), waiting: Apart::default() }
    }

    /// Whether somebody waits, so that tasks are worth sharing.
    pub(super) fn is_there(&self) -> bool {
        self.waiting.0.load(Ordering::Relaxed) > 0
    }

    /// Calls `task(0)` to `task(tasks - 1)`, together with those who wait, unless they aid another already.
    pub(super) fn run(&self, tasks: usize, work: usize, task: &(impl Fn(usize) + Sync)) {
        if !self.shared.share(tasks, work, &|_, i| task(i)) {
            (0..tasks).for_each(task);
        }
    }

    /// Aids others until all is over.
    fn wait(&self, is_over: impl Fn() -> bool) {
        self.waiting.0.fetch_add(1, Ordering::Relaxed);
        let mut last = 0;
        spin_until(|| {
            last = self.shared.try_help(last, 1).unwrap_or(last);
            is_over()
        });
        self.waiting.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How often somebody has aided another.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shared.entries()
    }
}

impl Threads {
    /// Calls `task(0)` to `task(lanes - 1)`, each on a thread of its own if they are all awake in time. Threads that
    /// are done then aid the others, if all lanes have begun.
    pub(super) fn run_lanes(&self, lanes: usize, task: &(impl Fn(usize) + Sync)) {
        let progress = Progress::default();
        self.run(lanes, usize::MAX, &|_, lane| {
            let begun = progress.begin();
            task(lane);
            drop(begun);
            // Otherwise this thread may have another lane to begin.
            if progress.begun.load(Ordering::Relaxed) == lanes {
                self.aid().wait(|| progress.ended.load(Ordering::Acquire) == lanes);
            }
        });
    }
}

#[cfg(test)]
mod tests;
