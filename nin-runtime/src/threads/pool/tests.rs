use super::*;

fn sum_of_squares(threads: &Threads, tasks: usize) -> usize {
    let sum = AtomicUsize::new(0);
    threads.run(tasks, usize::MAX, &|_, i| {
        sum.fetch_add(i * i, Ordering::Relaxed);
    });
    sum.into_inner()
}

#[test]
fn every_task_runs_once() {
    for count in [1, 2, 5] {
        let threads = Threads::new(count);
        for tasks in [0, 1, 2, 3, 17, 1000] {
            for _ in 0..50 {
                let want: usize = (0..tasks).map(|i| i * i).sum();
                assert_eq!(sum_of_squares(&threads, tasks), want, "{tasks} on {count}");
            }
        }
    }
}

#[test]
fn workers_that_fell_asleep_wake_up() {
    let threads = Threads::new(2);
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(sum_of_squares(&threads, 100), 328_350);
    }
}

#[test]
fn a_task_may_use_the_pool_and_so_may_other_threads() {
    let threads = Threads::new(3);
    let total = AtomicUsize::new(0);
    threads.run(8, usize::MAX, &|_, _| {
        total.fetch_add(sum_of_squares(&threads, 4), Ordering::Relaxed);
    });
    assert_eq!(total.into_inner(), 8 * 14);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(sum_of_squares(&threads, 100), 328_350));
        }
    });
}

#[test]
fn a_panic_in_a_task_reaches_the_caller_and_the_pool_lives_on() {
    let threads = Threads::new(2);
    for _ in 0..20 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            threads.run(64, usize::MAX, &|_, i| assert!(i != 13, "unlucky"));
        }));
        assert!(panicked.is_err());
        assert_eq!(sum_of_squares(&threads, 100), 328_350);
    }
}

#[test]
fn a_panic_whose_payload_panics_when_it_is_dropped_stops_no_worker() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "a payload that panics");
        }
    }
    let threads = Threads::new(3);
    let caller = std::thread::current().id();
    let bombs = AtomicUsize::new(0);
    for _ in 0..20 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            threads.run(64, usize::MAX, &|_, _| {
                if std::thread::current().id() != caller {
                    bombs.fetch_add(1, Ordering::Relaxed);
                    std::panic::panic_any(Bomb);
                }
                std::thread::sleep(std::time::Duration::from_micros(100));
            });
        }));
        assert!(panicked.is_err(), "no worker helped");
        assert_eq!(sum_of_squares(&threads, 100), 328_350);
    }
    assert!(bombs.into_inner() >= 20);
}

/// However its tasks treat their handles, a pool outlives the job, and is taken down by its caller.
#[test]
fn handles_that_tasks_drop_leave_the_pool_to_the_caller() {
    for _ in 0..50 {
        let threads = Threads::new(3);
        let handles = std::sync::Mutex::new(vec![threads.clone(); 64]);
        threads.run(64, usize::MAX, &|_, _| {
            let handle = handles.lock().unwrap().pop().unwrap();
            handle.install(|| assert_eq!(Threads::current().count(), 3));
        });
        let shared = Arc::downgrade(&threads.0.shared);
        let (last, pool) = (threads.clone(), threads);
        drop(handles);
        drop(pool);
        last.install(|| drop(last.clone()));
        drop(last);
        assert!(shared.upgrade().is_none(), "the workers are gone");
    }
}

#[test]
fn workers_compute_in_the_mode_of_the_thread_that_opened_the_job() {
    let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
    let threads = Threads::new(3);
    for flush in [false, true, false] {
        let _flush = flush.then(crate::simd::FlushDenormals::new);
        let here = half(f32::MIN_POSITIVE).to_bits();
        threads.run(64, usize::MAX, &|_, _| {
            std::thread::sleep(std::time::Duration::from_micros(20));
            assert_eq!(half(f32::MIN_POSITIVE).to_bits(), here, "flush: {flush}");
        });
    }
}

#[test]
fn install_sets_the_threads_and_puts_the_old_ones_back() {
    let outer = Threads::new(2);
    let inner = Threads::new(3);
    outer.install(|| {
        assert_eq!(Threads::current().count(), 2);
        inner.install(|| assert_eq!(Threads::current().count(), 3));
        assert_eq!(Threads::current().count(), 2);
    });
}

#[test]
fn panics_of_several_threads_are_one_panic() {
    let threads = Threads::new(3);
    for _ in 0..20 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            threads.run(64, usize::MAX, &|_, _| {
                std::thread::sleep(std::time::Duration::from_micros(20));
                panic!("unlucky");
            });
        }));
        assert!(panicked.is_err());
        assert_eq!(sum_of_squares(&threads, 100), 328_350);
    }
}
