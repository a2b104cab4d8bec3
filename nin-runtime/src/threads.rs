//! Work shared between threads: a [`Context`] that every driver gets, and a fork-join pool.
//!
//! The pool is our own because two promises need it: after construction nothing allocates (rayon's
//! way into its pool does, every few dozen calls), and a layer of a small net can be shared, which
//! takes a hand-over in about a microsecond (workers wait actively for a moment before they sleep).
//!
//! How work is split never changes what is computed: tasks write to disjoint places and no sum is
//! divided between them.

use crate::simd::Isa;
use core::marker::PhantomData;
use core::ops::Range;

#[cfg(feature = "parallel")]
mod aid;
mod pace;
#[cfg(feature = "parallel")]
mod pool;
#[cfg(feature = "parallel")]
mod sleep;
#[cfg(feature = "parallel")]
pub use pool::Threads;

pub(crate) use pace::Pace;

/// Multiply-adds that one core does in about three times the time of a hand-over; tests share everything.
const WORTHWHILE: usize = if cfg!(test) { 1 } else { 1 << 17 };

/// What a driver needs besides its data: the instruction set and the threads.
#[derive(Clone)]
pub struct Context {
    isa: Isa,
    #[cfg(feature = "parallel")]
    threads: Option<Threads>,
    /// Threads that may aid this one, if they have nothing else to do.
    #[cfg(feature = "parallel")]
    aid: Option<Threads>,
}

impl Context {
    /// The context of the calling thread: the best instruction set or the one that `NIN_ISA` names,
    /// and the threads of the enclosing [`Threads::install`], or all cores.
    #[must_use]
    pub fn current() -> Self {
        Self {
            isa: Isa::get(),
            #[cfg(feature = "parallel")]
            threads: Some(Threads::current()),
            #[cfg(feature = "parallel")]
            aid: None,
        }
    }

    /// A context without other threads.
    #[must_use]
    pub fn sequential(isa: Isa) -> Self {
        Self {
            isa,
            #[cfg(feature = "parallel")]
            threads: None,
            #[cfg(feature = "parallel")]
            aid: None,
        }
    }

    /// A context with `count` threads of its own.
    #[cfg(feature = "parallel")]
    #[must_use]
    pub fn with_threads(isa: Isa, count: usize) -> Self {
        Self { isa, threads: Some(Threads::new(count)), aid: None }
    }

    /// The instruction set to use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// How many threads may work at once, the calling one included.
    #[must_use]
    pub fn threads(&self) -> usize {
        #[cfg(feature = "parallel")]
        if let Some(threads) = &self.threads {
            return threads.count();
        }
        1
    }

    /// How often a worker has taken part in something.
    #[cfg(feature = "parallel")]
    pub(crate) fn helpers(&self) -> usize {
        self.threads.as_ref().map_or(0, Threads::helpers)
    }

    /// Calls `task(0)` to `task(tasks - 1)`, each once, in any order, on any of the threads.
    ///
    /// `work` is the number of multiply-adds (or of elements moved) in all: below the cost of a
    /// hand-over the calling thread does everything itself.
    pub fn for_each(&self, tasks: usize, work: usize, task: impl Fn(usize) + Sync) {
        #[cfg(feature = "parallel")]
        if let Some(aid) = self.aid().filter(|_| tasks > 1 && work >= WORTHWHILE) {
            aid.run(tasks, work, &task);
            return;
        }
        self.for_each_on(tasks, work, |_, i| task(i));
    }

    /// Who aids this thread now.
    #[cfg(feature = "parallel")]
    fn aid(&self) -> Option<&aid::Aid> {
        self.aid.as_ref().map(Threads::aid).filter(|aid| aid.is_there())
    }

    /// How many tasks to make of what one thread does best in one piece: one, or a few for each thread that is
    /// there to do them.
    pub(crate) fn shares(&self) -> usize {
        #[cfg(feature = "parallel")]
        let threads = if self.aid().is_some() { 2 } else { self.threads() };
        #[cfg(not(feature = "parallel"))]
        let threads = self.threads();
        if threads > 1 { 4 * threads } else { 1 }
    }

    /// Calls `task(context, 0)` to `task(context, lanes - 1)`, long tasks for as many threads at most. The context
    /// has one thread, but others that are done aid it in [`for_each`](Self::for_each).
    pub(crate) fn for_each_lane(&self, lanes: usize, task: impl Fn(&Self, usize) + Sync) {
        let alone = Self::sequential(self.isa);
        #[cfg(feature = "parallel")]
        if let Some(threads) = self.threads.as_ref().filter(|_| lanes > 1) {
            let alone = Self { aid: self.threads.clone(), ..alone };
            threads.run_lanes(lanes, &|lane| task(&alone, lane));
            return;
        }
        (0..lanes).for_each(|lane| task(&alone, lane));
    }

    /// Like [`for_each`](Self::for_each), but calls `task(thread, i)`: no two tasks that run at the same time
    /// have the same thread, whose number is below [`threads`](Self::threads).
    pub(crate) fn for_each_on(
        &self,
        tasks: usize,
        work: usize,
        task: impl Fn(usize, usize) + Sync,
    ) {
        #[cfg(feature = "parallel")]
        if let Some(threads) = self.threads.as_ref().filter(|_| tasks > 1 && work >= WORTHWHILE) {
            threads.run(tasks, work, &task);
            return;
        }
        let _ = (work, WORTHWHILE);
        (0..tasks).for_each(|i| task(0, i));
    }
}

/// One slice, handed out in disjoint parts to tasks that run at the same time.
pub struct DisjointMut<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: a part is handed out under the caller's promise that no two overlap, so that this is
// like sending each part to one thread.
unsafe impl<T: Send> Sync for DisjointMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for DisjointMut<'_, T> {}

impl<'a, T> DisjointMut<'a, T> {
    /// Takes the slice for as long as parts are handed out.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The elements in `range`.
    ///
    /// # Safety
    /// While the part is in use, no overlapping part may be.
    ///
    /// # Panics
    /// If the range does not lie in the slice.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that parts do not overlap")]
    #[must_use]
    pub unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: in bounds by the check; alone by the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// Elements of the slice.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The first element's address, for kernels whose parts interleave.
    ///
    /// Tasks that write through it must write to disjoint elements.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut T {
        self.start
    }
}
