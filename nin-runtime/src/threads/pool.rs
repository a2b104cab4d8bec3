//! A fork-join pool that allocates nothing after it is made.

use super::aid::Aid;
use super::sleep::Sleepers;
use crate::simd::FloatMode;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// A number of threads for nets to run on, like rayon's `ThreadPool`.
///
/// ```
/// let threads = nin_runtime::Threads::new(2);
/// threads.install(|| { /* nets that run here use two threads */ });
/// ```
///
/// Outside [`install`](Self::install), nets use one thread for each core, or as many as the
/// environment variable `NIN_THREADS` says. The number changes how fast a result comes, never a
/// bit of it.
#[derive(Clone)]
pub struct Threads(Arc<Pool>);

thread_local! {
    static INSTALLED: RefCell<Option<Threads>> = const { RefCell::new(None) };
    /// Whether this thread is running a task: then it must not wait for the pool.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}

impl Threads {
    /// A pool of `count` threads, the calling one included; the others sleep when there is nothing
    /// to do.
    ///
    /// # Panics
    /// If `count` is 0, or the system gives no more threads.
    #[must_use]
    pub fn new(count: usize) -> Self {
        assert!(count > 0, "a net needs at least one thread");
        let shared = Arc::new(Shared::new(count));
        let (aid, workers) = (Aid::new(count), Vec::with_capacity(count - 1));
        let mut pool = Pool { shared, aid, workers };
        for i in 1..count {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new().name(format!("nin-{i}"));
            let worker = worker.spawn(move || shared.work(i));
            pool.workers.push(worker.expect("the system gives another thread"));
        }
        // A thread allocates when it starts, which belongs to the pool's construction.
        while pool.shared.started.load(Ordering::Acquire) < pool.workers.len() {
            std::thread::yield_now();
        }
        Self(Arc::new(pool))
    }

    /// Runs `f`; nets that run inside use these threads.
    pub fn install<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Threads>);
        impl Drop for Restore {
            fn drop(&mut self) {
                INSTALLED.set(self.0.take());
            }
        }
        let _restore = Restore(INSTALLED.replace(Some(self.clone())));
        f()
    }

    /// How many threads work at once, the calling one included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.workers.len() + 1
    }

    /// How often workers have entered jobs.
    pub(super) fn helpers(&self) -> usize {
        self.0.shared.entries()
    }

    pub(super) fn current() -> Self {
        static GLOBAL: OnceLock<Threads> = OnceLock::new();
        INSTALLED
            .with_borrow(Clone::clone)
            .unwrap_or_else(|| GLOBAL.get_or_init(|| Self::new(default_count())).clone())
    }

    /// Calls `task(thread, 0)` to `task(thread, tasks - 1)`, shared with the workers that are awake in time.
    ///
    /// If the pool is in use, by another thread or because this is a task itself, the calling
    /// thread does everything. In all there are `work` multiply-adds to do.
    pub(super) fn run<F: Fn(usize, usize) + Sync>(&self, tasks: usize, work: usize, task: &F) {
        let is_alone = self.0.workers.is_empty() || IN_TASK.get();
        if is_alone || !self.0.shared.share(tasks, work, task) {
            (0..tasks).for_each(|i| task(0, i));
        }
    }

    /// The place where threads that have nothing else to do aid others.
    pub(super) fn aid(&self) -> &Aid {
        &self.0.aid
    }
}

fn default_count() -> usize {
    match std::env::var("NIN_THREADS") {
        Err(_) => std::thread::available_parallelism().map_or(1, NonZero::get),
        Ok(text) => match text.parse() {
            Ok(count @ 1..) => count,
            _ => panic!("NIN_THREADS={text} is not a number of threads: give 1 or more"),
        },
    }
}

struct Pool {
    shared: Arc<Shared>,
    aid: Aid,
    workers: Vec<JoinHandle<()>>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.board.0.shutdown.store(true, Ordering::Release);
        self.shared.sleepers.wake();
        for worker in self.workers.drain(..) {
            // This is none of the workers, which would wait for itself: a worker can hold a handle only
            // inside a job, and whoever opened the job holds one until all workers have left it.
            // A worker catches its tasks' panics, so it has none of its own to pass on.
            let _ = worker.join();
        }
    }
}

/// A task function whose type and lifetime are forgotten while workers run it, in the mode of the
/// thread that opened the job: who computes a part must not change a bit of it.
#[derive(Clone, Copy)]
struct Job {
    task: *const (),
    /// Calls `task` for the indices that are left, as a thread of a job.
    run: unsafe fn(&Shared, Place, *const (), usize),
    tasks: usize,
    mode: FloatMode,
}

impl Job {
    fn new<F: Fn(usize, usize) + Sync>(tasks: usize, task: &F) -> Self {
        unsafe fn run<F: Fn(usize, usize) + Sync>(
            shared: &Shared,
            place: Place,
            task: *const (),
            tasks: usize,
        ) {
            // SAFETY: `task` was made from a `&F` that outlives the job.
            shared.run_tasks(place, unsafe { &*task.cast::<F>() }, tasks);
        }
        assert!((tasks as u64) < NEXT_JOB, "{tasks} tasks are too many to count");
        let task = std::ptr::from_ref(task).cast();
        Self { task, run: run::<F>, tasks, mode: FloatMode::current() }
    }

    fn none() -> Self {
        Self::new(0, &|_, _| {})
    }
}

/// Set in `Board::state` while workers may enter the job.
const OPEN: u64 = 1 << 31;
/// Added to `Board::state` for each new job; the bits below `OPEN` count the workers inside.
const NEXT_JOB: u64 = 1 << 32;

/// The number of a job, and that of a thread; the thread that opened the job is 0.
type Place = (u64, usize);

/// Something that shares its cache lines, which come in pairs, with nothing else: a line that one core writes is
/// taken from all others.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Apart<T>(pub(super) T);

/// How many tasks of a thread's share have been taken, below the number of the job that this is about. So
/// nothing needs to be reset for a new job.
#[derive(Default)]
struct Taken(AtomicU64);

impl Taken {
    /// Takes the next task of a share of `count`.
    fn next(&self, job: u64, count: usize) -> Option<usize> {
        // What the tasks read and write is ordered by `Board::state`.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let taken = if seen / NEXT_JOB == job { seen % NEXT_JOB } else { 0 };
            if taken >= count as u64 {
                return None;
            }
            let more = job * NEXT_JOB + taken + 1;
            match self.0.compare_exchange_weak(seen, more, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(taken as usize),
                Err(now) => seen = now,
            }
        }
    }
}

/// What workers watch while they wait, and read when there is a job: one cache line.
#[repr(C)]
struct Board {
    /// The number of the job, whether it is open, and how many workers are inside.
    state: AtomicU64,
    job: UnsafeCell<Job>,
    shutdown: AtomicBool,
}

const _: () = assert!(size_of::<Board>() <= 64, "a board is a cache line");

pub(super) struct Shared {
    board: Apart<Board>,
    /// A thread's share of the job, for each thread.
    shares: Vec<Apart<Taken>>,
    /// Whether a thread has opened a job.
    busy: Apart<AtomicBool>,
    /// How often workers have entered jobs.
    entries: Apart<AtomicUsize>,
    panicked: AtomicBool,
    /// Workers whose threads have come to life.
    started: AtomicUsize,
    sleepers: Sleepers,
}

// SAFETY: `job` is written only by the thread that holds `busy`, while no job is open and no
// worker is inside, and read only by workers that have entered. Its task is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is used only as above.
unsafe impl Send for Shared {}

impl Shared {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            board: Apart(Board {
                state: AtomicU64::new(0),
                job: UnsafeCell::new(Job::none()),
                shutdown: AtomicBool::new(false),
            }),
            shares: std::iter::repeat_with(Apart::default).take(threads).collect(),
            busy: Apart::default(),
            entries: Apart::default(),
            panicked: AtomicBool::new(false),
            started: AtomicUsize::new(0),
            sleepers: Sleepers::new(),
        }
    }

    /// How often somebody has entered a job.
    pub(super) fn entries(&self) -> usize {
        self.entries.0.load(Ordering::Relaxed)
    }

    /// Does all tasks, together with those who help, and gives `true`; or none, if another thread's job is not done.
    ///
    /// # Panics
    /// If a task does.
    pub(super) fn share<F: Fn(usize, usize) + Sync>(
        &self,
        tasks: usize,
        work: usize,
        task: &F,
    ) -> bool {
        if self.busy.0.swap(true, Ordering::Acquire) {
            return false;
        }
        let number = self.open(Job::new(tasks, task), work);
        // Closes the job and waits for the workers inside it, even if a task panics here, since
        // they use `task`.
        let closing = Closing(self);
        self.run_tasks((number, 0), task, tasks);
        drop(closing);
        assert!(!self.panicked.swap(false, Ordering::Relaxed), "a task of the pool panicked");
        true
    }

    /// Lets the workers into a job, and gives its number.
    fn open(&self, job: Job, work: usize) -> u64 {
        // SAFETY: no job is open and no worker inside, so nobody reads.
        unsafe { *self.board.0.job.get() = job };
        // The state has no worker inside and is closed: the number goes up, the job opens.
        let before = self.board.0.state.fetch_add(NEXT_JOB + OPEN, Ordering::SeqCst);
        self.sleepers.call(work);
        before.wrapping_add(NEXT_JOB) / NEXT_JOB
    }

    /// Does the tasks of a thread's own share, then what is left of the others'. The shares are those of
    /// the last job of as many tasks, so that a thread mostly finds in its cache what it left there.
    fn run_tasks(&self, (job, thread): Place, task: &impl Fn(usize, usize), tasks: usize) {
        struct InTask(bool);
        impl Drop for InTask {
            fn drop(&mut self) {
                IN_TASK.set(self.0);
            }
        }
        let _in_task = InTask(IN_TASK.replace(true));
        let threads = self.shares.len();
        for share in (thread..threads).chain(0..thread) {
            let (each, rest) = (tasks / threads, tasks % threads);
            let start = share * each + share.min(rest);
            let count = each + usize::from(share < rest);
            // The thread that opened the job has taken the first of its share long since.
            if share == 0 && thread != 0 && count <= 1 {
                continue;
            }
            while let Some(i) = self.shares[share].0.next(job, count) {
                task(thread, start + i);
            }
        }
    }

    /// A worker's life: wait for an open job that is new, and help.
    fn work(&self, thread: usize) {
        self.started.fetch_add(1, Ordering::Release);
        let mut last = 0;
        while let Some(number) = self.help_with_next(last, thread) {
            last = number;
        }
    }

    /// Enters the open job, if it is another than the last one, does tasks of it as one of its threads, leaves it, and
    /// gives its number.
    #[inline]
    pub(super) fn try_help(&self, last: u64, thread: usize) -> Option<u64> {
        let number = self.try_enter(last)?;
        // SAFETY: this thread has just entered it.
        unsafe { self.help((number, thread)) };
        Some(number)
    }

    /// Does tasks of a job, and leaves it. Apart from looking for one, which is short, and done again and again.
    ///
    /// # Safety
    /// The caller must have [entered](Self::try_enter) the job.
    unsafe fn help(&self, place: Place) {
        self.entries.0.fetch_add(1, Ordering::Relaxed);
        // SAFETY: this worker is inside an open job, so nobody writes.
        let job = unsafe { *self.board.0.job.get() };
        let _mode = job.mode.enter();
        // SAFETY: the thread that opened the job keeps its task alive until all have left.
        let help = AssertUnwindSafe(|| unsafe {
            (job.run)(self, place, job.task, job.tasks);
        });
        if let Err(payload) = catch_unwind(help) {
            self.panicked.store(true, Ordering::Relaxed);
            // Its own drop might panic again, with this worker still inside.
            std::mem::forget(payload);
        }
        self.board.0.state.fetch_sub(1, Ordering::Release);
    }

    /// Helps with the next open job and gives its number; nothing at shutdown.
    fn help_with_next(&self, last: u64, thread: usize) -> Option<u64> {
        /// Some tens of microseconds: longer than between two layers, shorter than anyone minds.
        const SPINS: usize = 4000;
        loop {
            for _ in 0..SPINS {
                if let Some(number) = self.try_help(last, thread) {
                    return Some(number);
                }
                if self.board.0.shutdown.load(Ordering::Acquire) {
                    return None;
                }
                std::hint::spin_loop();
            }
            self.sleep(last);
        }
    }

    fn try_enter(&self, last: u64) -> Option<u64> {
        let state = self.board.0.state.load(Ordering::Relaxed);
        let number = state / NEXT_JOB;
        let fresh = state & OPEN != 0 && number != last;
        let entered = fresh
            && self
                .board
                .0
                .state
                .compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        entered.then_some(number)
    }

    fn sleep(&self, last: u64) {
        self.sleepers.sleep(|| {
            let state = self.board.0.state.load(Ordering::SeqCst);
            let fresh = state & OPEN != 0 && state / NEXT_JOB != last;
            fresh || self.board.0.shutdown.load(Ordering::SeqCst)
        });
    }
}

/// Waits actively, and lets others have the processor now and then.
pub(super) fn spin_until(mut is_over: impl FnMut() -> bool) {
    let mut spins = 0_u32;
    while !is_over() {
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 14) {
            std::thread::yield_now();
        }
        std::hint::spin_loop();
    }
}

struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let shared = self.0;
        // If a task panicked here, the workers need not do the rest.
        if std::thread::panicking() {
            let all =
                shared.board.0.state.load(Ordering::Relaxed) / NEXT_JOB * NEXT_JOB + (NEXT_JOB - 1);
            shared.shares.iter().for_each(|share| share.0.0.store(all, Ordering::Relaxed));
        }
        shared.board.0.state.fetch_and(!OPEN, Ordering::AcqRel);
        spin_until(|| shared.board.0.state.load(Ordering::Acquire) & (OPEN - 1) == 0);
        // One panic is enough for the caller, and the next job has none of it.
        if std::thread::panicking() {
            shared.panicked.store(false, Ordering::Relaxed);
        }
        shared.busy.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
