//! How workers that find nothing to do fall asleep, and how they are woken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Workers that sleep until there is something to do.
pub(super) struct Sleepers {
    /// Workers that nobody has woken since they fell asleep.
    asleep: Mutex<usize>,
    alarm: Condvar,
    /// A copy of `asleep` that can be read without the lock.
    count: AtomicUsize,
    /// Multiply-adds that the caller did without those that are asleep.
    missed: AtomicUsize,
    /// The processor that whoever woke the workers runs on.
    busy: AtomicUsize,
}

/// Multiply-adds that pay for waking a worker, which comes after some tens of microseconds.
const WORTH_WAKING: usize = 1 << 23;

impl Sleepers {
    pub(super) fn new() -> Self {
        Self {
            asleep: Mutex::new(0),
            alarm: Condvar::new(),
            count: AtomicUsize::new(0),
            missed: AtomicUsize::new(0),
            busy: AtomicUsize::new(usize::MAX),
        }
    }

    /// Wakes the workers if there is enough to do, by `work` multiply-adds now and what they have missed. What
    /// is there to do must have been published before, in sequentially consistent order.
    pub(super) fn call(&self, work: usize) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let missed = self.missed.load(Ordering::Relaxed).saturating_add(work);
        let enough = missed >= WORTH_WAKING;
        self.missed.store(if enough { 0 } else { missed }, Ordering::Relaxed);
        if enough {
            self.wake();
        }
    }

    /// Wakes the workers.
    pub(super) fn wake(&self) {
        self.busy.store(processor::current(), Ordering::Relaxed);
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody need be woken twice, should it take long.
        *asleep = 0;
        self.count.store(0, Ordering::SeqCst);
        self.alarm.notify_all();
    }

    /// Sleeps until woken, unless something is there to do.
    pub(super) fn sleep(&self, something_to_do: impl Fn() -> bool) {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        *asleep += 1;
        self.count.store(*asleep, Ordering::SeqCst);
        // Whoever publishes something after this look sees the sleeper.
        if something_to_do() {
            *asleep = asleep.saturating_sub(1);
            self.count.store(*asleep, Ordering::SeqCst);
            return;
        }
        drop(self.alarm.wait(asleep).unwrap_or_else(PoisonError::into_inner));
        processor::leave(self.busy.load(Ordering::Relaxed));
    }
}

/// Where threads run. A system may wake a worker on the processor of the thread that waits for it, and leave both
/// there for milliseconds.
#[cfg(all(target_os = "linux", not(miri)))]
mod processor {
    /// The number of the processor that the calling thread runs on.
    pub(super) fn current() -> usize {
        // SAFETY: asks for a number.
        usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(usize::MAX)
    }

    /// Moves the calling thread to another of the processors that it may use, if it runs on this one.
    pub(super) fn leave(busy: usize) {
        if current() != busy || busy >= libc::CPU_SETSIZE as usize {
            return;
        }
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: a set is plain bits, whose size is passed on, and `busy` is the number of one of them.
        unsafe {
            let mut all: libc::cpu_set_t = std::mem::zeroed();
            if libc::sched_getaffinity(0, size, &raw mut all) != 0 {
                return;
            }
            let mut others = all;
            libc::CPU_CLR(busy, &mut others);
            // Without another processor the system refuses, and the thread stays.
            if libc::sched_setaffinity(0, size, &raw const others) == 0 {
                libc::sched_setaffinity(0, size, &raw const all);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_thread_leaves_a_busy_processor_and_may_come_back() {
            let mask = || {
                let size = size_of::<libc::cpu_set_t>();
                // SAFETY: as above.
                unsafe {
                    let mut set: libc::cpu_set_t = std::mem::zeroed();
                    assert_eq!(libc::sched_getaffinity(0, size, &raw mut set), 0);
                    (0..libc::CPU_SETSIZE as usize)
                        .filter(|&cpu| libc::CPU_ISSET(cpu, &set))
                        .collect::<Vec<_>>()
                }
            };
            let before = mask();
            let left = (0..20).any(|_| {
                let here = current();
                leave(here);
                current() != here
            });
            assert!(left || before.len() == 1, "of {before:?} none was left");
            assert_eq!(mask(), before);
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod processor {
    pub(super) fn current() -> usize {
        usize::MAX
    }

    pub(super) fn leave(_: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleepers_wake_for_work_that_pays_at_once_or_in_all() {
        let sleepers = Sleepers::new();
        let asleep = || sleepers.count.load(Ordering::SeqCst);
        for works in [&[1, WORTH_WAKING][..], &[WORTH_WAKING / 2, WORTH_WAKING / 2], &[usize::MAX]]
        {
            std::thread::scope(|scope| {
                scope.spawn(|| sleepers.sleep(|| false));
                while asleep() == 0 {
                    std::thread::yield_now();
                }
                let (last, first) = works.split_last().expect("some work");
                for &work in first {
                    sleepers.call(work);
                    assert_eq!(asleep(), 1, "{work} pays for no waking");
                }
                // The scope ends when the sleeper has woken.
                sleepers.call(*last);
                assert_eq!(asleep(), 0);
            });
        }
        sleepers.sleep(|| true);
        assert_eq!(asleep(), 0);
    }
}
